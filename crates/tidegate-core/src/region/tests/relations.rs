//! Properties of pairs of states: other names, more health.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::super::*;
use super::properties::{Property, play};
use super::spaces::Space;
use super::world::{Decide, endpoint, region};
use crate::random::Random;

/// Region `r` is called `names[r]`.
fn renamed_set(set: RegionSet, names: &[RegionId]) -> RegionSet {
    set.iter().map(|r| renamed(r, names)).collect()
}

fn renamed(r: RegionId, names: &[RegionId]) -> RegionId {
    names.get(r.index()).copied().unwrap_or(r)
}

fn renamed_grid<T: Copy + Default>(grid: &Grid<T>, names: &[RegionId]) -> Grid<T> {
    let mut turned = Grid::default();
    for r in RegionId::all() {
        for e in EndpointId::all() {
            turned.set(renamed(r, names), e, grid.get(r, e));
        }
    }
    turned
}

fn rename(config: &ShardConfig, view: &View, names: &[RegionId]) -> (ShardConfig, View) {
    let preferred = config.preferences.iter();
    let config = ShardConfig {
        preferences: preferred.map(|r| renamed(*r, names)).collect(),
        links: renamed_grid(&config.links, names),
        allowed: renamed_set(config.allowed, names),
        ..config.clone()
    };
    let view = View {
        up: renamed_set(view.up, names),
        lease_ok: renamed_set(view.lease_ok, names),
        reach: renamed_grid(&view.reach, names),
        stable: renamed_set(view.stable, names),
        caught_up: renamed_set(view.caught_up, names),
        owner: view.owner.map(|owner| Owner {
            region: renamed(owner.region, names),
            ..owner
        }),
        pin: view.pin.map(|r| renamed(r, names)),
        drained: renamed_set(view.drained, names),
        ..view.clone()
    };
    (config, view)
}

fn renamed_decision(made: Decision, names: &[RegionId]) -> Decision {
    let why = |why| match why {
        Why::OwnedBy(r) => Why::OwnedBy(renamed(r, names)),
        Why::After(r) => Why::After(renamed(r, names)),
        other => other,
    };
    let action = match made.action {
        Action::Hold(it) => Action::Hold(why(it)),
        Action::Standby(it) => Action::Standby(why(it)),
        Action::Stop(it) => Action::Stop(why(it)),
        Action::Yield { to, why: it } => Action::Yield {
            to: renamed(to, names),
            why: why(it),
        },
        other => other,
    };
    Decision { action, ..made }
}

/// Whether other names give the same decisions under those names.
fn commutes(decide: Decide, config: &ShardConfig, view: &View, names: &[RegionId]) -> bool {
    let (other_config, other_view) = rename(config, view, names);
    config.preferences.iter().all(|r| {
        let here = renamed_decision(decide(config, view, *r), names);
        here == decide(&other_config, &other_view, renamed(*r, names))
    })
}

/// Every renaming of three regions but the one that changes nothing.
const RENAMINGS: [[u8; 3]; 5] = [[1, 0, 2], [0, 2, 1], [2, 1, 0], [1, 2, 0], [2, 0, 1]];

fn renaming_violated(decide: Decide, space: Space) -> bool {
    let renamings = RENAMINGS.map(|names| names.map(region));
    let mut turn = 0;
    let walked = space.each(&mut |config, view| {
        // With two regions there is one renaming; with three the states take turns with the five,
        // which have no period in common with the walk.
        let names = match config.preferences.len() {
            2 => &renamings[0],
            _ => &renamings[turn % renamings.len()],
        };
        turn += 1;
        if commutes(decide, config, view, names) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(Property::Renames)
        }
    });
    walked.is_break()
}

#[test]
fn renaming_regions_changes_names_only() {
    for space in [
        Space::Operators,
        Space::Reference(3),
        Space::Random(100_000),
    ] {
        assert!(!renaming_violated(decide, space), "{space:?}");
    }
}

#[test]
fn a_decision_that_looks_at_numbers_is_noticed_by_renaming() {
    let low_numbers: Decide = |config, view, me| {
        let mut config = config.clone();
        config.preferences.sort_unstable();
        decide(&config, view, me)
    };
    assert!(renaming_violated(low_numbers, Space::Reference(2)));
}

/// The views in which one thing is healthier.
fn healthier(config: &ShardConfig, view: &View) -> Vec<View> {
    let mut better = Vec::new();
    let mut add = |change: &dyn Fn(&mut View)| {
        let mut changed = view.clone();
        change(&mut changed);
        if changed != *view {
            better.push(changed);
        }
    };
    for r in config.preferences.iter().copied() {
        add(&|view| view.up = view.up.with(r));
        add(&|view| {
            view.up = view.up.with(r);
            view.lease_ok = view.lease_ok.with(r);
        });
        add(&|view| view.stable = view.stable.with(r));
        add(&|view| view.caught_up = view.caught_up.with(r));
        for e in (0..2).map(endpoint) {
            add(&|view| view.reach.set(r, e, Breaker::Closed));
        }
    }
    for e in (0..2).map(endpoint) {
        let other_active = EndpointId::all().any(|it| it != e && view.role(it) == Role::Active);
        // A second primary is no better health.
        if config.topology != Topology::PrimarySecondary || !other_active {
            add(&|view| view.set_role(e, Role::Active));
        }
    }
    better
}

/// Whether somebody acts in the end.
fn served(decide: Decide, config: &ShardConfig, view: &View) -> bool {
    play(decide, config, view).is_ok_and(|(acting, _)| acting.is_some())
}

fn monotone_violated(decide: Decide, space: Space) -> bool {
    let walked = space.each(&mut |config, view| {
        // Who owns the shard and who is stable is looked at by the walk through the states themselves.
        let looked_at =
            view.stable.is_empty() && view.owner.is_none_or(|it| it.region == region(0));
        if !looked_at || !served(decide, config, view) {
            return ControlFlow::Continue(());
        }
        let mut better = healthier(config, view).into_iter();
        match better.find(|better| !served(decide, config, better)) {
            Some(_) => ControlFlow::Break(Property::Monotone),
            None => ControlFlow::Continue(()),
        }
    });
    walked.is_break()
}

#[test]
fn more_health_never_ends_a_service() {
    for space in [Space::Reference(2), Space::Reference(3), Space::Operators] {
        assert!(!monotone_violated(decide, space), "{space:?}");
    }
}

#[test]
fn a_decision_that_fears_a_second_region_is_noticed_by_more_health() {
    let shy: Decide = |config, view, me| {
        let mut made = decide(config, view, me);
        if view.up.len() > 1 && matches!(made.action, Action::Act { .. }) {
            made.action = Action::Hold(Why::NobodyLive);
        }
        made
    };
    assert!(monotone_violated(shy, Space::Reference(2)));
}

#[test]
fn every_rule_fires_somewhere_and_has_a_name_and_a_sentence() {
    let mut random = Random::new(3);
    let mut fired = BTreeSet::new();
    for _ in 0..50_000 {
        let (config, view) = super::spaces::any(&mut random);
        for me in &config.preferences {
            fired.insert(decide(&config, &view, *me).rule);
        }
    }
    assert_eq!(fired.into_iter().collect::<Vec<_>>(), Rule::ALL);
    let said: BTreeSet<_> = Rule::ALL.map(|rule| rule.to_string()).into();
    let codes: BTreeSet<_> = Rule::ALL.map(Rule::code).into();
    assert_eq!(
        (said.len(), codes.len()),
        (Rule::ALL.len(), Rule::ALL.len())
    );
}

#[test]
fn the_book_has_the_rules_in_their_order_and_words() {
    let book = include_str!("../../../../../docs/src/decisions.md");
    let rows = book
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let told: Vec<_> = rows
        .map(|(code, rest)| (code, rest.split(" | ").next().unwrap().to_owned()))
        .collect();
    let rules = Rule::ALL.map(|rule| (rule.code(), rule.to_string()));
    assert_eq!(told, rules);
}
