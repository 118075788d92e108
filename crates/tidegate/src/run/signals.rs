//! What the system tells a running node.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// A signal, by what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// Read the configuration again: SIGHUP.
    Reload,
    /// Drain and end: SIGTERM or SIGINT, by name.
    End(&'static str),
}

/// The signals a node listens for.
#[derive(Debug)]
pub(super) struct Signals {
    hang_up: Stream,
    terminate: Stream,
    interrupt: Stream,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            hang_up: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next signal.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hang_up.recv() => Signal::Reload,
            _ = self.terminate.recv() => Signal::End("SIGTERM"),
            _ = self.interrupt.recv() => Signal::End("SIGINT"),
        }
    }

    /// The next one that asks to end; others no longer matter.
    pub(super) async fn end(&mut self) {
        while self.next().await == Signal::Reload {}
    }
}

/// Ends without waiting for anything. What was acknowledged is on disk; the rest was not promised.
pub(super) fn end_at_once() -> ! {
    tracing::warn!("a second signal: ended before the drain was over");
    #[expect(
        clippy::exit,
        reason = "the operator asked twice; nothing may hold this up any more"
    )]
    std::process::exit(1)
}
