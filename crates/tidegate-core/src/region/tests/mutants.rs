//! Mutants: the decision with one rule broken. Each must violate a property, and the one named here.
//!
//! A mutant is written around the decision, by showing it something else or changing what it says.
//! To a caller that is the same as a changed line inside, and the decision stays free of switches.

use super::super::*;
use super::properties::Property;
use super::spaces::{Space, violated};
use super::world::Decide;

/// What is broken, how, and which property says so first.
const MUTANTS: &[(&str, Decide, Property)] = &[
    (
        "acts on a standby that nobody promoted",
        on_standby,
        Property::Eligible,
    ),
    (
        "moves on their outage",
        moves_on_their_outage,
        Property::Settles,
    ),
    (
        "goes back without stability",
        without_stability,
        Property::Returns,
    ),
    ("acts without a lease", without_lease, Property::Owned),
    (
        "never yields when its path is down",
        never_yields,
        Property::First,
    ),
    ("never goes back", never_back, Property::Returns),
    (
        "goes back before the other has caught up",
        not_caught_up,
        Property::Returns,
    ),
    ("acts while it is down", while_down, Property::Owned),
    ("takes what another one owns", takes_owned, Property::Owned),
    ("all take what nobody owns", all_take, Property::OneActor),
    (
        "nobody takes what nobody can act for",
        nobody_takes,
        Property::First,
    ),
    ("ignores a pin", ignores_pin, Property::First),
    (
        "obeys a pin beyond the limits",
        pin_beyond_limits,
        Property::Limits,
    ),
    ("ignores a drain", ignores_drain, Property::First),
    (
        "stops as soon as it is drained",
        drained_is_down,
        Property::Owned,
    ),
    (
        "keeps a drained region's shard on their outage",
        never_vacates,
        Property::Vacates,
    ),
    ("ignores missing links", ignores_links, Property::Limits),
    (
        "ignores the allowed regions",
        ignores_allowed,
        Property::Limits,
    ),
    (
        "reads another partition",
        ignores_partition,
        Property::Eligible,
    ),
    (
        "takes the unknown for reachable",
        unknown_is_reachable,
        Property::Eligible,
    ),
    (
        "takes a half-open breaker for closed",
        half_open_is_closed,
        Property::Eligible,
    ),
    (
        "believes the first of two primaries",
        believes_first_primary,
        Property::Eligible,
    ),
    ("calls the farthest endpoint", farthest, Property::Nearest),
    (
        "leaves the cursor's endpoint",
        ignores_cursor,
        Property::Nearest,
    ),
    (
        "clings to the cursor's endpoint",
        clings_to_cursor,
        Property::Eligible,
    ),
    ("prefers low numbers", low_numbers, Property::First),
    ("acts under another epoch", other_epoch, Property::Owned),
    ("yields to the last that can", to_the_last, Property::First),
    (
        "goes back though operators shall",
        back_by_itself,
        Property::Returns,
    ),
    ("goes to a region on the way", on_the_way, Property::Returns),
];

#[test]
fn every_mutant_is_caught_by_the_property_that_forbids_it() {
    let caught: Vec<_> = MUTANTS
        .iter()
        .map(|(name, mutant, _)| {
            let found = violated(*mutant, &Space::ALL);
            (*name, found.map(|(property, _)| property))
        })
        .collect();
    let expected: Vec<_> = MUTANTS
        .iter()
        .map(|(name, _, property)| (*name, Some(*property)))
        .collect();
    assert_eq!(caught, expected);
}

/// Decides with another view.
fn seeing(
    config: &ShardConfig,
    view: &View,
    me: RegionId,
    change: impl FnOnce(&mut View),
) -> Decision {
    let mut view = view.clone();
    change(&mut view);
    decide(config, &view, me)
}

/// Decides with another configuration.
fn told(
    config: &ShardConfig,
    view: &View,
    me: RegionId,
    change: impl FnOnce(&mut ShardConfig),
) -> Decision {
    let mut config = config.clone();
    change(&mut config);
    decide(&config, view, me)
}

/// Changes what is decided.
fn doing(
    config: &ShardConfig,
    view: &View,
    me: RegionId,
    change: impl FnOnce(&mut Decision),
) -> Decision {
    let mut decision = decide(config, view, me);
    change(&mut decision);
    decision
}

/// Whether the configuration forbids the region to own the shard at all: other mutants see to that.
fn barred(config: &ShardConfig, view: &View, region: RegionId) -> bool {
    matches!(able(config, view, region), Err(Obstacle::Barred(_)))
}

const ALL_SHARED: Topology = Topology::ActiveActive(Sharing::Shared);

fn on_standby(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    told(config, view, me, |config| {
        if config.topology == Topology::PrimarySecondary {
            config.topology = ALL_SHARED;
        }
    })
}

fn moves_on_their_outage(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    doing(config, view, me, |decision| {
        let mut others = config.preferences.iter().copied();
        let Action::Hold(why) = decision.action else {
            return;
        };
        let fits = |it| it != me && view.live().contains(it) && !barred(config, view, it);
        if let Some(to) = others.find(|it| fits(*it)) {
            decision.action = Action::Yield { to, why };
        }
    })
}

fn without_stability(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    seeing(config, view, me, |view| view.stable = RegionSet::ALL)
}

fn without_lease(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    seeing(config, view, me, |view| {
        view.lease_ok = view.lease_ok.with(me)
    })
}

fn never_yields(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    doing(config, view, me, |decision| {
        if decision.rule == Rule::OtherPath {
            decision.action = Action::Hold(Why::Cannot(Obstacle::Unreachable));
        }
    })
}

fn never_back(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    seeing(config, view, me, |view| view.stable = RegionSet::EMPTY)
}

fn not_caught_up(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    seeing(config, view, me, |view| view.caught_up = RegionSet::ALL)
}

fn while_down(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    seeing(config, view, me, |view| view.up = view.up.with(me))
}

fn takes_owned(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    seeing(config, view, me, |view| {
        view.owner = view.owner.filter(|owner| owner.region == me);
    })
}

fn all_take(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    doing(config, view, me, |decision| {
        if decision.rule == Rule::NotFirst && !barred(config, view, me) {
            decision.action = Action::Acquire;
        }
    })
}

fn nobody_takes(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    doing(config, view, me, |decision| {
        if decision.rule == Rule::FirstLive {
            decision.action = Action::Standby(Why::NobodyLive);
        }
    })
}

fn ignores_pin(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    seeing(config, view, me, |view| view.pin = None)
}

fn pin_beyond_limits(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    told(config, view, me, |config| {
        if let Some(pin) = view.pin {
            config.allowed = config.allowed.with(pin);
        }
    })
}

fn ignores_drain(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    seeing(config, view, me, |view| view.drained = RegionSet::EMPTY)
}

fn drained_is_down(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    seeing(config, view, me, |view| {
        if view.drained.contains(me) {
            view.up = view.up.without(me);
        }
    })
}

fn never_vacates(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    doing(config, view, me, |decision| {
        if decision.rule == Rule::Vacate {
            decision.action = Action::Hold(Why::Drained);
        }
    })
}

fn ignores_links(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    told(config, view, me, |config| {
        for region in RegionId::all() {
            for endpoint in EndpointId::all() {
                let link = config.links.get(region, endpoint).unwrap_or(Distance::FAR);
                config.links.set(region, endpoint, Some(link));
            }
        }
    })
}

fn ignores_allowed(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    told(config, view, me, |config| config.allowed = RegionSet::ALL)
}

fn ignores_partition(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    let made = decide(config, view, me);
    let partitioned = matches!(config.topology, Topology::ActiveActive(_));
    if !partitioned || made.rule != Rule::Hold || barred(config, view, me) {
        return made;
    }
    let other = told(config, view, me, |config| config.topology = ALL_SHARED);
    if other.rule == Rule::Act { other } else { made }
}

/// Shows one state of the breakers as closed.
fn closing(config: &ShardConfig, view: &View, me: RegionId, taken: Breaker) -> Decision {
    seeing(config, view, me, |view| {
        for region in config.preferences.iter().copied() {
            for endpoint in EndpointId::all() {
                if view.reach.get(region, endpoint) == taken {
                    view.reach.set(region, endpoint, Breaker::Closed);
                }
            }
        }
    })
}

fn unknown_is_reachable(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    closing(config, view, me, Breaker::Unknown)
}

fn half_open_is_closed(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    closing(config, view, me, Breaker::HalfOpen)
}

fn believes_first_primary(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    seeing(config, view, me, |view| {
        let mut active = EndpointId::all().filter(|it| view.role(*it) == Role::Active);
        active.next();
        for later in active.collect::<Vec<_>>() {
            view.set_role(later, Role::Standby);
        }
    })
}

fn farthest(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    told(config, view, me, |config| {
        for region in RegionId::all() {
            for endpoint in EndpointId::all() {
                let link = config.links.get(region, endpoint);
                let turned = link.map(|distance| Distance(u8::MAX - distance.0));
                config.links.set(region, endpoint, turned);
            }
        }
    })
}

fn ignores_cursor(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    seeing(config, view, me, |view| view.cursor_endpoint = None)
}

fn clings_to_cursor(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    doing(config, view, me, |decision| {
        if let (Action::Act { endpoint, .. }, Some(kept)) =
            (&mut decision.action, view.cursor_endpoint)
        {
            *endpoint = kept;
        }
    })
}

fn low_numbers(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    told(config, view, me, |config| {
        config.preferences.sort_unstable()
    })
}

fn other_epoch(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    doing(config, view, me, |decision| {
        if let Action::Act { epoch, .. } = &mut decision.action {
            epoch.0 += 1;
        }
    })
}

fn to_the_last(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    doing(config, view, me, |decision| {
        let mut last = config.preferences.iter().copied().rev();
        if let (Rule::OtherPath, Action::Yield { to, .. }) = (decision.rule, &mut decision.action) {
            let able = last.find(|it| able(config, view, *it).is_ok());
            *to = able.unwrap_or(*to);
        }
    })
}

fn back_by_itself(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    told(config, view, me, |config| {
        config.fail_back = FailBack::WhenStable
    })
}

/// Lets the owner go to the first region that is ready now, though a better one will be soon.
fn on_the_way(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    let made = decide(config, view, me);
    if made.rule != Rule::Act {
        return made;
    }
    told(config, view, me, |config| {
        let ready = view.stable.and(view.caught_up).with(me);
        config.preferences.retain(|region| ready.contains(*region));
    })
}
