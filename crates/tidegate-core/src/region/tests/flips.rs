//! The smallest changes, against a search that knows nothing of facts.

use std::ops::ControlFlow;

use super::super::*;
use super::spaces::{Space, any};
use super::world::{config, endpoint, owner, region, regions, settings};
use crate::random::Random;

fn deed(decision: Decision) -> (std::mem::Discriminant<Action>, Option<usize>) {
    let object = match decision.action {
        Action::Act { endpoint, .. } => Some(endpoint.index()),
        Action::Yield { to, .. } => Some(to.index()),
        _ => None,
    };
    (std::mem::discriminant(&decision.action), object)
}

/// Every view that differs in one thing, made by hand for two regions and endpoints.
fn neighbours(view: &View) -> Vec<View> {
    let mut all = Vec::new();
    for r in (0..2).map(region) {
        let turn = |set: RegionSet| {
            if set.contains(r) {
                set.without(r)
            } else {
                set.with(r)
            }
        };
        all.push(View {
            up: turn(view.up),
            ..view.clone()
        });
        all.push(View {
            lease_ok: turn(view.lease_ok),
            ..view.clone()
        });
        all.push(View {
            stable: turn(view.stable),
            ..view.clone()
        });
        all.push(View {
            caught_up: turn(view.caught_up),
            ..view.clone()
        });
        all.push(View {
            drained: turn(view.drained),
            ..view.clone()
        });
        all.push(View {
            pin: Some(r),
            ..view.clone()
        });
        for e in (0..2).map(endpoint) {
            for breaker in [Breaker::Closed, Breaker::Open] {
                let mut other = view.clone();
                other.reach.set(r, e, breaker);
                all.push(other);
            }
        }
    }
    for e in (0..2).map(endpoint) {
        for role in [Role::Active, Role::Standby, Role::Down] {
            let mut other = view.clone();
            other.set_role(e, role);
            all.push(other);
        }
    }
    all.push(View {
        pin: None,
        ..view.clone()
    });
    all
}

/// Holds what is told about one state against the search.
fn check(config: &ShardConfig, view: &View, me: RegionId) {
    let now = deed(decide(config, view, me));
    let flips = flip(config, view, me);
    let told: Vec<_> = flips
        .iter()
        .map(|flip| {
            let mut other = view.clone();
            flip.first.apply(&mut other);
            if let Some(second) = flip.second {
                second.apply(&mut other);
            }
            assert_eq!(decide(config, &other, me), flip.then, "{flip:?} {view:?}");
            assert_ne!(deed(flip.then), now, "{flip:?} {view:?}");
            (flip.second.is_some(), other)
        })
        .collect();
    let flipping = |view: &View| deed(decide(config, view, me)) != now;
    let found: Vec<_> = neighbours(view).into_iter().filter(flipping).collect();
    if !found.is_empty() {
        assert!(told.iter().all(|(pair, _)| !pair), "{flips:?} {view:?}");
        if flips.len() < FLIPS_MAX {
            let deeds: Vec<_> = flips.iter().map(|flip| deed(flip.then)).collect();
            let missed = found
                .iter()
                .find(|it| !deeds.contains(&deed(decide(config, it, me))));
            assert_eq!(missed, None, "{flips:?} {view:?}");
        }
    } else if told.is_empty() {
        let near = neighbours(view);
        let second = near.iter().flat_map(neighbours).find(|it| flipping(it));
        assert_eq!(second, None, "two changes would do");
    }
}

#[test]
fn what_is_told_flips_the_action_and_nothing_smaller_does() {
    let walked = Space::Reference(2).each(&mut |config, view| {
        for me in (0..2).map(region) {
            check(config, view, me);
        }
        ControlFlow::Continue(())
    });
    assert!(walked.is_continue());
}

#[test]
fn what_is_told_flips_the_action_of_any_shard() {
    let mut random = Random::new(11);
    for _ in 0..20_000 {
        let (config, view) = any(&mut random);
        let me = region(0);
        let now = deed(decide(&config, &view, me));
        for flip in flip(&config, &view, me) {
            assert_ne!(deed(flip.then), now, "{flip:?} {config:?} {view:?}");
        }
    }
}

#[test]
fn the_largest_shard_is_done_in_bounded_work() {
    let mut view = View {
        up: RegionSet::ALL,
        lease_ok: RegionSet::ALL,
        ..View::default()
    };
    let mut links = Grid::default();
    for r in RegionId::all() {
        for e in EndpointId::all() {
            links.set(r, e, Some(Distance::NEAR));
            view.reach.set(r, e, Breaker::Open);
        }
    }
    let config = ShardConfig {
        preferences: RegionId::all().collect(),
        topology: Topology::ActiveActive(Sharing::Shared),
        links,
        allowed: RegionSet::ALL,
        fail_back: FailBack::WhenStable,
    };
    view.owner = Some(owner(region(0)));
    let flips = flip(&config, &view, region(0));
    assert_eq!(flips.len(), FLIPS_MAX);
}

#[test]
fn a_flip_is_told_in_words() {
    let setting = &settings()[1];
    let config = config(setting, 2);
    let names = Names {
        system: "crm".to_owned(),
        regions: vec!["us-east-1".to_owned(), "us-west-2".to_owned()],
        endpoints: vec!["east".to_owned(), "west".to_owned()],
    };
    let mut view = View {
        up: regions(2),
        lease_ok: regions(2),
        owner: Some(owner(region(0))),
        ..View::default()
    };
    view.set_role(endpoint(0), Role::Active);
    view.set_role(endpoint(1), Role::Standby);
    view.reach.set(region(0), endpoint(1), Breaker::Closed);

    let made = decide(&config, &view, region(0));
    let said = names.say(made).to_string();
    assert_eq!(said, "holds: it reaches no endpoint that may be used");
    let told: Vec<_> = flip(&config, &view, region(0))
        .into_iter()
        .map(|flip| names.say(flip).to_string())
        .collect();
    assert_eq!(
        told,
        [
            "if us-east-1 went down, it would stop: its own probe says that it is down",
            "if us-east-1 could not renew its session, it would stop: its session is over, or the \
             lease store does not answer",
            "if the breaker of us-east-1 to crm/east closed, it would act against crm/east",
            "if the breaker of us-west-2 to crm/east closed, it would yield to us-west-2: it reaches \
             no endpoint that may be used",
            "if an operator drained us-east-1, it would yield to us-west-2: an operator drains this \
             region",
        ]
    );
}
