//! Long runs in milliseconds, with any number of faults drawn from a seed.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use proptest::prelude::*;
use tidegate_types::time::BootMillis;

use super::search::place;
use super::store::Store;
use super::witness::{Broken, Witness};
use super::{lease, name, shard, terms};
use crate::lease::machine::Rule;
use crate::lease::{
    Answer, Epoch, Event, Lease, Output, Request, RequestId, ShardId, Source, Timing,
};
use crate::random::Random;

const NODES: usize = 3;

/// Faults come for so long, in milliseconds.
const STORM: u64 = 120_000;

/// After the last fault all is well within this time: nine seconds of silence on the slowest clock, the
/// lock-delay, and three seconds for renewals, readings and tries.
const CALM: u64 = 9_000 * 1_000 / SLOWEST + 2 * LOCK_DELAY + 3_000;

const LOCK_DELAY: u64 = 2_000;

/// How fast clocks run, in thousandths. The slowest and the fastest differ by a third, and the lease bears
/// less than a half.
const SLOWEST: u64 = 870;
const FASTEST: u64 = 1_150;

/// What a run came through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) taken_over: u64,
    pub(super) handed_over: u64,
    pub(super) sessions_lost: u64,
    pub(super) idled: u64,
    pub(super) unsure: u64,
    pub(super) elections: u64,
    pub(super) acted: u64,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Tick(usize, u64),
    AtStore(usize, u64, Request),
    AtNode(usize, u64, RequestId, Answer),
    Look,
    Fault,
    Mirror(usize, ShardId, Epoch),
    Born(usize),
}

struct Node {
    lease: Lease,
    life: u64,
    alive: bool,
    rate: u64,
    frozen_until: u64,
    cut_until: u64,
    mirror: BTreeSet<(ShardId, Epoch)>,
}

struct World {
    now: u64,
    random: Random,
    nodes: Vec<Node>,
    store: Store,
    away_until: u64,
    slow_until: u64,
    shards: Vec<ShardId>,
    queue: BinaryHeap<Reverse<(u64, u64, What)>>,
    queued: u64,
    lives: u64,
    broken: Option<Rule>,
    witness: Witness,
    seen: Seen,
}

/// Plays one run. Gives what it saw, or which promise was broken.
pub(super) fn play(seed: u64, broken: Option<Rule>) -> Result<Seen, Broken> {
    let mut world = World::new(seed, broken);
    world.run(STORM)?;
    world.calm();
    world.run(STORM + CALM)?;
    for shard in &world.shards {
        let acts = world.nodes.iter().any(|node| {
            let clock = node.clock(world.now);
            node.lease
                .standing()
                .may_start(shard.as_str(), clock)
                .is_ok()
        });
        if !acts {
            return Err(Broken::NobodyActs);
        }
    }
    Ok(world.seen)
}

impl Node {
    fn clock(&self, now: u64) -> BootMillis {
        BootMillis(1_000_000 + now * self.rate / 1_000)
    }
}

impl World {
    fn new(seed: u64, broken: Option<Rule>) -> Self {
        let mut world = Self {
            now: 0,
            random: Random::new(seed),
            nodes: Vec::new(),
            store: Store::default(),
            away_until: 0,
            slow_until: 0,
            shards: ["a/0", "a/1", "b", "c/r0", "c/r1"].map(shard).to_vec(),
            queue: BinaryHeap::new(),
            queued: 0,
            lives: 0,
            broken,
            // The delay is counted on a node's own clock, the witness has the true one.
            witness: Witness::new(LOCK_DELAY * 1_000 / FASTEST),
            seen: Seen::default(),
        };
        for index in 0..NODES {
            let node = world.born(index);
            world.nodes.push(node);
            world.push(0, What::Tick(index, world.lives));
        }
        world.push(0, What::Look);
        world.push(5_000, What::Fault);
        world
    }

    fn born(&mut self, index: usize) -> Node {
        self.lives += 1;
        let rate = SLOWEST + self.draw(FASTEST - SLOWEST);
        let mut node = Node {
            lease: lease(Timing::DEFAULT, index, self.lives, BootMillis(0)),
            life: self.lives,
            alive: true,
            rate,
            frozen_until: 0,
            cut_until: 0,
            mirror: BTreeSet::new(),
        };
        let clock = node.clock(self.now);
        node.lease = lease(Timing::DEFAULT, index, self.lives, clock).breaking(self.broken);
        for shard in &self.shards {
            node.lease.want(clock, shard, terms(LOCK_DELAY)).unwrap();
        }
        node
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.random.next() % below.max(1)
    }

    fn push(&mut self, at: u64, what: What) {
        self.queued += 1;
        self.queue.push(Reverse((at, self.queued, what)));
    }

    fn run(&mut self, end: u64) -> Result<(), Broken> {
        while let Some(Reverse((at, _, what))) = self.queue.pop() {
            if at >= end {
                self.push(at, what);
                self.now = end;
                return Ok(());
            }
            self.now = at;
            self.happens(what)?;
        }
        Ok(())
    }

    fn happens(&mut self, what: What) -> Result<(), Broken> {
        match what {
            What::Look => {
                self.push(self.now + 40, What::Look);
                return self.look();
            }
            What::Fault => {
                if self.now < STORM {
                    self.fault()?;
                    let pause = 300 + self.draw(6_000);
                    self.push(self.now + pause, What::Fault);
                }
            }
            What::Born(index) => {
                if !self.nodes[index].alive {
                    self.nodes[index] = self.born(index);
                    self.push(self.now, What::Tick(index, self.lives));
                }
            }
            What::AtStore(index, life, request) => self.at_store(index, life, &request),
            What::AtNode(index, life, id, answer) => {
                let node = &mut self.nodes[index];
                if node.frozen_until > self.now {
                    let at = node.frozen_until;
                    self.push(at, What::AtNode(index, life, id, answer));
                } else if node.alive && node.life == life {
                    let clock = node.clock(self.now);
                    node.lease.answer(clock, id, answer);
                    return self.heard(index);
                }
            }
            What::Mirror(index, shard, epoch) => {
                let node = &mut self.nodes[index];
                node.mirror.insert((shard.clone(), epoch));
                if node.alive && node.frozen_until <= self.now {
                    let clock = node.clock(self.now);
                    node.lease.seal_seen(clock, &shard, epoch);
                    return self.heard(index);
                }
            }
            What::Tick(index, life) => {
                let node = &mut self.nodes[index];
                if node.frozen_until > self.now {
                    let at = node.frozen_until;
                    self.push(at, What::Tick(index, life));
                } else if node.alive && node.life == life {
                    node.lease.tick(node.clock(self.now));
                    let clock = node.clock(self.now);
                    let next = node.lease.next_timeout();
                    let wait = next.map_or(1_000, |at| at.since(clock) * 1_000 / node.rate);
                    self.push(self.now + wait.clamp(1, 1_000), What::Tick(index, life));
                    return self.heard(index);
                }
            }
        }
        Ok(())
    }

    fn at_store(&mut self, index: usize, life: u64, request: &Request) {
        if self.now < self.away_until {
            return;
        }
        let answer = match self.store.stale(request) {
            Some(stale) if self.draw(200) == 0 && self.now < STORM => stale,
            _ => self.store.ask(request),
        };
        let cut = self.now < self.nodes[index].cut_until;
        if cut || (self.now < STORM && self.draw(50) == 0) {
            return;
        }
        let way = self.way();
        self.push(
            self.now + way,
            What::AtNode(index, life, request.id, answer),
        );
    }

    /// How long a message takes, in milliseconds.
    fn way(&mut self) -> u64 {
        let slow = self.now < self.slow_until;
        1 + self.draw(if slow { 1_500 } else { 40 })
    }

    fn heard(&mut self, index: usize) -> Result<(), Broken> {
        while let Some(output) = self.nodes[index].lease.next_output() {
            match output {
                Output::Request(request) => {
                    let lost = self.now < STORM && self.draw(50) == 0;
                    if lost || self.now < self.nodes[index].cut_until {
                        continue;
                    }
                    let life = self.nodes[index].life;
                    let way = self.way();
                    let again = self.now < STORM && self.draw(100) == 0;
                    if again {
                        let late = self.draw(20_000);
                        let what = What::AtStore(index, life, request.clone());
                        self.push(self.now + late, what);
                    }
                    self.push(self.now + way, What::AtStore(index, life, request));
                }
                Output::Event(event) => self.event(index, &event)?,
            }
        }
        self.look()
    }

    fn event(&mut self, index: usize, event: &Event) -> Result<(), Broken> {
        match event {
            Event::Taken { source, .. } => match source {
                Source::Ended { .. } => self.seen.taken_over += 1,
                Source::Sealed { .. } => self.seen.handed_over += 1,
                Source::Unsure => self.seen.unsure += 1,
                Source::Nobody => {}
            },
            Event::Lost { .. } => self.seen.sessions_lost += 1,
            Event::Idle => self.seen.idled += 1,
            _ => {}
        }
        let mirror = &self.nodes[index].mirror;
        self.witness.event(index, event, mirror, &self.store)
    }

    fn look(&mut self) -> Result<(), Broken> {
        let (now, nodes) = (self.now, &self.nodes);
        let alive = nodes.iter().enumerate().filter(|(_, node)| node.alive);
        let nodes = alive.map(|(index, node)| (index, &node.lease, node.clock(now)));
        self.seen.acted += 1;
        self.witness.look(now, &self.shards, &nodes)
    }

    fn fault(&mut self) -> Result<(), Broken> {
        let index = usize::try_from(self.draw(NODES as u64)).unwrap();
        let long = self.now + 1_000 + self.draw(20_000);
        match self.draw(12) {
            0 | 1 => self.nodes[index].cut_until = long,
            2 | 3 => self.nodes[index].frozen_until = long,
            4 | 5 => {
                self.nodes[index].alive = false;
                self.push(long, What::Born(index));
            }
            6 => {
                self.away_until = self.now + 4_000 + self.draw(8_000);
                self.seen.elections += 1;
            }
            7 => self.slow_until = long,
            8 => {
                let node = &mut self.nodes[index];
                if node.alive && node.frozen_until <= self.now {
                    node.lease.close(node.clock(self.now));
                    self.push(self.now + 3_000, What::Fault);
                    self.heard(index)?;
                    self.nodes[index].alive = false;
                    self.push(long, What::Born(index));
                }
            }
            _ => {
                let shard = self.shards[index].clone();
                for index in 0..NODES {
                    self.hand_over(index, &shard)?;
                }
            }
        }
        Ok(())
    }

    /// The node gives the shard up, if it has it, and has sealed it; mirrors show it sooner or later.
    fn hand_over(&mut self, index: usize, shard: &ShardId) -> Result<(), Broken> {
        let node = &mut self.nodes[index];
        let clock = node.clock(self.now);
        if !node.alive || node.frozen_until > self.now {
            return Ok(());
        }
        let Ok(epoch) = node.lease.stop(clock, shard) else {
            return Ok(());
        };
        let to = name(&format!("r{}", (index + 1) % NODES));
        node.lease.give(clock, shard, to, place());
        node.lease.want(clock, shard, terms(LOCK_DELAY)).unwrap();
        for index in 0..NODES {
            let lag = self.draw(3_000);
            self.push(self.now + lag, What::Mirror(index, shard.clone(), epoch));
        }
        self.heard(index)
    }

    /// No fault any more, and what is dead lives again.
    fn calm(&mut self) {
        (self.away_until, self.slow_until) = (0, 0);
        for index in 0..NODES {
            let node = &mut self.nodes[index];
            (node.frozen_until, node.cut_until) = (0, 0);
            if !node.alive {
                self.push(self.now, What::Born(index));
            }
            let missed: Vec<_> = self.nodes[index].mirror.iter().cloned().collect();
            for (shard, epoch) in missed {
                self.push(self.now, What::Mirror(index, shard, epoch));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn promises_hold_in_long_runs(seed: u64) {
        let played = play(seed, None);
        prop_assert!(played.is_ok(), "seed {seed}: {played:?}");
    }
}

/// The runs are worth something only if they come through what they are about.
#[test]
fn runs_come_through_everything() {
    let mut sum = Seen::default();
    for seed in 0..40 {
        let seen = play(seed, None).unwrap_or_else(|broken| panic!("seed {seed}: {broken:?}"));
        sum.taken_over += seen.taken_over;
        sum.handed_over += seen.handed_over;
        sum.sessions_lost += seen.sessions_lost;
        sum.idled += seen.idled;
        sum.unsure += seen.unsure;
        sum.elections += seen.elections;
        sum.acted += seen.acted;
    }
    println!("{sum:?}");
    assert!(sum.taken_over > 200 && sum.handed_over > 50, "{sum:?}");
    assert!(sum.sessions_lost > 10 && sum.idled > 100, "{sum:?}");
    assert!(sum.unsure > 5 && sum.elections > 30, "{sum:?}");
}
