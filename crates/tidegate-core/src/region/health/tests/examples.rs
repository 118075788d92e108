//! Health by example.

use tidegate_types::time::BootMillis;

use super::super::*;
use crate::region::{Breaker, EndpointId, Epoch, Owner, RegionId, RegionSet, Role};

const SECOND: u64 = 1000;
const SYSTEM: SystemId = SystemId(0);

fn region(index: u8) -> RegionId {
    RegionId::new(index).unwrap()
}

fn endpoint(index: u8) -> EndpointId {
    EndpointId::new(index).unwrap()
}

fn set(regions: &[u8]) -> RegionSet {
    regions.iter().copied().map(region).collect()
}

fn path(breaker: Breaker, role: Role) -> Path {
    Path { breaker, role }
}

/// A report of a region that is well, hears everybody and reaches the first endpoint.
fn report(from: u8, number: u64) -> Report {
    Report {
        from: region(from),
        life: 1,
        number,
        up: true,
        lease_ok: true,
        hears: RegionSet::ALL,
        caught_up: RegionSet::ALL,
        paths: vec![PathReport {
            system: SYSTEM,
            endpoint: endpoint(0),
            path: path(Breaker::Closed, Role::Unknown),
        }],
    }
}

/// Some regions, seen by the first.
struct Scene {
    health: Health,
    facts: ShardFacts,
    count: u8,
    now: BootMillis,
}

impl Scene {
    fn new(count: u8) -> Self {
        let all = (0..count).map(region).collect();
        let mut health = Health::new(region(0), all, 2, 1, Settings::default());
        let now = BootMillis(SECOND);
        health.handle_lease(BootMillis(u64::MAX), now);
        health.handle_path(
            SYSTEM,
            endpoint(0),
            path(Breaker::Closed, Role::Unknown),
            now,
        );
        Self {
            health,
            facts: ShardFacts::default(),
            count,
            now,
        }
    }

    /// A second passes; every region's probe passes, and every peer reports as changed here.
    fn second(&mut self, change: impl Fn(&mut Report)) {
        self.now = self.now.plus(SECOND);
        for of in (0..self.count).map(region) {
            self.health.handle_probe(of, true, self.now);
        }
        for from in 1..self.count {
            let mut report = report(from, self.now.0);
            change(&mut report);
            self.health.handle_report(&report, self.now).unwrap();
        }
    }

    fn seconds(&mut self, count: u64) {
        for _ in 0..count {
            self.second(|_| {});
        }
    }

    fn view(&self) -> crate::region::View {
        self.health.view(SYSTEM, &self.facts, self.now)
    }

    fn owned_by(&mut self, index: u8, epoch: u64) {
        let owner = Owner {
            region: region(index),
            epoch: Epoch(epoch),
        };
        self.facts.handle_owner(Some(owner), self.now);
    }
}

#[test]
fn a_verdict_takes_three_misses_down_and_ten_passes_up() {
    let settings = Settings::default();
    let mut probe = Hysteresis::default();
    let mut now = BootMillis(5 * SECOND);
    let mut tell = |passed: bool, times: u32| {
        (0..times).for_each(|_| {
            now = now.plus(SECOND);
            probe.handle(passed, &settings, now);
        });
        probe.is_up(&settings, now)
    };
    assert!(!tell(false, 2), "nothing is known");
    assert!(tell(true, 1), "what has just begun has not flapped");
    assert!(tell(false, 2));
    assert!(tell(true, 1), "the misses are forgotten");
    assert!(tell(false, 2));
    assert!(!tell(false, 1));
    assert!(!tell(true, 9));
    assert!(!tell(false, 1), "and the passes");
    assert!(!tell(true, 9));
    assert!(tell(true, 1));
}

#[test]
fn silence_counts_as_misses() {
    let settings = Settings::default();
    let mut probe = Hysteresis::default();
    probe.handle(true, &settings, BootMillis(SECOND));
    assert!(probe.is_up(&settings, BootMillis(5 * SECOND)));
    assert!(!probe.is_up(&settings, BootMillis(5 * SECOND + 1)));
    probe.handle(true, &settings, BootMillis(6 * SECOND));
    assert!(
        !probe.is_up(&settings, BootMillis(6 * SECOND)),
        "ten passes are needed now"
    );
}

#[test]
fn what_was_never_heard_or_too_long_ago_is_not_reachable() {
    let mut scene = Scene::new(2);
    let before = scene.view();
    assert!(!before.up.contains(region(1)) && !before.lease_ok.contains(region(1)));
    assert_eq!(before.reach.get(region(1), endpoint(0)), Breaker::Unknown);

    scene.seconds(1);
    let heard = scene.view();
    assert_eq!((heard.up, heard.lease_ok), (set(&[0, 1]), set(&[0, 1])));
    assert_eq!(heard.reach.get(region(1), endpoint(0)), Breaker::Closed);
    assert_eq!(heard.reach.get(region(1), endpoint(1)), Breaker::Unknown);

    scene.now = scene.now.plus(4 * SECOND);
    let late = scene.view();
    assert!(!late.up.contains(region(1)) && !late.lease_ok.contains(region(1)));
    assert_eq!(late.reach.get(region(1), endpoint(0)), Breaker::Unknown);
    assert_eq!(
        late.reach.get(region(0), endpoint(0)),
        Breaker::Closed,
        "its own it knows"
    );
}

#[test]
fn a_peer_whose_events_do_not_arrive_is_no_candidate() {
    let mut scene = Scene::new(2);
    scene.seconds(1);
    for _ in 0..3 {
        scene.now = scene.now.plus(SECOND);
        scene.health.handle_probe(region(0), true, scene.now);
        scene.health.handle_probe(region(1), false, scene.now);
        scene
            .health
            .handle_report(&report(1, scene.now.0), scene.now)
            .unwrap();
    }
    assert_eq!(scene.view().up, set(&[0]));
}

#[test]
fn peers_take_a_candidate_away_only_by_a_majority_and_never_the_own_region() {
    let deaf = |report: &mut Report| report.hears = RegionSet::EMPTY;
    let mut three = Scene::new(3);
    three.second(deaf);
    assert_eq!(three.view().up, set(&[0, 1, 2]), "one against one");

    let mut four = Scene::new(4);
    four.second(deaf);
    assert_eq!(
        four.view().up,
        set(&[0]),
        "two against one, and the own verdict stands"
    );
    four.second(|report| {
        if report.from != region(3) {
            report.hears = RegionSet::ALL.without(region(3));
        }
    });
    assert_eq!(four.view().up, set(&[0, 1, 2]));
}

#[test]
fn old_reports_and_those_of_strangers_are_refused() {
    let mut scene = Scene::new(2);
    scene.seconds(3);
    let (last, now) = (scene.now.0, scene.now);
    let mut tell = |report: &Report, now| scene.health.handle_report(report, now);
    assert_eq!(tell(&report(1, last), now), Err(RefusedReport::Late));
    assert_eq!(tell(&report(1, last - 1), now), Err(RefusedReport::Late));
    assert_eq!(
        tell(&report(0, last + 1), now),
        Err(RefusedReport::Stranger)
    );
    assert_eq!(
        tell(&report(2, last + 1), now),
        Err(RefusedReport::Stranger)
    );
    let restarted = Report {
        life: 2,
        ..report(1, 1)
    };
    assert_eq!(tell(&restarted, now), Ok(()));
    assert_eq!(tell(&report(1, last + 1), now), Err(RefusedReport::Late));
    // A wall clock that went back: the old life is believed to be over once it is silent.
    assert_eq!(tell(&report(1, 1), now.plus(4 * SECOND)), Ok(()));
}

#[test]
fn a_region_is_stable_after_ten_minutes_without_a_gap() {
    let mut scene = Scene::new(2);
    scene.seconds(600);
    assert_eq!(scene.view().stable, RegionSet::EMPTY);
    scene.seconds(1);
    assert_eq!(scene.view().stable, set(&[0, 1]));
    scene.second(|report| report.paths.clear());
    assert_eq!(scene.view().stable, set(&[0]));
    scene.seconds(600);
    assert_eq!(scene.view().stable, set(&[0]));
    scene.seconds(1);
    assert_eq!(scene.view().stable, set(&[0, 1]));
}

#[test]
fn a_gap_of_which_nothing_was_told_is_a_gap() {
    let mut scene = Scene::new(2);
    scene.seconds(601);
    scene.now = scene.now.plus(3 * SECOND);
    scene.seconds(1);
    assert_eq!(
        scene.view().stable,
        set(&[0]),
        "its reports had run out meanwhile"
    );
}

#[test]
fn a_shard_that_has_moved_stays_until_it_has_been_quiet() {
    let mut scene = Scene::new(2);
    scene.owned_by(0, 1);
    scene.seconds(700);
    scene.owned_by(1, 2);
    assert_eq!(scene.view().stable, RegionSet::EMPTY);
    scene.seconds(599);
    assert_eq!(scene.view().stable, RegionSet::EMPTY);
    scene.seconds(1);
    assert_eq!(scene.view().stable, set(&[0, 1]));
    scene.facts.handle_owner(None, scene.now);
    scene.owned_by(1, 3);
    assert_eq!(
        scene.view().stable,
        set(&[0, 1]),
        "back to the one it had is no move"
    );
}

#[test]
fn an_operator_need_not_wait_but_a_region_that_is_not_well_must() {
    let mut scene = Scene::new(2);
    scene.owned_by(0, 1);
    scene.seconds(5);
    scene
        .facts
        .handle_command(Some(region(1)), RegionSet::EMPTY, scene.now);
    assert_eq!(scene.view().stable, set(&[0, 1]));
    scene.owned_by(1, 2);
    scene.seconds(1);
    assert_eq!(
        scene.view().stable,
        set(&[0, 1]),
        "seen at the time of the command"
    );
    scene.owned_by(0, 3);
    scene.seconds(1);
    assert_eq!(
        scene.view().stable,
        RegionSet::EMPTY,
        "it went there, and has come back"
    );

    scene
        .facts
        .handle_command(None, RegionSet::EMPTY, scene.now);
    assert_eq!(scene.view().stable, set(&[0, 1]));
    scene.second(|report| report.lease_ok = false);
    scene.seconds(5);
    assert_eq!(
        scene.view().stable,
        set(&[0]),
        "it has failed since the command"
    );
}

#[test]
fn who_gave_the_shard_up_is_believed_only_by_a_later_report() {
    let mut scene = Scene::new(2);
    scene.seconds(2);
    scene.owned_by(1, 1);
    scene.owned_by(0, 2);
    assert_eq!(
        scene.view().reach.get(region(1), endpoint(0)),
        Breaker::Unknown
    );
    scene.seconds(1);
    assert_eq!(
        scene.view().reach.get(region(1), endpoint(0)),
        Breaker::Closed
    );
}

#[test]
fn a_role_is_what_the_endpoint_said_to_oneself_then_to_others_and_not_long_ago() {
    let mut scene = Scene::new(3);
    let role = |scene: &Scene| scene.view().role(endpoint(0));
    assert_eq!(role(&scene), Role::Unknown);
    scene.second(|report| {
        let said = if report.from == region(1) {
            Role::Active
        } else {
            Role::Down
        };
        report.paths[0].path.role = said;
    });
    assert_eq!(
        role(&scene),
        Role::Active,
        "told at the same time: the first"
    );
    let mut later = report(2, u64::MAX);
    later.paths[0].path.role = Role::Down;
    scene.now = scene.now.plus(1);
    scene.health.handle_report(&later, scene.now).unwrap();
    assert_eq!(role(&scene), Role::Down, "the last");
    let own = path(Breaker::Open, Role::Standby);
    scene
        .health
        .handle_path(SYSTEM, endpoint(0), own, scene.now);
    assert_eq!(role(&scene), Role::Standby);
    let told = scene.health.report(scene.now).paths;
    assert_eq!(told.first().map(|it| it.path), Some(own));

    scene.now = scene.now.plus(15 * SECOND);
    assert_eq!(role(&scene), Role::Unknown);
    let told = scene.health.report(scene.now).paths;
    assert_eq!(
        told.first().map(|it| it.path),
        Some(path(Breaker::Open, Role::Unknown))
    );
}

#[test]
fn a_region_has_caught_up_when_it_has_what_all_that_are_up_wrote() {
    let mut scene = Scene::new(3);
    scene.second(|report| report.caught_up = set(&[0]));
    assert_eq!(
        scene.view().caught_up,
        RegionSet::EMPTY,
        "each lacks the other's log"
    );
    scene.second(|report| {
        report.caught_up = set(&[0]);
        report.up = report.from != region(2);
    });
    assert_eq!(
        scene.view().caught_up,
        set(&[1]),
        "what a dead region wrote cannot be had"
    );
    scene.health.handle_caught_up(set(&[1]));
    assert_eq!(scene.view().caught_up, set(&[0, 1]));
}

#[test]
fn a_report_tells_what_is_so_and_counts() {
    let mut scene = Scene::new(2);
    scene.seconds(1);
    scene.health.handle_caught_up(set(&[1]));
    let first = scene.health.report(scene.now);
    let expected = Report {
        from: region(0),
        life: 1,
        number: 1,
        up: true,
        lease_ok: true,
        hears: set(&[1]),
        caught_up: set(&[1]),
        paths: vec![PathReport {
            system: SYSTEM,
            endpoint: endpoint(0),
            path: path(Breaker::Closed, Role::Unknown),
        }],
    };
    assert_eq!(first, expected);
    scene.health.handle_lease(BootMillis(0), scene.now);
    let second = scene.health.report(scene.now.plus(10 * SECOND));
    assert_eq!(
        (second.number, second.up, second.lease_ok),
        (2, false, false)
    );
    assert_eq!(second.hears, RegionSet::EMPTY);
}

#[test]
fn blame_follows_from_who_reaches_what() {
    use Breaker::{Closed, HalfOpen, Open, Unknown};
    // The breakers of three regions to the endpoint in question, then to another system's.
    let cases: &[([Breaker; 3], [Breaker; 3], Blame)] = &[
        ([Closed, Open, Open], [Open, Open, Open], Blame::Nobody),
        ([Unknown, Open, Open], [Closed, Open, Open], Blame::Unclear),
        ([Open, Open, Open], [Closed, Unknown, Unknown], Blame::Them),
        ([Open, Open, Open], [Unknown, Closed, Unknown], Blame::Them),
        ([HalfOpen, Open, Open], [Open, Closed, Open], Blame::Them),
        ([Open, Open, Open], [Unknown, Unknown, Unknown], Blame::Them),
        ([Open, Open, Open], [Open, Unknown, Unknown], Blame::Unclear),
        (
            [Open, Closed, Open],
            [Closed, Unknown, Unknown],
            Blame::Path,
        ),
        ([Open, Closed, Open], [Unknown, Closed, Closed], Blame::Path),
        ([Open, Closed, Closed], [Open, Closed, Closed], Blame::Us),
        (
            [Open, Unknown, Unknown],
            [Closed, Unknown, Unknown],
            Blame::NotUs,
        ),
        (
            [Open, Unknown, Unknown],
            [HalfOpen, Closed, Closed],
            Blame::Us,
        ),
        (
            [Open, Unknown, Unknown],
            [Unknown, Closed, Closed],
            Blame::Unclear,
        ),
    ];
    for (here, elsewhere, expected) in cases {
        let mut scene = Scene::new(3);
        let told = |r: usize| {
            let to = |system, breaker| PathReport {
                system,
                endpoint: endpoint(0),
                path: path(breaker, Role::Unknown),
            };
            vec![to(SYSTEM, here[r]), to(SystemId(1), elsewhere[r])]
        };
        scene.second(|report| report.paths = told(report.from.index()));
        for told in told(0) {
            scene
                .health
                .handle_path(told.system, told.endpoint, told.path, scene.now);
        }
        let blame = scene
            .health
            .blame(region(0), SYSTEM, endpoint(0), scene.now);
        assert_eq!(blame, *expected, "{here:?} {elsewhere:?}");
    }
}
