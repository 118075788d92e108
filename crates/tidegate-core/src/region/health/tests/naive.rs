//! The machine against a model that keeps everything it was told and looks it all up each time.

use proptest::prelude::*;
use tidegate_types::time::BootMillis;

use super::super::*;
use crate::region::{Breaker, EndpointId, Epoch, Owner, RegionId, RegionSet, Role, View};

const REGIONS: u8 = 5;
const ENDPOINTS: u8 = 2;
const SYSTEMS: u16 = 2;
const ME: u8 = 0;

fn region(index: u8) -> RegionId {
    RegionId::new(index).unwrap()
}

fn endpoint(index: u8) -> EndpointId {
    EndpointId::new(index).unwrap()
}

fn settings() -> Settings {
    Settings {
        stable_for: Duration::from_secs(4),
        ..Settings::default()
    }
}

#[derive(Clone, Debug)]
enum Input {
    Probe(RegionId, bool),
    Path(SystemId, EndpointId, Path),
    Lease(BootMillis),
    CaughtUp(RegionSet),
    Report(Report),
    Owner(Option<Owner>),
    Command(Option<RegionId>, RegionSet),
}

fn any_region() -> impl Strategy<Value = RegionId> {
    (0..REGIONS).prop_map(region)
}

fn any_set() -> impl Strategy<Value = RegionSet> {
    // Mostly all of them, or little would ever be stable.
    prop_oneof![
        4 => Just((0..REGIONS).map(region).collect::<RegionSet>()),
        1 => proptest::collection::vec(any_region(), 0..4).prop_map(|it| it.into_iter().collect()),
    ]
}

fn any_path() -> impl Strategy<Value = Path> {
    let breaker = prop_oneof![
        6 => Just(Breaker::Closed),
        1 => Just(Breaker::Open),
        1 => Just(Breaker::HalfOpen),
        1 => Just(Breaker::Unknown),
    ];
    let role = prop_oneof![
        4 => Just(Role::Active),
        2 => Just(Role::Unknown),
        1 => Just(Role::Standby),
        1 => Just(Role::Down),
    ];
    (breaker, role).prop_map(|(breaker, role)| Path { breaker, role })
}

fn any_place() -> impl Strategy<Value = (SystemId, EndpointId)> {
    (0..SYSTEMS, 0..ENDPOINTS).prop_map(|(s, e)| (SystemId(s), endpoint(e)))
}

fn any_report() -> impl Strategy<Value = Report> {
    let flags = (prop::bool::weighted(0.95), prop::bool::weighted(0.95));
    let paths = proptest::collection::vec((any_place(), any_path()), 0..5);
    let number = prop_oneof![9 => Just(0_u64), 1 => 1_u64..5];
    (
        any_region(),
        prop::bool::weighted(0.05),
        number,
        flags,
        any_set(),
        any_set(),
        paths,
    )
        .prop_map(
            |(from, restarted, number, (up, lease_ok), hears, caught_up, paths)| Report {
                from,
                life: u64::from(restarted),
                // Zero stands for the next one, filled in when it is told.
                number,
                up,
                lease_ok,
                hears,
                caught_up,
                paths: paths
                    .into_iter()
                    .map(|((system, endpoint), path)| PathReport {
                        system,
                        endpoint,
                        path,
                    })
                    .collect(),
            },
        )
}

fn any_input() -> impl Strategy<Value = Input> {
    let owner = prop::option::of((any_region(), 0_u64..9)).prop_map(|owner| {
        owner.map(|(region, epoch)| Owner {
            region,
            epoch: Epoch(epoch),
        })
    });
    let pin = (prop::option::of(any_region()), any_set());
    prop_oneof![
        20 => (any_region(), prop::bool::weighted(0.9)).prop_map(|(r, it)| Input::Probe(r, it)),
        4 => (any_place(), any_path()).prop_map(|((s, e), path)| Input::Path(s, e, path)),
        2 => (0_u64..60_000).prop_map(|until| Input::Lease(BootMillis(until))),
        1 => any_set().prop_map(Input::CaughtUp),
        20 => any_report().prop_map(Input::Report),
        1 => owner.prop_map(Input::Owner),
        1 => pin.prop_map(|(pin, drained)| Input::Command(pin, drained)),
    ]
}

/// Everything that was told and believed, with its time.
#[derive(Clone, Copy, Debug)]
struct Told<'a>(&'a [(u64, Input)]);

impl Told<'_> {
    /// The first so many inputs.
    fn first(&self, count: usize) -> Told<'_> {
        Told(&self.0[..count])
    }

    fn last<T>(&self, pick: impl Fn(u64, &Input) -> Option<T>) -> Option<T> {
        self.0.iter().rev().find_map(|(at, input)| pick(*at, input))
    }

    fn report(&self, from: RegionId, now: u64) -> Option<(u64, Report)> {
        let last = self.last(|at, input| match input {
            Input::Report(report) if report.from == from => Some((at, report.clone())),
            _ => None,
        });
        last.filter(|(at, _)| now - at < 4_000)
    }

    /// A silence of more than four seconds is three misses.
    fn passes(&self, of: RegionId, now: u64) -> bool {
        let mut outcomes = Vec::new();
        let mut before: Option<u64> = None;
        for (at, input) in self.0 {
            let Input::Probe(region, passed) = input else {
                continue;
            };
            if *region == of {
                if before.is_some_and(|before| at - before > 4_000) {
                    outcomes.extend([false; 3]);
                }
                outcomes.push(*passed);
                before = Some(*at);
            }
        }
        let mut up = None;
        for end in 1..=outcomes.len() {
            let last = outcomes[end - 1];
            let run = outcomes[..end]
                .iter()
                .rev()
                .take_while(|it| **it == last)
                .count();
            match up {
                None if last => up = Some(true),
                Some(true) if !last && run >= 3 => up = Some(false),
                Some(false) if last && run >= 10 => up = Some(true),
                _ => {}
            }
        }
        up == Some(true) && before.is_some_and(|before| now - before <= 4_000)
    }

    fn up(&self, of: RegionId, now: u64) -> bool {
        if of == region(ME) {
            return self.passes(of, now);
        }
        let others = (0..REGIONS)
            .map(region)
            .filter(|it| *it != of && *it != region(ME));
        let jury: Vec<_> = others
            .filter_map(|other| self.report(other, now))
            .filter(|(_, report)| report.up)
            .map(|(_, report)| report.hears.contains(of))
            .chain([true])
            .collect();
        let against = jury.iter().filter(|hears| !**hears).count();
        let says = self.report(of, now).is_some_and(|(_, report)| report.up);
        says && self.passes(of, now) && against <= jury.len() - against
    }

    fn lease_ok(&self, of: RegionId, now: u64) -> bool {
        if of == region(ME) {
            let until = self.last(|_, input| match input {
                Input::Lease(until) => Some(until.0),
                _ => None,
            });
            until.is_some_and(|until| now < until)
        } else {
            self.report(of, now)
                .is_some_and(|(_, report)| report.lease_ok)
        }
    }

    fn path(&self, of: RegionId, s: SystemId, e: EndpointId, now: u64) -> Option<(u64, Path)> {
        if of == region(ME) {
            return self.last(|at, input| match input {
                Input::Path(system, endpoint, path) if (*system, *endpoint) == (s, e) => {
                    Some((at, *path))
                }
                _ => None,
            });
        }
        let (at, report) = self.report(of, now)?;
        let told = report
            .paths
            .iter()
            .rev()
            .find(|it| (it.system, it.endpoint) == (s, e));
        told.map(|told| (at, told.path))
    }

    fn role(&self, s: SystemId, e: EndpointId, now: u64) -> Role {
        let said = |of| {
            let (at, path) = self.path(of, s, e, now)?;
            (now - at < 15_000 && path.role != Role::Unknown).then_some((at, path.role))
        };
        if let Some((_, role)) = said(region(ME)) {
            return role;
        }
        let mut best: Option<(u64, Role)> = None;
        for (at, role) in (1..REGIONS).map(region).filter_map(said) {
            if best.is_none_or(|(known, _)| at > known) {
                best = Some((at, role));
            }
        }
        best.map_or(Role::Unknown, |(_, role)| role)
    }

    fn well(&self, of: RegionId, s: SystemId, now: u64) -> bool {
        let reaches = (0..ENDPOINTS).map(endpoint).any(|e| {
            let path = self.path(of, s, e, now);
            let closed = path.is_some_and(|(_, path)| path.breaker == Breaker::Closed);
            closed && matches!(self.role(s, e, now), Role::Active | Role::Unknown)
        });
        self.up(of, now) && self.lease_ok(of, now) && reaches
    }

    /// Since when the region was well whenever something was told, and now.
    fn well_since(&self, of: RegionId, s: SystemId, now: u64) -> Option<u64> {
        let mut since = None;
        let mut look = |told: Told<'_>, at: u64| {
            since = told.well(of, s, at).then(|| since.unwrap_or(at));
        };
        for (count, (at, input)) in self.0.iter().enumerate() {
            let looks = match input {
                Input::Owner(_) | Input::Command(..) | Input::CaughtUp(_) => false,
                Input::Path(system, ..) => *system == s,
                _ => true,
            };
            if looks {
                look(self.first(count), *at);
                look(self.first(count + 1), *at);
            }
        }
        since.filter(|_| self.well(of, s, now))
    }

    /// Pairs of an owner that differs from the one before, with the time.
    fn owners(&self) -> Vec<(u64, Option<RegionId>)> {
        let mut owners = vec![(0, None)];
        for (at, input) in self.0 {
            if let Input::Owner(owner) = input {
                let owner = owner.map(|owner| owner.region);
                if owners.last().map(|(_, it)| *it) != Some(owner) {
                    owners.push((*at, owner));
                }
            }
        }
        owners
    }

    fn commands(&self) -> (Option<RegionId>, RegionSet, Option<u64>) {
        let mut now = (None, RegionSet::EMPTY, None);
        for (at, input) in self.0 {
            if let Input::Command(pin, drained) = input
                && (now.0, now.1) != (*pin, *drained)
            {
                now = (*pin, *drained, Some(*at));
            }
        }
        now
    }

    fn stable(&self, of: RegionId, s: SystemId, now: u64) -> bool {
        let Some(since) = self.well_since(of, s, now) else {
            return false;
        };
        let somebody: Vec<_> = self
            .owners()
            .into_iter()
            .filter(|(_, it)| it.is_some())
            .collect();
        let mut moves = somebody.windows(2).rev();
        let moved = moves
            .find(|pair| pair[0].1 != pair[1].1)
            .map(|pair| pair[1].0);
        let waited = now - since >= 4_000 && moved.is_none_or(|moved| now - moved >= 4_000);
        let commanded = self
            .commands()
            .2
            .filter(|at| moved.is_none_or(|moved| moved <= *at));
        waited || commanded.is_some_and(|commanded| since <= commanded)
    }

    fn view(&self, s: SystemId, now: u64) -> View {
        let each = || (0..REGIONS).map(region);
        let up: RegionSet = each().filter(|r| self.up(*r, now)).collect();
        let (pin, drained, _) = self.commands();
        let owner = self.last(|_, input| match input {
            Input::Owner(owner) => Some(*owner),
            _ => None,
        });
        let own = self.last(|_, input| match input {
            Input::CaughtUp(origins) => Some(*origins),
            _ => None,
        });
        let caught_up = each().filter(|r| {
            let has = match self.report(*r, now) {
                _ if *r == region(ME) => own.unwrap_or_default(),
                Some((_, report)) => report.caught_up,
                None => return false,
            };
            each().all(|o| o == *r || has.contains(o) || !(up.contains(o) || o == region(ME)))
        });
        let mut view = View {
            up,
            lease_ok: each().filter(|r| self.lease_ok(*r, now)).collect(),
            stable: each().filter(|r| self.stable(*r, s, now)).collect(),
            caught_up: caught_up.collect(),
            owner: owner.flatten(),
            pin,
            drained,
            ..View::default()
        };
        for e in (0..ENDPOINTS).map(endpoint) {
            view.set_role(e, self.role(s, e, now));
            for r in each() {
                let told = self.path(r, s, e, now);
                let left = self.owners();
                let left = left.windows(2).rev().find(|pair| pair[0].1 == Some(r));
                let left = left.map(|pair| pair[1].0).filter(|_| r != region(ME));
                let fresh = told.filter(|(at, _)| left.is_none_or(|left| *at > left));
                view.reach.set(
                    r,
                    e,
                    fresh.map_or(Breaker::Unknown, |(_, path)| path.breaker),
                );
            }
        }
        view
    }
}

/// Tells the machine and the model; whether the machine believed it.
fn tell(health: &mut Health, facts: &mut ShardFacts, input: &Input, now: BootMillis) -> bool {
    match input {
        Input::Probe(of, passed) => health.handle_probe(*of, *passed, now),
        Input::Path(system, endpoint, path) => health.handle_path(*system, *endpoint, *path, now),
        Input::Lease(until) => health.handle_lease(*until, now),
        Input::CaughtUp(origins) => health.handle_caught_up(*origins),
        Input::Report(report) => return health.handle_report(report, now).is_ok(),
        Input::Owner(owner) => facts.handle_owner(*owner, now),
        Input::Command(pin, drained) => facts.handle_command(*pin, *drained, now),
    }
    true
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_view_is_what_a_model_finds_in_all_that_was_told(
        inputs in proptest::collection::vec((0_u64..200, any_input()), 1..150),
        wait in 0_u64..6_000,
    ) {
        let all = (0..REGIONS).map(region).collect();
        let mut health = Health::new(region(ME), all, usize::from(SYSTEMS), 0, settings());
        let mut facts = ShardFacts::default();
        let mut told = Vec::new();
        let mut now = 1;
        let mut number = 10;
        for (pause, mut input) in inputs {
            now += pause;
            if let Input::Report(report) = &mut input && report.number == 0 {
                number += 1;
                report.number = number;
            }
            let known = match &input {
                Input::Report(report) => Told(&told).report(report.from, now),
                _ => None,
            };
            let believed = tell(&mut health, &mut facts, &input, BootMillis(now));
            if let Input::Report(report) = &input {
                let newer = known.is_none_or(|(_, known)| {
                    (report.life, report.number) > (known.life, known.number)
                });
                prop_assert_eq!(believed, report.from != region(ME) && newer);
            }
            if believed {
                told.push((now, input));
            }
        }
        for now in [now, now + wait] {
            for s in (0..SYSTEMS).map(SystemId) {
                let view = health.view(s, &facts, BootMillis(now));
                prop_assert_eq!(&view, &Told(&told).view(s, now));
            }
        }
    }
}
