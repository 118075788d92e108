//! What every flow does in every disruption: who acts, against what, what sets it off, what holds, and
//! what is at risk.
//!
//! Nothing here is written down as a table. Who acts is found by letting every region [decide] in a
//! small world until nothing moves, once when all is well and once in the disruption; what holds follows
//! from the difference between the two and from the facts of the flow. The same `decide` runs in
//! production, so the plan and the gateway cannot disagree about it.
//!
//! Codes of guarantees: see [`guarantee`]. Everything is a small number of regions times a small number of
//! endpoints (at most 16 each), so a plan of a flow is at most some hundred rows.
//!
//! [decide]: crate::region::decide

mod case;
mod disruption;
mod facts;
pub mod guarantee;
mod open;
mod risk;
mod shards;
#[cfg(test)]
mod tests;
mod world;

pub use case::Trigger;
pub use disruption::{Cause, Disruption, Stands, disruptions};
pub use facts::{Division, Does, Flow, Layout, Repeats, Subsystem, System};
pub use guarantee::Guarantees;
pub use risk::{Place, Risk};
pub use shards::{Shards, Which, shards};

use crate::region::{EndpointId, RegionId, Rule};
use case::Case;

/// One line of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which shards of the flow.
    pub which: Which,
    /// In which disruption.
    pub disruption: Disruption,
    /// Who acts. Who holds stands here without an endpoint.
    pub actors: Vec<Actor>,
    /// What they do.
    pub action: Doing,
    /// What sets it off; empty where nothing changes.
    pub triggers: Vec<Trigger>,
    /// The rule that decided, for shards that one region at a time acts for.
    pub rule: Option<Rule>,
    /// What holds.
    pub guarantees: Guarantees,
    /// What is at risk.
    pub risks: Vec<Risk>,
}

/// One of our regions and the endpoint it deals with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    /// Ours.
    pub region: RegionId,
    /// Theirs; `None` where a region holds.
    pub endpoint: Option<EndpointId>,
}

/// What is done in a disruption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// They are called.
    Act,
    /// A region has the shards, starts nothing and probes.
    Hold,
    /// No region may start anything.
    Stop,
    /// Their calls are taken.
    Accept,
    /// Their calls are answered with events.
    Serve,
    /// Their calls are answered 503.
    Refuse,
    /// Nobody calls.
    Wait,
}

impl Doing {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Hold => "hold",
            Self::Stop => "stop",
            Self::Accept => "accept",
            Self::Serve => "serve",
            Self::Refuse => "refuse",
            Self::Wait => "wait",
        }
    }
}

/// The plan of a flow: for each set of shards that behave alike every disruption, none first.
#[must_use]
pub fn plan(subsystem: &Subsystem, system: &System, flow: &Flow) -> Vec<Row> {
    let leased = matches!(flow.does, Does::Deliver { .. } | Does::Poll { .. });
    let disruptions = disruptions(subsystem, system, leased);
    let mut rows = Vec::new();
    for shards in shards(subsystem, system, flow) {
        for disruption in &disruptions {
            rows.push(row((subsystem, system, flow), &shards, *disruption));
        }
    }
    rows
}

fn row(
    (subsystem, system, flow): (&Subsystem, &System, &Flow),
    shards: &Shards,
    disruption: Disruption,
) -> Row {
    let is_open = shards.which == Which::Open;
    let (before, after) = if is_open {
        let calm = Disruption {
            cause: Cause::Nothing,
            promoted: None,
        };
        let with = |disruption| open::outcome(subsystem, (system, flow), disruption);
        (with(calm), with(disruption))
    } else {
        world::outcome(subsystem, (system, flow), shards, disruption)
    };
    let case = Case {
        subsystem,
        system,
        flow,
        disruption,
        before,
        after,
    };
    Row {
        which: shards.which,
        disruption,
        actors: actors(&case),
        action: doing(&case),
        triggers: case.triggers(is_open),
        rule: case.after.rule,
        guarantees: case.guarantees(),
        risks: case.risks(),
    }
}

fn actors(case: &Case<'_>) -> Vec<Actor> {
    let acting = case.after.acting.iter();
    let acting = acting.map(|(region, endpoint)| Actor {
        region: *region,
        endpoint: Some(*endpoint),
    });
    let holding = case.after.holding.iter().map(|region| Actor {
        region: *region,
        endpoint: None,
    });
    acting.chain(holding).collect()
}

fn doing(case: &Case<'_>) -> Doing {
    let acts = !case.after.acting.is_empty();
    match case.flow.does {
        Does::Deliver { .. } | Does::Poll { .. } if acts => Doing::Act,
        Does::Deliver { .. } | Does::Poll { .. } if case.after.holding.is_empty() => Doing::Stop,
        Does::Deliver { .. } | Does::Poll { .. } => Doing::Hold,
        Does::Receive { .. } if acts => Doing::Accept,
        Does::Serve if acts => Doing::Serve,
        _ if case.calls_come() => Doing::Refuse,
        _ => Doing::Wait,
    }
}
