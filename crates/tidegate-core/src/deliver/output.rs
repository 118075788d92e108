//! What the machine is told, and what it wants done.

use std::time::Duration;

use tidegate_types::id::EventId;
use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;

use super::classify::Class;
use crate::books::HourTally;
use crate::log::entry::{Blame, FaultCause, FaultClosed, Receipts, Retrying};

/// An event of the log that the flow wants. `B` is how the shell finds its content again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival<B> {
    /// Where it stands.
    pub place: Place,
    /// Its identity.
    pub id: EventId,
    /// Its key; empty if it has none.
    pub key: String,
    /// Bytes of memory that `body` keeps.
    pub bytes: usize,
    /// Its content, or how to get at it.
    pub body: B,
    /// Events between the arrival before in this page (or its start) and this one that the flow
    /// does not want, by the hour of their frame's time.
    pub filtered_before: Vec<HourTally>,
}

/// What was read for a [`ReadRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<B> {
    /// The events, in the order of their places.
    pub arrivals: Vec<Arrival<B>>,
    /// Everything before this place was looked at.
    pub end: Place,
    /// Events behind the last arrival, before `end`, that the flow does not want, likewise.
    pub filtered_after: Vec<HourTally>,
    /// Whether `end` is the end of the log (as far as it is synced).
    pub at_end: bool,
}

/// What the shell shall read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRequest {
    /// What for.
    pub purpose: Purpose,
    /// From here on, this place included.
    pub from: Place,
    /// Up to here, this place not included; `None` to the end of the log.
    pub until: Option<Place>,
    /// Events at most. The shell stops after so many.
    pub events_max: usize,
    /// Bytes of bodies at most; the first event may be larger.
    pub bytes_max: usize,
}

/// What is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// What is new.
    Forward,
    /// What was left behind of held keys: only events for which [`super::Delivery::wants`] says yes.
    Held,
}

/// What the shell shall do next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output<B> {
    /// Send a request; its end goes to [`super::Delivery::handle_answer`].
    Send(Send<B>),
    /// Append to the log; [`super::Delivery::handle_appended`] or `handle_refused` follows.
    Append(Append<B>),
    /// Read the log; [`super::Delivery::handle_page`] follows.
    Read(ReadRequest),
    /// Read the content of these events again; [`super::Delivery::handle_body`] for each follows.
    Fetch(Vec<Place>),
    /// A replay has ended: tell whoever asked for it.
    Replayed(Replayed),
    /// Something for the timeline.
    Note(Note),
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send<B> {
    /// Names it until its end.
    pub attempt: AttemptId,
    /// Its events in their order: one, or up to a batch.
    pub events: Vec<SendEvent<B>>,
    /// Whether it finds out if the endpoint is back.
    pub probe: bool,
}

/// One event of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendEvent<B> {
    /// Where it stands.
    pub place: Place,
    /// Its identity.
    pub id: EventId,
    /// The same for every attempt.
    pub key: IdempotencyKey,
    /// How often it was sent before.
    pub sent_before: u32,
    /// Its content.
    pub body: B,
}

/// Names a request while it is under way; never used twice by one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// What tells the endpoint that it has seen the event before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdempotencyKey {
    /// Identity of the event.
    pub id: EventId,
    /// A resubmission for which an operator asked for a new key: the milliseconds of it; else 0.
    pub renewed: u64,
}

impl std::fmt::Display for IdempotencyKey {
    /// The id, and if it was renewed `-` and the number.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.renewed {
            0 => write!(f, "{}", self.id),
            renewed => write!(f, "{}-{renewed}", self.id),
        }
    }
}

/// What goes to the log. The parts do not depend on each other: any order and any frames will do,
/// but all must be durable before it is called appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append<B> {
    /// Events to set aside: the shell makes each a fault entry with the event in it.
    pub aside: Vec<SetAside<B>>,
    /// Failed attempts.
    pub retrying: Vec<Retrying>,
    /// Faults that are closed now.
    pub closed: Vec<FaultClosed>,
    /// Receipts and how far the flow has come.
    pub receipts: Option<Receipts>,
}

/// An event that is set aside as a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside<B> {
    /// Identity of the fault.
    pub fault: EventId,
    /// Where the event stands.
    pub place: Place,
    /// Its identity.
    pub id: EventId,
    /// Why.
    pub cause: FaultCause,
    /// Whose it is to repair.
    pub blame: Blame,
    /// The last failure, for people.
    pub message: String,
    /// When.
    pub time: UnixMillis,
    /// The event's content; `None` if it is not in memory (then it is read at `place`).
    pub body: Option<B>,
}

/// What an answer was taken for; belongs to the record of the attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What it means.
    pub class: Class,
    /// Whose it is, if it is a failure.
    pub blame: Blame,
    /// Whether the attempt counts.
    pub counted: bool,
}

/// A fault of this flow that an operator wants sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resubmission<B> {
    /// Identity of the fault.
    pub fault: EventId,
    /// When it was set aside.
    pub set_aside: UnixMillis,
    /// Where the fault stands in the log.
    pub place: Place,
    /// Identity of the event.
    pub id: EventId,
    /// Its key; empty if it has none.
    pub key: String,
    /// Bytes of memory that `body` keeps.
    pub bytes: usize,
    /// The event's content.
    pub body: B,
    /// Send it although later events of its key may have been delivered.
    pub superseded: bool,
    /// Use a new idempotency key, since the endpoint remembers its answer to the old one.
    pub renew_key: bool,
    /// Who asks.
    pub by: String,
}

/// A settled event that an operator wants sent once more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay<B> {
    /// Where it stands in the log.
    pub place: Place,
    /// Its identity.
    pub id: EventId,
    /// Its key; empty if it has none.
    pub key: String,
    /// Bytes of memory that `body` keeps.
    pub bytes: usize,
    /// Its content.
    pub body: B,
    /// Send it although later events of its key were delivered.
    pub superseded: bool,
    /// Use a new idempotency key, since the endpoint may remember the old one.
    pub renew_key: bool,
}

/// How a replay ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Where the event stands.
    pub place: Place,
    /// Its identity.
    pub id: EventId,
    /// Why it was not taken, for people; `None` if it was.
    pub failed: Option<String>,
}

/// Why an event is not replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayRefusal {
    /// It is not settled, or something before it is not.
    #[error("it is still going to be delivered, or stands behind something that is")]
    Pending,
    /// It is on its way again already.
    #[error("it is being replayed or resubmitted already")]
    UnderWay,
    /// Its key waits.
    #[error("its key waits for a fault, or for what stands before: replay it when the key goes on")]
    Held,
    /// Order would be broken, and the command does not say that it may be.
    #[error(
        "later events of its key may have been delivered, and it would overwrite what they brought: replay it with `superseded` if it may"
    )]
    Superseded,
    /// Too many are on their way.
    #[error(
        "{limit} events are being replayed, the most at a time, or their contents fill the memory of the flow: try again when some are done"
    )]
    Busy {
        /// How many are allowed.
        limit: usize,
    },
}

/// An open fault of this flow that is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discard {
    /// Identity of the fault.
    pub fault: EventId,
    /// When it was set aside.
    pub set_aside: UnixMillis,
    /// Why.
    pub reason: String,
    /// Who asks.
    pub by: String,
}

/// Why a command about a fault was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultRefusal {
    /// Order would be broken, and the command does not say that it may be.
    #[error(
        "later events of its key were delivered, or may have been: resubmit it with `superseded` if it may overtake them"
    )]
    Superseded,
    /// It is on its way, or about to be closed.
    #[error("it is being resubmitted or discarded already")]
    UnderWay,
    /// It is so new that it cannot be told yet what waits for it.
    #[error("it was set aside just now, and that is still being written: try again")]
    Settling,
    /// Too many are on their way.
    #[error(
        "{limit} faults are being resubmitted, the most at a time: try again when some are done"
    )]
    Busy {
        /// How many are allowed.
        limit: usize,
    },
}

/// Something for the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The endpoint is left alone.
    BreakerOpened {
        /// Until then.
        until: UnixMillis,
        /// Whose the last failure is.
        blame: Blame,
        /// The last failure, for people.
        text: String,
    },
    /// The endpoint works again.
    BreakerClosed {
        /// How long it was left alone.
        after: Duration,
    },
    /// The endpoint asked for a pause.
    Throttled {
        /// Until then.
        until: UnixMillis,
        /// What it asked for was longer.
        cut: bool,
    },
    /// A key waits for a fault.
    KeyBlocked {
        /// The key; empty if the whole flow waits.
        key: String,
        /// The fault.
        fault: EventId,
    },
    /// It goes on.
    KeyUnblocked {
        /// The key.
        key: String,
    },
    /// A resubmitted event failed again; its fault stays open.
    ResubmissionFailed {
        /// The fault.
        fault: EventId,
        /// The last failure, for people.
        text: String,
    },
    /// Nothing more is read, since too much waits.
    FlowHeld {
        /// Of what there is too much.
        limit: HeldBy,
    },
    /// Reading goes on.
    FlowReleased,
    /// The endpoint says that it is gone for good; the flow stops until it is resumed.
    EndpointGone {
        /// With this status.
        status: u16,
    },
    /// Notes were lost, since nobody took them.
    NotesLost {
        /// How many.
        count: u64,
    },
}

/// Of what there is too much for reading on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeldBy {
    /// Events that wait for another attempt.
    Retrying,
    /// Keys that are held.
    Keys,
}
