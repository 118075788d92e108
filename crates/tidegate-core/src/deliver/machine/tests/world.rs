//! A world around one machine in virtual time: a log, an endpoint with moods, a process that dies.
//!
//! The shell here does what the module's documentation asks of one. Everything the machine does is
//! held against a naive model: all events of the log, and which of them have a durable receipt.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::time::Duration;

use tidegate_types::id::{EventId, FlowNamespace};
use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::time::UnixMillis;

use crate::books::{Hour, HourTally, Tally};
use crate::deliver::*;
use crate::log::entry::{Closing, FaultClosed, ReceiptOutcome, Receipts, Retrying};
use crate::random::Random;
use crate::view::Change;

pub(super) const START: UnixMillis = UnixMillis(1_800_000_000_000);

pub(super) fn at(frame: u64) -> Place {
    Place {
        incarnation: Incarnation(1),
        frame: FrameNumber(frame),
        index: 0,
    }
}

pub(super) fn id_of(number: u64) -> EventId {
    EventId::derive(&FlowNamespace::new("test", "flow"), &number.to_string())
}

/// What stands in one frame of the log.
#[derive(Clone, Debug)]
pub(super) enum Logged {
    Event { key: String, wanted: bool },
    Other,
}

/// How the endpoint answers: by time, event, and how often it was tried.
pub(super) type Mood = Box<dyn FnMut(&mut Random, UnixMillis, &Sent) -> (Answer, Duration)>;

/// One event as the endpoint got it.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) number: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Publish,
    Page(ReadStep),
    Body(Place),
    Answer(u64, u16, Option<u64>, u8),
    Append(bool),
    Crash,
    Operate,
    Clock,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ReadStep {
    held: bool,
    from: Place,
    until: Option<Place>,
    events_max: usize,
}

/// What can go wrong in the process and its log, in per mille of the chances for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trouble {
    pub(super) refused: u64,
    pub(super) crashes: u32,
    pub(super) clock_back: u32,
}

pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) machine: Delivery<u64>,
    pub(super) random: Random,
    pub(super) now: UnixMillis,
    /// What the machine's clock lacks.
    behind: Duration,
    queue: BinaryHeap<Reverse<(UnixMillis, u64, u64, Step)>>,
    order: u64,
    life: u64,
    pub(super) log: Vec<Logged>,
    progress: Progress,
    append: Option<Append<u64>>,
    under_way: BTreeMap<AttemptId, Vec<u64>>,
    pub(super) mood: Mood,
    pub(super) sent: Vec<Sent>,
    pub(super) notes: Vec<Note>,
    /// Settled by a durable receipt.
    pub(super) settled: BTreeMap<u64, ReceiptOutcome>,
    /// Settled by an append that was not acknowledged.
    may_repeat: BTreeSet<u64>,
    /// Open faults: identity, event, where it stands.
    pub(super) faults: BTreeMap<EventId, (u64, Place)>,
    pub(super) closed: BTreeMap<EventId, Closing>,
    /// Events of faults, by where those stand.
    places: BTreeMap<Place, u64>,
    retried: BTreeMap<u64, u32>,
    pub(super) attempts_seen: BTreeMap<u64, u32>,
    low: Place,
    filtered: Tally,
    pub(super) operator: bool,
    pub(super) publish: Vec<Logged>,
    pub(super) publish_every: Duration,
    trouble: Trouble,
    pub(super) bodies_most: usize,
    pub(super) in_hand_most: usize,
    pub(super) lanes_most: usize,
    pub(super) reads: u64,
    pub(super) crashed: u32,
    pub(super) superseded_used: bool,
    /// Events that are being replayed.
    replays: BTreeSet<u64>,
    pub(super) replayed: u32,
}

impl World {
    pub(super) fn new(settings: Settings, seed: u64, mood: Mood) -> Self {
        let machine = Delivery::restore(settings.clone(), Restored::new(at(1)), START, seed);
        Self {
            machine,
            settings,
            random: Random::new(seed),
            now: START,
            behind: Duration::ZERO,
            queue: BinaryHeap::new(),
            order: 0,
            life: 0,
            log: Vec::new(),
            progress: Progress::new("flow", 0),
            append: None,
            under_way: BTreeMap::new(),
            mood,
            sent: Vec::new(),
            notes: Vec::new(),
            settled: BTreeMap::new(),
            may_repeat: BTreeSet::new(),
            faults: BTreeMap::new(),
            closed: BTreeMap::new(),
            places: BTreeMap::new(),
            retried: BTreeMap::new(),
            attempts_seen: BTreeMap::new(),
            low: at(1),
            filtered: Tally::default(),
            operator: false,
            publish: Vec::new(),
            publish_every: Duration::from_millis(3),
            trouble: Trouble::default(),
            bodies_most: 0,
            in_hand_most: 0,
            lanes_most: 0,
            reads: 0,
            crashed: 0,
            superseded_used: false,
            replays: BTreeSet::new(),
            replayed: 0,
        }
    }

    /// Puts events into the log before anything runs.
    pub(super) fn fill(&mut self, events: impl IntoIterator<Item = Logged>) {
        self.log.extend(events);
    }

    pub(super) fn trouble(&mut self, trouble: Trouble, within: Duration) {
        self.trouble = trouble;
        let millis = u64::try_from(within.as_millis()).unwrap();
        for _ in 0..trouble.crashes {
            let wait = Duration::from_millis(self.random.next() % millis);
            self.after_any_life(wait, Step::Crash);
        }
        for _ in 0..trouble.clock_back {
            let wait = Duration::from_millis(self.random.next() % millis);
            self.after_any_life(wait, Step::Clock);
        }
    }

    fn after(&mut self, wait: Duration, step: Step) {
        self.push(wait, self.life, step);
    }

    fn after_any_life(&mut self, wait: Duration, step: Step) {
        self.push(wait, u64::MAX, step);
    }

    fn push(&mut self, wait: Duration, life: u64, step: Step) {
        self.order += 1;
        self.queue
            .push(Reverse((self.now.plus(wait), self.order, life, step)));
    }

    fn clock(&self) -> UnixMillis {
        self.now.minus(self.behind)
    }

    /// Runs until everything is at rest or the time is over.
    pub(super) fn run(&mut self, time: Duration) {
        let end = self.now.plus(time);
        if !self.publish.is_empty() {
            self.after_any_life(Duration::ZERO, Step::Publish);
        }
        if self.operator {
            self.after_any_life(Duration::from_secs(60), Step::Operate);
        }
        for turn in 0.. {
            assert!(turn < 3_000_000, "the world spins");
            self.drain();
            self.check_bounds();
            let clock = self.clock();
            let wake = self.machine.next_timeout();
            let wake = wake.map(|at| self.now.plus(at.since(clock)));
            let next = self.queue.peek().map(|Reverse((at, ..))| *at);
            let Some(at) = [wake, next].into_iter().flatten().min() else {
                return;
            };
            if at > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(at);
            if next.is_some_and(|next| next <= self.now)
                && let Some(Reverse((_, _, life, step))) = self.queue.pop()
                && (life == self.life || life == u64::MAX)
            {
                self.step(step);
            }
        }
    }

    fn drain(&mut self) {
        for turn in 0.. {
            assert!(turn < 100_000, "the machine spins");
            let clock = self.clock();
            let Some(output) = self.machine.poll_output(clock) else {
                return;
            };
            self.perform(output);
        }
    }

    fn perform(&mut self, output: Output<u64>) {
        match output {
            Output::Send(send) => self.send(&send),
            Output::Append(append) => {
                assert!(self.append.is_none(), "two appends under way");
                self.append = Some(append);
                let refused = self.random.next() % 1000 < self.trouble.refused;
                let wait = Duration::from_millis(self.random.next() % 3);
                self.after(wait, Step::Append(!refused));
            }
            Output::Read(read) => {
                self.reads += 1;
                let step = Step::Page(ReadStep {
                    held: read.purpose == Purpose::Held,
                    from: read.from,
                    until: read.until,
                    events_max: read.events_max,
                });
                let wait = Duration::from_millis(self.random.next() % 2);
                self.after(wait, step);
            }
            Output::Fetch(places) => {
                for place in places {
                    self.after(Duration::ZERO, Step::Body(place));
                }
            }
            Output::Replayed(replayed) => {
                let known = self.replays.remove(&replayed.place.frame.0);
                assert!(known, "a replay ends twice: {replayed:?}");
                self.replayed += u32::from(replayed.failed.is_none());
            }
            Output::Note(note) => self.notes.push(note),
        }
    }

    fn step(&mut self, step: Step) {
        let clock = self.clock();
        match step {
            Step::Publish => {
                if let Some(event) = self.publish.pop() {
                    self.log.push(event);
                    self.machine.handle_grown();
                    self.after_any_life(self.publish_every, Step::Publish);
                }
            }
            Step::Page(read) => {
                let page = self.page(&read);
                self.machine.handle_page(clock, page);
            }
            Step::Body(place) => {
                // Of a fault, its event.
                let number = self.places.get(&place).copied().unwrap_or(place.frame.0);
                self.machine.handle_body(clock, place, Some((100, number)));
            }
            Step::Answer(attempt, status, wait, failure) => {
                let answer = Answer {
                    result: if status == 0 {
                        AttemptResult::Failed(FAILURES[usize::from(failure)])
                    } else {
                        AttemptResult::Status(status)
                    },
                    retry_after: wait.map(Duration::from_millis),
                    text: String::new(),
                };
                let attempt = AttemptId(attempt);
                let numbers = self.under_way.remove(&attempt).unwrap();
                let verdict = self.machine.handle_answer(clock, attempt, &answer).unwrap();
                if let [number] = numbers.as_slice() {
                    *self.attempts_seen.entry(*number).or_default() += u32::from(verdict.counted);
                }
            }
            Step::Append(durable) => {
                let append = self.append.take().unwrap();
                if durable {
                    self.write(&append);
                    self.machine.handle_appended(clock);
                } else {
                    // Some of it may be there all the same.
                    self.write_some(append);
                    self.machine.handle_refused(clock);
                }
            }
            Step::Crash => self.crash(),
            Step::Operate => self.operate(),
            Step::Clock => self.behind += Duration::from_secs(self.random.next() % 100),
        }
    }

    fn page(&mut self, read: &ReadStep) -> Page<u64> {
        let end_of_log = self.log.len() as u64 + 1;
        let until = read
            .until
            .map_or(end_of_log, |until| until.frame.0.min(end_of_log));
        // Sometimes less than asked for.
        let frames_max = 1 + self.random.next() % 400;
        let mut arrivals = Vec::new();
        let mut filtered: Vec<HourTally> = Vec::new();
        let mut frame = read.from.frame.0;
        let last = frame.saturating_add(frames_max).min(until);
        while frame < last && arrivals.len() < read.events_max {
            match &self.log[usize::try_from(frame).unwrap() - 1] {
                Logged::Event { wanted: false, .. } => {
                    let hour = Hour(u32::try_from(frame / 100).unwrap());
                    HourTally::note(&mut filtered, hour, Tally::of(&id_of(frame)));
                }
                Logged::Event { key, .. } if !read.held || self.machine.wants(key, at(frame)) => {
                    arrivals.push(Arrival {
                        place: at(frame),
                        id: id_of(frame),
                        key: key.clone(),
                        bytes: 100,
                        body: frame,
                        filtered_before: std::mem::take(&mut filtered),
                    });
                }
                Logged::Event { .. } | Logged::Other => {}
            }
            frame += 1;
        }
        Page {
            arrivals,
            end: at(frame),
            filtered_after: filtered,
            at_end: frame >= end_of_log,
        }
    }

    fn key_of(&self, number: u64) -> &str {
        match &self.log[usize::try_from(number).unwrap() - 1] {
            Logged::Event { key, .. } => key,
            Logged::Other => "",
        }
    }

    fn send(&mut self, send: &Send<u64>) {
        let concurrency = usize::try_from(self.settings.concurrency).unwrap();
        assert!(
            self.under_way.len() < concurrency,
            "more requests at once than allowed"
        );
        let most = self.settings.batch.map_or(1, |batch| batch.events_max);
        assert!((1..=most).contains(&send.events.len()), "{send:?}");
        let mut numbers: Vec<u64> = Vec::new();
        let mut answer = None;
        for event in &send.events {
            let number = event.body;
            self.check_send(number, event, &numbers);
            let sent = Sent { number };
            self.sent.push(sent.clone());
            numbers.push(number);
            let one = (self.mood)(&mut self.random, self.now, &sent);
            let bad = |answer: &Answer| answer.result != AttemptResult::Status(200);
            if answer.as_ref().is_none_or(|(before, _)| !bad(before)) {
                answer = Some(one);
            }
        }
        let (answer, wait) = answer.unwrap();
        self.under_way.insert(send.attempt, numbers);
        let (status, failure) = match answer.result {
            AttemptResult::Status(status) => (status, 0),
            AttemptResult::Failed(failure) => (
                0,
                FAILURES.iter().position(|known| *known == failure).unwrap(),
            ),
        };
        let retry_after = answer
            .retry_after
            .map(|wait| u64::try_from(wait.as_millis()).unwrap());
        let failure = u8::try_from(failure).unwrap();
        self.after(
            wait,
            Step::Answer(send.attempt.0, status, retry_after, failure),
        );
    }

    /// What must hold whenever an event leaves.
    fn check_send(&self, number: u64, event: &SendEvent<u64>, before_it: &[u64]) {
        assert_eq!(event.id, id_of(number));
        let fault = self.faults.iter().any(|(_, (of, _))| *of == number);
        let replayed = self.replays.contains(&number);
        assert!(
            fault || replayed || !self.settled.contains_key(&number),
            "event {number} has a durable receipt and is sent again"
        );
        let twice = self
            .under_way
            .values()
            .flatten()
            .any(|other| *other == number);
        assert!(!twice, "event {number} is under way twice");
        let key = self.key_of(number);
        let ordered = match self.settings.order {
            Order::Total => true,
            Order::PerKey => !key.is_empty(),
            Order::None => false,
        };
        if !ordered {
            return;
        }
        let mut others = self.under_way.values().flatten();
        let beside =
            others.find(|other| self.settings.order == Order::Total || self.key_of(**other) == key);
        assert_eq!(beside, None, "beside event {number} of the key {key:?}");
        if self.superseded_used {
            return;
        }
        for earlier in 1..number {
            let Logged::Event {
                key: other,
                wanted: true,
            } = &self.log[usize::try_from(earlier).unwrap() - 1]
            else {
                continue;
            };
            if self.settings.order == Order::PerKey && other != key {
                continue;
            }
            let open = self.faults.values().any(|(of, _)| *of == earlier);
            let settled = self.settled.contains_key(&earlier)
                && (!open || self.settings.on_fault == OnFault::Skip);
            assert!(
                settled || before_it.contains(&earlier),
                "event {number} leaves before {earlier} of its key {key:?} is settled"
            );
        }
    }

    /// Parts of it are durable, maybe.
    fn write_some(&mut self, mut append: Append<u64>) {
        let keep = self.random.next() % 16;
        if keep & 1 == 0 {
            append.aside.clear();
        }
        if keep & 2 == 0 {
            append.retrying.clear();
        }
        if keep & 4 == 0 {
            append.closed.clear();
        }
        if keep & 8 == 0 {
            append.receipts = None;
        }
        let receipts = append.receipts.iter().flat_map(|receipts| &receipts.done);
        self.may_repeat
            .extend(receipts.map(|receipt| receipt.place.frame.0));
        self.write(&append);
    }

    /// What is durable now: the parts in any order.
    fn write(&mut self, append: &Append<u64>) {
        let mut parts = [0, 1, 2, 3];
        for at in 1..parts.len() {
            let other = self.random.next() % (at as u64 + 1);
            parts.swap(at, usize::try_from(other).unwrap());
        }
        for part in parts {
            match part {
                0 => append.aside.iter().for_each(|aside| self.aside(aside)),
                1 => append
                    .retrying
                    .iter()
                    .for_each(|entry| self.retrying(entry)),
                2 => append.closed.iter().for_each(|closed| self.closed(closed)),
                _ => append.receipts.iter().for_each(|entry| {
                    self.log.push(Logged::Other);
                    self.receipts(entry);
                }),
            }
        }
        self.machine.handle_grown();
    }

    fn aside(&mut self, aside: &SetAside<u64>) {
        let place = at(self.log.len() as u64 + 1);
        self.log.push(Logged::Other);
        let number = aside.place.frame.0;
        self.places.insert(place, number);
        self.faults.entry(aside.fault).or_insert((number, place));
        let (flow, fault) = ("flow".to_owned(), aside.fault);
        self.progress.apply(&Change::SetAside { flow, fault });
    }

    fn retrying(&mut self, retrying: &Retrying) {
        self.log.push(Logged::Other);
        let schedule = self.settings.schedule.attempts();
        let attempts = retrying.attempts;
        assert!(attempts < schedule, "{attempts} attempts of {schedule}");
        self.retried.insert(retrying.place.frame.0, attempts);
        let change = Change::Retrying(Box::new(retrying.clone()));
        self.progress.apply(&change);
    }

    fn closed(&mut self, closed: &FaultClosed) {
        self.log.push(Logged::Other);
        self.faults.remove(&closed.id);
        self.closed.insert(closed.id, closed.how.clone());
        let change = Change::FaultClosed(Box::new(closed.clone()));
        self.progress.apply(&change);
    }

    fn receipts(&mut self, receipts: &Receipts) {
        assert!(receipts.low >= self.low, "low goes back");
        if receipts.low > self.low {
            let filtered = receipts.filtered.iter().map(|hour| hour.tally);
            self.filtered.add(filtered.sum());
        }
        self.low = receipts.low;
        for receipt in &receipts.done {
            let number = receipt.place.frame.0;
            if let ReceiptOutcome::SetAside { fault } = receipt.outcome {
                let known = self.faults.contains_key(&fault) || self.closed.contains_key(&fault);
                assert!(known, "a receipt before its fault");
            }
            if matches!(
                self.log[usize::try_from(number).unwrap() - 1],
                Logged::Event { .. }
            ) {
                // An append that was refused may have been written, and is repeated as it was.
                let before = self.settled.insert(number, receipt.outcome);
                let repeated = self.may_repeat.contains(&number);
                assert!(
                    before.is_none_or(|before| repeated && before == receipt.outcome),
                    "another receipt for {number}"
                );
            }
        }
        self.progress
            .apply(&Change::Receipts(Box::new(receipts.clone())));
        self.check_low();
    }

    /// Nothing that a restart must find is behind `low`.
    fn check_low(&self) {
        let Some(restored) = self.progress.restored() else {
            return;
        };
        let low = restored.low.frame.0;
        for number in 1..low.min(self.log.len() as u64 + 1) {
            let Logged::Event { key, wanted: true } =
                &self.log[usize::try_from(number).unwrap() - 1]
            else {
                continue;
            };
            let settled = self.settled.contains_key(&number);
            let retrying = restored
                .retrying
                .iter()
                .any(|entry| entry.place == at(number));
            let lane = if self.settings.order == Order::Total {
                ""
            } else {
                key
            };
            let held = restored
                .held
                .iter()
                .any(|held| held.key == lane && held.from <= at(number));
            assert!(
                settled || retrying || held,
                "event {number} is lost behind low {low}"
            );
        }
        for held in &restored.held {
            let from = held.from.frame.0;
            for number in 1..from.min(self.log.len() as u64 + 1) {
                let Logged::Event { key, wanted: true } =
                    &self.log[usize::try_from(number).unwrap() - 1]
                else {
                    continue;
                };
                if *key == held.key || self.settings.order == Order::Total {
                    assert!(
                        self.settled.contains_key(&number),
                        "{number} is lost behind its lane"
                    );
                }
            }
        }
    }

    fn check_bounds(&mut self) {
        let status = self.machine.status();
        let window = &self.settings.window;
        // What is sent again has limits of its own.
        let again = RESUBMITTED_MAX + REPLAYS_MAX;
        let most = window.events_max + 2 * window.per_key_max + 64 + again;
        assert!(status.bodies <= most, "{status:?}");
        self.bodies_most = self.bodies_most.max(status.bodies);
        self.in_hand_most = self.in_hand_most.max(status.in_hand);
        self.lanes_most = self.lanes_most.max(status.lanes_held);
    }

    fn crash(&mut self) {
        self.crashed += 1;
        if let Some(append) = self.append.take() {
            self.write_some(append);
        }
        self.under_way.clear();
        self.replays.clear();
        self.life += 1;
        let (settings, seed) = (self.settings.clone(), self.random.next());
        let restored = self.progress.restored();
        let restored = restored.unwrap_or_else(|| Restored::new(at(1)));
        self.machine = Delivery::restore(settings, restored, self.clock(), seed);
    }

    /// An operator who resubmits or discards what is set aside.
    fn operate(&mut self) {
        let clock = self.clock();
        if self.machine.status().gone {
            self.machine.resume(clock);
        }
        self.replay();
        let open: Vec<_> = self.faults.iter().map(|(id, at)| (*id, *at)).collect();
        for (fault, (number, place)) in open {
            if self.random.next().is_multiple_of(3) {
                let discard = Discard {
                    fault,
                    set_aside: clock,
                    reason: "test".to_owned(),
                    by: "test".to_owned(),
                };
                // Refused if it is on its way.
                let taken = self.machine.handle_discard(clock, discard);
                assert!(matches!(
                    taken,
                    Ok(()) | Err(FaultRefusal::UnderWay | FaultRefusal::Settling)
                ));
                continue;
            }
            let mut resubmission = Resubmission {
                fault,
                set_aside: clock,
                place,
                id: id_of(number),
                key: self.key_of(number).to_owned(),
                bytes: 100,
                body: number,
                superseded: false,
                renew_key: false,
                by: "test".to_owned(),
            };
            let refused = self.machine.handle_resubmit(clock, resubmission.clone());
            if refused == Err(FaultRefusal::Superseded) {
                self.superseded_used = true;
                resubmission.superseded = true;
                self.machine.handle_resubmit(clock, resubmission).unwrap();
            }
        }
        self.after_any_life(Duration::from_secs(3600), Step::Operate);
    }

    /// An operator who replays some of what is there.
    fn replay(&mut self) {
        let clock = self.clock();
        for number in 1..=self.log.len() as u64 {
            let Logged::Event { key, wanted: true } =
                &self.log[usize::try_from(number).unwrap() - 1]
            else {
                continue;
            };
            let open = self.faults.values().any(|(of, _)| *of == number);
            if open || !self.random.next().is_multiple_of(8) {
                continue;
            }
            let replay = Replay {
                place: at(number),
                id: id_of(number),
                key: key.clone(),
                bytes: 100,
                body: number,
                superseded: true,
                renew_key: false,
            };
            if self.machine.handle_replay(clock, replay).is_ok() {
                let settled = self.settled.contains_key(&number);
                assert!(settled, "event {number} is replayed and was never settled");
                self.replays.insert(number);
            }
        }
    }

    /// Everything is settled, no fault is open, no replay goes on, and the counts agree.
    pub(super) fn assert_finished(&self) {
        for (index, entry) in self.log.iter().enumerate() {
            let number = index as u64 + 1;
            if matches!(entry, Logged::Event { wanted: true, .. }) {
                let settled = self.settled.contains_key(&number);
                let status = self.machine.status();
                assert!(
                    settled,
                    "event {number} is not settled: {status:?}\n{:?}",
                    self.machine
                );
            }
        }
        assert!(self.faults.is_empty(), "{:?}", self.faults);
        assert!(self.replays.is_empty(), "{:?}", self.replays);
        let unwanted = self
            .log
            .iter()
            .zip(1..)
            .filter(|(entry, _)| matches!(entry, Logged::Event { wanted: false, .. }));
        assert_eq!(
            self.filtered,
            unwanted.map(|(_, frame)| Tally::of(&id_of(frame))).sum(),
            "events that were filtered"
        );
    }
}

pub(super) const FAILURES: [Failure; 10] = [
    Failure::Request,
    Failure::Local,
    Failure::Resolve,
    Failure::Connect,
    Failure::Tls,
    Failure::Proxy,
    Failure::Reset,
    Failure::Timeout,
    Failure::Malformed,
    Failure::Aborted,
];
