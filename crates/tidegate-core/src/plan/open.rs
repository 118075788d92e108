//! Flows without an owner: who answers whom.

use super::disruption::{Cause, Disruption, Stands};
use super::facts::{Does, Flow, Subsystem, System};
use super::world::Outcome;
use crate::region::{
    EndpointId, OpenConfig, OpenDecision, OpenVerb, OpenView, RegionId, RegionSet, open,
};

/// Who answers in the disruption, and who calls.
pub(super) fn outcome(
    subsystem: &Subsystem,
    (system, flow): (&System, &Flow),
    disruption: Disruption,
) -> Outcome {
    let answering = answering(subsystem, (system, flow), disruption.cause);
    let stands = system.endpoints().zip(disruption.endpoints(system));
    let callers: Vec<EndpointId> = stands
        .filter(|(_, stands)| *stands == Stands::Active)
        .map(|(endpoint, _)| endpoint)
        .collect();
    let mut outcome = Outcome::default();
    for caller in &callers {
        for region in lands(system, *caller, callers.len(), answering).iter() {
            outcome.acting.insert((region, *caller));
        }
    }
    outcome
}

fn answering(subsystem: &Subsystem, (system, flow): (&System, &Flow), cause: Cause) -> RegionSet {
    let config = OpenConfig {
        verb: match flow.does {
            Does::Receive { .. } => OpenVerb::Receive {
                remote: flow.remote,
            },
            _ => OpenVerb::Serve,
        },
        allowed: system.allowed,
    };
    let all = subsystem.all();
    let up = cause.region_down().map_or(all, |down| all.without(down));
    let answers = |region: &RegionId| {
        let view = OpenView {
            writable: true,
            readable: true,
            confirmed: !peers(up, cause, *region).is_empty(),
            up,
            drained: RegionSet::EMPTY,
        };
        open(&config, &view, *region) == OpenDecision::Accept
    };
    up.iter().filter(answers).collect()
}

/// The other regions that a region's log reaches.
fn peers(up: RegionSet, cause: Cause, me: RegionId) -> RegionSet {
    match cause {
        Cause::Apart(apart) if apart == me => RegionSet::EMPTY,
        Cause::Apart(apart) => up.without(apart).without(me),
        _ => up.without(me),
    }
}

/// The regions that a caller may land on: where several call, each is led to its nearest; a single one
/// goes wherever the front door leads.
fn lands(system: &System, caller: EndpointId, callers: usize, answering: RegionSet) -> RegionSet {
    let near = system.nearest(caller);
    match near.filter(|region| callers > 1 && answering.contains(*region)) {
        Some(region) => RegionSet::EMPTY.with(region),
        None => answering,
    }
}
