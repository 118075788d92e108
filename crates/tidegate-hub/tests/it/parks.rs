//! A flow whose endpoint is dead does not fill the log for others, and gets everything in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_core::books::{Balance, Hour, HourTally, Limits, Tally};
use tidegate_core::deliver::{
    Answer as Answered, Append, Arrival, AttemptResult, Delivery, Discard, Failure, Output, Page,
    Purpose, ReadRequest, Restored, Settings, Window,
};
use tidegate_core::log::engine::TrimPolicy;
use tidegate_core::log::entry::{Entry, EventEntry, Fault, encode_event};
use tidegate_core::receive::intake::{Answer, Content, Refusal};
use tidegate_hub::books::Bookkeeper;
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;
use tidegate_hub::parks::{FlowPark, Met};
use tidegate_hub::query::PageLimits;
use tidegate_hub::settings::{HubSettings, OnFull, ParkRetention, SubscriptionRetention, Wants};
use tidegate_types::event::{Event, Raw};
use tidegate_types::id::{EventId, FlowNamespace};
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use crate::hub::{open, settings, settle, wait_for};

const LOW: &str = "flows:out/low";
/// The log is trimmed past this, and refuses past six times as much: it is looked at ten times a second.
const LOG_BYTES: u64 = 1 << 20;

fn is_mine(event: &Event) -> bool {
    event.kind == "mine"
}

fn parked(data: &Path, quota: u64, on_full: OnFull) -> HubSettings {
    let mut settings = settings(data);
    settings.segment_bytes = 128 << 10;
    settings.retention.policy = TrimPolicy {
        keep: Duration::from_secs(3600),
        size_max: LOG_BYTES,
    };
    settings.retention.size_max = 6 * LOG_BYTES;
    settings.retention.subscriptions = vec![SubscriptionRetention {
        name: LOW.to_owned(),
        lag_max: None,
        park: Some(ParkRetention {
            flow: "out".to_owned(),
            quota,
            on_full,
            wants: Wants(Arc::new(is_mine)),
        }),
    }];
    settings
}

fn event(number: u64, kind: &str, key: &str, bytes: usize) -> Content {
    let external_id = format!("{kind}/{number:08}");
    let id = EventId::derive(&FlowNamespace::new("orders", "test"), &external_id);
    let event = Event {
        id,
        flow: "test".to_owned(),
        external_id,
        kind: kind.to_owned(),
        time: now(),
        received: now(),
        key: key.to_owned(),
        content_type: String::new(),
        data: Bytes::from(vec![b'x'; bytes]),
        attributes: Vec::new(),
        raw: None,
    };
    let fingerprint = [1; 16];
    let entry = encode_event(&EventEntry { event, fingerprint });
    Content::Event {
        id,
        fingerprint,
        horizon: FrameNumber(0),
        entry,
    }
}

/// What the endpoint does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Endpoint {
    /// Takes all but the first of key `bad`, which it rejects, and what has no key, which it cannot
    /// take now.
    Picky,
    Dead,
    Well,
}

/// The shell of a flow, in one thread and with a clock of its own.
struct Flow {
    machine: Delivery<Arc<Event>>,
    now: UnixMillis,
    endpoint: Endpoint,
    /// Numbers that were delivered, by key, in order.
    delivered: BTreeMap<String, Vec<u64>>,
    faults: Vec<Fault>,
    filtered: u64,
}

const fn before(place: Place) -> Place {
    match place.index.checked_sub(1) {
        Some(index) => Place { index, ..place },
        None => Place {
            frame: FrameNumber(place.frame.0 - 1),
            index: u32::MAX,
            ..place
        },
    }
}

const fn behind(place: Place) -> Place {
    match place.index.checked_add(1) {
        Some(index) => Place { index, ..place },
        None => Place {
            frame: place.frame.next(),
            index: 0,
            ..place
        },
    }
}

fn number(event: &Event) -> u64 {
    event
        .external_id
        .split_once('/')
        .unwrap()
        .1
        .parse()
        .unwrap()
}

fn machine(hub: &Hub, now: UnixMillis) -> Delivery<Arc<Event>> {
    let start = Place {
        incarnation: hub.head().borrow().incarnation,
        frame: FrameNumber(1),
        index: 0,
    };
    let state = hub.delivery_state("out", 0).unwrap();
    let restored = state.unwrap_or_else(|| Restored::new(start));
    let settings = Settings {
        // Small, so that most of what waits is not in memory.
        window: Window {
            events_max: 64,
            per_key_max: 8,
            ..Window::default()
        },
        ..Settings::new("out", "endpoint")
    };
    Delivery::restore(settings, restored, now, 1)
}

impl Flow {
    fn new(hub: &Hub) -> Self {
        let now = now();
        Self {
            machine: machine(hub, now),
            now,
            endpoint: Endpoint::Picky,
            delivered: BTreeMap::new(),
            faults: Vec::new(),
            filtered: 0,
        }
    }

    fn restart(&mut self, hub: &Hub) {
        self.machine = machine(hub, self.now);
    }

    /// Does all there is to do, and lets the time pass so often.
    fn drive(&mut self, hub: &Hub, waits: u32) {
        self.machine.handle_grown();
        for _ in 0..=waits {
            while let Some(output) = self.machine.poll_output(self.now) {
                self.obey(hub, output);
            }
            let Some(next) = self.machine.next_timeout() else {
                break;
            };
            self.now = self.now.max(next);
        }
        let place = before(self.machine.low_water());
        let cursor = Content::Cursor {
            subscription: LOW.to_owned(),
            place,
        };
        note(hub, cursor);
    }

    fn obey(&mut self, hub: &Hub, output: Output<Arc<Event>>) {
        match output {
            Output::Note(_) | Output::Replayed(_) => {}
            Output::Send(send) => {
                let event = &send.events[0].body;
                let result = self.answer(event);
                if result == AttemptResult::Status(200) {
                    let key = self.delivered.entry(event.key.clone()).or_default();
                    key.push(number(event));
                }
                let answer = Answered {
                    result,
                    retry_after: None,
                    text: String::new(),
                };
                self.machine.handle_answer(self.now, send.attempt, &answer);
            }
            Output::Append(append) => {
                self.append(hub, append);
                self.machine.handle_appended(self.now);
            }
            Output::Read(request) => {
                let mut page = page(hub, request);
                if request.purpose == Purpose::Held {
                    page.arrivals
                        .retain(|it| self.machine.wants(&it.key, it.place));
                }
                self.machine.handle_page(self.now, page);
            }
            Output::Fetch(places) => {
                for place in places {
                    let content = hub.at_for("out", place).unwrap().map(|found| {
                        let Entry::Event(entry) = found.entry else {
                            panic!("no event stands there")
                        };
                        (entry.event.data.len(), Arc::new(entry.event))
                    });
                    self.machine.handle_body(self.now, place, content);
                }
            }
        }
    }

    fn answer(&self, event: &Event) -> AttemptResult {
        match self.endpoint {
            Endpoint::Dead => AttemptResult::Failed(Failure::Connect),
            Endpoint::Picky if event.key == "bad" => AttemptResult::Status(422),
            Endpoint::Picky if event.key.is_empty() => AttemptResult::Status(500),
            Endpoint::Picky | Endpoint::Well => AttemptResult::Status(200),
        }
    }

    fn append(&mut self, hub: &Hub, append: Append<Arc<Event>>) {
        for aside in append.aside {
            let fault = Fault {
                id: aside.fault,
                flow: "out".to_owned(),
                cause: aside.cause,
                blame: aside.blame,
                message: aside.message,
                time: aside.time,
                external_id: String::new(),
                event: None,
                raw: Raw::default(),
                fingerprint: [0; 16],
                carried: false,
            };
            self.faults.push(fault.clone());
            note(hub, Content::Plain(Box::new(Entry::Fault(Box::new(fault)))));
        }
        let retrying = append.retrying.into_iter();
        let retrying = retrying.map(|it| Entry::Retrying(Box::new(it)));
        let closed = append.closed.into_iter();
        let closed = closed.map(|it| Entry::FaultClosed(Box::new(it)));
        for hours in append.receipts.iter().map(|it| &it.filtered) {
            self.filtered += hours.iter().map(|it| it.tally.count).sum::<u64>();
        }
        let receipts = append.receipts.map(|it| Entry::Receipts(Box::new(it)));
        for entry in retrying.chain(closed).chain(receipts) {
            note(hub, Content::Plain(Box::new(entry)));
        }
    }
}

fn note(hub: &Hub, content: Content) {
    let answer = hub.submit(content).unwrap().blocking_recv().unwrap();
    assert!(matches!(answer, Answer::Noted), "{answer:?}");
}

fn page(hub: &Hub, request: ReadRequest) -> Page<Arc<Event>> {
    let limits = PageLimits {
        entries: request.events_max,
        entry_bytes: request.bytes_max,
        scan_bytes: 1 << 20,
    };
    let (mut counts, mut passing) = (Vec::new(), Vec::new());
    let after = before(request.from);
    let found = hub.scan_for("out", after, limits, |met| match met {
        Met::Passed(hours) => {
            passing.extend_from_slice(hours);
            false
        }
        Met::Entry(_, Entry::Event(entry)) if is_mine(&entry.event) => {
            counts.push(std::mem::take(&mut passing));
            true
        }
        Met::Entry(time, Entry::Event(entry)) => {
            HourTally::note(&mut passing, Hour::of(time), Tally::of(&entry.event.id));
            false
        }
        Met::Entry(..) => false,
    });
    let found = found.unwrap();
    let end = behind(found.through.unwrap()).max(request.from);
    let end = request.until.map_or(end, |until| end.min(until));
    let filtered_after = counts.get(found.found.len()).cloned().unwrap_or(passing);
    let arrivals = found.found.into_iter().zip(counts).map(|(found, before)| {
        let Entry::Event(entry) = found.entry else {
            panic!("no event")
        };
        Arrival {
            place: found.place,
            id: entry.event.id,
            key: entry.event.key.clone(),
            bytes: entry.event.data.len(),
            body: Arc::new(entry.event),
            filtered_before: before,
        }
    });
    Page {
        arrivals: arrivals.filter(|it| it.place < end).collect(),
        end,
        filtered_after,
        at_end: found.at_end,
    }
}

/// Ten events of others and one of the flow; waits for room instead of overrunning the trimmer.
fn round(hub: &Hub, number: u64, key: &str) {
    wait_for("room in the log", || hub.status().bytes <= 2 * LOG_BYTES);
    let others = (0..10).map(|n| event(number * 10 + n, "other", "", 3000));
    let mine = [event(number, "mine", key, 2000)];
    let offered: Vec<_> = others
        .chain(mine)
        .map(|content| hub.submit(content).unwrap())
        .collect();
    for answer in offered {
        let answer = answer.blocking_recv().unwrap();
        assert!(matches!(answer, Answer::Kept { .. }), "{answer:?}");
    }
}

fn key_of(number: u64) -> &'static str {
    ["a", "b", "bad", ""][(number % 4) as usize]
}

fn park_of(hub: &Hub) -> FlowPark {
    let mut parks = hub.parks();
    assert_eq!(parks.len(), 1);
    parks.remove(0)
}

fn told(hub: &Hub) -> BTreeSet<String> {
    let limits = PageLimits {
        entries: 1000,
        entry_bytes: 1 << 20,
        scan_bytes: 1 << 30,
    };
    let page = hub.scan(None, limits, |it| matches!(it, Entry::System(_)));
    let found = page.unwrap().found.into_iter();
    found
        .map(|found| match found.entry {
            Entry::System(system) => system.kind,
            _ => panic!("no system event"),
        })
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Between {
    Nothing,
    Restart,
    RestartWithoutViews,
}

fn reopen(hub: Hub, settings: &HubSettings, flow: &mut Flow, between: Between) -> Hub {
    if between == Between::Nothing {
        return hub;
    }
    drop(hub);
    if between == Between::RestartWithoutViews {
        std::fs::remove_dir_all(settings.data.join("views")).unwrap();
    }
    let (hub, _) = open(settings);
    flow.restart(&hub);
    hub
}

fn keeper(hub: &Hub) -> Bookkeeper {
    Bookkeeper::new(hub, Limits::default(), now()).unwrap()
}

/// Closes the books, which must be even; gives what was received, delivered, discarded and is pending of the flow.
fn even(keeper: &mut Bookkeeper, hub: &Hub) -> [u64; 4] {
    settle(hub);
    let wanted = |_: &str, entry: &EventEntry| is_mine(&entry.event);
    let mut pages = keeper.close(hub, wanted).unwrap().pages;
    pages.retain(|page| page.flow == "out");
    let rows = pages.iter().map(|page| {
        assert_eq!(page.balance, Balance::Even, "{page:?}");
        page.row
    });
    rows.fold([0; 4], |[received, delivered, discarded, pending], row| {
        [
            received + row.received.count,
            delivered + row.delivered.count,
            discarded + row.discarded.count,
            pending + row.pending.count,
        ]
    })
}

/// Has the books follow, and looks at them now and then. Begun anew they lack what was trimmed.
fn look(keeper: &mut Bookkeeper, hub: &Hub, number: u64, between: Between) {
    if between != Between::Nothing {
        return;
    }
    keeper.follow(hub, u64::MAX).unwrap();
    if number.is_multiple_of(50) {
        let [received, .., pending] = even(keeper, hub);
        assert!(received >= 11 * number && pending <= received);
    }
}

/// Some rounds with a picky endpoint, many with a dead one, and then it is well.
fn goes_through(between: Between) {
    let folder = tempfile::tempdir().unwrap();
    let settings = parked(folder.path(), 64 << 20, OnFull::Hold);
    let (mut hub, _) = open(&settings);
    let mut flow = Flow::new(&hub);
    let mut seen = BTreeSet::new();
    let mut keeper = keeper(&hub);
    const ROUNDS: u64 = 400;
    for number in 0..ROUNDS {
        if number == 60 {
            flow.endpoint = Endpoint::Dead;
        }
        round(&hub, number, key_of(number));
        look(&mut keeper, &hub, number, between);
        if number % 10 == 0 {
            flow.drive(&hub, 3);
            seen.append(&mut told(&hub));
        }
        if number % 80 == 79 {
            hub = reopen(hub, &settings, &mut flow, between);
        }
    }
    assert!(
        hub.status().bounds.first > FrameNumber(100),
        "it was trimmed"
    );
    let park = park_of(&hub);
    assert!(park.status.events > 150, "{park:?}");
    if between == Between::Nothing {
        let [received, _, _, pending] = even(&mut keeper, &hub);
        assert_eq!(received, 11 * ROUNDS);
        assert!(pending >= 150, "what is parked is pending: {pending}");
    }
    assert!(seen.contains("park-begun"), "{seen:?}");
    let before = flow.delivered.values().map(Vec::len).sum::<usize>();
    assert!(before < 60, "{before}");

    flow.endpoint = Endpoint::Well;
    flow.drive(&hub, 40);
    hub = reopen(hub, &settings, &mut flow, between);
    flow.drive(&hub, 40);
    assert_eq!(flow.faults.len(), 1, "the first of the key is rejected");
    let fault = flow.faults[0].clone();
    let discard = Discard {
        fault: fault.id,
        set_aside: fault.time,
        reason: "a test".to_owned(),
        by: "somebody".to_owned(),
    };
    flow.machine.handle_discard(flow.now, discard).unwrap();
    flow.drive(&hub, 40);
    for (key, first) in [("a", 0), ("b", 1), ("bad", 6)] {
        let expected: Vec<u64> = (first..ROUNDS).step_by(4).collect();
        assert_eq!(flow.delivered[key], expected, "key {key}");
    }
    let mut alone = flow.delivered[""].clone();
    alone.sort_unstable();
    assert_eq!(alone, (3..ROUNDS).step_by(4).collect::<Vec<u64>>());
    assert_eq!(
        flow.filtered,
        ROUNDS * 10,
        "each unwanted event is counted once"
    );
    // Its last place is behind everything, so the park is given up.
    round(&hub, ROUNDS, "a");
    flow.drive(&hub, 40);
    wait_for("the park to be empty", || {
        park_of(&hub).status.events == 0 && told(&hub).contains("park-emptied")
    });
}

#[test]
fn a_dead_endpoint_fills_the_log_for_nobody_and_gets_everything_in_order_once() {
    goes_through(Between::Nothing);
}

#[test]
fn a_dead_endpoint_gets_everything_through_restarts_in_every_stage() {
    goes_through(Between::Restart);
}

#[test]
fn a_dead_endpoint_gets_everything_although_the_views_are_thrown_away_in_every_stage() {
    goes_through(Between::RestartWithoutViews);
}

/// Fills the log and the park until the log refuses.
fn fill_up(hub: &Hub, flow: &mut Flow, rounds: u64) -> Option<u64> {
    let is_full = || hub.parks().iter().any(|park| park.full);
    let (mut number, mut is_told) = (0, false);
    while number < rounds {
        let content = event(number, "mine", key_of(number), 20_000);
        let answer = hub.submit(content).unwrap().blocking_recv().unwrap();
        match answer {
            Answer::Kept { .. } => number += 1,
            Answer::Refused(Refusal::Full) if is_full() => return Some(number),
            // The status that is waited for below may be a second old: the log filled up before anything was parked.
            Answer::Refused(Refusal::Full) => {}
            other => panic!("{other:?}"),
        }
        if number % 20 == 0 {
            flow.drive(hub, 1);
        }
        if is_full() && !is_told {
            // A log that is full has no room for what is told of it either.
            wait_for("a word of it on the timeline", || {
                let told = told(hub);
                told.contains("park-full") && told.contains("trim-held")
            });
            is_told = true;
        }
        let begun = Instant::now();
        // Room, or a park that has none, or the log at its end.
        while hub.status().bytes > 2 * LOG_BYTES
            && !is_full()
            && begun.elapsed() < Duration::from_secs(30)
        {
            std::thread::yield_now();
        }
    }
    None
}

#[test]
fn a_full_park_holds_the_log_and_says_so_and_goes_on_when_it_has_room() {
    let folder = tempfile::tempdir().unwrap();
    let settings = parked(folder.path(), 2 << 20, OnFull::Hold);
    let (hub, _) = open(&settings);
    let mut flow = Flow::new(&hub);
    flow.endpoint = Endpoint::Dead;
    let refused = fill_up(&hub, &mut flow, 1000);
    let refused = refused.expect("the log and the park hold less than 20 MB");
    let park = park_of(&hub);
    assert!(park.full && park.status.disk_bytes <= 2 << 20, "{park:?}");
    assert!(told(&hub).contains("park-full") && told(&hub).contains("trim-held"));
    let hub = reopen(hub, &settings, &mut flow, Between::RestartWithoutViews);
    flow.endpoint = Endpoint::Well;
    flow.drive(&hub, 60);
    let mut all: Vec<u64> = flow.delivered.values().flatten().copied().collect();
    all.sort_unstable();
    assert_eq!(all, (0..refused).collect::<Vec<u64>>());
    wait_for("room", || hub.status().bytes <= 2 * LOG_BYTES);
    round(&hub, 5000, "a");
}

#[test]
fn a_full_park_that_discards_says_what_and_lets_the_log_go() {
    let folder = tempfile::tempdir().unwrap();
    let settings = parked(folder.path(), 2 << 20, OnFull::Discard);
    let (hub, _) = open(&settings);
    let mut flow = Flow::new(&hub);
    flow.endpoint = Endpoint::Dead;
    flow.drive(&hub, 1);
    let mut seen = BTreeSet::new();
    let mut keeper = keeper(&hub);
    for part in 0..4 {
        for number in part * 100..(part + 1) * 100 {
            wait_for("room in the log", || hub.status().bytes <= 2 * LOG_BYTES);
            let content = event(number, "mine", "a", 20_000);
            let answer = hub.submit(content).unwrap().blocking_recv().unwrap();
            assert!(matches!(answer, Answer::Kept { .. }), "{answer:?}");
            keeper.follow(&hub, u64::MAX).unwrap();
        }
        flow.drive(&hub, 1);
        seen.append(&mut told(&hub));
        let [received, delivered, discarded, pending] = even(&mut keeper, &hub);
        assert_eq!((received, delivered), ((part + 1) * 100, 0));
        assert_eq!(discarded + pending, received);
    }
    let park = park_of(&hub);
    assert!(park.discarded > 0 && park.full && !park.holds, "{park:?}");
    assert!(seen.contains("park-discarded"), "{seen:?}");
    flow.endpoint = Endpoint::Well;
    flow.drive(&hub, 60);
    let delivered = &flow.delivered["a"];
    assert!(delivered.is_sorted_by(|a, b| a < b), "each once, in order");
    let lost = 400 - delivered.len() as u64;
    assert_eq!(lost, park_of(&hub).discarded, "{}", delivered.len());
    let [received, delivered, discarded, pending] = even(&mut keeper, &hub);
    assert_eq!(
        [received, delivered, discarded, pending],
        [400, 400 - lost, lost, 0]
    );
}
