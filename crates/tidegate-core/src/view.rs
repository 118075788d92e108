//! What entries of the log change in the local views that are kept of it.
//!
//! A view (the ledger of identities, the open faults, the cursors) can be thrown away and rebuilt
//! from the log alone. While the node runs, the intake knows the changes of each frame without
//! decoding it; at the start they are read from the frames. Both ways must give the same.

use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use crate::log::entry::{Entry, Fault, FaultCause, Polled};
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
    /// A fault is open, or stands at another place because it was carried forward.
    Fault(FaultSummary),
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
        Entry::System(_) | Entry::Chunk(_) | Entry::Joined(_) | Entry::Unknown { .. } => Vec::new(),
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
    vec![
        Change::Identity {
            id: fault.id,
            known,
        },
        Change::Fault(FaultSummary::of(fault, place)),
    ]
}
