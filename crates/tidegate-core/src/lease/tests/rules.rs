//! Single rules, by hand.

use tidegate_types::time::BootMillis;

use super::search::place;
use super::store::Store;
use super::{identity, lease, name, shard, terms};
use crate::lease::{
    Action, Epoch, Event, Key, Lease, NotNow, Output, Owner, Request, SessionRecord, ShardId,
    Source, Stored, Terms, Timing,
};

/// Nodes at one store that answers at once; they share a clock, which starts at 1,000,000 ms.
struct Site {
    now: u64,
    store: Store,
    nodes: Vec<Option<Lease>>,
    events: Vec<(usize, Event)>,
    asked: Vec<(usize, Request)>,
}

impl Site {
    fn new(nodes: usize) -> Self {
        let mut site = Self {
            now: 1_000_000,
            store: Store::default(),
            nodes: Vec::new(),
            events: Vec::new(),
            asked: Vec::new(),
        };
        for index in 0..nodes {
            let node = lease(Timing::DEFAULT, index, 1, site.clock());
            site.nodes.push(Some(node));
        }
        site
    }

    fn clock(&self) -> BootMillis {
        BootMillis(self.now)
    }

    fn node(&mut self, index: usize) -> &mut Lease {
        self.nodes[index].as_mut().unwrap()
    }

    fn want(&mut self, index: usize, of: &ShardId, terms: Terms) {
        let now = self.clock();
        self.node(index).want(now, of, terms).unwrap();
    }

    /// Lets time pass in steps of 10 ms, and answers all requests.
    fn run(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.now < end {
            self.now += 10;
            for index in 0..self.nodes.len() {
                let now = self.clock();
                if let Some(node) = &mut self.nodes[index] {
                    node.tick(now);
                }
                self.drain(index);
            }
        }
    }

    fn drain(&mut self, index: usize) {
        let now = self.clock();
        while let Some(node) = &mut self.nodes[index] {
            match node.next_output() {
                None => return,
                Some(Output::Event(event)) => self.events.push((index, event)),
                Some(Output::Request(request)) => {
                    let answer = self.store.ask(&request);
                    node.answer(now, request.id, answer);
                    self.asked.push((index, request));
                }
            }
        }
    }

    fn may(&self, index: usize, of: &ShardId) -> Result<Epoch, NotNow> {
        let node = self.nodes[index].as_ref().unwrap();
        node.standing().may_start(of.as_str(), self.clock())
    }

    fn taken(&self, index: usize, of: &ShardId) -> Option<Source> {
        self.events
            .iter()
            .rev()
            .find_map(|(at, event)| match event {
                Event::Taken { shard, source, .. } if *at == index && shard == of => {
                    Some(source.clone())
                }
                _ => None,
            })
    }
}

#[test]
fn the_first_takes_at_once_and_another_waits() {
    let (mut site, flow) = (Site::new(2), shard("f/0"));
    assert_eq!(site.may(0, &flow), Err(NotNow::NotHeld));
    site.want(0, &flow, terms(0));
    site.run(20);
    site.want(1, &flow, terms(0));
    site.run(60_000);
    assert_eq!(site.may(0, &flow), Ok(Epoch(1)));
    assert_eq!(site.may(1, &flow), Err(NotNow::NotHeld));
    assert_eq!(site.taken(0, &flow), Some(Source::Nobody));
    let owner = site.node(1).owner(&flow);
    assert!(
        matches!(&owner, Owner::Node { session, region: Some(region), .. }
            if session.to_string() == "n0#1" && region.as_str() == "r0"),
        "{owner:?}"
    );
}

#[test]
fn a_dead_node_is_followed_within_ten_seconds_and_a_bit() {
    let (mut site, flow) = (Site::new(2), shard("f/0"));
    site.want(0, &flow, terms(0));
    site.run(20);
    site.want(1, &flow, terms(0));
    site.run(20_000);
    let died = site.now;
    site.nodes[0] = None;
    while site.may(1, &flow).is_err() {
        assert!(site.now - died < 12_000, "nobody took over");
        site.run(10);
    }
    let took = site.now - died;
    println!("taken over after {took} ms");
    assert!((7_000..=10_020).contains(&took), "{took} ms");
    assert_eq!(site.may(1, &flow), Ok(Epoch(2)));
    let source = site.taken(1, &flow);
    let Some(Source::Ended {
        session,
        silent_ms: Some(silent),
    }) = source
    else {
        panic!("{source:?}");
    };
    assert_eq!(session.to_string(), "n0#1");
    assert!((9_000..9_020).contains(&silent), "{silent}");
}

#[test]
fn ten_thousand_shards_cost_the_renewals_of_one() {
    let renewals = |shards: u64| {
        let mut site = Site::new(1);
        for at in 0..shards {
            let flow = shard(&format!("flow-{}/{}", at / 16, at % 16));
            site.want(0, &flow, terms(0));
        }
        site.run(2_000);
        let node = site.nodes[0].as_ref().unwrap();
        assert_eq!(node.standing().held.len() as u64, shards);
        let writes = site.asked.len();
        site.asked.clear();
        site.run(60_000);
        let of = |shards: bool| {
            let writes = site
                .asked
                .iter()
                .filter(|(_, it)| it.action != Action::Read);
            writes
                .filter(|(_, it)| matches!(it.key, Key::Shards(_)) == shards)
                .count()
        };
        println!("{shards} shards: taken with {writes} requests");
        (of(false), of(true))
    };
    let (few, many) = (renewals(1), renewals(10_000));
    assert_eq!(few, many);
    assert_eq!(
        many,
        (30, 0),
        "a renewal each other second, and no write of a shard"
    );
}

#[test]
fn who_closes_is_followed_at_once() {
    let (mut site, flow) = (Site::new(2), shard("f/0"));
    site.want(0, &flow, terms(0));
    site.run(20);
    site.want(1, &flow, terms(0));
    site.run(5_000);
    let now = site.clock();
    site.node(0).drain();
    assert_eq!(site.may(0, &flow), Err(NotNow::Ending));
    site.node(0).close(now);
    site.run(3_100);
    assert!(site.events.contains(&(0, Event::Closed)));
    assert_eq!(site.may(1, &flow), Ok(Epoch(2)));
    assert_eq!(site.node(0).next_timeout(), None);
}

#[test]
fn a_handover_waits_for_the_seal_and_for_nothing_else() {
    let (mut site, flow) = (Site::new(2), shard("f/0"));
    site.want(0, &flow, terms(0));
    site.run(20);
    let delay = terms(5_000);
    site.want(1, &flow, delay);
    site.run(5_000);
    let now = site.clock();
    assert!(
        !site.node(0).give(now, &flow, name("r1"), place()),
        "it was not stopped"
    );
    assert_eq!(site.node(0).stop(now, &flow), Ok(Epoch(1)));
    assert_eq!(site.may(0, &flow), Err(NotNow::Yielding));
    site.run(3_000);
    let owner = site.node(1).owner(&flow);
    assert!(matches!(owner, Owner::Node { .. }), "{owner:?}");
    let now = site.clock();
    assert!(site.node(0).give(now, &flow, name("r1"), place()));
    site.run(4_000);
    let owner = site.node(1).owner(&flow);
    assert!(
        matches!(&owner, Owner::Yielded { to, seal, .. } if *to == name("r1") && *seal == place()),
        "{owner:?}"
    );
    assert_eq!(site.may(1, &flow), Err(NotNow::NotHeld));
    let now = site.clock();
    site.node(1).seal_seen(now, &flow, Epoch(1));
    site.run(200);
    // What was sealed is over: no lock-delay.
    assert_eq!(site.may(1, &flow), Ok(Epoch(2)));
    assert!(matches!(site.taken(1, &flow), Some(Source::Sealed { .. })));
}

#[test]
fn a_lock_delay_holds_the_first_effect_back() {
    let (mut site, flow) = (Site::new(2), shard("f/0"));
    site.want(0, &flow, terms(5_000));
    site.run(20);
    assert_eq!(site.may(0, &flow), Ok(Epoch(1)), "there was nobody before");
    site.want(1, &flow, terms(5_000));
    site.run(5_000);
    site.nodes[0] = None;
    while site.taken(1, &flow).is_none() {
        site.run(10);
    }
    assert!(matches!(site.may(1, &flow), Err(NotNow::LockDelay { .. })));
    let now = site.clock();
    let refused = site.node(1).stop(now, &flow);
    assert!(
        matches!(refused, Err(NotNow::LockDelay { .. })),
        "{refused:?}"
    );
    site.run(5_000);
    assert_eq!(site.may(1, &flow), Ok(Epoch(2)));
}

#[test]
fn the_epoch_is_above_what_the_logs_know() {
    let (mut site, flow) = (Site::new(1), shard("f/0"));
    let floor = Epoch(41);
    let lock_delay_ms = 1_000;
    let terms = Terms {
        floor,
        lock_delay_ms,
    };
    site.want(0, &flow, terms);
    site.run(20);
    // The store has forgotten an owner that the logs remember.
    assert!(matches!(site.may(0, &flow), Err(NotNow::LockDelay { .. })));
    site.run(1_000);
    assert_eq!(site.may(0, &flow), Ok(Epoch(42)));
}

#[test]
fn deadlines_are_told_once_each() {
    let (mut site, flow) = (Site::new(1), shard("f/0"));
    site.want(0, &flow, terms(0));
    site.run(20);
    site.events.clear();
    let start = site.clock();
    let mut told = Vec::new();
    // Nobody answers any more.
    while site.now < start.0 + 20_000 {
        site.now += 10;
        let now = site.clock();
        let node = site.node(0);
        node.tick(now);
        while let Some(output) = node.next_output() {
            if let Output::Event(event) = output {
                told.push((now.since(start), event));
            }
        }
        let may = site.may(0, &flow).is_ok();
        assert_eq!(may, site.now < start.0 + 5_990, "{}", site.now);
    }
    assert_eq!(told, [(5_990, Event::Idle), (8_990, Event::Abort)]);
    assert!(matches!(site.may(0, &flow), Err(NotNow::Late { .. })));
    site.run(1_000);
    assert_eq!(site.events, [(0, Event::Resumed)]);
    assert_eq!(site.may(0, &flow), Ok(Epoch(1)), "nothing has moved");
}

#[test]
fn another_process_of_the_same_name_is_told() {
    let (mut site, flow) = (Site::new(1), shard("f/0"));
    site.want(0, &flow, terms(0));
    site.run(20);
    let mut twin = identity(0, 2);
    twin.region = name("elsewhere");
    site.nodes
        .push(Some(Lease::new(Timing::DEFAULT, twin, site.clock())));
    site.want(1, &flow, terms(0));
    site.run(30_000);
    assert!(site.events.contains(&(1, Event::NameInUse)));
    assert_eq!(site.may(0, &flow), Ok(Epoch(1)));
    assert_eq!(site.may(1, &flow), Err(NotNow::NotHeld));
    site.nodes[0] = None;
    site.run(12_000);
    assert_eq!(site.may(1, &flow), Ok(Epoch(2)), "the name is free");
}

#[test]
fn what_cannot_be_read_is_left_alone() {
    let (mut site, flow) = (Site::new(1), shard("f/0"));
    let later = Stored {
        revision: crate::lease::Revision(1_000),
        value: vec![9, 2, 0, 0, 0, 0].into(),
    };
    site.store.records.insert(Key::of(&flow), later.clone());
    site.want(0, &flow, terms(0));
    site.run(5_000);
    let told = site
        .events
        .iter()
        .any(|(_, event)| matches!(event, Event::Unreadable { key, .. } if *key == Key::of(&flow)));
    assert!(told, "{:?}", site.events);
    assert_eq!(site.store.records.get(&Key::of(&flow)), Some(&later));
    assert_eq!(site.may(0, &flow), Err(NotNow::NotHeld));
}

#[test]
fn a_record_that_was_removed_is_no_proof_of_an_end() {
    let (mut site, flow) = (Site::new(2), shard("f/0"));
    site.want(0, &flow, terms(0));
    site.run(20);
    site.nodes[0] = None;
    let gone = site.store.records.remove(&Key::Session(name("n0")));
    assert!(gone.is_some());
    let before = site.now;
    site.want(1, &flow, terms(0));
    while site.may(1, &flow).is_err() {
        site.run(10);
        assert!(site.now - before < 12_000);
    }
    assert!(site.now - before >= 9_000, "{}", site.now - before);
    let stored = site.store.records.get(&Key::Session(name("n0"))).unwrap();
    assert!(SessionRecord::decode(&stored.value).unwrap().ended);
}

#[test]
fn a_full_record_says_so() {
    let mut site = Site::new(1);
    for part in 0..400 {
        site.want(0, &shard(&format!("flow/{part}")), terms(0));
    }
    site.run(1_000);
    let full = site
        .events
        .iter()
        .filter(|(_, it)| matches!(it, Event::Full { .. }));
    assert_eq!(full.count(), 1);
    let held = site.nodes[0].as_ref().unwrap().standing().held.len();
    assert!((200..400).contains(&held), "{held}");
}
