//! Single rules, one machine at a time, by hand.

mod replays;

use std::collections::BTreeSet;
use std::time::Duration;

use tidegate_types::id::EventId;
use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;

use super::world::{START, at, id_of};
use crate::deliver::*;
use crate::log::entry::{Closing, FaultCause, FaultClosed, ReceiptOutcome};
use crate::view::Change;

/// A shell whose log is a list of keys, and who decides when appends and requests end.
struct Shell {
    machine: Delivery<u64>,
    settings: Settings,
    now: UnixMillis,
    keys: Vec<&'static str>,
    requests: Vec<(AttemptId, Vec<u64>)>,
    append: Option<Append<u64>>,
    progress: Progress,
    notes: Vec<Note>,
    /// Replays that ended, and why they failed.
    replayed: Vec<(u64, Option<String>)>,
    faults: Vec<(EventId, u64)>,
    closed: Vec<FaultClosed>,
    outcomes: Vec<(u64, ReceiptOutcome)>,
    bodies_most: usize,
    in_hand_most: usize,
}

impl Shell {
    fn new(keys: &[&'static str], settings: Settings) -> Self {
        let mut shell = Self {
            machine: Delivery::restore(settings.clone(), Restored::new(at(1)), START, 1),
            settings,
            now: START,
            keys: keys.to_vec(),
            requests: Vec::new(),
            append: None,
            progress: Progress::new("flow", 0),
            notes: Vec::new(),
            replayed: Vec::new(),
            faults: Vec::new(),
            closed: Vec::new(),
            outcomes: Vec::new(),
            bodies_most: 0,
            in_hand_most: 0,
        };
        shell.drain();
        shell.durable();
        shell
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output(self.now) {
            match output {
                Output::Send(send) => {
                    let numbers = send.events.iter().map(|event| event.body).collect();
                    self.requests.push((send.attempt, numbers));
                }
                Output::Append(append) => {
                    assert!(self.append.replace(append).is_none(), "one at a time");
                }
                Output::Read(read) => {
                    let page = self.page(&read);
                    self.machine.handle_page(self.now, page);
                }
                Output::Fetch(places) => {
                    for place in places {
                        let content = Some((100, place.frame.0));
                        self.machine.handle_body(self.now, place, content);
                    }
                }
                Output::Replayed(replayed) => {
                    let number = replayed.place.frame.0;
                    self.replayed.push((number, replayed.failed));
                }
                Output::Note(note) => self.notes.push(note),
            }
            let status = self.machine.status();
            self.bodies_most = self.bodies_most.max(status.bodies);
            self.in_hand_most = self.in_hand_most.max(status.in_hand);
        }
    }

    fn page(&self, read: &ReadRequest) -> Page<u64> {
        let end = self.keys.len() as u64 + 1;
        let until = read.until.map_or(end, |until| until.frame.0.min(end));
        let mut frame = read.from.frame.0;
        let mut arrivals = Vec::new();
        while frame < until && arrivals.len() < read.events_max {
            let key = self.keys[usize::try_from(frame).unwrap() - 1];
            if read.purpose == Purpose::Forward || self.machine.wants(key, at(frame)) {
                arrivals.push(Arrival {
                    place: at(frame),
                    id: id_of(frame),
                    key: key.to_owned(),
                    bytes: 100,
                    body: frame,
                    filtered_before: Vec::new(),
                });
            }
            frame += 1;
        }
        Page {
            arrivals,
            end: at(frame),
            filtered_after: Vec::new(),
            at_end: frame == end,
        }
    }

    /// All appends become durable, until there is none.
    fn durable(&mut self) {
        while let Some(append) = self.append.take() {
            for aside in &append.aside {
                self.faults.push((aside.fault, aside.place.frame.0));
                let (flow, fault) = ("flow".to_owned(), aside.fault);
                self.progress.apply(&Change::SetAside { flow, fault });
            }
            for retrying in append.retrying {
                self.progress.apply(&Change::Retrying(Box::new(retrying)));
            }
            for closed in append.closed {
                self.closed.push(closed.clone());
                self.progress.apply(&Change::FaultClosed(Box::new(closed)));
            }
            if let Some(receipts) = append.receipts {
                let outcome =
                    |receipt: &crate::log::entry::Receipt| (receipt.place.frame.0, receipt.outcome);
                self.outcomes.extend(receipts.done.iter().map(outcome));
                self.progress.apply(&Change::Receipts(Box::new(receipts)));
            }
            self.machine.handle_appended(self.now);
            self.drain();
        }
    }

    /// The request with this event ends so.
    fn answer(&mut self, number: u64, answer: &Answer) -> Verdict {
        let with = |(_, numbers): &(AttemptId, Vec<u64>)| numbers.contains(&number);
        let index = self.requests.iter().position(with).unwrap();
        let (attempt, _) = self.requests.remove(index);
        let verdict = self.machine.handle_answer(self.now, attempt, answer);
        self.drain();
        verdict.unwrap()
    }

    /// Every request is answered with 200 and every append becomes durable, until nothing moves.
    fn deliver_all(&mut self) {
        self.durable();
        while let Some((attempt, _)) = self.requests.pop() {
            let ok = Answer::status(200);
            self.machine.handle_answer(self.now, attempt, &ok).unwrap();
            self.drain();
            self.durable();
        }
    }

    fn wait(&mut self, wait: Duration) {
        self.now = self.now.plus(wait);
        self.drain();
    }

    /// To the next time at which the machine wants to do something.
    fn wait_for_it(&mut self) {
        self.now = self.machine.next_timeout().expect("something waits");
        self.drain();
    }

    fn under_way(&self) -> BTreeSet<u64> {
        let numbers = self.requests.iter().flat_map(|(_, numbers)| numbers);
        numbers.copied().collect()
    }

    fn delivered(&self) -> BTreeSet<u64> {
        let delivered =
            |outcome: &ReceiptOutcome| matches!(outcome, ReceiptOutcome::Delivered { .. });
        let of_events = self
            .outcomes
            .iter()
            .filter(|(_, outcome)| delivered(outcome));
        of_events.map(|(number, _)| *number).collect()
    }

    fn restart(&mut self) {
        let restored = self.progress.restored().unwrap();
        self.machine = Delivery::restore(self.settings.clone(), restored, self.now, 2);
        self.requests.clear();
        self.append = None;
        self.drain();
    }

    fn resubmission(&self, superseded: bool) -> Resubmission<u64> {
        let (fault, number) = self.faults[0];
        Resubmission {
            fault,
            set_aside: START,
            // Behind everything, where the fault was written.
            place: at(1_000_000),
            id: id_of(number),
            key: self.keys[usize::try_from(number).unwrap() - 1].to_owned(),
            bytes: 100,
            body: number,
            superseded,
            renew_key: false,
            by: "somebody".to_owned(),
        }
    }
}

fn settings() -> Settings {
    Settings::new("flow", "endpoint")
}

fn ordered(order: Order) -> Settings {
    Settings {
        order,
        ..settings()
    }
}

fn skipping() -> Settings {
    Settings {
        on_fault: OnFault::Skip,
        ..settings()
    }
}

fn set(numbers: &[u64]) -> BTreeSet<u64> {
    numbers.iter().copied().collect()
}

#[test]
fn what_leaves_at_once_depends_on_the_order() {
    let keys = ["a", "a", "b", "", ""];
    let cases = [
        (Order::PerKey, set(&[1, 3, 4, 5])),
        (Order::None, set(&[1, 2, 3, 4, 5])),
        (Order::Total, set(&[1])),
    ];
    for (order, at_once) in cases {
        let mut shell = Shell::new(&keys, ordered(order));
        assert_eq!(shell.under_way(), at_once, "{order:?}");
        shell.deliver_all();
        assert_eq!(shell.delivered(), set(&[1, 2, 3, 4, 5]), "{order:?}");
    }
}

#[test]
fn a_successor_leaves_when_the_receipt_is_durable_and_not_before() {
    for order in [Order::PerKey, Order::Total] {
        let mut shell = Shell::new(&["a", "a"], ordered(order));
        shell.answer(1, &Answer::status(200));
        assert_eq!(shell.under_way(), set(&[]), "answered");
        shell.machine.handle_refused(shell.now);
        shell.append = None;
        shell.wait_for_it();
        assert_eq!(shell.under_way(), set(&[]), "offered again");
        shell.durable();
        assert_eq!(shell.under_way(), set(&[2]), "durable");
    }
}

#[test]
fn the_beginning_of_a_flow_stands_in_the_log_before_anything_of_it() {
    let mut machine: Delivery<u64> = Delivery::restore(settings(), Restored::new(at(7)), START, 1);
    let Some(Output::Append(append)) = machine.poll_output(START) else {
        panic!("not written");
    };
    let receipts = append.receipts.unwrap();
    assert_eq!((receipts.low, receipts.done.len()), (at(7), 0));
    let mut progress = Progress::new("flow", 0);
    assert_eq!(progress.restored(), None);
    progress.apply(&Change::Receipts(Box::new(receipts)));
    let restored = progress.restored().unwrap();
    assert_eq!(restored.low, at(7));
    let mut machine: Delivery<u64> = Delivery::restore(settings(), restored, START, 1);
    assert!(matches!(machine.poll_output(START), Some(Output::Read(_))));
}

fn batching(events_max: usize) -> Settings {
    Settings {
        batch: Some(Batch {
            events_max,
            bytes_max: 450,
            wait: Duration::from_millis(50),
        }),
        ..settings()
    }
}

#[test]
fn a_batch_leaves_when_it_is_full_or_its_time_is_over() {
    let mut shell = Shell::new(&["a", "b", "a", "c", "d"], batching(3));
    // The successor of a key may share the batch with its predecessor, behind it.
    let (_, first) = shell.requests.first().unwrap();
    assert_eq!(first, &[1, 3, 2]);
    assert_eq!(shell.requests.len(), 1, "two wait for a third");
    shell.wait(Duration::from_millis(49));
    assert_eq!(shell.requests.len(), 1);
    shell.wait(Duration::from_millis(1));
    assert_eq!(shell.under_way(), set(&[1, 2, 3, 4, 5]));
    shell.deliver_all();
    assert_eq!(shell.delivered(), set(&[1, 2, 3, 4, 5]));
}

#[test]
fn a_batch_is_bounded_in_bytes_too() {
    let shell = Shell::new(&["", "", "", "", "", "", "", ""], batching(6));
    let sizes: Vec<_> = shell
        .requests
        .iter()
        .map(|(_, events)| events.len())
        .collect();
    assert_eq!(sizes, [4], "100 bytes each, of 450; the rest waits");
}

#[test]
fn a_refused_batch_goes_again_one_by_one() {
    let mut shell = Shell::new(&["a", "a", "b"], batching(3));
    let verdict = shell.answer(1, &Answer::status(422));
    assert!(!verdict.counted, "it is not known whose it is");
    shell.durable();
    shell.wait(Duration::from_millis(50));
    assert_eq!(shell.requests.len(), 2, "{:?}", shell.requests);
    assert!(shell.answer(1, &Answer::status(422)).counted);
    shell.deliver_all();
    assert_eq!(shell.delivered(), set(&[3]), "2 waits for its predecessor");
    assert_eq!(
        shell.faults.iter().map(|(_, of)| *of).collect::<Vec<_>>(),
        [1]
    );
}

#[test]
fn a_bad_key_blocks_only_itself_until_it_is_resubmitted() {
    let mut shell = Shell::new(&["a", "b", "a", "b"], settings());
    shell.answer(1, &Answer::status(422));
    shell.deliver_all();
    assert_eq!(shell.delivered(), set(&[2, 4]));
    assert!(matches!(shell.notes.as_slice(), [Note::KeyBlocked { key, .. }] if key == "a"));
    // Blocked after a restart too.
    shell.restart();
    assert_eq!(shell.under_way(), set(&[]));
    let resubmission = shell.resubmission(false);
    shell
        .machine
        .handle_resubmit(shell.now, resubmission.clone())
        .unwrap();
    let again = shell.machine.handle_resubmit(shell.now, resubmission);
    assert_eq!(again, Err(FaultRefusal::UnderWay));
    shell.drain();
    assert_eq!(shell.under_way(), set(&[1]), "before its successor");
    shell.deliver_all();
    assert!(shell.delivered().is_superset(&set(&[2, 3, 4])));
    let how = Closing::Resubmitted { superseded: false };
    assert!(matches!(shell.closed.as_slice(), [closed] if closed.how == how));
}

#[test]
fn a_resubmission_that_fails_leaves_the_fault_open_and_the_key_blocked() {
    let mut shell = Shell::new(&["a", "a"], settings());
    shell.answer(1, &Answer::status(422));
    shell.durable();
    let resubmission = shell.resubmission(false);
    shell
        .machine
        .handle_resubmit(shell.now, resubmission.clone())
        .unwrap();
    shell.drain();
    shell.answer(1, &Answer::status(422));
    shell.durable();
    assert!(
        shell
            .notes
            .iter()
            .any(|note| matches!(note, Note::ResubmissionFailed { .. }))
    );
    assert_eq!((shell.closed.len(), shell.under_way()), (0, set(&[])));
    shell
        .machine
        .handle_resubmit(shell.now, resubmission)
        .unwrap();
    shell.drain();
    shell.deliver_all();
    assert!(shell.delivered().contains(&2));
}

#[test]
fn who_was_overtaken_is_resubmitted_only_with_permission() {
    let mut shell = Shell::new(&["a", "a"], skipping());
    shell.answer(1, &Answer::status(422));
    shell.durable();
    assert_eq!(shell.under_way(), set(&[2]), "its successor goes on");
    shell.deliver_all();
    let resubmission = shell.resubmission(false);
    let refused = shell.machine.handle_resubmit(shell.now, resubmission);
    assert_eq!(refused, Err(FaultRefusal::Superseded));
    let resubmission = shell.resubmission(true);
    shell
        .machine
        .handle_resubmit(shell.now, resubmission)
        .unwrap();
    shell.drain();
    shell.deliver_all();
    let how = Closing::Resubmitted { superseded: true };
    assert!(matches!(shell.closed.as_slice(), [closed] if closed.how == how));
}

#[test]
fn who_may_be_overtaken_by_what_is_on_its_way_needs_permission() {
    let mut shell = Shell::new(&["a", "a"], skipping());
    shell.answer(1, &Answer::status(422));
    shell.durable();
    assert_eq!(shell.under_way(), set(&[2]));
    let resubmission = shell.resubmission(false);
    let refused = shell.machine.handle_resubmit(shell.now, resubmission);
    assert_eq!(refused, Err(FaultRefusal::Superseded));
}

#[test]
fn who_was_not_overtaken_needs_no_permission() {
    let mut shell = Shell::new(&["a", "b"], skipping());
    shell.answer(1, &Answer::status(422));
    shell.deliver_all();
    let resubmission = shell.resubmission(false);
    assert_eq!(
        shell.machine.handle_resubmit(shell.now, resubmission),
        Ok(())
    );
    // Nobody remembers after a restart, so it is assumed.
    shell.restart();
    let resubmission = shell.resubmission(false);
    let refused = shell.machine.handle_resubmit(shell.now, resubmission);
    assert_eq!(refused, Err(FaultRefusal::Superseded));
}

#[test]
fn discarding_lets_the_key_go_on_when_it_is_durable() {
    let mut shell = Shell::new(&["a", "a"], settings());
    shell.answer(1, &Answer::status(422));
    shell.durable();
    let discard = Discard {
        fault: shell.faults[0].0,
        set_aside: START,
        reason: "a test order".to_owned(),
        by: "somebody".to_owned(),
    };
    shell
        .machine
        .handle_discard(shell.now, discard.clone())
        .unwrap();
    let again = shell.machine.handle_discard(shell.now, discard);
    assert_eq!(again, Err(FaultRefusal::UnderWay));
    shell.drain();
    assert_eq!(shell.under_way(), set(&[]));
    shell.durable();
    assert_eq!(shell.under_way(), set(&[2]));
}

#[test]
fn an_answer_about_the_event_uses_up_the_schedule() {
    let mut shell = Shell::new(&["a"], settings());
    let schedule = settings().schedule;
    for attempt in 1..=schedule.attempts() {
        let asked = shell.now;
        assert!(shell.answer(1, &Answer::status(404)).counted);
        shell.durable();
        let Some(delay) = schedule.delay_after(attempt) else {
            break;
        };
        // Whether the process lives through it or not.
        if attempt % 2 == 0 {
            shell.restart();
        }
        shell.wait_for_it();
        let waited = shell.now.since(asked);
        assert!(
            waited >= delay * 4 / 5 && waited <= delay * 6 / 5,
            "{attempt}: {waited:?}"
        );
        assert_eq!(shell.under_way(), set(&[1]), "attempt {attempt}");
    }
    assert_eq!(shell.faults.len(), 1);
    let [(1, ReceiptOutcome::SetAside { .. })] = shell.outcomes.as_slice() else {
        panic!("{:?}", shell.outcomes);
    };
}

#[test]
fn an_endpoint_that_is_down_uses_up_no_attempt() {
    let keys: Vec<_> = ["a", "b", "c", "d", "e", "f"].to_vec();
    let mut shell = Shell::new(&keys, settings());
    for _ in 0..200 {
        while let Some(number) = shell.under_way().first().copied() {
            let verdict = shell.answer(number, &Answer::failed(Failure::Connect));
            assert!(!verdict.counted);
        }
        shell.durable();
        shell.wait_for_it();
        assert!(shell.requests.len() <= 1, "one probe at a time");
    }
    assert!(shell.faults.is_empty());
    shell.deliver_all();
    while shell.delivered().len() < keys.len() {
        shell.wait_for_it();
        shell.deliver_all();
    }
    let opened = |note: &&Note| matches!(note, Note::BreakerOpened { .. });
    let closed = |note: &&Note| matches!(note, Note::BreakerClosed { .. });
    assert_eq!(shell.notes.iter().filter(opened).count(), 1);
    assert_eq!(shell.notes.iter().filter(closed).count(), 1);
}

#[test]
fn a_failure_counts_while_another_key_is_delivered() {
    let mut shell = Shell::new(&["a", "b"], settings());
    assert!(!shell.answer(1, &Answer::status(500)).counted, "nobody is");
    shell.answer(2, &Answer::status(200));
    shell.durable();
    shell.wait_for_it();
    assert!(shell.answer(1, &Answer::status(500)).counted);
    shell.durable();
    shell.wait(Duration::from_secs(61));
    assert!(!shell.answer(1, &Answer::status(500)).counted, "long ago");
}

#[test]
fn a_pause_that_is_asked_for_is_kept_and_cut() {
    let mut throttled = Answer::status(429);
    throttled.retry_after = Some(Duration::from_secs(30));
    let mut shell = Shell::new(&["a", "b"], settings());
    shell.answer(1, &throttled);
    shell.answer(2, &Answer::status(200));
    shell.durable();
    shell.wait(Duration::from_millis(29_999));
    assert_eq!(shell.under_way(), set(&[]));
    shell.wait(Duration::from_millis(1));
    assert_eq!(shell.under_way(), set(&[1]));
    throttled.retry_after = Some(Duration::MAX);
    shell.answer(1, &throttled);
    assert!(matches!(
        shell.notes.last(),
        Some(Note::Throttled { cut: true, .. })
    ));
    shell.wait(settings().retry_after_max);
    assert_eq!(shell.under_way(), set(&[1]));
}

#[test]
fn an_endpoint_that_is_gone_stops_the_flow_until_it_is_resumed() {
    let mut shell = Shell::new(&["a"], settings());
    shell.answer(1, &Answer::status(410));
    shell.wait(Duration::from_secs(1_000_000));
    assert_eq!(
        (shell.under_way(), shell.machine.status().gone),
        (set(&[]), true)
    );
    shell.machine.resume(shell.now);
    shell.drain();
    shell.deliver_all();
    assert_eq!(shell.delivered(), set(&[1]));
}

#[test]
fn a_paused_flow_sends_nothing_and_loses_nothing() {
    let mut shell = Shell::new(&["a", "b", "a"], settings());
    shell.machine.pause(shell.now);
    shell.deliver_all();
    assert_eq!(shell.delivered(), set(&[1, 2]), "what was under way ends");
    shell.wait(Duration::from_secs(3600));
    assert_eq!(shell.under_way(), set(&[]));
    shell.machine.resume(shell.now);
    shell.drain();
    shell.deliver_all();
    assert_eq!(shell.delivered(), set(&[1, 2, 3]));
}

#[test]
fn an_event_that_the_log_holds_no_longer_is_set_aside() {
    let mut shell = Shell::new(&["a", "b"], settings());
    shell.answer(2, &Answer::status(200));
    // Twice, so that it waits for long and its content is forgotten.
    for _ in 0..2 {
        shell.answer(1, &Answer::status(404));
        shell.durable();
        if shell.machine.status().bodies == 0 {
            break;
        }
        shell.wait_for_it();
    }
    let wake = shell.machine.next_timeout().unwrap();
    let Some(Output::Fetch(places)) = shell.machine.poll_output(wake) else {
        panic!("not asked for");
    };
    assert_eq!(places, [at(1)]);
    shell.machine.handle_body(wake, at(1), None);
    let Some(Output::Append(append)) = shell.machine.poll_output(wake) else {
        panic!("not set aside");
    };
    assert_eq!(append.aside[0].cause, FaultCause::Gone);
}

#[test]
fn a_dead_endpoint_costs_the_same_memory_for_any_backlog() {
    let most = |events: usize| {
        let keys: Vec<_> = (0..events)
            .map(|n| ["a", "b", "c", "", "d"][n % 5])
            .collect();
        let mut shell = Shell::new(&keys, settings());
        for _ in 0..30 {
            while let Some(number) = shell.under_way().first().copied() {
                shell.answer(number, &Answer::failed(Failure::Timeout));
            }
            shell.durable();
            shell.wait_for_it();
        }
        (shell.bodies_most, shell.in_hand_most)
    };
    let (few, many) = (most(20_000), most(400_000));
    assert_eq!(few, many);
    assert!(many.0 <= Window::default().events_max, "{many:?}");
}

#[test]
fn the_log_is_kept_for_what_a_restart_must_find_and_no_longer() {
    let mut keys = vec!["a", "a"];
    keys.resize(5000, "b");
    let mut shell = Shell::new(&keys, settings());
    shell.answer(1, &Answer::status(422));
    shell.deliver_all();
    assert_eq!(
        shell.machine.low_water(),
        at(2),
        "read again when key a goes on"
    );
    let resubmission = shell.resubmission(false);
    shell
        .machine
        .handle_resubmit(shell.now, resubmission)
        .unwrap();
    shell.drain();
    shell.deliver_all();
    shell.wait(Duration::from_secs(10));
    shell.durable();
    assert_eq!(shell.delivered().len(), 5000, "and the resubmitted one");
    let far = Place {
        frame: tidegate_types::position::FrameNumber(3900),
        ..at(1)
    };
    assert!(
        shell.machine.low_water() > far,
        "{:?}",
        shell.machine.low_water()
    );
    // What it wrote is enough for a restart from there on.
    shell.restart();
    assert_eq!(shell.under_way(), set(&[]));
}
