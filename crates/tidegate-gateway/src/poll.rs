//! Polling: the shells around [`tidegate_core::poll`], one task for each flow.
//!
//! A [`driver`] asks the source through [`crate::outbound`], makes events of its items ([`items`]), and
//! appends them together with the cursor that covers them. A [`queue`] is taken from instead, and its
//! messages are deleted once they are durable. [`Polls`] starts and ends the tasks as the configuration
//! says; a flow that changed ends before it begins again from what the log says.

mod driver;
mod events;
mod fetch;
mod flow;
mod items;
mod notes;
mod queue;
mod status;
pub mod trial;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate_config::Config;
use tidegate_core::receive::intake::{Answer, Content};
use tidegate_hub::hub::Hub;
use tidegate_types::position::Place;
use tokio::runtime::Handle;
use tokio::sync::watch;

pub(crate) use flow::PollFlow;
pub use flow::SourceProblem;
pub use status::PollStatus;

use crate::deliver::{CommandError, pause_cursors};
use crate::generation::{CompileFailure, ReceiveFlow};
use crate::metrics::Metrics;
use crate::outbound::{Transport, TransportSettings};
use driver::Driver;
use flow::Source;
use status::Board;

/// The flows that poll.
#[derive(Debug)]
pub(crate) struct Polls {
    hub: Arc<Hub>,
    transport: Arc<Transport>,
    threads: Vec<Handle>,
    running: Mutex<BTreeMap<String, Running>>,
}

/// One task and the ways to it.
#[derive(Debug)]
struct Running {
    flow: Arc<PollFlow>,
    /// Asks the task to end.
    stop: watch::Sender<bool>,
    /// Ends when the task has.
    ended: watch::Receiver<()>,
    board: Arc<Board>,
}

impl Polls {
    /// None yet. Their tasks will run on `threads`.
    pub(crate) fn new(hub: Arc<Hub>, threads: Vec<Handle>) -> Self {
        Self {
            hub,
            transport: Arc::new(Transport::new(TransportSettings::default())),
            threads,
            running: Mutex::default(),
        }
    }

    /// Starts and ends tasks, so that exactly these flows poll. One that changed begins after the one
    /// before has ended; one that did not goes on undisturbed.
    pub(crate) fn apply(&self, flows: &[Arc<PollFlow>]) {
        let mut running = self.running();
        let mut before = std::mem::take(&mut *running);
        for (number, flow) in flows.iter().enumerate() {
            let name = &flow.config.name;
            let task = match before.remove(name) {
                Some(task) if task.flow.is_same(flow) => task,
                other => {
                    let ending = other.map(|task| {
                        task.stop.send_replace(true);
                        task.ended
                    });
                    self.start(flow, number, ending)
                }
            };
            running.insert(name.clone(), task);
        }
        for task in before.into_values() {
            task.stop.send_replace(true);
        }
    }

    fn start(
        &self,
        flow: &Arc<PollFlow>,
        number: usize,
        ending: Option<watch::Receiver<()>>,
    ) -> Running {
        let (stop, stopped) = watch::channel(false);
        let (alive, ended) = watch::channel(());
        let board = Arc::new(Board::default());
        let (hub, transport) = (Arc::clone(&self.hub), Arc::clone(&self.transport));
        let (own, shown) = (Arc::clone(flow), Arc::clone(&board));
        let task = async move {
            if let Some(mut ending) = ending {
                // Fails when the one before has gone, which is what is waited for.
                while ending.changed().await.is_ok() {}
            }
            match &own.source {
                Source::Queue(_) => queue::run(hub, transport, own, stopped, shown).await,
                Source::Http(_) => {
                    Driver::new((hub, transport), own, stopped, shown)
                        .run()
                        .await
                }
            }
            drop(alive);
        };
        let thread = number.checked_rem(self.threads.len());
        match thread.and_then(|thread| self.threads.get(thread)) {
            Some(thread) => drop(thread.spawn(task)),
            None => drop(tokio::spawn(task)),
        }
        Running {
            flow: Arc::clone(flow),
            stop,
            ended,
            board,
        }
    }

    /// Ends all tasks within `within`. What is cut is asked for again after the next start.
    pub(crate) async fn drain(&self, within: Duration) {
        let deadline = tokio::time::Instant::now() + within;
        let tasks = std::mem::take(&mut *self.running());
        for task in tasks.values() {
            task.stop.send_replace(true);
        }
        for mut task in tasks.into_values() {
            let ended = async { while task.ended.changed().await.is_ok() {} };
            if tokio::time::timeout_at(deadline, ended).await.is_err() {
                tracing::warn!(flow = task.flow.config.name, "a poll did not end in time");
            }
        }
    }

    /// Pauses a flow, or lets it go on. It stays so over restarts.
    pub(crate) async fn pause(&self, flow: &str, paused: bool) -> Result<(), CommandError> {
        if !self.running().contains_key(flow) {
            return Err(CommandError::UnknownFlow);
        }
        let [pause, resume] = pause_cursors(flow);
        let head = *self.hub.head().borrow();
        let cursor = Content::Cursor {
            subscription: if paused { pause } else { resume },
            place: Place {
                incarnation: head.incarnation,
                frame: head.frame,
                index: u32::MAX,
            },
        };
        if let Answer::Refused(refusal) = self.hub.offer(cursor).await {
            return Err(CommandError::NotKept(refusal));
        }
        let (kind, text) = if paused {
            ("flow-paused", "is paused")
        } else {
            ("flow-resumed", "goes on")
        };
        let text = format!("flow {flow} {text}");
        self.hub.record(kind, &text, &[("flow", flow.to_owned())]);
        Ok(())
    }

    /// How the flows do.
    pub(crate) fn statuses(&self) -> Vec<PollStatus> {
        let running = self.running();
        running
            .values()
            .map(|task| task.board.show(&task.flow))
            .collect()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        // Nothing that holds the lock can leave the map half changed.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The flows of a configuration, compiled. `folder` is the one its paths are relative to; `receives` are
/// its flows that receive.
pub(crate) fn compile(
    config: &Config,
    folder: &Path,
    metrics: &Metrics,
    receives: &[Arc<ReceiveFlow>],
) -> Result<Vec<Arc<PollFlow>>, CompileFailure> {
    let flows = config.polls.iter();
    let flows = flows.map(|flow| PollFlow::compile(config, flow, (folder, metrics), receives));
    flows.map(|flow| flow.map(Arc::new)).collect()
}
