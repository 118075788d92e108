//! What a flow shows of itself.

use std::sync::{Mutex, PoisonError};

use tidegate_core::deliver::{BreakerState, Status};
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use super::flow::DeliverFlow;

/// Where a driver leaves how it stands, for whoever asks.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<Shown>);

#[derive(Clone, Debug, Default)]
struct Shown {
    machine: Option<(Status, Reached)>,
    /// The last failure of an attempt, for people.
    failure: Option<(UnixMillis, String)>,
}

/// How far a flow has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached {
    /// Everything before was read.
    pub(super) read: Place,
    /// Nothing before is needed any more.
    pub(super) low: Place,
}

/// Where the breaker of a flow stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breaker {
    /// Requests go.
    Closed,
    /// None goes until then.
    Open(UnixMillis),
    /// One is on its way that shows whether the endpoint is back.
    Probing,
}

impl Breaker {
    /// Its name in metrics and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open(_) => "open",
            Self::Probing => "probing",
        }
    }
}

/// How a flow that delivers does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliverStatus {
    /// Its name.
    pub flow: String,
    /// The external system.
    pub system: String,
    /// The base address it calls.
    pub url: String,
    /// `starting`, `running`, `paused`, `gone` (the endpoint said so) or `waiting` (the endpoint asked
    /// for a pause).
    pub state: &'static str,
    /// Where its breaker stands.
    pub breaker: Breaker,
    /// Events delivered since the start of the process.
    pub delivered: u64,
    /// Events set aside since the start of the process.
    pub set_aside: u64,
    /// Requests under way.
    pub under_way: usize,
    /// Events that wait for another attempt.
    pub retrying: usize,
    /// Settled events that are being sent once more.
    pub replaying: usize,
    /// Keys that are held back.
    pub keys_held: usize,
    /// Frames between the first event that is not settled and the end of the log.
    pub lag_frames: u64,
    /// The first frame with something that is not settled.
    pub low_frame: FrameNumber,
    /// The last failed attempt, and when it was.
    pub last_failure: Option<(UnixMillis, String)>,
}

impl Board {
    pub(super) fn update(&self, status: Status, reached: Reached) {
        self.lock().machine = Some((status, reached));
    }

    pub(super) fn failed(&self, at: UnixMillis, text: &str) {
        self.lock().failure = Some((at, text.to_owned()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Shown> {
        // Nothing that holds the lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn show(&self, flow: &DeliverFlow, head: FrameNumber) -> DeliverStatus {
        let Shown { machine, failure } = self.lock().clone();
        let status = machine.map(|(status, _)| status);
        let breaker = match status.map(|it| it.breaker) {
            None | Some(BreakerState::Admitting) => Breaker::Closed,
            Some(BreakerState::Rejecting(until)) => Breaker::Open(until),
            Some(BreakerState::Probing) => Breaker::Probing,
        };
        let low_frame = machine.map_or(FrameNumber(0), |(_, reached)| reached.low.frame);
        let lag_frames = match machine {
            None => 0,
            Some((status, reached)) if reached.read.frame > head && is_idle(status) => 0,
            Some(_) => head.next().0.saturating_sub(low_frame.0),
        };
        DeliverStatus {
            flow: flow.config.name.clone(),
            system: flow.config.system.clone(),
            url: flow.config.url.clone(),
            state: status.map_or("starting", state),
            breaker,
            delivered: flow.metrics.delivered.get(),
            set_aside: flow.metrics.set_aside.get(),
            under_way: status.map_or(0, |it| it.under_way),
            retrying: status.map_or(0, |it| it.waiting),
            replaying: status.map_or(0, |it| it.replaying),
            keys_held: status.map_or(0, |it| it.lanes_held),
            lag_frames,
            low_frame,
            last_failure: failure,
        }
    }
}

/// Whether nothing that was read is unsettled.
const fn is_idle(status: Status) -> bool {
    status.in_hand == 0 && status.settling == 0 && status.lanes_held == 0
}

fn state(status: Status) -> &'static str {
    if status.gone {
        "gone"
    } else if status.paused {
        "paused"
    } else if status.paused_until > tidegate_hub::clock::now() {
        "waiting"
    } else {
        "running"
    }
}
