//! What a flow shows of itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tidegate_core::poll::Status;
use tidegate_types::time::UnixMillis;

use super::flow::PollFlow;

/// Where a task leaves how it stands, for whoever asks.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Shown>);

#[derive(Clone, Debug, Default)]
struct Shown {
    machine: Option<Status>,
    answered: Option<UnixMillis>,
    failure: Option<(UnixMillis, String)>,
    paused: bool,
}

/// How a flow that polls does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollStatus {
    /// Its name.
    pub flow: String,
    /// The external system.
    pub system: String,
    /// The base address it asks.
    pub url: String,
    /// `starting`, `running`, `resting`, `failing`, `stuck` or `paused`.
    pub state: &'static str,
    /// Failures in a row.
    pub failures: u32,
    /// Items it was given since the start of the process.
    pub items: u64,
    /// When the next request goes, if that is known.
    pub next: Option<UnixMillis>,
    /// When the source last gave an answer that could be used.
    pub answered: Option<UnixMillis>,
    /// The newest item of all rounds that have ended, if the flow looks at that.
    pub newest: Option<UnixMillis>,
    /// The last failure, and when it was.
    pub last_failure: Option<(UnixMillis, String)>,
}

impl Board {
    pub(super) fn update(&self, status: Status) {
        self.lock().machine = Some(status);
    }

    pub(super) fn failed(&self, at: UnixMillis, text: &str) {
        self.lock().failure = Some((at, text.to_owned()));
    }

    pub(super) fn answered(&self, at: UnixMillis) {
        self.lock().answered = Some(at);
    }

    pub(super) fn paused(&self, paused: bool) {
        self.lock().paused = paused;
    }

    fn lock(&self) -> MutexGuard<'_, Shown> {
        // Nothing that holds the lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn show(&self, flow: &PollFlow) -> PollStatus {
        let shown = self.lock().clone();
        let status = shown.machine;
        let failing = shown.failure.as_ref().map(|(at, _)| *at) > shown.answered;
        PollStatus {
            flow: flow.config.name.clone(),
            system: flow.config.system.clone(),
            url: flow.config.url.clone(),
            state: match status {
                None if shown.paused => "paused",
                None if shown.answered.is_none() && !failing => "starting",
                None if failing => "failing",
                None => "running",
                Some(status) if status.paused => "paused",
                Some(status) if status.stuck => "stuck",
                Some(status) if status.failures > 0 => "failing",
                Some(status) if status.going => "running",
                Some(_) => "resting",
            },
            failures: status.map_or(0, |it| it.failures),
            items: flow.metrics.items.get(),
            next: status.and_then(|it| it.next),
            answered: shown.answered,
            newest: status.and_then(|it| it.mark),
            last_failure: shown.failure,
        }
    }
}
