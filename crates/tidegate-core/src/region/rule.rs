//! The rules by name, and the reasons in detail.

use std::fmt;

use super::candidate::Obstacle;
use super::shard::RegionId;

/// The rule that made a decision. They are tried in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The region is down by its own verdict.
    Down,
    /// Its session does not let it start anything.
    NoLease,
    /// It owns the shard and could act, but an operator pinned the shard elsewhere.
    Pinned,
    /// It owns the shard and could act, but an operator drains it.
    Drained,
    /// It owns the shard and could act, but a preferred region can take over again.
    FailBack,
    /// It owns the shard and acts.
    Act,
    /// It owns the shard and cannot act; another region can.
    OtherPath,
    /// It owns the shard, nobody can act, and it is to be empty or may not own the shard at all.
    Vacate,
    /// It owns the shard and nobody can act.
    Hold,
    /// Another region owns the shard.
    Owned,
    /// Nobody owns the shard, and this is the first region that could act.
    FirstAble,
    /// Nobody owns the shard, nobody could act, and this is the first region that is live.
    FirstLive,
    /// Nobody owns the shard, and another region is before this one.
    NotFirst,
    /// Nobody owns the shard, and no region that may is live.
    NobodyLive,
}

impl Rule {
    /// All rules, in the order in which they are tried.
    pub const ALL: [Self; 14] = [
        Self::Down,
        Self::NoLease,
        Self::Pinned,
        Self::Drained,
        Self::FailBack,
        Self::Act,
        Self::OtherPath,
        Self::Vacate,
        Self::Hold,
        Self::Owned,
        Self::FirstAble,
        Self::FirstLive,
        Self::NotFirst,
        Self::NobodyLive,
    ];

    /// Its name in commands, answers and the book.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::NoLease => "no-lease",
            Self::Pinned => "pinned",
            Self::Drained => "drained",
            Self::FailBack => "fail-back",
            Self::Act => "act",
            Self::OtherPath => "other-path",
            Self::Vacate => "vacate",
            Self::Hold => "hold",
            Self::Owned => "owned",
            Self::FirstAble => "first-able",
            Self::FirstLive => "first-live",
            Self::NotFirst => "not-first",
            Self::NobodyLive => "nobody-live",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "a region that is down by its own verdict stops",
            Self::NoLease => {
                "a region whose session is over, or may be, stops before another one can take over"
            }
            Self::Pinned => {
                "a shard goes to the region it is pinned to once that is able, stable and caught up"
            }
            Self::Drained => {
                "a shard leaves a drained region once another one is able, stable and caught up"
            }
            Self::FailBack => {
                "a shard goes back to a preferred region once that is able, stable and caught up"
            }
            Self::Act => "the owner acts against the nearest endpoint that it may use and reaches",
            Self::OtherPath => {
                "an owner that reaches no endpoint yields to a region that does"
            }
            Self::Vacate => {
                "while nobody can act, a region that is to be empty gives the shard to a live one"
            }
            Self::Hold => {
                "while nobody can act the owner keeps the shard, holds the events and goes on probing"
            }
            Self::Owned => "a region does nothing for a shard that another one owns",
            Self::FirstAble => "a shard without an owner goes to the first region that can act",
            Self::FirstLive => {
                "a shard without an owner that nobody can act for goes to the first live region, which \
                 probes"
            }
            Self::NotFirst => "a region lets the one before it take a shard without an owner",
            Self::NobodyLive => "a shard without an owner waits until a region that may own it is live",
        })
    }
}

/// The reason in this case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// Its own probe says that it is down.
    Down,
    /// Its deadline has passed, or the lease store is not known.
    NoLease,
    /// This region owns the shard.
    OwnedBy(RegionId),
    /// This region is before it.
    After(RegionId),
    /// No region that may own the shard is live.
    NobodyLive,
    /// An operator wants the shard there.
    Pinned,
    /// An operator wants this region empty.
    Drained,
    /// A region that is preferred can take over again.
    FailBack,
    /// This is what keeps the owner from acting: nobody else can either if it holds, and somebody can
    /// if it yields.
    Cannot(Obstacle),
}
