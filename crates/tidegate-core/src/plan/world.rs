//! A small world in which the regions decide: a view for each of them, and steps until nothing moves.

use std::collections::BTreeSet;

use super::disruption::{Cause, Disruption, Stands};
use super::facts::{Does, Flow, Layout, Subsystem, System};
use super::shards::{Shards, Which};
use crate::region::{
    Action, Breaker, Decision, Distance, EndpointId, Epoch, FailBack, Grid, Owner, RegionId,
    RegionSet, Role, Rule, ShardConfig, Sharing, Topology, View, decide,
};

/// Steps after which nothing moves any more. The reference model of the decision needs five at most, in
/// all its states.
const STEPS_MAX: usize = 8;

/// Who acts for shards, and how it came to that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Who acts, and against which endpoint.
    pub(super) acting: BTreeSet<(RegionId, EndpointId)>,
    /// Who owns them and cannot act.
    pub(super) holding: BTreeSet<RegionId>,
    /// The owners, whatever they do.
    pub(super) owners: BTreeSet<RegionId>,
    /// The rule that decided, of the first region that does something.
    pub(super) rule: Option<Rule>,
}

/// Everything but the owner.
struct World<'plan> {
    subsystem: &'plan Subsystem,
    config: ShardConfig,
    disruption: Disruption,
    system: &'plan System,
    cursor: Option<EndpointId>,
}

/// Regions that decide with each other, with one record of who owns the shards.
struct Side {
    members: RegionSet,
    /// The regions whose session holds.
    lease_ok: RegionSet,
    owner: Option<Owner>,
}

/// What becomes of the shards in the disruption, when all was well before.
pub(super) fn outcome(
    subsystem: &Subsystem,
    (system, flow): (&System, &Flow),
    shards: &Shards,
    disruption: Disruption,
) -> (Outcome, Outcome) {
    let calm = Disruption {
        cause: Cause::Nothing,
        promoted: None,
    };
    let mut world = World {
        subsystem,
        config: config(subsystem, system, shards),
        disruption: calm,
        system,
        cursor: None,
    };
    let before = world.settle(world.sides(flow, shards, None));
    let owner = before.owners.first().map(|region| Owner {
        region: *region,
        epoch: Epoch(1),
    });
    world.disruption = disruption;
    // Positions of one endpoint's log mean nothing at another, so a poll stays where its cursor is.
    if matches!(flow.does, Does::Poll { .. }) {
        world.cursor = before.acting.first().map(|(_, endpoint)| *endpoint);
    }
    let after = world.settle(world.sides(flow, shards, owner));
    (before, after)
}

fn config(subsystem: &Subsystem, system: &System, shards: &Shards) -> ShardConfig {
    let mut links = Grid::default();
    for region in subsystem.ids().filter(|it| system.linked.contains(*it)) {
        for endpoint in system.endpoints() {
            let near = system.nearest(endpoint) == Some(region);
            let distance = if near { Distance::NEAR } else { Distance::FAR };
            links.set(region, endpoint, Some(distance));
        }
    }
    ShardConfig {
        preferences: shards.preferences.clone(),
        topology: match (system.layout, shards.which) {
            (Layout::Single, _) => Topology::Single,
            (Layout::PrimarySecondary, _) => Topology::PrimarySecondary,
            (Layout::Partitioned, Which::Part(part)) => {
                Topology::ActiveActive(Sharing::Partitioned(part))
            }
            (Layout::Shared | Layout::Partitioned, _) => Topology::ActiveActive(Sharing::Shared),
        },
        links,
        allowed: system.allowed,
        fail_back: FailBack::WhenStable,
    }
}

impl World<'_> {
    fn cause(&self) -> Cause {
        self.disruption.cause
    }

    fn up(&self) -> RegionSet {
        let all = self.subsystem.all();
        match self.cause().region_down() {
            Some(down) => all.without(down),
            None => all,
        }
    }

    /// The regions that a region knows to be up.
    fn seen_from(&self, me: RegionId) -> RegionSet {
        match self.cause() {
            Cause::Apart(apart) if me == apart => RegionSet::EMPTY.with(apart),
            Cause::Apart(apart) => self.up().without(apart),
            _ => self.up(),
        }
    }

    /// Who decides with whom. With a lease store all do, since it says who owns what. Without it those
    /// do that see each other, if the flow may be taken over, and else only the first choice acts.
    fn sides(&self, flow: &Flow, shards: &Shards, owner: Option<Owner>) -> Vec<Side> {
        let up = self.up();
        let store = self.subsystem.lease_store;
        let silent = self.cause() == Cause::LeaseDown;
        if store && !silent {
            let lease_ok = match self.cause() {
                Cause::LeaseCut(region) => up.without(region),
                _ => up,
            };
            return vec![self.side(self.subsystem.all(), lease_ok, owner)];
        }
        if !flow.takes_over {
            let first = shards.preferences.first().filter(|_| !store);
            let lease_ok = first.map_or(RegionSet::EMPTY, |region| {
                RegionSet::EMPTY.with(*region).and(up)
            });
            return vec![self.side(self.subsystem.all(), lease_ok, owner)];
        }
        let mut sides: Vec<Side> = Vec::new();
        for region in up.iter() {
            let members = self.seen_from(region);
            if !sides.iter().any(|side| side.members == members) {
                sides.push(self.side(members, members, owner));
            }
        }
        sides
    }

    fn side(&self, members: RegionSet, lease_ok: RegionSet, owner: Option<Owner>) -> Side {
        // The session of an owner that is down, or cut off, ends.
        let lasts = |it: &Owner| members.and(lease_ok).contains(it.region);
        Side {
            members,
            lease_ok,
            owner: owner.filter(lasts),
        }
    }

    /// Lets every region do what it decides until nothing moves.
    fn settle(&self, sides: Vec<Side>) -> Outcome {
        let mut outcome = Outcome::default();
        for mut side in sides {
            for _ in 0..STEPS_MAX {
                if !self.step(&mut side) {
                    break;
                }
            }
            self.note(&side, &mut outcome);
        }
        outcome
    }

    fn decisions(&self, side: &Side) -> Vec<(RegionId, Decision)> {
        let up = side.members.and(self.up());
        let decided = up.iter().map(|region| {
            let view = self.view(side, region);
            (region, decide(&self.config, &view, region))
        });
        decided.collect()
    }

    /// Whether the shards changed hands.
    fn step(&self, side: &mut Side) -> bool {
        let epoch = side.owner.map_or(0, |owner| owner.epoch.0) + 1;
        let next = self
            .decisions(side)
            .into_iter()
            .find_map(|(region, decision)| match decision.action {
                Action::Acquire => Some(region),
                Action::Yield { to, .. } => Some(to),
                _ => None,
            });
        if let Some(region) = next {
            let epoch = Epoch(epoch);
            side.owner = Some(Owner { region, epoch });
        }
        next.is_some()
    }

    fn note(&self, side: &Side, outcome: &mut Outcome) {
        outcome.owners.extend(side.owner.map(|owner| owner.region));
        for (region, decision) in self.decisions(side) {
            match decision.action {
                Action::Act { endpoint, .. } => {
                    outcome.acting.insert((region, endpoint));
                }
                Action::Hold(_) => {
                    outcome.holding.insert(region);
                }
                _ if side.owner.is_some() => continue,
                _ => {}
            }
            outcome.rule.get_or_insert(decision.rule);
        }
    }

    fn view(&self, side: &Side, me: RegionId) -> View {
        let up = self.seen_from(me);
        let mut view = View {
            up,
            lease_ok: side.lease_ok,
            stable: up,
            caught_up: up,
            owner: side.owner,
            cursor_endpoint: self.cursor,
            ..View::default()
        };
        for (endpoint, stands) in self.system.endpoints().zip(self.stands()) {
            view.set_role(
                endpoint,
                match stands {
                    Stands::Active => Role::Active,
                    Stands::Standby => Role::Standby,
                    Stands::Down => Role::Down,
                },
            );
            for region in up.iter() {
                let works = stands != Stands::Down && self.cause() != Cause::Path(region, endpoint);
                let breaker = if works {
                    Breaker::Closed
                } else {
                    Breaker::Open
                };
                view.reach.set(region, endpoint, breaker);
            }
        }
        view
    }

    fn stands(&self) -> Vec<Stands> {
        self.disruption.endpoints(self.system)
    }
}
