//! What is known of the regions, the systems and the flows: all that a guarantee follows from.

use std::time::Duration;

use crate::region::{EndpointId, RegionId, RegionSet};

/// Our regions and what settles between them who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsystem {
    /// How many regions there are, at most [`crate::region::REGIONS_MAX`].
    pub regions: usize,
    /// Whether there is a lease store, so that a session that is silent can be ended.
    pub lease_store: bool,
    /// Whether one address leads external systems to a region that is up.
    pub front_door: bool,
}

impl Subsystem {
    /// The regions, in the order of the file.
    pub fn ids(&self) -> impl Iterator<Item = RegionId> + use<> {
        RegionId::all().take(self.regions)
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> RegionSet {
        self.ids().collect()
    }
}

/// How an external system is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One endpoint.
    Single,
    /// One is active, others stand by; the first one as a rule.
    PrimarySecondary,
    /// All are active, and each takes and shows everything.
    Shared,
    /// All are active, and each has a part of its own.
    Partitioned,
}

/// An external system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// How it is built.
    pub layout: Layout,
    /// Our nearest region of each endpoint, if it is said; as many as there are endpoints.
    pub near: Vec<Option<RegionId>>,
    /// Our regions that may exchange events with it.
    pub allowed: RegionSet,
    /// Our regions that have a line to it.
    pub linked: RegionSet,
    /// Our region whose failure takes its endpoints there with it.
    pub fails_with: Option<RegionId>,
    /// How much of the past it may lose when another endpoint takes over, if that is known.
    pub rpo: Option<Duration>,
    /// How long it sends again, or lists, what was not accepted, if that is known.
    pub retry_horizon: Option<Duration>,
    /// Whether its endpoints are asked which one is active.
    pub probed: bool,
}

impl System {
    /// The regions that may call it.
    #[must_use]
    pub const fn callers(&self) -> RegionSet {
        self.allowed.and(self.linked)
    }

    /// The endpoints, in the order of the file.
    pub fn endpoints(&self) -> impl Iterator<Item = EndpointId> + use<> {
        EndpointId::all().take(self.near.len())
    }

    /// Our region nearest to an endpoint.
    #[must_use]
    pub fn nearest(&self, endpoint: EndpointId) -> Option<RegionId> {
        self.near.get(endpoint.index()).copied().flatten()
    }
}

/// A flow: what it does, and what holds for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// What it does.
    pub does: Does,
    /// Whether an event counts as safe only when a second region has it. Of a flow that takes events
    /// in: before it is acknowledged. Of one that gives them out: whether all it gives out was taken in
    /// like that.
    pub remote: bool,
    /// Whether a region may act where nothing settles who does, if it sees the others down.
    pub takes_over: bool,
}

/// What a flow does, seen from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    /// They call us.
    Receive {
        /// Whether a list of what was sent is read to repair gaps.
        reconciled: bool,
        /// Whether they send everything to every region.
        everywhere: bool,
    },
    /// We fetch from them.
    Poll {
        /// Whether what was fetched can be fetched again.
        rereadable: bool,
    },
    /// We call them.
    Deliver {
        /// Whether events of a key stay in order.
        ordered: bool,
        /// How the work is divided.
        division: Division,
        /// What they make of a repeat.
        repeats: Repeats,
    },
    /// They fetch from us.
    Serve,
}

/// How the work of a flow that delivers is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Division {
    /// By the hash of the key, into so many shards; shard k prefers region k modulo their number.
    Keys(u16),
    /// By the region that took an event in.
    Origins,
    /// Not at all.
    Whole,
}

/// What the other side makes of a repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// Nothing is known: it may do the work twice.
    Unknown,
    /// The endpoint that saw the key does nothing twice.
    KeyPerEndpoint,
    /// No endpoint does anything twice under one key.
    KeyEverywhere,
    /// A repeat changes nothing.
    Harmless,
}
