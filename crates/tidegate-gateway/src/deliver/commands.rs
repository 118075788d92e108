//! What operators ask of a flow.

use std::sync::Arc;

use tidegate_core::deliver::{Discard, FaultRefusal, Replay, ReplayRefusal, Resubmission};
use tidegate_core::log::entry::Fault;
use tidegate_core::receive::intake::Refusal;
use tidegate_types::id::EventId;
use tidegate_types::position::Place;
use tokio::sync::oneshot;

use super::Deliveries;
use super::log::Body;
use super::replay::ReplayOutcome;

/// Where the outcome of a command goes.
pub(super) type Answer = oneshot::Sender<Result<(), CommandError>>;

/// Where the end of a replay goes.
pub(super) type ReplayAnswer = oneshot::Sender<Result<ReplayOutcome, CommandError>>;

/// What a task is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Send nothing more, or send again; durable before it is answered.
    Pause { paused: bool, answer: Answer },
    /// Send an event again that was set aside.
    Resubmit {
        fault: Box<Resubmission<Body>>,
        answer: Answer,
    },
    /// Give it up.
    Discard { fault: Discard, answer: Answer },
    /// Send a settled event once more; answered when that has ended.
    Replay {
        replay: Box<Replay<Body>>,
        /// Only say whether it would be sent.
        only_ask: bool,
        answer: ReplayAnswer,
    },
}

/// A command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No flow of this name delivers or polls.
    #[error("no flow of this name delivers or polls")]
    UnknownFlow,
    /// The flow of a fault is not one that could try again.
    #[error("the flow of the fault does not stand in the configuration, or cannot try again")]
    NoFlow,
    /// It was tried again, and fails as before.
    #[error("it fails again: {0}")]
    FailsAgain(String),
    /// Too many commands wait.
    #[error("too many commands wait for the flow: try again")]
    Busy,
    /// The flow is ending.
    #[error("the flow is being taken out of service")]
    Ending,
    /// The machine says no.
    #[error(transparent)]
    Fault(#[from] FaultRefusal),
    /// It could not be written.
    #[error("it could not be written: {0}")]
    NotKept(Refusal),
    /// The log does not hold the event, or not any more.
    #[error("the log holds no event {0}")]
    NoSuchEvent(EventId),
    /// The event has an open fault of this flow.
    #[error("it was set aside as fault {0}, which is open: resubmit that")]
    SetAside(EventId),
    /// The log could not be read.
    #[error("the log cannot be read: {0}")]
    Unreadable(String),
    /// The machine does not replay it.
    #[error(transparent)]
    Replay(#[from] ReplayRefusal),
    /// The fault holds no event.
    #[error("the fault holds no event, so nothing can be sent")]
    NoEvent,
}

/// What became of a fault that was resubmitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resubmitted {
    /// Its event is on its way; the fault is closed once it has arrived.
    Sending,
    /// Its event was taken in, and the fault is closed.
    Kept,
    /// The flow leaves its event out now, and the fault is closed.
    LeftOut,
}

/// A fault to be tried again.
#[derive(Clone, Debug)]
pub struct ResubmitRequest {
    /// The fault, as the log has it.
    pub fault: Fault,
    /// Where it stands.
    pub place: Place,
    /// Send it although later events of its key may have been delivered.
    pub superseded: bool,
    /// Use a new idempotency key.
    pub renew_key: bool,
    /// Who asks.
    pub by: String,
}

impl Deliveries {
    /// Pauses a flow, or lets it go on. It stays so over restarts.
    pub(crate) async fn pause(&self, flow: &str, paused: bool) -> Result<(), CommandError> {
        self.command(flow, |answer| Command::Pause { paused, answer })
            .await
    }

    /// Sends an event again that was set aside. Its fault is closed when that has succeeded.
    pub(crate) async fn resubmit(&self, request: ResubmitRequest) -> Result<(), CommandError> {
        let ResubmitRequest {
            fault,
            place,
            superseded,
            renew_key,
            by,
        } = request;
        let event = fault.event.ok_or(CommandError::NoEvent)?.event;
        let flow = fault.flow;
        let fault = Box::new(Resubmission {
            fault: fault.id,
            set_aside: fault.time,
            place,
            id: event.id,
            key: event.key.clone(),
            bytes: event.data.len(),
            body: Body {
                event: Arc::new(event),
                unjudged: None,
            },
            superseded,
            renew_key,
            by,
        });
        self.command(&flow, |answer| Command::Resubmit { fault, answer })
            .await
    }

    /// Gives up an event that was set aside; what waits for it goes on.
    pub(crate) async fn discard(&self, flow: &str, fault: Discard) -> Result<(), CommandError> {
        self.command(flow, |answer| Command::Discard { fault, answer })
            .await
    }
}
