//! The store as data: what is asked of it and what it answers.

use std::fmt;

use bytes::Bytes;

use super::record::{Name, SessionId, ShardId};

/// How many records the shards are spread over. It is part of the format: two nodes that disagreed
/// would look for an owner in different places.
///
/// All shards of a flow stand in one record, so that a small configuration reads few. With 10,000
/// shards of 16 to a flow a record holds about 40 on average, which takes 2 to 3 KiB: few enough that
/// two nodes seldom write the same record at once, and that a record is far from its limit; many
/// enough that a region with all shards is taken over by some hundred writes, not thousands.
pub const BATCHES: u16 = 256;

/// What a record is called in the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// The session of a node.
    Session(Name),
    /// A batch of shards, below [`BATCHES`].
    Shards(u16),
}

impl Key {
    /// The record in which a shard stands: the same on every node and in every version.
    #[must_use]
    pub fn of(shard: &ShardId) -> Self {
        let hash = crc32fast::hash(shard.flow().as_bytes());
        let batch = hash.checked_rem(u32::from(BATCHES)).unwrap_or_default();
        Self::Shards(u16::try_from(batch).unwrap_or_default())
    }

    /// The session `number` of the node whose record this is.
    pub(super) fn session(&self, number: u64) -> Option<SessionId> {
        match self {
            Self::Session(node) => Some(SessionId {
                node: node.clone(),
                number,
            }),
            Self::Shards(_) => None,
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(node) => write!(f, "session.{node}"),
            Self::Shards(batch) => write!(f, "shards.{batch}"),
        }
    }
}

/// Which writing of a record this is; the store numbers them, later ones higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

/// A record as the store has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stored {
    /// Which writing of it.
    pub revision: Revision,
    /// Its bytes.
    pub value: Bytes,
}

/// Names a request, so that its answer is told from those of requests that were given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// Something to ask the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Request {
    /// What the answer is to be given under.
    pub id: RequestId,
    /// Which record.
    pub key: Key,
    /// What to do with it.
    pub action: Action,
}

/// What to do with a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Read it, from whoever leads the store.
    Read,
    /// Write it if it is still the one expected.
    CompareAndSet {
        /// The revision that is to be replaced; `None` if there must be no record.
        expected: Option<Revision>,
        /// The new bytes.
        value: Bytes,
    },
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// A read: the record, or that there is none.
    Found(Option<Stored>),
    /// A compare-and-set took place: the record's new revision.
    Done(Revision),
    /// A compare-and-set did not take place, since the record was this one, or none.
    Conflict(Option<Stored>),
    /// The fate is not known: no answer, a broken connection, an error of the store. A write may have
    /// happened, may still happen, or may not.
    Unknown,
}
