//! The one check before each effect.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tidegate_types::time::BootMillis;

use super::record::{SessionId, ShardId};

/// How often a shard was taken. Of two acts for a shard the one with the higher epoch counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Until when something holds, on the node's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Until {
    /// It does not now.
    Never,
    /// Before this time, and not at it.
    Before(BootMillis),
    /// Without an end.
    Always,
}

impl Until {
    /// Whether it holds at this time.
    #[must_use]
    pub fn holds(self, now: BootMillis) -> bool {
        match self {
            Self::Never => false,
            Self::Before(end) => now < end,
            Self::Always => true,
        }
    }
}

/// A shard this node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// Since this epoch.
    pub epoch: Epoch,
    /// Nothing starts before this time: what a lost owner sent may still be under way at a target that
    /// cannot tell a repeat.
    pub not_before: BootMillis,
    /// It is being given up.
    pub stopped: bool,
}

/// What this node may do now. A copy of it may be asked from any thread: it holds times, not states
/// that somebody would have to change in time.
///
/// A shard that is given up ends in a newer copy only. So whoever causes effects counts itself among
/// those under way first and asks the newest copy then; and whoever gives a shard up publishes the
/// copy first and waits for those under way then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// The session it acts under, if that has begun; without a store there is none.
    pub session: Option<SessionId>,
    /// Until when effects may start.
    pub start: Until,
    /// Until when effects that have started may go on.
    pub finish: Until,
    /// Nothing starts any more: the node is being shut down.
    pub ending: bool,
    /// The shards it has, whether or not it may act.
    pub held: Arc<BTreeMap<ShardId, Held>>,
}

impl Standing {
    /// May do nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            session: None,
            start: Until::Never,
            finish: Until::Never,
            ending: false,
            held: Arc::default(),
        }
    }

    /// Whether an effect for the shard may start at `now`, and under which epoch.
    ///
    /// # Errors
    /// It may not, and why.
    pub fn may_start(&self, shard: &str, now: BootMillis) -> Result<Epoch, NotNow> {
        if self.ending {
            return Err(NotNow::Ending);
        }
        let held = self.held.get(shard).ok_or(NotNow::NotHeld)?;
        if held.stopped {
            return Err(NotNow::Yielding);
        }
        match self.start {
            Until::Never => return Err(NotNow::NoLease),
            Until::Before(end) if now >= end => {
                let late_ms = now.since(end);
                return Err(NotNow::Late { late_ms });
            }
            Until::Before(_) | Until::Always => {}
        }
        if now < held.not_before {
            let wait_ms = held.not_before.since(now);
            return Err(NotNow::LockDelay { wait_ms });
        }
        Ok(held.epoch)
    }
}

/// Why an effect may not start now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotNow {
    /// The node is being shut down.
    #[error("this node is being shut down")]
    Ending,
    /// Another node has the shard, or none.
    #[error("this node does not have the shard")]
    NotHeld,
    /// It is being handed over.
    #[error("the shard is being handed over")]
    Yielding,
    /// No renewal of the session was confirmed yet.
    #[error("the lease was not confirmed yet")]
    NoLease,
    /// The last confirmed renewal is too long ago.
    #[error("the lease was not confirmed in time, {late_ms} ms ago")]
    Late {
        /// By how much, in milliseconds.
        late_ms: u64,
    },
    /// What the lost owner sent may still be under way.
    #[error("calls of the lost owner may be under way for {wait_ms} ms more")]
    LockDelay {
        /// For how long, in milliseconds.
        wait_ms: u64,
    },
}
