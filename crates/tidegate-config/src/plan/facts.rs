//! From the configuration to the facts that a plan follows from.

use tidegate_core::plan::{self, Division, Does, Layout, Repeats, Subsystem};
use tidegate_core::region::{RegionId, RegionSet};

use super::{FlowPlan, Kind, Names};
use crate::config::{
    Config, Deliver, Durability, Hosting, Idempotency, OnPartition, Order, Registered, Sharding,
    System, Topology,
};

/// What the only endpoint of a system without any is called: who calls us has to come from somewhere.
const NAMELESS: &str = "main";

pub(super) fn flows(config: &Config) -> Vec<FlowPlan> {
    let received = config.flows.iter().map(|flow| {
        let does = Does::Receive {
            reconciled: flow.reconciled,
            everywhere: flow.registered == Registered::EveryRegion,
        };
        let facts = facts(does, flow.durability, None);
        (
            flow.name.as_str(),
            flow.system.as_str(),
            Kind::Receive,
            facts,
        )
    });
    let delivered = config.deliveries.iter().map(|flow| {
        let durability = sources(config, &flow.from);
        let facts = facts(deliver(flow), durability, Some(flow.ownership.on_partition));
        (
            flow.name.as_str(),
            flow.system.as_str(),
            Kind::Deliver,
            facts,
        )
    });
    let polled = config.polls.iter().map(|flow| {
        let does = Does::Poll {
            rereadable: flow.rereadable,
        };
        let facts = facts(does, flow.durability, Some(flow.ownership.on_partition));
        (flow.name.as_str(), flow.system.as_str(), Kind::Poll, facts)
    });
    let served = config.feeds.iter().map(|feed| {
        let facts = facts(Does::Serve, sources(config, &[]), None);
        (feed.name.as_str(), feed.system.as_str(), Kind::Serve, facts)
    });
    received
        .chain(delivered)
        .chain(polled)
        .chain(served)
        .filter_map(|(name, system, kind, facts)| flow_plan(config, (name, system), kind, &facts))
        .collect()
}

fn flow_plan(
    config: &Config,
    (name, system): (&str, &str),
    kind: Kind,
    flow: &plan::Flow,
) -> Option<FlowPlan> {
    let system = config.systems.iter().find(|it| it.name == system)?;
    let subsystem = subsystem(config);
    let rows = plan::plan(&subsystem, &system_facts(config, system), flow);
    let endpoints = system.endpoints.iter().map(|it| it.name.clone());
    let mut endpoints: Vec<String> = endpoints.collect();
    if endpoints.is_empty() {
        endpoints.push(NAMELESS.to_owned());
    }
    Some(FlowPlan {
        flow: name.to_owned(),
        kind,
        like: format!(
            "{}, {}",
            layout_word(system.topology),
            system.hosting.word()
        ),
        names: Names {
            system: system.name.clone(),
            regions: config.regions.iter().map(|it| it.name.clone()).collect(),
            endpoints,
        },
        rows,
    })
}

fn facts(does: Does, durability: Durability, on_partition: Option<OnPartition>) -> plan::Flow {
    plan::Flow {
        does,
        remote: durability == Durability::Remote,
        takes_over: on_partition == Some(OnPartition::Takeover),
    }
}

fn deliver(flow: &Deliver) -> Does {
    Does::Deliver {
        ordered: flow.order != Order::None,
        division: match flow.sharding {
            Sharding::Keys(count) => Division::Keys(count),
            Sharding::Origins => Division::Origins,
            Sharding::Whole => Division::Whole,
        },
        repeats: match flow.idempotency {
            Idempotency::Nothing => Repeats::Unknown,
            Idempotency::Key { global: false, .. } => Repeats::KeyPerEndpoint,
            Idempotency::Key { global: true, .. } => Repeats::KeyEverywhere,
            Idempotency::Natural => Repeats::Harmless,
        },
    }
}

/// How safe events are that come from these flows and services, or from all of them: as safe as the
/// least safe ones.
fn sources(config: &Config, from: &[String]) -> Durability {
    let wanted = |name: &str| from.is_empty() || from.iter().any(|it| it == name);
    let received = config.flows.iter().map(|it| (&it.name, it.durability));
    let polled = config.polls.iter().map(|it| (&it.name, it.durability));
    let flows = received.chain(polled).filter(|(name, _)| wanted(name));
    let publishes = config.services.iter().any(|service| {
        !service.publish.is_empty() && wanted(&format!("services/{}", service.name))
    });
    let services = publishes.then_some(config.log.durability);
    let local = flows
        .map(|(_, durability)| durability)
        .chain(services)
        .any(|it| it == Durability::Local);
    // Without any source nothing has been said but the default.
    let none = config.flows.is_empty() && config.polls.is_empty() && !publishes;
    match (local, none) {
        (true, _) => Durability::Local,
        (false, true) => config.log.durability,
        (false, false) => Durability::Remote,
    }
}

fn subsystem(config: &Config) -> Subsystem {
    Subsystem {
        regions: config.regions.len(),
        lease_store: config.lease.is_some(),
        front_door: config.front_door.is_some(),
    }
}

fn system_facts(config: &Config, system: &System) -> plan::System {
    let id = |name: &String| place(config, name);
    let all: RegionSet = RegionId::all().take(config.regions.len()).collect();
    let set = |names: &[String]| {
        if names.is_empty() {
            all
        } else {
            names.iter().filter_map(id).collect()
        }
    };
    let near = system.endpoints.iter();
    let mut near: Vec<Option<RegionId>> = near.map(|it| it.near.as_ref().and_then(id)).collect();
    if near.is_empty() {
        near.push(None);
    }
    plan::System {
        layout: match system.topology {
            Topology::Single => Layout::Single,
            Topology::PrimarySecondary => Layout::PrimarySecondary,
            Topology::Shared => Layout::Shared,
            Topology::Partitioned => Layout::Partitioned,
        },
        near,
        allowed: set(&system.allowed_regions),
        linked: match &system.hosting {
            Hosting::OnPremises { links } => set(links),
            Hosting::OtherCloud | Hosting::SameCloud { .. } => all,
        },
        fails_with: match &system.hosting {
            Hosting::SameCloud { fails_with } => fails_with.as_ref().and_then(id),
            Hosting::OtherCloud | Hosting::OnPremises { .. } => None,
        },
        rpo: system.their_rpo,
        retry_horizon: system.their_retry_horizon,
        probed: system.role_probe.is_some(),
    }
}

fn place(config: &Config, region: &str) -> Option<RegionId> {
    let place = config.regions.iter().position(|it| it.name == region)?;
    RegionId::new(u8::try_from(place).ok()?)
}

fn layout_word(topology: Topology) -> &'static str {
    match topology {
        Topology::Partitioned => "active-active partitioned",
        other => other.word(),
    }
}
