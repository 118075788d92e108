//! Three regions, each with a machine of its own, late and lost reports, and faults of all kinds for a
//! while: what they decide from views that differ.

use tidegate_types::time::BootMillis;

use super::super::*;
use crate::random::Random;
use crate::region::tests::world::{config, endpoint, region, regions, settings as systems};
use crate::region::{
    Action, Breaker, Epoch, Owner, RegionId, RegionSet, Role, Rule, ShardConfig, decide,
};

const COUNT: usize = 3;
const SYSTEM: SystemId = SystemId(0);
const SECOND: u64 = 1000;
/// A shorter one than in production, so that runs reach it.
const STABLE: u64 = 40;
const FAULTS_UNTIL: u64 = 240;
const UNTIL: u64 = 360;
/// What a report may be late by, in seconds.
const LATE: u64 = 2;

struct Node {
    health: Health,
    facts: ShardFacts,
    inbox: Vec<(u64, Report)>,
}

/// A move of the shard: when, from where, to where, and by which rule.
#[derive(Clone, Copy, Debug)]
struct Move {
    at: u64,
    from: Option<RegionId>,
    to: RegionId,
    rule: Rule,
}

struct World {
    random: Random,
    /// How long a region must have been well, as the machines believe.
    stable: u64,
    config: ShardConfig,
    /// Seconds.
    now: u64,
    nodes: Vec<Option<Node>>,
    path: [bool; COUNT],
    link: [[bool; COUNT]; COUNT],
    store: [bool; COUNT],
    renewed: [u64; COUNT],
    theirs: bool,
    theirs_since: u64,
    owner: Option<Owner>,
    epoch: u64,
    last: Option<RegionId>,
    moves: Vec<Move>,
}

fn node(place: usize, now: u64, stable: u64) -> Node {
    let settings = Settings {
        stable_for: Duration::from_secs(stable),
        ..Settings::default()
    };
    let me = region(u8::try_from(place).unwrap());
    let mut health = Health::new(me, regions(3), 1, now, settings);
    health.handle_caught_up(RegionSet::ALL);
    Node {
        health,
        facts: ShardFacts::default(),
        inbox: Vec::new(),
    }
}

impl World {
    fn new(seed: u64, stable: u64) -> Self {
        Self {
            stable,
            random: Random::new(seed),
            config: config(&systems()[0], 3),
            now: 1,
            nodes: (0..COUNT)
                .map(|place| Some(node(place, 1, stable)))
                .collect(),
            path: [true; COUNT],
            link: [[true; COUNT]; COUNT],
            store: [true; COUNT],
            renewed: [1; COUNT],
            theirs: true,
            theirs_since: 1,
            owner: None,
            epoch: 0,
            last: None,
            moves: Vec::new(),
        }
    }

    fn one_in(&mut self, odds: u64) -> bool {
        self.random.next().is_multiple_of(odds)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.random.next() % u64::try_from(most).unwrap()).unwrap()
    }

    fn faults(&mut self) {
        let place = self.below(COUNT);
        if self.one_in(12) {
            self.path[place] = !self.path[place];
        }
        if self.one_in(20) {
            let other = self.below(COUNT);
            let up = !self.link[place][other];
            self.link[place][other] = up;
            self.link[other][place] = up;
        }
        if self.one_in(20) {
            self.store[place] = !self.store[place];
        }
        if self.one_in(25) {
            self.theirs = !self.theirs;
            self.theirs_since = self.now;
        }
        if self.one_in(30) {
            self.toggle(place);
        }
    }

    /// A region dies, or comes back knowing nothing. Its old session ends with its return at the latest.
    fn toggle(&mut self, place: usize) {
        if self.nodes[place].take().is_none() {
            self.nodes[place] = Some(node(place, self.now, self.stable));
            if self
                .owner
                .is_some_and(|owner| owner.region.index() == place)
            {
                self.owner = None;
            }
        }
    }

    fn mend(&mut self) {
        self.path = [true; COUNT];
        self.link = [[true; COUNT]; COUNT];
        self.store = [true; COUNT];
        self.theirs = true;
        self.theirs_since = self.now;
        for place in 0..COUNT {
            if self.nodes[place].is_none() {
                self.toggle(place);
            }
        }
    }

    /// Sessions: six seconds from a renewal for the own region, nine until another one ends it.
    fn sessions(&mut self) {
        for place in 0..COUNT {
            if self.store[place] && self.nodes[place].is_some() {
                self.renewed[place] = self.now;
            }
            let until = BootMillis((self.renewed[place] + 6) * SECOND);
            if let Some(node) = &mut self.nodes[place] {
                node.health
                    .handle_lease(until, BootMillis(self.now * SECOND));
            }
        }
        let silent = |owner: &Owner| self.now >= self.renewed[owner.region.index()] + 9;
        self.owner = self.owner.filter(|owner| !silent(owner));
    }

    fn tell(&mut self) {
        let now = BootMillis(self.now * SECOND);
        let alive: Vec<bool> = self.nodes.iter().map(Option::is_some).collect();
        for me in (0..COUNT).filter(|me| alive[*me]) {
            let breaker = if self.path[me] && self.theirs {
                Breaker::Closed
            } else {
                Breaker::Open
            };
            let sees = self.one_in(2);
            let Some(node) = &mut self.nodes[me] else {
                continue;
            };
            for (of, lives) in alive.iter().enumerate() {
                let passed = of == me || (*lives && self.link[me][of]);
                node.health
                    .handle_probe(region(u8::try_from(of).unwrap()), passed, now);
            }
            let role = Role::Active;
            node.health
                .handle_path(SYSTEM, endpoint(0), Path { breaker, role }, now);
            // Its own shards it knows at once, those of others sooner or later.
            let of_mine = |owner: Option<Owner>| owner.is_some_and(|it| it.region.index() == me);
            let mine = of_mine(self.owner) || of_mine(node.facts.owner());
            if self.store[me] && (mine || sees) {
                node.facts.handle_owner(self.owner, now);
            }
            let report = node.health.report(now);
            for to in (0..COUNT).filter(|to| *to != me && self.link[me][*to]) {
                let late = self.random.next() % (LATE + 1);
                let lost = self.random.next().is_multiple_of(20);
                if let Some(peer) = self.nodes[to].as_mut().filter(|_| !lost) {
                    peer.inbox.push((self.now + late, report.clone()));
                }
            }
        }
        for node in self.nodes.iter_mut().flatten() {
            let (due, later) = node.inbox.drain(..).partition(|(at, _)| *at <= self.now);
            node.inbox = later;
            let due: Vec<(u64, Report)> = due;
            for (_, report) in due {
                // One that was overtaken is refused, as it should be.
                let _overtaken = node.health.handle_report(&report, now);
            }
        }
    }

    /// Everybody does what it decides; who acts.
    fn act(&mut self) -> Vec<RegionId> {
        let now = BootMillis(self.now * SECOND);
        let mut acting = Vec::new();
        for (place, me) in (0..).map(region).enumerate().take(COUNT) {
            let Some(node) = &mut self.nodes[place] else {
                continue;
            };
            let view = node.health.view(SYSTEM, &node.facts, now);
            let made = decide(&self.config, &view, me);
            let held = self.owner.is_some_and(|owner| owner.region == me);
            let to = match made.action {
                Action::Act { .. } => {
                    assert!(held, "{me:?} acts for what {:?} owns", self.owner);
                    acting.push(me);
                    continue;
                }
                Action::Acquire if self.owner.is_none() && self.store[place] => me,
                Action::Yield { to, .. } if held && self.store[place] => to,
                _ => continue,
            };
            self.epoch += 1;
            self.owner = Some(Owner {
                region: to,
                epoch: Epoch(self.epoch),
            });
            node.facts.handle_owner(self.owner, now);
            if self.last != Some(to) {
                self.moved(Move {
                    at: self.now,
                    from: self.last,
                    to,
                    rule: made.rule,
                });
            }
        }
        acting
    }

    fn moved(&mut self, moved: Move) {
        let before = self.moves.last().map(|it| it.at);
        if moved.rule == Rule::FailBack {
            let waited = before.is_none_or(|at| moved.at >= at + STABLE);
            assert!(waited, "too soon: {moved:?} after {:?}", self.moves);
        }
        if moved.rule == Rule::OtherPath {
            // The last good report is believed for four seconds.
            let outage = !self.theirs && self.now > self.theirs_since + LATE + 4;
            assert!(!outage, "moved on their outage: {moved:?}");
        }
        self.last = Some(moved.to);
        self.moves.push(moved);
    }

    fn second(&mut self) -> Vec<RegionId> {
        self.now += 1;
        match self.now.cmp(&FAULTS_UNTIL) {
            std::cmp::Ordering::Less => self.faults(),
            std::cmp::Ordering::Equal => self.mend(),
            std::cmp::Ordering::Greater => {}
        }
        self.sessions();
        self.tell();
        let acting = self.act();
        assert!(acting.len() <= 1, "{acting:?}");
        acting
    }
}

#[test]
fn differing_views_lead_to_one_actor_to_rest_and_back_to_the_preferred_region() {
    let (mut back, mut path, mut taken, mut acted) = (0, 0, 0, 0);
    for seed in 0..300 {
        let mut world = World::new(seed, STABLE);
        while world.now < UNTIL {
            let acting = world.second();
            acted += acting.len();
            // A region that was up again needs ten passes, and its breaker and reports a few seconds.
            let settled = world.now > FAULTS_UNTIL + 20;
            let handed = world
                .moves
                .last()
                .is_some_and(|it| it.at + LATE + 2 >= world.now);
            assert!(
                !settled || !acting.is_empty() || handed,
                "seed {seed}: idle at {}",
                world.now
            );
        }
        let owner = world.owner.map(|owner| owner.region);
        assert_eq!(owner, Some(region(0)), "seed {seed}: {:?}", world.moves);
        let late = world.moves.iter().filter(|it| it.at > FAULTS_UNTIL).count();
        assert!(late <= 3, "seed {seed}: {:?}", world.moves);
        let by = |rule| world.moves.iter().filter(|it| it.rule == rule).count();
        back += by(Rule::FailBack);
        path += by(Rule::OtherPath);
        taken += world.moves.iter().filter(|it| it.from.is_some()).count() - by(Rule::FailBack);
    }
    // The runs have been where it matters.
    assert!(
        back > 100 && path > 100 && taken > path && acted > 30_000,
        "{back} {path} {taken} {acted}"
    );
}

#[test]
#[should_panic(expected = "too soon")]
fn going_back_without_waiting_is_noticed() {
    for seed in 0..20 {
        let mut world = World::new(seed, 0);
        while world.now < UNTIL {
            world.second();
        }
    }
}
