//! The books of random worlds balance, and tell what happened in them; a world with a mistake in it is told.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "a test that overflows fails, as it should"
)]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use proptest::prelude::*;
use tidegate_types::event::{Event, Raw};
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::time::UnixMillis;

use super::*;
use crate::deliver::Restored;
use crate::log::entry::{
    Blame, Closing, Entry, EventEntry, Fault, FaultCause, FaultClosed, GivenUp, PassedRun, Receipt,
    ReceiptOutcome, Receipts,
};

const MINUTE: u64 = 60_000;
const FLOW: &str = "out";

/// What is done in a world, each with a number to choose by.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// An event comes; every fourth number is one that the flow does not want.
    Event(u8),
    /// An event cannot be taken in.
    Unmapped,
    /// One of the next unsettled events is delivered.
    Deliver(u8),
    /// Or set aside: because it was refused, or because there were too many attempts.
    SetAside(u8, bool),
    /// The park has no room for the next unsettled events; they go, or stay for now since a crash comes between.
    GiveUp(u8, bool),
    /// `low` goes as far as it can.
    Low,
    /// An open fault is resubmitted or discarded.
    Close(u8, bool),
    /// Receipts that were refused and written all the same are written again.
    Again,
    /// Time passes.
    Minutes(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<u8>().prop_map(Step::Event),
        1 => Just(Step::Unmapped),
        4 => any::<u8>().prop_map(Step::Deliver),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(at, rejected)| Step::SetAside(at, rejected)),
        2 => Just(Step::Low),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(count, go)| Step::GiveUp(count, go)),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(at, again)| Step::Close(at, again)),
        1 => Just(Step::Again),
        2 => (1_u8..50).prop_map(Step::Minutes),
    ]
}

/// One event of the log and what became of it.
#[derive(Clone, Debug)]
struct Known {
    id: EventId,
    place: Place,
    hour: Hour,
    wanted: bool,
    settled: bool,
    /// Neither log nor park has it any more.
    gone: bool,
}

#[derive(Clone, Debug)]
struct Open {
    id: EventId,
    place: Place,
    event: Option<EventId>,
    time: UnixMillis,
}

struct World {
    books: Books,
    now: UnixMillis,
    next: FrameNumber,
    events: Vec<Known>,
    low: Place,
    done: BTreeSet<Place>,
    open: Vec<Open>,
    last: Option<Receipts>,
    serial: u64,
    /// Receipts that get lost: the mistake the books are for.
    lose: bool,
}

const fn place(frame: FrameNumber) -> Place {
    Place {
        incarnation: Incarnation(1),
        frame,
        index: 0,
    }
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            books: Books::new(Limits::default(), Hour(0)),
            now: UnixMillis(10 * 60 * MINUTE),
            next: FrameNumber(1),
            events: Vec::new(),
            low: place(FrameNumber(1)),
            done: BTreeSet::new(),
            open: Vec::new(),
            last: None,
            serial: 0,
            lose: false,
        };
        let begun = world.receipts(Vec::new(), Vec::new());
        world.append(&Entry::Receipts(Box::new(begun)));
        world
    }

    fn id(&mut self) -> EventId {
        self.serial += 1;
        EventId::from_bytes(
            u128::from(self.serial)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835)
                .to_be_bytes(),
        )
    }

    fn append(&mut self, entry: &Entry) -> Place {
        let place = place(self.next);
        self.books.frame(self.next, self.now);
        self.books.take(place, entry);
        self.next = self.next.next();
        place
    }

    fn receipts(&self, done: Vec<Receipt>, filtered: Vec<HourTally>) -> Receipts {
        Receipts {
            flow: FLOW.to_owned(),
            shard: 0,
            time: self.now,
            low: self.low,
            filtered,
            endpoints: vec!["main".to_owned()],
            done,
            held: Vec::new(),
            released: Vec::new(),
        }
    }

    fn event(&mut self, wanted: bool) {
        let id = self.id();
        let entry = Entry::Event(EventEntry {
            event: Event {
                id,
                flow: "in".to_owned(),
                external_id: String::new(),
                kind: String::new(),
                time: self.now,
                received: self.now,
                key: String::new(),
                content_type: String::new(),
                data: Bytes::new(),
                attributes: Vec::new(),
                raw: None,
            },
            fingerprint: [0; 16],
        });
        let place = self.append(&entry);
        self.events.push(Known {
            id,
            place,
            hour: Hour::of(self.now),
            wanted,
            settled: false,
            gone: false,
        });
    }

    /// What is not settled. Of what is gone, the flow may have had it in hand already.
    fn all_unsettled(&self) -> impl Iterator<Item = usize> {
        (0..self.events.len()).filter(|at| {
            let event = &self.events[*at];
            let passed = event.gone && event.place < self.low;
            event.wanted && !event.settled && !passed
        })
    }

    /// One of the first few that are unsettled.
    fn unsettled(&self, at: u8) -> Option<usize> {
        let open: Vec<usize> = self.all_unsettled().take(5).collect();
        open.get(usize::from(at) % open.len().max(1)).copied()
    }

    fn settle(&mut self, at: usize, outcome: ReceiptOutcome) {
        let event = &mut self.events[at];
        event.settled = true;
        self.done.insert(event.place);
        let receipt = Receipt {
            place: event.place,
            id: event.id,
            outcome,
            attempts: 1,
            time: self.now,
        };
        let receipts = self.receipts(vec![receipt], Vec::new());
        self.last = Some(receipts.clone());
        if !self.lose {
            self.append(&Entry::Receipts(Box::new(receipts)));
        }
    }

    fn give_up(&mut self, count: u8, go: bool) {
        let count = usize::from(count % 8);
        let here: Vec<usize> = self.all_unsettled().collect();
        let first = here.iter().position(|at| !self.events[*at].gone);
        let mut runs = Vec::new();
        for at in here.into_iter().skip(first.unwrap_or_default()).take(count) {
            let event = &mut self.events[at];
            PassedRun::note(&mut runs, (event.place, event.hour.begin()), event.id);
            event.gone |= go;
        }
        self.append(&Entry::GivenUp(Box::new(GivenUp {
            flow: FLOW.to_owned(),
            shard: 0,
            time: self.now,
            runs,
        })));
    }

    fn set_aside(&mut self, at: usize, rejected: bool) {
        let (fault, event) = (self.id(), self.events[at].id);
        let cause = if rejected {
            FaultCause::Rejected
        } else {
            FaultCause::Exhausted
        };
        let place = self.fault(fault, cause, FLOW);
        self.open.push(Open {
            id: fault,
            place,
            event: Some(event),
            time: self.now,
        });
        self.settle(at, ReceiptOutcome::SetAside { fault });
    }

    fn fault(&mut self, id: EventId, cause: FaultCause, flow: &str) -> Place {
        let fault = Fault {
            id,
            flow: flow.to_owned(),
            cause,
            blame: Blame::Them,
            message: String::new(),
            time: self.now,
            external_id: String::new(),
            event: None,
            fingerprint: [0; 16],
            raw: Raw::default(),
            carried: false,
        };
        self.append(&Entry::Fault(Box::new(fault)))
    }

    fn low(&mut self) {
        let mut filtered = Vec::new();
        let passed: Vec<Known> = self
            .events
            .iter()
            .filter(|event| event.place >= self.low)
            .take_while(|event| !event.wanted || event.settled || event.gone)
            .cloned()
            .collect();
        for event in &passed {
            if !event.wanted {
                HourTally::note(&mut filtered, event.hour, Tally::of(&event.id));
            }
            self.low = place(event.place.frame.next());
        }
        if !passed.is_empty() {
            let low = self.low;
            self.done.retain(|place| *place >= low);
            let receipts = self.receipts(Vec::new(), filtered);
            self.last = Some(receipts.clone());
            self.append(&Entry::Receipts(Box::new(receipts)));
        }
    }

    fn close(&mut self, at: u8, again: bool) {
        if self.open.is_empty() {
            return;
        }
        let fault = self.open.remove(usize::from(at) % self.open.len());
        let how = if again {
            Closing::Resubmitted { superseded: false }
        } else {
            Closing::Discarded {
                reason: "test".to_owned(),
            }
        };
        if again && let Some(event) = fault.event {
            // The receipt of a resubmission names the place of the fault.
            let receipt = Receipt {
                place: fault.place,
                id: event,
                outcome: ReceiptOutcome::Delivered {
                    status: 200,
                    endpoint: 0,
                },
                attempts: 1,
                time: self.now,
            };
            let receipts = self.receipts(vec![receipt], Vec::new());
            self.append(&Entry::Receipts(Box::new(receipts)));
        }
        if again && fault.event.is_none() {
            self.event(true);
        }
        self.append(&Entry::FaultClosed(Box::new(FaultClosed {
            id: fault.id,
            set_aside: fault.time,
            flow: FLOW.to_owned(),
            how,
            by: "test".to_owned(),
            time: self.now,
        })));
    }

    fn go(&mut self, step: Step) {
        match step {
            Step::Event(number) => self.event(!number.is_multiple_of(4)),
            Step::Unmapped => {
                let id = self.id();
                let place = self.fault(id, FaultCause::Mapping, "in");
                self.open.push(Open {
                    id,
                    place,
                    event: None,
                    time: self.now,
                });
            }
            Step::Deliver(at) => {
                if let Some(at) = self.unsettled(at) {
                    let outcome = ReceiptOutcome::Delivered {
                        status: 200,
                        endpoint: 0,
                    };
                    self.settle(at, outcome);
                }
            }
            Step::SetAside(at, rejected) => {
                if let Some(at) = self.unsettled(at) {
                    self.set_aside(at, rejected);
                }
            }
            Step::GiveUp(count, go) => self.give_up(count, go),
            Step::Low => self.low(),
            Step::Close(at, again) => self.close(at, again),
            Step::Again => {
                if let Some(last) = self.last.clone() {
                    self.append(&Entry::Receipts(Box::new(last)));
                }
            }
            Step::Minutes(minutes) => self.now.0 += u64::from(minutes) * MINUTE,
        }
    }

    fn pages(&self) -> Vec<Page> {
        let restored = Restored {
            done: self.done.clone(),
            begun: true,
            ..Restored::new(self.low)
        };
        let mut pending = self.books.pending(vec![(FLOW.to_owned(), restored)]);
        let begin = pending.begin().unwrap();
        let here = self.events.iter().filter(|event| !event.gone);
        for event in here.filter(|event| event.place >= begin) {
            pending.take(event.hour, event.place, (&event.id, ""), |_| event.wanted);
        }
        self.books.close(&pending)
    }
}

proptest! {
    #[test]
    fn every_world_balances_and_is_told_as_it_was(steps in proptest::collection::vec(step(), 0..250)) {
        let mut world = World::new();
        for step in steps {
            world.go(step);
        }
        let pages = world.pages();
        let mut received: BTreeMap<Hour, u64> = BTreeMap::new();
        let mut settled: BTreeMap<Hour, u64> = BTreeMap::new();
        for event in &world.events {
            *received.entry(event.hour).or_default() += 1;
            *settled.entry(event.hour).or_default() += u64::from(event.settled || event.gone);
        }
        for page in &pages {
            prop_assert_eq!(page.balance, Balance::Even, "{:?}", page);
        }
        for page in pages.iter().filter(|page| page.flow == FLOW) {
            let row = &page.row;
            prop_assert_eq!(Some(&row.received.count), received.get(&page.hour));
            let done = row.delivered.count + row.parked.count + row.faults.count + row.discarded.count;
            prop_assert_eq!(Some(&done), settled.get(&page.hour));
        }
        let hours = pages.iter().filter(|page| page.flow == FLOW).count();
        prop_assert_eq!(hours, received.len());
    }

    #[test]
    fn a_lost_receipt_is_told(before in 0_u8..10, after in 0_u8..10) {
        let mut world = World::new();
        for _ in 0..=before {
            world.event(true);
            world.go(Step::Deliver(0));
        }
        world.event(true);
        world.lose = true;
        world.go(Step::Deliver(0));
        world.lose = false;
        for _ in 0..after {
            world.event(true);
            world.go(Step::Deliver(0));
        }
        world.low();
        let pages = world.pages();
        let odd: Vec<&Page> = pages.iter().filter(|page| page.balance != Balance::Even).collect();
        prop_assert_eq!(odd.len(), 1);
        prop_assert_eq!(odd[0].balance, Balance::Odd { missing: 1 });
    }
}

#[test]
fn one_event_for_another_has_the_same_number_and_is_told_by_the_digest() {
    let mut world = World::new();
    world.event(true);
    world.events[0].id = EventId::from_bytes([7; 16]);
    world.go(Step::Deliver(0));
    world.low();
    let pages = world.pages();
    let page = pages.iter().find(|page| page.flow == FLOW).unwrap();
    assert_eq!(page.balance, Balance::Odd { missing: 0 });
}

#[test]
fn what_nobody_looked_at_is_unknown_and_not_even() {
    let mut world = World::new();
    world.event(true);
    let restored = Restored {
        begun: true,
        ..Restored::new(world.low)
    };
    let mut pending = world.books.pending(vec![(FLOW.to_owned(), restored)]);
    pending.stop(world.low);
    let pages = world.books.close(&pending);
    let page = pages.iter().find(|page| page.flow == FLOW).unwrap();
    assert_eq!(page.balance, Balance::Unknown);
}

#[test]
fn hours_are_let_go_of_from_the_oldest_on() {
    let mut world = World::new();
    world.books = Books::new(
        Limits {
            hours_max: 3,
            ..Limits::default()
        },
        Hour(0),
    );
    for _ in 0..10 {
        world.event(true);
        world.now.0 += 60 * MINUTE;
    }
    let hours: Vec<Hour> = world.pages().iter().map(|page| page.hour).collect();
    assert_eq!(hours, [Hour(17), Hour(18), Hour(19)]);
}

#[test]
fn what_is_left_of_an_hour_is_shown_and_not_judged() {
    let mut world = World::new();
    world.books = Books::new(Limits::default(), Hour(11));
    for _ in 0..3 {
        world.event(true);
    }
    world.go(Step::Deliver(0));
    let shown = |world: &World| {
        let pages = world.pages().into_iter().filter(|page| page.flow == FLOW);
        let shown = pages.map(|page| (page.hour, page.row.pending.count, page.balance));
        shown.collect::<Vec<_>>()
    };
    let left = (Hour(10), 2, Balance::Unknown);
    assert_eq!(shown(&world), [left]);
    world.go(Step::Minutes(60));
    world.event(true);
    assert_eq!(shown(&world), [left, (Hour(11), 1, Balance::Even)]);
}

#[test]
fn a_flow_that_begins_within_an_hour_is_not_charged_with_what_came_before() {
    let mut world = World::new();
    world.books = Books::new(Limits::default(), Hour(0));
    world.event(true);
    world.event(true);
    world.low = place(world.next);
    let begun = world.receipts(Vec::new(), Vec::new());
    world.append(&Entry::Receipts(Box::new(begun)));
    world.events.clear();
    world.event(true);
    world.go(Step::Deliver(0));
    let pages = world.pages();
    let page = pages.iter().find(|page| page.flow == FLOW).unwrap();
    assert_eq!(page.balance, Balance::Even);
    assert_eq!(page.row.received.count, 1);
}

#[test]
fn what_was_given_up_and_delivered_all_the_same_counts_once() {
    let column = |world: &World| {
        let pages = world.pages();
        let page = pages.into_iter().find(|page| page.flow == FLOW).unwrap();
        assert_eq!(page.balance, Balance::Even);
        let row = page.row;
        [row.delivered.count, row.discarded.count, row.pending.count]
    };
    let mut world = World::new();
    for _ in 0..5 {
        world.event(true);
    }
    world.go(Step::Deliver(0));
    world.give_up(3, false);
    assert_eq!(column(&world), [1, 0, 4], "they are there yet");
    world.give_up(3, true);
    assert_eq!(column(&world), [1, 3, 1]);
    // The first of them was on its way.
    world.go(Step::Deliver(0));
    assert_eq!(column(&world), [2, 2, 1]);
    world.low();
    world.go(Step::Deliver(0));
    assert_eq!(column(&world), [3, 2, 0]);
}
