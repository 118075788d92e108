//! What concerns several regions: the regions, and what systems and flows say for their sake.

use std::time::Duration;

/// One region of the subsystem.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Region {
    /// Its name.
    pub name: String,
    /// Where other regions read its log.
    pub peer: Option<String>,
    /// The base URL at which external systems reach it and no other.
    pub public: Option<String>,
    /// The addresses it calls from, each as `203.0.113.7` or `203.0.113.16/28`.
    pub egress: Vec<String>,
}

/// The store in which the regions agree on who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// A NATS server with JetStream, as `nats://host:4222`.
    pub nats: String,
}

/// What must have happened before the other side is told that an event is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk in this region.
    Local,
    /// It is on disk in another region as well.
    Remote,
}

/// Who acts for a flow that one region at a time acts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ownership {
    /// What the regions do where nothing settles who acts.
    pub on_partition: OnPartition,
    /// How long a region must do well before it gets its work back.
    pub stable_for: Duration,
}

/// What the regions do where nothing settles who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnPartition {
    /// Only the first choice acts.
    Hold,
    /// Who sees the others down acts.
    Takeover,
}

/// How the work of a flow that delivers is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharding {
    /// By the hash of the key, into so many slices.
    Keys(u16),
    /// By the region that took an event in.
    Origins,
    /// Not at all.
    Whole,
}

/// What makes a repeat harmless at the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotency {
    /// Nothing that is known.
    Nothing,
    /// It remembers keys.
    Key {
        /// For how long, if that is known.
        ttl: Option<Duration>,
        /// Whether one endpoint knows the keys of the others.
        global: bool,
    },
    /// A repeat changes nothing.
    Natural,
}

/// Which URLs a sender was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    /// One, which leads to a region that is up.
    FrontDoor,
    /// That of each region; it sends everything to all of them.
    EveryRegion,
}

/// How the active endpoint of a system is found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleProbe {
    /// What is asked at each endpoint.
    pub path: String,
    /// Whether the one that answered is active: jq over the body; it compiles.
    pub active: String,
    /// How often.
    pub every: Duration,
}

impl Durability {
    /// The word in the file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
        }
    }
}
