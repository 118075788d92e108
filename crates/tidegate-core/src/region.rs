//! Which region acts: the decision for each shard of a flow, from what one region knows.
//!
//! A flow is split into **shards**, the units of ownership, each with a list of regions in the order
//! of preference ([`ShardConfig`]). What a region knows of all regions and of the external system is
//! a [`View`]. From the two [`decide`] says what the region does now: it acts against an endpoint,
//! holds, stands by, acquires the shard, yields it, or stops. Every region asks for itself alone;
//! that no two act is the lease's doing ([`View::owner`] is what the lease store says), not that of
//! equal views. Flows that need no owner ask [`open`](open()) instead.
//!
//! ```text
//!   probes, reports of peers, breakers, roles ──► health ──► View ──► decide ──► Action, Rule
//!   lease store, operator's pins and drains ─────────────────┘          ▲
//!   configuration ──────────────────────────────► ShardConfig ──────────┘
//! ```
//!
//! All of it is total and deterministic: the same view gives the same decision on every machine, and
//! the rule that fired comes with it. What is unknown counts as not reachable, never as reachable.
//!
//! The rules were first written down as a reference model in Python that was checked exhaustively;
//! the tests here walk through the same states and compare every decision by a digest.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod candidate;
mod decide;
mod flip;
pub mod health;
mod names;
mod open;
mod rule;
mod shard;
mod view;

pub use candidate::{Bar, Obstacle, able, refused_pin};
pub use decide::{Action, Decision, decide};
pub use flip::{Atom, FLIPS_MAX, Flip, flip};
pub use names::{Names, Spoken};
pub use open::{OpenConfig, OpenDecision, OpenRefusal, OpenVerb, OpenView, open};
pub use rule::{Rule, Why};
pub use shard::{
    Distance, ENDPOINTS_MAX, EndpointId, Epoch, FailBack, Grid, REGIONS_MAX, RegionId, RegionSet,
    ShardConfig, Sharing, Topology,
};
pub use view::{Breaker, Owner, Role, View};

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests;
