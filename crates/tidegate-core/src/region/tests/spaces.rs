//! The spaces of states that the properties are held against.

use std::ops::ControlFlow;

use super::super::*;
use super::properties::{Property, check};
use super::world::{Decide, See, each_state, endpoint, owner, region, regions, settings, subsets};
use crate::random::Random;

/// A space of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    /// All states of the reference model with so many regions.
    Reference(u8),
    /// Two regions; every pin and drain, whoever is caught up, both ways of falling back.
    Operators,
    /// Three regions with all sessions alive; every pin and drain.
    ManyOperators,
    /// Two regions; every pin and drain, and every choice of allowed regions and links.
    Limits,
    /// Two regions; every endpoint that a cursor may belong to.
    Cursors,
    /// So many states at random: up to five regions and four endpoints, everything else anyhow.
    Random(u32),
}

impl Space {
    /// All of them. The random one comes first, since it finds most of what is wrong soonest; it has
    /// about a hundred states for each combination of topology, owner, pin and cursor.
    pub(super) const ALL: [Self; 7] = [
        Self::Random(200_000),
        Self::Reference(2),
        Self::Cursors,
        Self::Operators,
        Self::Limits,
        Self::Reference(3),
        Self::ManyOperators,
    ];

    /// Walks through it.
    pub(super) fn each(self, see: See<'_>) -> ControlFlow<Property> {
        match self {
            Self::Reference(count) => base(count, see),
            Self::Operators => base(2, &mut |config, view| {
                for caught_up in [view.stable, RegionSet::EMPTY, view.up] {
                    let view = View {
                        caught_up,
                        ..view.clone()
                    };
                    for fail_back in [FailBack::WhenStable, FailBack::ByOperator] {
                        let config = ShardConfig {
                            fail_back,
                            ..config.clone()
                        };
                        operators(2, &config, &view, see)?;
                    }
                }
                ControlFlow::Continue(())
            }),
            Self::ManyOperators => base(3, &mut |config, view| {
                if view.lease_ok == view.up && (view.stable.is_empty() || view.stable == view.up) {
                    operators(3, config, view, see)?;
                }
                ControlFlow::Continue(())
            }),
            Self::Limits => base(2, &mut |config, view| {
                if view.lease_ok == view.up && view.stable == view.up {
                    limits(config, view, see)?;
                }
                ControlFlow::Continue(())
            }),
            Self::Cursors => base(2, &mut |config, view| {
                for place in 0..2 {
                    let cursor_endpoint = Some(endpoint(place));
                    see(
                        config,
                        &View {
                            cursor_endpoint,
                            ..view.clone()
                        },
                    )?;
                }
                ControlFlow::Continue(())
            }),
            Self::Random(count) => {
                let mut random = Random::new(u64::from(count));
                for _ in 0..count {
                    let (config, view) = any(&mut random);
                    see(&config, &view)?;
                }
                ControlFlow::Continue(())
            }
        }
    }
}

fn base(count: u8, see: See<'_>) -> ControlFlow<Property> {
    for setting in settings() {
        each_state(&setting, count, see)?;
    }
    ControlFlow::Continue(())
}

/// Every pin and drain.
fn operators(count: u8, config: &ShardConfig, view: &View, see: See<'_>) -> ControlFlow<Property> {
    let mut view = view.clone();
    for pin in std::iter::once(None).chain((0..count).map(Some)) {
        view.pin = pin.map(region);
        for drained in subsets(regions(count)) {
            view.drained = drained;
            see(config, &view)?;
        }
    }
    ControlFlow::Continue(())
}

/// Every choice of allowed regions and links, with every pin and drain.
fn limits(config: &ShardConfig, view: &View, see: See<'_>) -> ControlFlow<Property> {
    let pairs: Vec<_> = (0..2)
        .flat_map(|r| (0..2).map(move |e| (region(r), endpoint(e))))
        .collect();
    for allowed in subsets(regions(2)) {
        for kept in 0..1_u32 << pairs.len() {
            let mut config = ShardConfig {
                allowed,
                ..config.clone()
            };
            for (place, (r, e)) in pairs.iter().enumerate() {
                let link = config.links.get(*r, *e).filter(|_| kept >> place & 1 == 1);
                config.links.set(*r, *e, link);
            }
            operators(2, &config, view, see)?;
        }
    }
    ControlFlow::Continue(())
}

/// A state without any pattern.
pub(super) fn any(random: &mut Random) -> (ShardConfig, View) {
    let mut below = |most: u64| u8::try_from(random.next() % most).unwrap();
    let (count, ends) = (1 + below(5), 1 + below(4));
    let mut some = |of: u8, odds: u64| -> RegionSet {
        (0..of).filter(|_| below(odds) > 0).map(region).collect()
    };
    let (up, lease_ok, allowed) = (some(count, 6), some(count, 6), some(count, 8));
    let (stable, caught_up, undrained) = (some(count, 3), some(count, 3), some(count, 3));
    let mut preferences: Vec<_> = (0..count).map(region).collect();
    for place in (1..preferences.len()).rev() {
        preferences.swap(place, usize::from(below(5)) % (place + 1));
    }
    let topology = match below(4) {
        0 => Topology::Single,
        1 => Topology::PrimarySecondary,
        2 => Topology::ActiveActive(Sharing::Shared),
        _ => Topology::ActiveActive(Sharing::Partitioned(endpoint(below(4)))),
    };
    let mut view = View {
        up,
        lease_ok,
        stable,
        caught_up,
        ..View::default()
    };
    let mut links = Grid::default();
    for e in (0..ends).map(endpoint) {
        let roles = [
            Role::Active,
            Role::Standby,
            Role::Down,
            Role::Unknown,
            Role::Active,
        ];
        view.set_role(e, roles[usize::from(below(5))]);
        for r in (0..count).map(region) {
            let breakers = [
                Breaker::Closed,
                Breaker::HalfOpen,
                Breaker::Open,
                Breaker::Unknown,
                Breaker::Closed,
            ];
            view.reach.set(r, e, breakers[usize::from(below(5))]);
            links.set(r, e, (below(4) > 0).then(|| Distance(below(3))));
        }
    }
    view.drained = regions(count).and(RegionSet::ALL);
    for r in undrained.iter() {
        view.drained = view.drained.without(r);
    }
    let holder = below(8);
    view.owner = (holder < count).then(|| owner(region(holder)));
    let pinned = below(12);
    view.pin = (pinned < count).then(|| region(pinned));
    let kept = below(8);
    view.cursor_endpoint = (kept < ends).then(|| endpoint(kept));
    let fail_back = if below(4) == 0 {
        FailBack::ByOperator
    } else {
        FailBack::WhenStable
    };
    let config = ShardConfig {
        preferences,
        topology,
        links,
        allowed,
        fail_back,
    };
    (config, view)
}

/// The first property that the decision violates anywhere in these spaces, with the state.
pub(super) fn violated(decide: Decide, spaces: &[Space]) -> Option<(Property, String)> {
    let mut found = None;
    for space in spaces {
        let walked = space.each(&mut |config, view| match check(decide, config, view) {
            Ok(()) => ControlFlow::Continue(()),
            Err(property) => {
                found = Some((property, format!("{space:?}\n{config:?}\n{view:?}")));
                ControlFlow::Break(property)
            }
        });
        if walked.is_break() {
            break;
        }
    }
    found
}

#[test]
fn the_properties_hold_in_every_state() {
    assert_eq!(violated(decide, &Space::ALL), None);
}
