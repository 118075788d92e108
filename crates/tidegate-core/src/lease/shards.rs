//! The records of shards: what this node wants to change in them, and what it may.

use std::collections::BTreeMap;

use tidegate_types::position::Position;
use tidegate_types::time::BootMillis;

use super::machine::{Source, Terms};
use super::record::{Holding, Name, SessionId, ShardId, ShardRecord};
use super::standing::Epoch;
use super::store::Revision;

/// What is known of one record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Batch {
    /// The record as it was read or written last; `None` if it may be another one by now.
    pub(super) known: Option<Known>,
    /// When to read it next.
    pub(super) due: BootMillis,
    /// Until when it is read in a hurry.
    pub(super) hurry: BootMillis,
    /// What this node intends for the shards in it that it knows of.
    pub(super) intents: BTreeMap<ShardId, Intent>,
    /// Something has changed since it was last looked whether there is something to write.
    pub(super) unchecked: bool,
    /// It had no room for a shard, which was told.
    pub(super) full: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Known {
    pub(super) revision: Option<Revision>,
    pub(super) record: ShardRecord,
}

impl Batch {
    pub(super) const fn new(now: BootMillis) -> Self {
        Self {
            known: None,
            due: now,
            hurry: BootMillis(0),
            intents: BTreeMap::new(),
            unchecked: true,
            full: false,
        }
    }
}

/// What this node intends for a shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Intent {
    /// To have it.
    pub(super) want: Option<Terms>,
    /// To give it up; it has been stopped and sealed.
    pub(super) give: Option<Give>,
    /// The mirror shows the seal of this epoch.
    pub(super) sealed: Epoch,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Give {
    pub(super) epoch: Epoch,
    pub(super) to: Name,
    pub(super) seal: Position,
}

/// One change of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Change {
    /// The shard is taken.
    Take {
        shard: ShardId,
        epoch: Epoch,
        source: Source,
        /// How long nothing may start after it.
        delay_ms: u64,
    },
    /// The shard is given up.
    Give {
        shard: ShardId,
        epoch: Epoch,
        to: Name,
    },
}

/// A write under way, and what it changes when it is done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Write {
    pub(super) session: SessionId,
    pub(super) record: ShardRecord,
    pub(super) changes: Vec<Change>,
}

/// From where `holding` may be taken: only from nobody, from a session that has ended, or after its
/// seal was seen.
pub(super) fn source(
    holding: Option<&Holding>,
    me: &SessionId,
    sealed: Epoch,
    ended: impl Fn(&SessionId) -> Option<Option<u64>>,
) -> Option<Source> {
    let ended = |session: &SessionId| {
        ended(session).map(|silent_ms| Source::Ended {
            session: session.clone(),
            silent_ms,
        })
    };
    match holding {
        None => Some(Source::Nobody),
        // Written by this session, which never learned that it was: taken once more by a write whose
        // answer it knows.
        Some(Holding::Held { by, .. }) if by == me => Some(Source::Unsure),
        Some(Holding::Held { by, .. }) => ended(by),
        Some(Holding::Yielded { by, epoch, .. }) if *epoch == sealed => Some(Source::Sealed {
            session: by.clone(),
        }),
        Some(Holding::Yielded { by, .. }) => ended(by),
    }
}

impl Source {
    /// How long nothing may start: calls of an owner that was lost may be under way, and only a seal says
    /// that there are none.
    pub(super) const fn delay_ms(&self, terms: Terms) -> u64 {
        match self {
            Self::Sealed { .. } => 0,
            Self::Nobody if terms.floor.0 == 0 => 0,
            Self::Nobody | Self::Unsure | Self::Ended { .. } => terms.lock_delay_ms,
        }
    }
}
