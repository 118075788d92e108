//! Every state that a few nodes can come to with a bounded number of faults, breadth first.
//!
//! Time goes in whole units: lease 9, start 6, renewal every 2, timeout 1. A request that meets no
//! fault is answered at once. Each of these costs one fault: a request is lost; it is done and its
//! answer is lost; it is late, by any time; its answer is late, by any time; a read is answered by the
//! record before; a node is cut off from the store, for any time; a node freezes, for any time, and
//! when it wakes up it may find an answer before it looks at the clock; a node dies and begins anew at any
//! time later; a node's clock stands still for a unit. A handover costs nothing and comes once, at any time; so does an
//! election of the store, of any length, where it is allowed.
//!
//! States are told apart by times as distances and without counting writes, so that what has healed meets
//! the states of a world where nothing had happened: the search ends by itself.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;

use tidegate_types::position::{FrameNumber, Incarnation, Position};
use tidegate_types::time::BootMillis;

use super::store::Store;
use super::witness::{Broken, Witness, owned};
use super::{lease, name, terms};
use crate::lease::machine::Rule;
use crate::lease::machine::probe::uncounted;
use crate::lease::{
    Action, Answer, Epoch, Event, Key, Lease, Output, Request, RequestId, Revision, SessionRecord,
    ShardId, ShardRecord, Timing,
};

/// One unit is a second.
pub(super) const UNITS: Timing = Timing {
    lease: 9,
    start: 6,
    renew: 2,
    read: 1,
    timeout: 1,
    retry: 1,
    hurry: 1,
};

/// After this time without a fault somebody acts: nine units of silence, the lock-delay, and a few
/// for renewals, readings and tries that were under way when the last fault ended.
const HEALED: u64 = UNITS.lease + 2 * UNITS.renew + UNITS.gap() + 2;

/// What a search covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    pub(super) nodes: usize,
    pub(super) faults: u8,
    /// Units of clocks standing still, which are faults too. Three in nine would be the limit of the
    /// lease.
    pub(super) skew: u8,
    pub(super) handover: bool,
    pub(super) election: bool,
    pub(super) lock_delay: u64,
    /// Whether it is tried that all heals.
    pub(super) liveness: bool,
    /// Which rule the machines break.
    pub(super) broken: Option<Rule>,
    /// States to visit at most.
    pub(super) states_max: usize,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) states: usize,
    /// Whether all were visited.
    pub(super) whole: bool,
    pub(super) broken: Option<Broken>,
}

#[derive(Clone)]
struct Node {
    lease: Lease,
    clock: u64,
    frozen: bool,
    cut: bool,
    alive: bool,
    mirror: BTreeSet<(ShardId, Epoch)>,
    outbox: VecDeque<Request>,
}

#[derive(Clone)]
enum Late {
    /// Not yet at the store.
    Request(usize, Request),
    /// Not yet back.
    Answer(usize, RequestId, Answer),
}

#[derive(Clone)]
struct World {
    now: u64,
    nodes: Vec<Rc<Node>>,
    store: Rc<Store>,
    late: Vec<Late>,
    seals: BTreeSet<(ShardId, Epoch)>,
    witness: Witness,
    faults: u8,
    skew: u8,
    handover: bool,
    election: Election,
    lives: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Election {
    Never,
    MayCome,
    Now,
}

/// Searches until a promise is broken or there is nothing new.
pub(super) fn search(scope: Scope) -> Found {
    let shard: ShardId = "f/0".parse().unwrap();
    let mut first = World::new(scope, &shard);
    let mut states = HashSet::<u64, BuildHasherDefault<DefaultHasher>>::default();
    states.insert(first.fingerprint());
    let mut open = VecDeque::from([std::mem::replace(&mut first, World::new(scope, &shard))]);
    let mut found = Found {
        states: 0,
        whole: true,
        broken: None,
    };
    while let Some(world) = open.pop_front() {
        found.states += 1;
        if found.states > scope.states_max {
            found.whole = false;
            break;
        }
        // Each forty-first state, since this costs some hundred steps.
        if scope.liveness && found.states.is_multiple_of(41) && !world.heals(scope, &shard) {
            found.broken = Some(Broken::NobodyActs);
            break;
        }
        let mut next = Vec::new();
        if let Err(broken) = world.steps(scope, &shard, &mut next) {
            found.broken = Some(broken);
            break;
        }
        for mut world in next {
            if states.insert(world.fingerprint()) {
                open.push_back(world);
            }
        }
    }
    found
}

impl World {
    fn new(scope: Scope, shard: &ShardId) -> Self {
        let mut world = Self {
            now: 0,
            nodes: Vec::new(),
            store: Rc::default(),
            late: Vec::new(),
            seals: BTreeSet::new(),
            witness: Witness::new(scope.lock_delay),
            faults: scope.faults,
            skew: scope.skew,
            handover: scope.handover,
            election: if scope.election {
                Election::MayCome
            } else {
                Election::Never
            },
            lives: 0,
        };
        for index in 0..scope.nodes {
            let node = world.born(index, scope, shard);
            world.nodes.push(Rc::new(node));
        }
        world
    }

    fn node(&mut self, index: usize) -> &mut Node {
        Rc::make_mut(&mut self.nodes[index])
    }

    fn born(&mut self, index: usize, scope: Scope, shard: &ShardId) -> Node {
        self.lives += 1;
        let now = BootMillis(self.now);
        let mut lease = lease(UNITS, index, self.lives, now).breaking(scope.broken);
        lease.want(now, shard, terms(scope.lock_delay)).unwrap();
        let mut node = Node {
            lease,
            clock: self.now,
            frozen: false,
            cut: false,
            alive: true,
            mirror: BTreeSet::new(),
            outbox: VecDeque::new(),
        };
        while let Some(output) = node.lease.next_output() {
            if let Output::Request(request) = output {
                node.outbox.push_back(request);
            }
        }
        node
    }

    /// All that may come next.
    fn steps(&self, scope: Scope, shard: &ShardId, next: &mut Vec<Self>) -> Result<(), Broken> {
        let mut asking = self.nodes.iter().enumerate();
        let mut asking = asking.by_ref().filter(|(_, node)| !node.outbox.is_empty());
        if let Some((first, _)) = asking.next() {
            self.requests(first, scope, next)?;
            // Who comes first after an election makes the difference there.
            for (index, _) in asking.filter(|_| scope.election) {
                self.requests(index, scope, next)?;
            }
            return Ok(());
        }
        self.late_ones(scope, next)?;
        self.elections(next);
        self.handovers(scope, shard, next)?;
        for index in 0..self.nodes.len() {
            self.misfortunes(index, scope, shard, next)?;
        }
        let mut later = self.clone();
        later.pass(None, scope)?;
        next.push(later);
        Ok(())
    }

    /// What may become of a request.
    fn requests(&self, index: usize, scope: Scope, next: &mut Vec<Self>) -> Result<(), Broken> {
        let mut base = self.clone();
        let Some(request) = base.node(index).outbox.pop_front() else {
            return Ok(());
        };
        if self.election == Election::Now || self.nodes[index].cut {
            next.push(base);
            return Ok(());
        }
        let id = request.id;
        let mut done = base.clone();
        let before = Rc::clone(&done.store);
        let answer = Rc::make_mut(&mut done.store).ask(&request);
        if self.faults > 0 {
            base.faults -= 1;
            // Lost.
            next.push(base.clone());
            let mut delayed = base.clone();
            delayed.late.push(Late::Request(index, request.clone()));
            next.push(delayed);
            if let Some(answer) = base.store.stale(&request) {
                let mut stale = base.clone();
                stale.answer(index, id, answer, &before, scope)?;
                next.push(stale);
            }
            let mut unheard = done.clone();
            unheard.faults -= 1;
            let mut delayed = unheard.clone();
            delayed.late.push(Late::Answer(index, id, answer.clone()));
            next.push(delayed);
            if matches!(answer, Answer::Done(_)) {
                next.push(unheard);
            }
        }
        done.answer(index, id, answer, &before, scope)?;
        next.push(done);
        Ok(())
    }

    fn late_ones(&self, scope: Scope, next: &mut Vec<Self>) -> Result<(), Broken> {
        for at in 0..self.late.len() {
            let mut world = self.clone();
            let before = Rc::clone(&world.store);
            let (index, id, answer) = match world.late.remove(at) {
                Late::Request(index, request) => {
                    let answer = Rc::make_mut(&mut world.store).ask(&request);
                    (index, request.id, answer)
                }
                Late::Answer(index, id, answer) => {
                    world.node(index).frozen = false;
                    (index, id, answer)
                }
            };
            world.answer(index, id, answer, &before, scope)?;
            next.push(world);
        }
        Ok(())
    }

    fn elections(&self, next: &mut Vec<Self>) {
        let election = match self.election {
            Election::Never => return,
            Election::MayCome => Election::Now,
            Election::Now => Election::Never,
        };
        next.push(Self {
            election,
            ..self.clone()
        });
    }

    /// The owner gives the shard up; somebody's mirror comes to show the seal.
    fn handovers(&self, scope: Scope, shard: &ShardId, next: &mut Vec<Self>) -> Result<(), Broken> {
        for index in 0..self.nodes.len() {
            if !self.nodes[index].alive || self.nodes[index].frozen {
                continue;
            }
            for seal in &self.seals {
                if !self.nodes[index].mirror.contains(seal) {
                    let mut world = self.clone();
                    let node = world.node(index);
                    node.mirror.insert(seal.clone());
                    node.lease
                        .seal_seen(BootMillis(node.clock), &seal.0, seal.1);
                    world.heard(index, &self.store, scope)?;
                    next.push(world);
                }
            }
            if !self.handover {
                continue;
            }
            let mut world = self.clone();
            let node = world.node(index);
            let clock = BootMillis(node.clock);
            let Ok(epoch) = node.lease.stop(clock, shard) else {
                continue;
            };
            world.handover = false;
            world.seals.insert((shard.clone(), epoch));
            let to = name("r1");
            let given = world.node(index).lease.give(clock, shard, to, place());
            assert!(given, "what was stopped can be given up");
            // It would have it back, if nobody else takes it.
            let wanted = world
                .node(index)
                .lease
                .want(clock, shard, terms(scope.lock_delay));
            wanted.unwrap();
            world.heard(index, &self.store, scope)?;
            next.push(world);
        }
        Ok(())
    }

    /// What may befall a node between its requests.
    fn misfortunes(
        &self,
        index: usize,
        scope: Scope,
        shard: &ShardId,
        next: &mut Vec<Self>,
    ) -> Result<(), Broken> {
        let node = &self.nodes[index];
        let mut world = self.clone();
        if !node.alive {
            world.nodes[index] = Rc::new(world.born(index, scope, shard));
            next.push(world);
            return Ok(());
        }
        if node.cut {
            let mut healed = self.clone();
            healed.node(index).cut = false;
            next.push(healed);
        }
        if node.frozen {
            world.node(index).frozen = false;
            world.wake(index, scope)?;
            next.push(world);
            return Ok(());
        }
        if self.faults == 0 {
            return Ok(());
        }
        world.faults -= 1;
        if !node.cut {
            let mut cut = world.clone();
            cut.node(index).cut = true;
            next.push(cut);
        }
        let mut frozen = world.clone();
        frozen.node(index).frozen = true;
        next.push(frozen);
        let mut dead = world.clone();
        dead.node(index).alive = false;
        dead.late
            .retain(|late| !matches!(late, Late::Answer(of, ..) if *of == index));
        next.push(dead);
        if self.skew > 0 {
            world.skew -= 1;
            world.pass(Some(index), scope)?;
            next.push(world);
        }
        Ok(())
    }

    /// A unit of time goes by; the clock of `slow` does not notice.
    fn pass(&mut self, slow: Option<usize>, scope: Scope) -> Result<(), Broken> {
        self.now += 1;
        for index in 0..self.nodes.len() {
            if slow != Some(index) {
                self.node(index).clock += 1;
            }
        }
        self.look()?;
        for index in 0..self.nodes.len() {
            if self.nodes[index].alive && !self.nodes[index].frozen {
                self.wake(index, scope)?;
            }
        }
        Ok(())
    }

    fn wake(&mut self, index: usize, scope: Scope) -> Result<(), Broken> {
        let node = self.node(index);
        node.lease.tick(BootMillis(node.clock));
        let store = Rc::clone(&self.store);
        self.heard(index, &store, scope)
    }

    fn answer(
        &mut self,
        index: usize,
        id: RequestId,
        answer: Answer,
        before: &Store,
        scope: Scope,
    ) -> Result<(), Broken> {
        let node = self.node(index);
        if !node.alive || !node.lease.awaits(id) {
            return Ok(());
        }
        if node.frozen {
            // It lies in the socket until the node wakes up.
            self.late.push(Late::Answer(index, id, answer));
            return Ok(());
        }
        node.lease.answer(BootMillis(node.clock), id, answer);
        self.heard(index, before, scope)
    }

    /// Takes what a node has to say.
    fn heard(&mut self, index: usize, before: &Store, scope: Scope) -> Result<(), Broken> {
        while let Some(output) = self.node(index).lease.next_output() {
            match output {
                Output::Request(request) => self.node(index).outbox.push_back(request),
                Output::Event(event) => {
                    let mirror = &self.nodes[index].mirror;
                    self.witness.event(index, &event, mirror, before)?;
                    let only_election = scope.election && scope.faults == 0;
                    if only_election && matches!(event, Event::Ended { .. } | Event::Lost { .. }) {
                        return Err(Broken::MovedByElection);
                    }
                }
            }
        }
        self.look()
    }

    fn look(&mut self) -> Result<(), Broken> {
        let shard: ShardId = "f/0".parse().unwrap();
        let alive = self.nodes.iter().enumerate().filter(|(_, node)| node.alive);
        let nodes = alive.map(|(index, node)| (index, &node.lease, BootMillis(node.clock)));
        self.witness.look(self.now, &[shard], &nodes)
    }

    /// Whether somebody acts, once no fault comes any more.
    fn heals(&self, scope: Scope, shard: &ShardId) -> bool {
        let mut world = self.clone();
        (world.faults, world.skew, world.handover) = (0, 0, false);
        world.election = Election::Never;
        world.late.clear();
        for index in 0..world.nodes.len() {
            if !world.nodes[index].alive {
                world.nodes[index] = Rc::new(world.born(index, scope, shard));
            }
            world.node(index).frozen = false;
            world.node(index).cut = false;
            for (shard, epoch) in world.seals.clone() {
                let node = world.node(index);
                node.mirror.insert((shard.clone(), epoch));
                node.lease.seal_seen(BootMillis(node.clock), &shard, epoch);
                let heard = world.heard(index, &self.store, scope);
                heard.unwrap();
            }
        }
        let end = world.now + HEALED + scope.lock_delay;
        while world.now < end {
            let mut next = Vec::new();
            let asking = world.nodes.iter().position(|node| !node.outbox.is_empty());
            if let Some(index) = asking {
                if world.requests(index, scope, &mut next).is_err() {
                    return true;
                }
                // The last one is the one without a fault.
                world = next.pop().unwrap();
            } else if world.pass(None, scope).is_err() {
                // Another promise than this one.
                return true;
            }
        }
        let acts = world.nodes.iter().any(|node| {
            let standing = node.lease.standing();
            standing
                .may_start(shard.as_str(), BootMillis(node.clock))
                .is_ok()
        });
        acts && owned(&world.store, shard)
    }

    /// Names this state, and all that behave like it.
    fn fingerprint(&mut self) -> u64 {
        let nodes = &self.nodes;
        self.late.retain(|late| match late {
            Late::Request(..) => true,
            Late::Answer(index, id, _) => nodes[*index].lease.awaits(*id),
        });
        let mut out = BuildHasherDefault::<DefaultHasher>::default().build_hasher();
        let mut numbers = HashMap::<(Key, u64), u64>::new();
        let mut canon = |key: &Key, revision: Option<Revision>| match revision {
            None => 0,
            Some(Revision(number)) => {
                let next = numbers.len() as u64 + 1;
                *numbers.entry((key.clone(), number)).or_insert(next)
            }
        };
        for (records, of) in [(&self.store.records, 0), (&self.store.before, 1)] {
            for (key, stored) in records {
                (of, key, canon(key, Some(stored.revision))).hash(&mut out);
                content(key, &stored.value).hash(&mut out);
            }
        }
        for node in &self.nodes {
            (node.alive, node.frozen, node.cut).hash(&mut out);
            if node.alive {
                let clock = BootMillis(node.clock);
                node.lease.fingerprint(clock, &mut canon, &mut out);
                node.mirror.hash(&mut out);
            }
            for request in &node.outbox {
                asked(request, &mut canon).hash(&mut out);
            }
        }
        for late in &self.late {
            match late {
                Late::Request(index, request) => {
                    let awaited = nodes[*index].lease.awaits(request.id);
                    (0, index, awaited, asked(request, &mut canon)).hash(&mut out);
                }
                Late::Answer(index, id, answer) => {
                    let key = nodes[*index].lease.awaited(*id);
                    let (kind, stored) = match answer {
                        Answer::Found(stored) => (0, stored.clone()),
                        Answer::Conflict(stored) => (1, stored.clone()),
                        Answer::Unknown => (2, None),
                        Answer::Done(revision) => {
                            if let Some(key) = &key {
                                canon(key, Some(*revision)).hash(&mut out);
                            }
                            (3, None)
                        }
                    };
                    (1, index, kind).hash(&mut out);
                    if let (Some(key), Some(stored)) = (&key, &stored) {
                        canon(key, Some(stored.revision)).hash(&mut out);
                        content(key, &stored.value).hash(&mut out);
                    }
                    key.hash(&mut out);
                }
            }
        }
        self.seals.hash(&mut out);
        self.witness.fingerprint(self.now, &mut out);
        (self.faults, self.skew, self.handover, self.election).hash(&mut out);
        out.finish()
    }
}

/// What a record says, without how often it was written.
fn content(key: &Key, value: &bytes::Bytes) -> (Option<SessionRecord>, Option<ShardRecord>) {
    match key {
        Key::Session(_) => (
            SessionRecord::decode(value).ok().as_ref().map(uncounted),
            None,
        ),
        Key::Shards(_) => (None, ShardRecord::decode(value).ok()),
    }
}

type Asked = (
    Key,
    Option<(u64, (Option<SessionRecord>, Option<ShardRecord>))>,
);

fn asked(request: &Request, canon: &mut impl FnMut(&Key, Option<Revision>) -> u64) -> Asked {
    let key = request.key.clone();
    let write = match &request.action {
        Action::Read => None,
        Action::CompareAndSet { expected, value } => {
            let number = canon(&key, *expected);
            Some((number, content(&key, value)))
        }
    };
    (key, write)
}

/// Where a seal stands; the machine only carries it.
pub(super) fn place() -> Position {
    Position {
        origin: "r0".to_owned(),
        incarnation: Incarnation(1),
        frame: FrameNumber(1),
        index: 0,
    }
}

/// Searches and wants nothing broken.
#[track_caller]
fn holds(scope: Scope) {
    let found = search(scope);
    println!("{scope:?}: {found:?}");
    assert_eq!(found.broken, None, "{scope:?}");
    assert!(found.whole, "the search did not end: {found:?}");
    assert!(found.states > 1_000, "the search saw nothing: {found:?}");
}

const SCOPE: Scope = Scope {
    nodes: 2,
    faults: 2,
    skew: 2,
    handover: false,
    election: false,
    lock_delay: 0,
    liveness: true,
    broken: None,
    states_max: 3_000_000,
};

pub(super) const fn two_nodes() -> Scope {
    SCOPE
}

#[test]
fn two_nodes_and_two_faults() {
    holds(SCOPE);
}

#[test]
fn a_handover_and_a_fault() {
    holds(Scope {
        faults: 1,
        handover: true,
        ..SCOPE
    });
}

#[test]
fn a_lock_delay_and_a_fault() {
    holds(Scope {
        faults: 1,
        lock_delay: 8,
        ..SCOPE
    });
}

#[test]
fn three_nodes_and_a_fault() {
    holds(Scope {
        nodes: 3,
        faults: 1,
        ..SCOPE
    });
}

#[test]
fn an_election_moves_nothing() {
    holds(Scope {
        nodes: 3,
        faults: 0,
        skew: 0,
        election: true,
        ..SCOPE
    });
}

#[test]
fn an_election_and_a_fault() {
    holds(Scope {
        faults: 1,
        election: true,
        ..SCOPE
    });
}
