//! What entries of the log change in the local views that are kept of it.
//!
//! A view (the ledger of identities, the open faults, the cursors) can be thrown away and rebuilt
//! from the log alone. While the node runs, the intake knows the changes of each frame without
//! decoding it; at the start they are read from the frames. Both ways must give the same.

use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use crate::log::entry::{Entry, Fault, FaultCause, FaultClosed, Polled, Receipts, Retrying};
use crate::receive::ledger::{Known, Outcome};

/// One change of the views.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An identity stands in the log now.
    Identity {
        /// Which.
        id: EventId,
        /// What the ledger keeps of it.
        known: Known,
    },
    /// A fault is open.
    Fault(FaultSummary),
    /// A fault was carried forward and stands at another place. If it was closed meanwhile it stays
    /// so: who carries it looks at views that may be behind.
    FaultCarried(FaultSummary),
    /// A subscription has read up to and including `place`, or further: a view keeps the furthest,
    /// since a checkpoint may repeat an older cursor than the one before it.
    Cursor {
        /// Its name.
        subscription: String,
        /// How far.
        place: Place,
    },
    /// A flow has read its source up to here. A view keeps the one with the highest number, and where
    /// it stands: it is copied forward before that goes.
    Polled {
        /// How far.
        polled: Box<Polled>,
        /// Where that stands in the log.
        place: Place,
    },
    /// A flow has set an event aside, and its receipt follows.
    SetAside {
        /// The flow.
        flow: String,
        /// The fault.
        fault: EventId,
    },
    /// A flow has settled events, or holds lanes, or has come further.
    Receipts(Box<Receipts>),
    /// A flow will send an event again.
    Retrying(Box<Retrying>),
    /// A fault is open no longer.
    FaultClosed(Box<FaultClosed>),
    /// The frames before `oldest` are about to be removed.
    Trim {
        /// The first frame that is kept.
        oldest: FrameNumber,
    },
}

/// What a list of faults shows of one; the rest is read from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultSummary {
    /// Its identity.
    pub id: EventId,
    /// Where it stands.
    pub place: Place,
    /// The flow.
    pub flow: String,
    /// What went wrong.
    pub cause: FaultCause,
    /// When it was set aside.
    pub time: UnixMillis,
}

impl FaultSummary {
    /// The summary of a fault that stands at `place`.
    #[must_use]
    pub fn of(fault: &Fault, place: Place) -> Self {
        Self {
            id: fault.id,
            place,
            flow: fault.flow.clone(),
            cause: fault.cause,
            time: fault.time,
        }
    }
}

/// The changes that an entry at `place` makes.
#[must_use]
pub fn changes_of(entry: &Entry, place: Place) -> Vec<Change> {
    match entry {
        Entry::Event(event) => vec![Change::Identity {
            id: event.event.id,
            known: Known {
                fingerprint: event.fingerprint,
                place,
                outcome: Outcome::Event,
            },
        }],
        Entry::Fault(fault) => fault_changes(fault, place),
        Entry::Cursor(cursor) => vec![Change::Cursor {
            subscription: cursor.subscription.clone(),
            place: cursor.place,
        }],
        Entry::Checkpoint(checkpoint) => {
            let cursors = checkpoint.cursors.iter().map(|cursor| Change::Cursor {
                subscription: cursor.subscription.clone(),
                place: cursor.place,
            });
            cursors
                .chain([Change::Trim {
                    oldest: checkpoint.oldest,
                }])
                .collect()
        }
        Entry::Polled(polled) => vec![Change::Polled {
            polled: polled.clone(),
            place,
        }],
        Entry::Receipts(receipts) => vec![Change::Receipts(receipts.clone())],
        Entry::Retrying(retrying) => vec![Change::Retrying(retrying.clone())],
        Entry::FaultClosed(closed) => vec![Change::FaultClosed(closed.clone())],
        Entry::System(_)
        | Entry::Chunk(_)
        | Entry::Joined(_)
        | Entry::GivenUp(_)
        | Entry::Park(_)
        | Entry::Unknown { .. } => Vec::new(),
    }
}

/// The changes that a fault at `place` makes: its identity is known, and it is open.
#[must_use]
pub fn fault_changes(fault: &Fault, place: Place) -> Vec<Change> {
    let known = Known {
        fingerprint: fault.fingerprint,
        place,
        outcome: Outcome::Fault,
    };
    let summary = FaultSummary::of(fault, place);
    let identity = Change::Identity {
        id: fault.id,
        known,
    };
    if fault.carried {
        return vec![identity, Change::FaultCarried(summary)];
    }
    let mut changes = vec![identity, Change::Fault(summary)];
    if fault.cause.is_of_delivery() {
        changes.push(Change::SetAside {
            flow: fault.flow.clone(),
            fault: fault.id,
        });
    }
    changes
}
