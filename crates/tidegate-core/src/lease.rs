//! Who acts: sessions, shards, and the one check before each effect.
//!
//! A **shard** is a part of a flow that one node at a time may act for. A node lives under a
//! **session**, one record in a linearizable store that it renews; shards belong to sessions by
//! records of their own, which change only when a shard is taken or given up. So ten thousand shards
//! cost as many renewals as one. Without such a store [`claims`] decides by the logs alone.
//!
//! ```text
//!  holder    renewal sent             no new effect            what is under way
//!            and confirmed            after this               is aborted
//!               │◄──────── 6 s ─────────►│◄────── 3 s ──────►│
//!  ─────────────┴────────────────────────┴───────────────────┴──────► holder's own clock
//!  ───────────────────┬────────────────────────────────────────────┬► taker's own clock
//!                     │◄────────────── 9 s of silence ────────────►│
//!  taker         sees that record                    ends the session, by compare-and-set;
//!                for the first time                  only then takes its shards
//! ```
//!
//! Why no two nodes act for one shard: a shard is taken only from a session whose record says
//! `ended`, or that gave it up itself. The taker's nine seconds begin after it saw the newest renewal,
//! the holder's six when it sent that renewal, so they are over first as long as no clock runs half
//! as fast again as another one. A renewal that was written meanwhile makes the taker's
//! compare-and-set fail. What a node read is only ever a guess at what the record may be; it owns what a
//! compare-and-set of its own gave it. A stale read, a late message or a repeated one can cost time only.
//!
//! Why an election of the store moves nothing: while it lasts the holder's renewals fail and it
//! idles; but the taker's reads fail as well, and each failure starts its count again.
//!
//! Not covered, by this or any lease: a process that is frozen between the check and the effect.
//!
//! A shell drives a [`Lease`] as every machine here: it hands in what happened with the time on its
//! own `CLOCK_BOOTTIME`, takes [`Output`]s until there are none, and calls [`Lease::tick`] at
//! [`Lease::next_timeout`]. After each call it publishes [`Lease::standing`] to those who cause
//! effects; they ask [`Standing::may_start`] just before each.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod claims;
mod machine;
mod record;
mod session;
mod shards;
mod standing;
mod store;
mod watch;

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests;

pub use machine::{
    Event, Identity, Lease, Output, Owner, SHARDS_MAX, Source, Terms, TooManyShards,
};
pub use record::{
    Holding, InvalidName, Name, RECORD_BYTES_MAX, RecordError, SessionId, SessionRecord, ShardId,
    ShardRecord,
};
pub use standing::{Epoch, Held, NotNow, Standing, Until};
pub use store::{Action, Answer, BATCHES, Key, Request, RequestId, Revision, Stored};

/// The times of a lease, in milliseconds. All nodes must have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// Silence after which a taker ends a session; also when the holder has aborted what was under way.
    pub lease: u64,
    /// How long after the sending of the last confirmed renewal effects may start.
    pub start: u64,
    /// How often a session is renewed.
    pub renew: u64,
    /// How often the sessions of others and the records of shards are read.
    pub read: u64,
    /// How long a request may take before its fate counts as unknown.
    pub timeout: u64,
    /// The least time from one try to the next after a failure.
    pub retry: u64,
    /// How often a record is read while a handover to this node is due.
    pub hurry: u64,
}

impl Timing {
    /// The times in production: 9 s of lease, 6 s of starting, renewed every 2 s with 1 s for the
    /// answer. Sessions are read every second, since that is how much later than the ninth second
    /// a taker may learn of the last renewal.
    pub const DEFAULT: Self = Self {
        lease: 9_000,
        start: 6_000,
        renew: 2_000,
        read: 1_000,
        timeout: 1_000,
        retry: 500,
        hurry: 100,
    };

    /// The longest time between two good reads that still count as watching without a break: one
    /// reading and its timeout, twice. A process that was frozen for longer has not watched.
    #[must_use]
    pub const fn gap(&self) -> u64 {
        self.read.saturating_add(self.timeout).saturating_mul(2)
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self::DEFAULT
    }
}
