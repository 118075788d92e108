//! Small worlds: every state there can be of two and three regions, and what becomes of it.

use std::ops::ControlFlow;

use super::super::*;
use super::properties::Property;

/// The decision, or a mutant of it.
pub(super) type Decide = fn(&ShardConfig, &View, RegionId) -> Decision;

pub(in crate::region) fn region(index: u8) -> RegionId {
    RegionId::new(index).unwrap()
}

pub(in crate::region) fn endpoint(index: u8) -> EndpointId {
    EndpointId::new(index).unwrap()
}

/// The regions before `count`.
pub(in crate::region) fn regions(count: u8) -> RegionSet {
    (0..count).map(region).collect()
}

/// A kind of external system, and the roles that its endpoints may have at one time.
#[derive(Clone)]
pub(in crate::region) struct Setting {
    pub(super) word: &'static str,
    pub(super) topology: Topology,
    pub(super) endpoints: u8,
    pub(super) roles: Vec<Vec<Role>>,
}

/// The five kinds of the reference model, in its order.
pub(in crate::region) fn settings() -> Vec<Setting> {
    use Role::{Active, Down, Standby};
    let pairs = |of: &[Role]| -> Vec<Vec<Role>> {
        let each = of.iter().copied();
        each.flat_map(|p| of.iter().map(move |q| vec![p, *q]))
            .collect()
    };
    let one_active = |pair: &Vec<Role>| *pair != [Active, Active];
    let shared = |sharing| Topology::ActiveActive(sharing);
    let setting = |word, topology, endpoints, roles| Setting {
        word,
        topology,
        endpoints,
        roles,
    };
    let primaries = pairs(&[Active, Standby, Down]);
    let both = pairs(&[Active, Down]);
    let single = vec![vec![Active], vec![Down]];
    vec![
        setting("single/-", Topology::Single, 1, single),
        setting(
            "ps/-",
            Topology::PrimarySecondary,
            2,
            primaries.into_iter().filter(one_active).collect(),
        ),
        setting("aa/-", shared(Sharing::Shared), 2, both.clone()),
        setting(
            "aa/P",
            shared(Sharing::Partitioned(endpoint(0))),
            2,
            both.clone(),
        ),
        setting("aa/Q", shared(Sharing::Partitioned(endpoint(1))), 2, both),
    ]
}

/// Regions are preferred in their order, all pairs have a way, and the endpoint of the same place is
/// the near one.
pub(in crate::region) fn config(setting: &Setting, count: u8) -> ShardConfig {
    let mut links = Grid::default();
    for r in 0..count {
        for e in 0..setting.endpoints {
            let distance = if r == e {
                Distance::NEAR
            } else {
                Distance::FAR
            };
            links.set(region(r), endpoint(e), Some(distance));
        }
    }
    ShardConfig {
        preferences: (0..count).map(region).collect(),
        topology: setting.topology,
        links,
        allowed: RegionSet::ALL,
        fail_back: FailBack::WhenStable,
    }
}

/// The subsets of a set, in the order of a count whose lowest bit is its first region.
pub(super) fn subsets(set: RegionSet) -> impl Iterator<Item = RegionSet> {
    let of: Vec<RegionId> = set.iter().collect();
    (0..1_u32 << of.len()).map(move |mask| {
        let chosen = of.iter().enumerate().filter(|(i, _)| mask >> i & 1 == 1);
        chosen.map(|(_, region)| *region).collect()
    })
}

/// Every choice of open and closed breakers: the pairs region by region, the last one changing fastest.
pub(super) fn reaches(count: u8, endpoints: u8) -> impl Iterator<Item = Grid<Breaker>> {
    let pairs = u32::from(count) * u32::from(endpoints);
    (0..1_u32 << pairs).map(move |mask| {
        let mut reach = Grid::default();
        for place in 0..pairs {
            let closed = mask >> (pairs - 1 - place) & 1 == 1;
            let at = u8::try_from(place).unwrap();
            reach.set(
                region(at / endpoints),
                endpoint(at % endpoints),
                if closed {
                    Breaker::Closed
                } else {
                    Breaker::Open
                },
            );
        }
        reach
    })
}

pub(super) const EPOCH: Epoch = Epoch(7);

pub(super) fn owner(region: RegionId) -> Owner {
    Owner {
        region,
        epoch: EPOCH,
    }
}

/// Looks at a state; breaks to end the walk.
pub(super) type See<'a> = &'a mut dyn FnMut(&ShardConfig, &View) -> ControlFlow<Property>;

/// Every state of so many regions and this system: no pin, nothing drained, and who is stable is
/// caught up.
pub(super) fn each_state(setting: &Setting, count: u8, see: See<'_>) -> ControlFlow<Property> {
    let config = config(setting, count);
    let mut view = View::default();
    for up in subsets(regions(count)) {
        view.up = up;
        for lease_ok in subsets(up) {
            view.lease_ok = lease_ok;
            for roles in &setting.roles {
                for (place, role) in (0..).zip(roles) {
                    view.set_role(endpoint(place), *role);
                }
                for reach in reaches(count, setting.endpoints) {
                    view.reach = reach;
                    for stable in subsets(up) {
                        view.stable = stable;
                        view.caught_up = stable;
                        for holder in std::iter::once(None).chain((0..count).map(Some)) {
                            view.owner = holder.map(|it| owner(region(it)));
                            see(&config, &view)?;
                        }
                    }
                }
            }
        }
    }
    ControlFlow::Continue(())
}

/// Rounds until nothing may change any more: an owner is lost, the shard is taken, vacated, yielded on
/// the path, and yielded to the preferred region; and one for each region to spare.
pub(super) const ROUNDS_MAX: usize = 5 + REGIONS_MAX;

/// One round: a session that is over owns nothing, then all regions do what they decided. The lease
/// store lets one of them change the record.
pub(super) fn round(
    decide: Decide,
    config: &ShardConfig,
    view: &mut View,
    among: RegionSet,
) -> Vec<(RegionId, Decision)> {
    let live = view.live();
    view.owner = view.owner.filter(|owner| live.contains(owner.region));
    let decisions: Vec<_> = among.iter().map(|r| (r, decide(config, view, r))).collect();
    let epoch = view.owner.map_or(EPOCH, |owner| owner.epoch);
    for (region, decision) in &decisions {
        let next = match decision.action {
            Action::Acquire => *region,
            Action::Yield { to, .. } => to,
            _ => continue,
        };
        view.owner = Some(Owner {
            region: next,
            epoch: Epoch(epoch.0 + 1),
        });
    }
    decisions
}
