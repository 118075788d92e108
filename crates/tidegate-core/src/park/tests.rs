//! A naive flow over a log in memory, and a park on a disk that loses power.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use tidegate_types::event::Event;
use tidegate_types::id::{EventId, FlowNamespace};
use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::time::UnixMillis;

use super::*;
use crate::books::Tally;
use crate::deliver::Restored;
use crate::log::entry::{Blame, EventEntry, HeldLane, Retrying};
use crate::log::memdisk::{Crash, Faults, MemDisk};

const NOW: UnixMillis = UnixMillis(1_700_000_000_000);
const KEYS: [&str; 4] = ["", "a", "b", "c"];

fn at(frame: u64, index: u32) -> Place {
    Place {
        incarnation: Incarnation(7),
        frame: FrameNumber(frame),
        index,
    }
}

fn event(place: Place, key: &str, wanted: bool, bytes: usize) -> EventEntry {
    let namespace = FlowNamespace::new("orders", "test");
    let external_id = format!("{place:?}");
    let fill = u8::try_from(place.frame.0 % 251).unwrap();
    EventEntry {
        event: Event {
            id: EventId::derive(&namespace, &external_id),
            flow: "test".to_owned(),
            external_id,
            kind: if wanted { "wanted" } else { "other" }.to_owned(),
            time: NOW,
            received: NOW,
            key: key.to_owned(),
            content_type: String::new(),
            data: Bytes::from(vec![fill; bytes]),
            attributes: Vec::new(),
            raw: None,
        },
        fingerprint: [3; 16],
    }
}

fn retrying(place: Place) -> Retrying {
    Retrying {
        flow: "out".to_owned(),
        shard: 0,
        place,
        id: EventId::from_bytes([1; 16]),
        key: String::new(),
        attempts: 1,
        sent: 1,
        since: NOW,
        next: NOW,
        blame: Blame::Them,
        status: 500,
        text: String::new(),
        time: NOW,
    }
}

/// The log, the flow as a naive list of what is settled, and its park.
struct World {
    log: BTreeMap<Place, EventEntry>,
    head: u64,
    /// The first frame the log still has.
    first: u64,
    settled: BTreeSet<Place>,
    state: Restored,
    disk: MemDisk,
    options: ParkOptions,
    park: Park<MemDisk>,
}

impl World {
    fn new(seed: u64, quota: u64) -> Self {
        let disk = MemDisk::new(seed);
        let options = ParkOptions {
            origin: "local".to_owned(),
            quota,
        };
        let (park, _) = Park::open(disk.clone(), &options, NOW).unwrap();
        Self {
            log: BTreeMap::new(),
            head: 0,
            first: 1,
            settled: BTreeSet::new(),
            state: Restored {
                begun: true,
                ..Restored::new(at(1, 0))
            },
            disk,
            options,
            park,
        }
    }

    fn append(&mut self, events: &[(usize, bool, usize)]) {
        self.head += 1;
        for ((key, wanted, bytes), index) in events.iter().zip(0..) {
            let place = at(self.head, index);
            self.log
                .insert(place, event(place, KEYS[*key], *wanted, *bytes));
        }
    }

    fn is_wanted(entry: &EventEntry) -> bool {
        entry.event.kind == "wanted"
    }

    /// Wanted and not settled, in order.
    fn open_events(&self) -> Vec<(Place, String)> {
        let wanted = self.log.iter().filter(|(_, entry)| Self::is_wanted(entry));
        let open = wanted.filter(|(place, _)| !self.settled.contains(place));
        open.map(|(place, entry)| (*place, entry.event.key.clone()))
            .collect()
    }

    /// What `low` need not wait for.
    fn is_apart(&self, place: Place, key: &str) -> bool {
        let lane = self.state.held.iter().any(|lane| lane.key == key);
        lane || self.state.retrying.iter().any(|it| it.place == place)
    }

    fn settle(&mut self, nth: usize) {
        let open = self.open_events();
        let Some((place, key)) = open.get(nth % open.len().max(1)).cloned() else {
            return;
        };
        if self.state.held.iter().any(|lane| lane.key == key) {
            // In the order of the key.
            let first = open.iter().find(|it| it.1 == key).unwrap().0;
            self.settled.insert(first);
            if first >= self.state.low {
                self.state.done.insert(first);
            }
            let from = open.iter().filter(|it| it.1 == key).nth(1);
            let from = from.map_or_else(|| at(self.head + 1, 0), |it| it.0);
            let lane = self.state.held.iter_mut().find(|lane| lane.key == key);
            lane.unwrap().from = from;
            return;
        }
        self.settled.insert(place);
        self.state.retrying.retain(|it| it.place != place);
        if place >= self.state.low {
            self.state.done.insert(place);
        }
    }

    fn hold(&mut self, key: usize) {
        let key = KEYS[key];
        if key.is_empty() || self.state.held.iter().any(|lane| lane.key == key) {
            return;
        }
        if let Some((from, _)) = self.open_events().iter().find(|it| it.1 == key) {
            self.state.held.push(HeldLane {
                key: key.to_owned(),
                from: *from,
                blocked: None,
            });
        }
    }

    fn retry(&mut self, nth: usize) {
        let mut open = self.open_events();
        open.retain(|it| it.1.is_empty() && !self.is_apart(it.0, &it.1));
        if let Some((place, _)) = open.get(nth % open.len().max(1)) {
            self.state.retrying.push(retrying(*place));
        }
    }

    fn move_low(&mut self) {
        let open = self.open_events();
        let first = open.iter().find(|it| !self.is_apart(it.0, &it.1));
        let low = first.map_or_else(|| at(self.head + 1, 0), |it| it.0);
        self.state.low = self.state.low.max(low);
        self.state.done = self.state.done.split_off(&self.state.low);
    }

    /// Parks what is needed of the frames before `target`, then removes them; whatever fails, only
    /// what was marked goes.
    fn trim(&mut self, target: u64) -> Result<bool, ParkError> {
        let need = Need::of(&self.state);
        let from = self
            .park
            .last_mark()
            .map_or_else(|| at(1, 0), |mark| mark.through);
        let mut through = at(target, 0);
        for (place, entry) in self.log.range(from.min(through)..through) {
            let offered = Offered {
                place: *place,
                appended: NOW,
                event: entry,
            };
            let taken = self.park.take(NOW, &need, offered, Room::ToPark, |event| {
                event.kind == "wanted"
            })?;
            if taken == Taken::Full {
                through = *place;
                break;
            }
        }
        if through <= from {
            self.park.abandon();
            return Ok(false);
        }
        let as_of = FrameNumber(self.head);
        let mark = ParkMark::new(("out", 0), through, as_of, self.state.clone(), NOW);
        self.park.mark(NOW, mark)?;
        self.first = through.frame.0;
        Ok(true)
    }

    /// The machine stops at this call of a trim.
    fn crash(&mut self, stop: u64, target: u64, how: Crash) {
        self.disk.set_faults(Faults {
            stops_in: Some(stop),
            ..Faults::default()
        });
        let _stopped_or_not = self.trim(target);
        self.reopen(how);
    }

    fn release(&mut self) {
        self.park
            .release(NOW, Need::of(&self.state).first())
            .unwrap();
    }

    fn reopen(&mut self, how: Crash) {
        self.disk.set_faults(Faults::default());
        self.disk.crash(how);
        let (park, damage) = Park::open(self.disk.clone(), &self.options, NOW).unwrap();
        assert_eq!(damage, None);
        self.park = park;
        let through = self.park.last_mark().map_or(1, |mark| mark.through.frame.0);
        assert!(through >= self.first, "what was marked is there");
    }

    /// Everything that is open and gone from the log is in the park, once, in order and as it was.
    fn check(&self, step: u64) {
        let Some(mark) = self.park.last_mark() else {
            assert_eq!(self.first, 1);
            return;
        };
        let reader = self.park.reader();
        let mut met: Vec<Place> = Vec::new();
        let mut passed = Tally::default();
        let first = Need::of(&self.state).first();
        let mut from = first;
        loop {
            let end = reader.walk(from, step, |it| {
                match it {
                    Met::Event(parked) => {
                        assert_eq!(self.log.get(&parked.place), Some(&parked.event));
                        met.push(parked.place);
                    }
                    Met::Passed(_) => {}
                }
                true
            });
            let end = end.unwrap();
            if end == from {
                break;
            }
            from = end;
        }
        assert!(from >= mark.through || from == first);
        assert!(met.is_sorted_by(|a, b| a < b), "{met:?}");
        for (place, _) in self.open_events() {
            if place < mark.through {
                assert!(met.contains(&place), "{place:?} is lost: {met:?}");
                assert!(reader.event(place).unwrap().is_some());
            }
        }
        let _end = reader.walk(self.state.low, u64::MAX, |it| {
            if let Met::Passed(hours) = it {
                for hour in hours {
                    passed.add(hour.tally);
                }
            }
            true
        });
        let unwanted = |range: std::ops::Range<Place>| {
            let found = self.log.range(range.start..range.end.max(range.start));
            let found = found.filter(|(_, entry)| !Self::is_wanted(entry));
            found
                .map(|(_, entry)| Tally::of(&entry.event.id))
                .sum::<Tally>()
        };
        assert_eq!(passed, unwanted(self.state.low..mark.through));
    }
}

#[derive(Clone, Debug)]
enum Op {
    Append(Vec<(usize, bool, usize)>),
    Settle(usize),
    Hold(usize),
    Retry(usize),
    MoveLow,
    Trim(prop::sample::Index),
    Release,
    Reopen,
    /// The machine stops at this call of the next trim.
    Crash(u64, prop::sample::Index, bool),
    /// A write or sync fails in the next trim.
    Fail(u64, prop::sample::Index, bool),
}

fn op() -> impl Strategy<Value = Op> {
    let bytes =
        prop_oneof![20 => 0..3_000_usize, 4 => 0..100_000_usize, 1 => 500_000..700_000_usize];
    let event = (0..4_usize, any::<bool>(), bytes);
    let index = any::<prop::sample::Index>;
    prop_oneof![
        8 => prop::collection::vec(event, 1..12).prop_map(Op::Append),
        6 => any::<usize>().prop_map(Op::Settle),
        1 => (0..4_usize).prop_map(Op::Hold),
        1 => any::<usize>().prop_map(Op::Retry),
        3 => Just(Op::MoveLow),
        4 => index().prop_map(Op::Trim),
        2 => Just(Op::Release),
        1 => Just(Op::Reopen),
        2 => (0..12_u64, index(), any::<bool>()).prop_map(|(at, to, tear)| Op::Crash(at, to, tear)),
        1 => (0..6_u64, index(), any::<bool>()).prop_map(|(at, to, sync)| Op::Fail(at, to, sync)),
    ]
}

fn run(world: &mut World, op: Op) {
    let target = |world: &World, to: prop::sample::Index| {
        world.first
            + to.index(usize::try_from(world.head + 1 - world.first.min(world.head)).unwrap())
                as u64
    };
    match op {
        Op::Append(events) => world.append(&events),
        Op::Settle(nth) => world.settle(nth),
        Op::Hold(key) => world.hold(key),
        Op::Retry(nth) => world.retry(nth),
        Op::MoveLow => world.move_low(),
        Op::Trim(to) => {
            let target = target(world, to);
            world.trim(target).unwrap();
        }
        Op::Release => world.release(),
        Op::Reopen => world.reopen(Crash::LoseAll),
        Op::Crash(stop, to, tear) => {
            let how = if tear { Crash::Tear } else { Crash::LoseAll };
            world.crash(stop, target(world, to), how);
        }
        Op::Fail(nth, to, sync) => {
            let target = target(world, to);
            let nth = Some(nth);
            world.disk.set_faults(Faults {
                sync_fails_in: nth.filter(|_| sync),
                write_fails_in: nth.filter(|_| !sync),
                ..Faults::default()
            });
            if world.trim(target).is_err() {
                world.park.abandon();
            }
            world.disk.set_faults(Faults::default());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_trimmed_settled_or_crashes_what_is_open_is_found_once_and_in_order(
        seed: u64,
        quota in prop_oneof![Just(256_u64 << 10), Just(2 << 20), Just(64 << 20)],
        step in prop_oneof![Just(1_u64), Just(100_000), Just(u64::MAX)],
        ops in prop::collection::vec(op(), 0..60),
    ) {
        let mut world = World::new(seed, quota);
        for op in ops {
            run(&mut world, op);
            world.check(step);
        }
        world.reopen(Crash::LoseAll);
        world.check(step);
    }
}

/// A trim that was to reach further leaves frames behind when the machine stops, and the next one ends before them.
#[test]
fn what_reaches_past_the_last_mark_is_not_believed() {
    for (stop, further, nearer) in
        (0..12).flat_map(|stop| (1..=6).flat_map(move |t| (1..=6).map(move |u| (stop, t, u))))
    {
        let mut world = World::new(1_653_477_621_763, 256 << 10);
        world.append(&[(0, false, 0)]);
        world.append(&[(0, true, 0), (0, false, 0), (0, true, 15_872)]);
        for _ in 0..3 {
            world.append(&[(0, false, 0)]);
        }
        world.move_low();
        world.crash(stop, further, Crash::LoseAll);
        world.check(1);
        world.crash(12, nearer.max(world.first), Crash::LoseAll);
        world.check(1);
    }
}

fn state(low: Place) -> Restored {
    Restored {
        begun: true,
        ..Restored::new(low)
    }
}

#[test]
fn need_is_what_is_open_after_low_what_is_held_and_what_is_tried_again() {
    let lane = |key: &str, from| HeldLane {
        key: key.to_owned(),
        from,
        blocked: None,
    };
    let need = Need::of(&Restored {
        done: BTreeSet::from([at(11, 0)]),
        retrying: vec![retrying(at(3, 1))],
        held: vec![lane("k", at(5, 0))],
        ..state(at(10, 0))
    });
    let table = [
        (at(10, 0), "", true),
        (at(9, 9), "", false),
        (at(11, 0), "", false),
        (at(3, 1), "", true),
        (at(3, 1), "x", true),
        (at(3, 2), "x", false),
        (at(5, 0), "k", true),
        (at(4, 9), "k", false),
        (at(5, 0), "x", false),
    ];
    for (place, key, holds) in table {
        assert_eq!(need.holds(place, key), holds, "{place:?} {key}");
    }
    assert_eq!(need.first(), at(3, 1));
    assert!(need.counts(at(10, 0)) && !need.counts(at(9, 9)));
    let whole = Need::of(&Restored {
        held: vec![lane("", at(5, 0))],
        ..state(at(10, 0))
    });
    assert!(whole.holds(at(5, 0), "any") && !whole.holds(at(4, 0), "any"));
    // Long keys stand in the log as their digest.
    let long = "x".repeat(1000);
    let text = LaneKey::key(&long).text();
    assert!(text.len() < 300);
    let need = Need::of(&Restored {
        held: vec![lane(&text, at(5, 0))],
        ..state(at(10, 0))
    });
    assert!(need.holds(at(6, 0), &long));
}

#[test]
fn a_mark_gives_back_how_the_flow_stood() {
    let state = Restored {
        done: BTreeSet::from([at(12, 1)]),
        retrying: vec![retrying(at(3, 1))],
        set_aside: BTreeSet::from([EventId::from_bytes([9; 16])]),
        ..state(at(10, 0))
    };
    let mark = ParkMark::new(("out", 0), at(20, 0), FrameNumber(30), state.clone(), NOW);
    assert_eq!(mark.state(), state);
}

#[test]
fn what_was_taken_without_a_mark_is_not_there_and_a_full_park_says_so() {
    let mut world = World::new(1, 256 << 10);
    for _ in 0..40 {
        world.append(&[(0, true, 20_000)]);
    }
    let need = Need::of(&world.state);
    let entry = world.log[&at(1, 0)].clone();
    let offered = Offered {
        place: at(1, 0),
        appended: NOW,
        event: &entry,
    };
    let taken = world.park.take(NOW, &need, offered, Room::ToPark, |_| true);
    assert_eq!(taken.unwrap(), Taken::Parked);
    assert_eq!(world.park.status().events, 0);
    assert_eq!(world.park.reader().through(), None);
    world.park.abandon();
    assert!(world.trim(40).unwrap());
    let (full, status) = (world.first, world.park.status());
    assert!(full > 5 && full < 14, "{full}");
    assert!(status.disk_bytes <= 256 << 10, "{status:?}");
    assert_eq!(status.events, full - 1);
    assert!(!world.trim(40).unwrap(), "there is no room");
    world.check(u64::MAX);
    // Deliver what is parked: then there is room again.
    for _ in 0..full {
        world.settle(0);
    }
    world.move_low();
    world.release();
    assert!(world.trim(40).unwrap());
    assert!(world.first > full);
    world.check(u64::MAX);
}

/// Marks are written whether there is room or not, and may begin a segment beyond the quota.
#[test]
fn what_marks_take_beyond_the_quota_is_no_room_for_events() {
    const QUOTA: u64 = 64 << 10;
    let mut world = World::new(1, QUOTA);
    for _ in 0..40 {
        world.append(&[(0, true, 9_000)]);
    }
    let need = Need::of(&world.state);
    let entry = world.log[&at(40, 0)].clone();
    assert!(world.trim(40).unwrap());
    assert!(!world.trim(40).unwrap(), "there is no room");
    let full = world.park.status();
    assert!(full.disk_bytes <= QUOTA, "{full:?}");
    for frame in 0..400 {
        let through = at(40, frame);
        let state = world.state.clone();
        let mark = ParkMark::new(("out", 0), through, FrameNumber(40), state, NOW);
        world.park.mark(NOW, mark).unwrap();
        let offered = Offered {
            place: at(40, frame),
            appended: NOW,
            event: &entry,
        };
        let taken = world.park.take(NOW, &need, offered, Room::ToPark, |_| true);
        assert_eq!(taken.unwrap(), Taken::Full, "{frame}");
    }
    let after = world.park.status();
    assert_eq!(after.events, full.events);
    assert!(after.disk_bytes < 3 * QUOTA, "{after:?}");
}

#[test]
fn an_empty_park_keeps_its_last_segment_and_its_mark() {
    let mut world = World::new(1, 2 << 20);
    for _ in 0..60 {
        world.append(&[(0, true, 20_000), (0, false, 10)]);
    }
    assert!(world.trim(60).unwrap());
    let before = world.park.status();
    assert_eq!(before.events, 59);
    for _ in 0..60 {
        world.settle(0);
    }
    world.move_low();
    world.release();
    let after = world.park.status();
    assert_eq!((after.events, after.bytes), (0, 0));
    assert!(
        after.disk_bytes < before.disk_bytes / 2,
        "{before:?} {after:?}"
    );
    world.reopen(Crash::LoseAll);
    assert_eq!(world.park.last_mark().unwrap().through, at(60, 0));
    world.check(1);
}
