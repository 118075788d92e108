//! Single-threaded runtimes to serve connections on.

use std::io;
use std::num::NonZeroUsize;

use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;

/// Threads with a single-threaded runtime each, for [`Listener::serve_on`](super::Listener::serve_on).
///
/// A connection is served where it was dealt to, so its tasks are never stolen and its wakes cross
/// no core. In return a handler that computes for long holds up the connections of its thread:
/// such work belongs on threads of its own. Dropping this ends the threads and drops what they
/// run; drain the servers first.
#[derive(Debug)]
pub struct Workers {
    handles: Vec<Handle>,
    _running: watch::Sender<()>,
}

impl Workers {
    /// Starts `count` threads.
    ///
    /// # Errors
    ///
    /// If the system has no thread or no poll instance left.
    pub fn start(count: NonZeroUsize) -> io::Result<Self> {
        let (running, _) = watch::channel(());
        let start = |n: usize| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let mut ended = running.subscribe();
            let run = move || {
                // Nothing is ever sent: it returns when the sender is dropped.
                runtime.block_on(ended.changed()).ok();
            };
            std::thread::Builder::new()
                .name(format!("http-{n}"))
                .spawn(run)?;
            Ok(handle)
        };
        let handles = (0..count.get()).map(start).collect::<io::Result<_>>()?;
        Ok(Self {
            handles,
            _running: running,
        })
    }

    /// Spawns a task on each thread; it is dropped with the thread's runtime.
    pub fn spawn_on_each<F>(&self, task: impl Fn() -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        for handle in &self.handles {
            handle.spawn(task());
        }
    }

    pub(crate) fn handles(&self) -> Vec<Handle> {
        self.handles.clone()
    }
}
