//! Tasks that run for as long as a flow is in the configuration: one for each flow, on a thread of the
//! workers. A flow that goes finishes what is under way, and one of the same name begins after it has ended,
//! so no two ever work for one flow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

/// The tasks of all flows of one kind, by the names of the flows. `W` is the way to a task.
#[derive(Debug)]
pub(crate) struct Tasks<W> {
    threads: Vec<Handle>,
    running: Mutex<BTreeMap<String, Running<W>>>,
}

#[derive(Debug)]
struct Running<W> {
    way: W,
    stop: watch::Sender<bool>,
    /// Ends when the task has.
    ended: watch::Receiver<()>,
}

/// Tells a task that it is to end.
#[derive(Clone, Debug)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Whether it is to end. Whoever is gone cannot say so.
    pub(crate) fn is_asked(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Waits until it is to end.
    pub(crate) async fn asked(&mut self) {
        let _said_or_gone = self.0.wait_for(|stop| *stop).await;
    }
}

impl<W> Tasks<W> {
    /// None yet. They will run on `threads`, or where they are started from if there are none.
    pub(crate) fn new(threads: Vec<Handle>) -> Self {
        Self {
            threads,
            running: Mutex::default(),
        }
    }

    /// Starts and ends tasks, so that exactly these flows have one. The task of a flow that had one goes on
    /// if `goes_on` says so; else another one begins when it has ended.
    pub(crate) fn apply<F, T>(
        &self,
        flows: &[Arc<F>],
        name: impl Fn(&F) -> &str,
        goes_on: impl Fn(&W, &Arc<F>) -> bool,
        start: impl Fn(&Arc<F>, Stop) -> (W, T),
    ) where
        T: Future<Output = ()> + Send + 'static,
    {
        let mut running = self.running();
        // Those that have ended since the last time need not be waited for.
        running.retain(|_, task| !task.is_stopping() || task.ended.has_changed().is_ok());
        for (task_name, task) in running.iter() {
            if !flows.iter().any(|flow| name(flow) == task_name) {
                task.stop.send_replace(true);
            }
        }
        for (number, flow) in flows.iter().enumerate() {
            let before = running.get(name(flow));
            if before.is_some_and(|task| !task.is_stopping() && goes_on(&task.way, flow)) {
                continue;
            }
            let before = before.map(|task| {
                task.stop.send_replace(true);
                task.ended.clone()
            });
            let (stop, stopped) = watch::channel(false);
            let (alive, ended) = watch::channel(());
            let (way, work) = start(flow, Stop(stopped));
            self.spawn(number, async move {
                if let Some(before) = before {
                    wait_for(before).await;
                }
                work.await;
                drop(alive);
            });
            let task = Running { way, stop, ended };
            running.insert(name(flow).to_owned(), task);
        }
    }

    fn spawn(&self, number: usize, task: impl Future<Output = ()> + Send + 'static) {
        let thread = number.checked_rem(self.threads.len());
        match thread.and_then(|thread| self.threads.get(thread)) {
            Some(thread) => drop(thread.spawn(task)),
            None => drop(tokio::spawn(task)),
        }
    }

    /// Ends all tasks within `within`. Gives the flows whose tasks had not ended by then, and are cut.
    pub(crate) async fn drain(&self, within: Duration) -> Vec<String> {
        let deadline = tokio::time::Instant::now() + within;
        let tasks = std::mem::take(&mut *self.running());
        for task in tasks.values() {
            task.stop.send_replace(true);
        }
        let mut cut = Vec::new();
        for (name, task) in tasks {
            let ended = wait_for(task.ended);
            if tokio::time::timeout_at(deadline, ended).await.is_err() {
                cut.push(name);
            }
        }
        cut
    }

    /// What `look` finds at the task of a flow; `None` if it has none, or one that is ending.
    pub(crate) fn with<T>(&self, flow: &str, look: impl FnOnce(&W) -> T) -> Option<T> {
        let running = self.running();
        let task = running.get(flow).filter(|task| !task.is_stopping());
        task.map(|task| look(&task.way))
    }

    /// What `look` finds at each task that is not ending, by the names of their flows.
    pub(crate) fn map<T>(&self, look: impl Fn(&W) -> T) -> Vec<T> {
        let running = self.running();
        let tasks = running.values().filter(|task| !task.is_stopping());
        tasks.map(|task| look(&task.way)).collect()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running<W>>> {
        // Nothing that holds the lock can leave the map half changed.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> Running<W> {
    fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }
}

/// Nothing is ever sent: it returns when the task has gone.
async fn wait_for(mut ended: watch::Receiver<()>) {
    while ended.changed().await.is_ok() {}
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// Tasks that tell when they begin and end, and end when they are told to.
    struct World {
        tasks: Tasks<u32>,
        told: mpsc::Sender<(&'static str, u32)>,
        heard: mpsc::Receiver<(&'static str, u32)>,
    }

    impl World {
        fn new() -> Self {
            let (told, heard) = mpsc::channel(16);
            let tasks = Tasks::new(Vec::new());
            Self { tasks, told, heard }
        }

        /// Flows and their versions; a flow goes on if its version is the same.
        fn apply(&self, flows: &[(&'static str, u32)]) {
            let flows: Vec<_> = flows.iter().copied().map(Arc::new).collect();
            let same = |version: &u32, flow: &Arc<(&str, u32)>| *version == flow.1;
            self.tasks.apply(
                &flows,
                |flow| flow.0,
                same,
                |flow, mut stop| {
                    let (told, (name, version)) = (self.told.clone(), **flow);
                    let work = async move {
                        told.try_send((name, version)).unwrap();
                        stop.asked().await;
                        told.try_send(("end", version)).unwrap();
                    };
                    (version, work)
                },
            );
        }

        async fn hear(&mut self) -> (&'static str, u32) {
            self.heard.recv().await.unwrap()
        }
    }

    #[tokio::test]
    async fn the_next_task_of_a_flow_begins_after_the_one_before() {
        let mut world = World::new();
        world.apply(&[("a", 1)]);
        assert_eq!(world.hear().await, ("a", 1));
        world.apply(&[("a", 1)]);
        world.apply(&[("a", 2)]);
        assert_eq!(world.hear().await, ("end", 1));
        assert_eq!(world.hear().await, ("a", 2));
        // Taken out and put back at once: the one that ends is waited for all the same.
        world.apply(&[]);
        assert_eq!(world.tasks.with("a", |version| *version), None);
        world.apply(&[("a", 3)]);
        assert_eq!(world.hear().await, ("end", 2));
        assert_eq!(world.hear().await, ("a", 3));
        assert_eq!(world.tasks.with("a", |version| *version), Some(3));
        assert_eq!(world.tasks.map(|version| *version), [3]);
        assert!(world.tasks.drain(LONG).await.is_empty());
        assert_eq!(world.hear().await, ("end", 3));
        assert!(world.heard.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_in_time_is_named() {
        let tasks = Tasks::new(Vec::new());
        let flows = [Arc::new("deaf")];
        let deaf = |_: &Arc<&str>, _| ((), std::future::pending());
        tasks.apply(&flows, |flow| flow, |(), _| true, deaf);
        assert_eq!(tasks.drain(LONG).await, ["deaf"]);
    }
}
