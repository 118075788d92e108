//! The hub as its callers see it: offers, restarts, views, trims, a full log.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_core::log::engine::TrimPolicy;
use tidegate_core::log::entry::{
    Blame, Entry, EventEntry, Fault, FaultCause, Polled, encode_event,
};
use tidegate_core::receive::fingerprint;
use tidegate_core::receive::intake::{Answer, Content, IntakeLimits, Refusal};
use tidegate_core::receive::page::{Page, PageOutcome};
use tidegate_core::view::Change;
use tidegate_hub::clock::now;
use tidegate_hub::hub::{Hub, OpenReport};
use tidegate_hub::query::PageLimits;
use tidegate_hub::settings::{HubSettings, Retention, SubscriptionRetention};
use tidegate_hub::views::Views;
use tidegate_types::event::{Event, Raw};
use tidegate_types::id::{EventId, FlowNamespace};
use tidegate_types::position::{FrameNumber, Place};

const PAGE: PageLimits = PageLimits {
    entries: 1000,
    entry_bytes: 64 << 20,
    scan_bytes: 1 << 30,
};

pub(crate) fn settings(data: &Path) -> HubSettings {
    HubSettings {
        origin: "local".to_owned(),
        data: data.to_owned(),
        segment_bytes: 1 << 20,
        limits: IntakeLimits::default(),
        retention: Retention {
            policy: TrimPolicy {
                keep: Duration::from_secs(3600),
                size_max: 60 << 20,
            },
            size_max: 64 << 20,
            subscriptions: Vec::new(),
        },
    }
}

pub(crate) fn open(settings: &HubSettings) -> (Hub, OpenReport) {
    Hub::open(settings, |_, _| {}).unwrap()
}

pub(crate) fn event(name: &str, data: Vec<u8>) -> Content {
    let namespace = FlowNamespace::new("orders", "test");
    let data = Bytes::from(data);
    let fingerprint = fingerprint::of_event("order.created", "", &data);
    let id = EventId::derive(&namespace, name);
    let event = Event {
        id,
        flow: "test".to_owned(),
        external_id: name.to_owned(),
        kind: "order.created".to_owned(),
        time: now(),
        received: now(),
        key: String::new(),
        content_type: "application/json".to_owned(),
        data: data.clone(),
        attributes: Vec::new(),
        raw: Some(Raw {
            body: data,
            ..Raw::default()
        }),
    };
    let entry = encode_event(&EventEntry { event, fingerprint });
    Content::Event {
        id,
        fingerprint,
        horizon: FrameNumber(0),
        entry,
    }
}

fn fault(name: &str) -> Content {
    let namespace = FlowNamespace::new("orders", "test");
    Content::Fault(Box::new(Fault {
        id: EventId::derive(&namespace, &format!("fault:{name}")),
        flow: "test".to_owned(),
        cause: FaultCause::Mapping,
        blame: Blame::Us,
        message: "type: the expression gives no type".to_owned(),
        time: now(),
        external_id: name.to_owned(),
        event: None,
        raw: Raw {
            body: Bytes::from_static(b"{}"),
            ..Raw::default()
        },
        fingerprint: [0; 16],
        carried: false,
    }))
}

/// Offers and waits, without a runtime.
pub(crate) fn offer(hub: &Hub, content: Content) -> Answer {
    hub.submit(content).unwrap().blocking_recv().unwrap()
}

pub(crate) fn settle(hub: &Hub) {
    assert!(hub.settled(Duration::from_secs(30)));
}

pub(crate) fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "waited too long for {what}"
        );
        std::thread::yield_now();
    }
}

fn id_of(answer: &Answer) -> EventId {
    match answer {
        Answer::Kept { id, .. } | Answer::Repeat { id, .. } => *id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart_and_its_repeats_append_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (hub, report) = open(&settings);
    assert_eq!(report.head, FrameNumber(0));
    let kept = offer(&hub, event("a", b"{\"n\":1}".to_vec()));
    assert!(matches!(kept, Answer::Kept { .. }));
    drop(hub);

    let (hub, report) = open(&settings);
    assert_eq!((report.head, report.views.rebuilt), (FrameNumber(1), None));
    let repeat = offer(&hub, event("a", b"{\"n\":1}".to_vec()));
    assert!(matches!(repeat, Answer::Repeat { .. }), "{repeat:?}");
    assert_eq!(id_of(&repeat), id_of(&kept));
    assert_eq!(hub.head().borrow().frame, FrameNumber(1));
    let found = hub.find(&id_of(&kept)).unwrap().unwrap();
    let Entry::Event(entry) = found.entry else {
        panic!("no event")
    };
    assert_eq!(entry.event.data, "{\"n\":1}");
    assert_eq!(entry.event.raw.unwrap().body, "{\"n\":1}");
}

#[test]
fn the_views_can_be_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (hub, _) = open(&settings);
    for n in 0..500 {
        offer(&hub, event(&n.to_string(), vec![b'1'; 10]));
    }
    offer(&hub, fault("broken"));
    drop(hub);
    std::fs::remove_dir_all(folder.path().join("views")).unwrap();

    let (hub, report) = open(&settings);
    assert_eq!(report.views.applied, FrameNumber(0));
    assert_eq!(hub.views().applied(), report.head);
    let repeat = offer(&hub, event("499", vec![b'1'; 10]));
    assert!(matches!(repeat, Answer::Repeat { .. }), "{repeat:?}");
    assert_eq!(hub.views().faults_open().unwrap(), 1);
}

#[test]
fn views_that_are_damaged_or_of_another_log_are_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (hub, _) = open(&settings);
    let kept = offer(&hub, event("a", b"1".to_vec()));
    drop(hub);
    // Another log under the same views, as after a restore.
    std::fs::remove_dir_all(folder.path().join("log")).unwrap();
    let (hub, report) = open(&settings);
    assert_eq!(
        report.views.rebuilt,
        Some("they belong to another life of the log")
    );
    assert!(hub.find(&id_of(&kept)).unwrap().is_none());
    drop(hub);
    for file in walk(&folder.path().join("views")) {
        std::fs::write(file, b"rubbish").unwrap();
    }
    let (_hub, report) = open(&settings);
    assert!(report.views.rebuilt.is_some());
}

fn walk(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[test]
fn a_cursor_in_the_views_is_not_taken_back_by_a_checkpoint_that_was_planned_before() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, _) = open(&settings(folder.path()));
    let reader = hub.reader();
    let path = folder.path().join("others");
    let (views, _) = Views::open(&path, &reader.bounds()).unwrap();
    let cursor = |frame| Change::Cursor {
        subscription: "worker/all".to_owned(),
        place: Place {
            incarnation: reader.bounds().incarnation,
            frame: FrameNumber(frame),
            index: 3,
        },
    };
    let at = |views: &Views| views.cursors().unwrap()["worker/all"].frame;
    views
        .apply(&*reader, &[cursor(7), cursor(5)], FrameNumber(8))
        .unwrap();
    assert_eq!(at(&views), FrameNumber(7), "behind it in the same batch");
    views.apply(&*reader, &[cursor(6)], FrameNumber(9)).unwrap();
    assert_eq!(at(&views), FrameNumber(7), "in a later batch");
    views
        .apply(&*reader, &[cursor(9)], FrameNumber(10))
        .unwrap();
    assert_eq!(at(&views), FrameNumber(9), "it goes on");
}

#[test]
fn an_event_larger_than_a_frame_is_kept_whole() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (hub, _) = open(&settings);
    let data: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let kept = offer(&hub, event("large", data.clone()));
    drop(hub);
    let (hub, _) = open(&settings);
    let found = hub.find(&id_of(&kept)).unwrap().unwrap();
    let Entry::Event(entry) = found.entry else {
        panic!("no event")
    };
    assert_eq!(entry.event.data, data);
    let page = hub
        .scan(None, PAGE, |entry| matches!(entry, Entry::Event(_)))
        .unwrap();
    assert_eq!(page.found.len(), 1);
}

#[test]
fn a_scan_goes_on_where_the_page_before_ended() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, _) = open(&settings(folder.path()));
    for n in 0..50 {
        offer(&hub, event(&n.to_string(), n.to_string().into_bytes()));
    }
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let limits = PageLimits { entries: 7, ..PAGE };
        let page = hub
            .scan(after, limits, |entry| matches!(entry, Entry::Event(_)))
            .unwrap();
        seen.extend(page.found.iter().map(|found| match &found.entry {
            Entry::Event(entry) => entry.event.external_id.clone(),
            other => panic!("{other:?}"),
        }));
        after = page.scanned_to;
        if page.found.is_empty() && page.at_end {
            break;
        }
    }
    let expected: Vec<String> = (0..50).map(|n| n.to_string()).collect();
    assert_eq!(seen, expected);
    let tail = hub
        .tail_start(3, 1 << 30, |entry| matches!(entry, Entry::Event(_)))
        .unwrap();
    let page = hub
        .scan(tail, PAGE, |entry| matches!(entry, Entry::Event(_)))
        .unwrap();
    assert_eq!(page.found.len(), 3);
}

#[test]
fn open_faults_are_listed_and_carried_past_a_trim() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.retention.policy.size_max = 4 << 20;
    let (hub, _) = open(&settings);
    assert!(matches!(
        offer(&hub, fault("f")),
        Answer::SetAside { repeat: false, .. }
    ));
    assert!(matches!(
        offer(&hub, fault("f")),
        Answer::SetAside { repeat: true, .. }
    ));
    let old = offer(&hub, event("old", b"1".to_vec()));
    fill(&hub, 12 << 20);
    wait_for("the log to be trimmed", || {
        hub.reader().bounds().first > FrameNumber(1)
    });
    settle(&hub);
    let faults = hub.faults(None, 10, |_| true).unwrap();
    let [(summary, fault)] = faults.as_slice() else {
        panic!("{faults:?}")
    };
    assert!(fault.carried && summary.place.frame >= hub.reader().bounds().first);
    assert_eq!(fault.message, "type: the expression gives no type");
    // The identities of what was removed are forgotten with it.
    assert!(hub.find(&id_of(&old)).unwrap().is_none());
    drop(hub);
    let (hub, _) = open(&settings);
    assert_eq!(hub.faults(None, 10, |_| true).unwrap().len(), 1);
}

fn page(number: u64, names: &[&str]) -> Content {
    let items = names.iter().map(|name| event(name, b"1".to_vec()));
    let polled = Polled {
        flow: "polled".to_owned(),
        number,
        time: now(),
        cursor: Bytes::from(format!("cursor-{number}")),
        etag: "\"v\"".to_owned(),
        items: u32::try_from(names.len()).unwrap(),
        faults: 0,
        filtered: 0,
        carried: false,
    };
    Content::Page(Box::new(Page::new(items.collect(), polled, false)))
}

#[test]
fn a_page_and_its_cursor_stand_in_one_frame_and_the_cursor_is_found_again() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (hub, _) = open(&settings);
    assert_eq!(hub.polled("polled").unwrap(), None);
    let before = hub.head().borrow().frame;
    let answer = offer(&hub, page(1, &["a", "b"]));
    let Answer::Page(kept) = answer else {
        panic!("{answer:?}")
    };
    let outcome = PageOutcome {
        kept: 2,
        ..PageOutcome::default()
    };
    assert_eq!(kept.outcome, outcome);
    assert_eq!(kept.place.map(|place| place.index), Some(2));
    assert_eq!(hub.head().borrow().frame, before.next());
    let answer = offer(&hub, page(2, &["b", "c"]));
    assert!(matches!(answer, Answer::Page(kept) if kept.outcome.repeats == 1));
    assert_eq!(hub.polled("polled").unwrap().unwrap().number, 2);
    drop(hub);
    std::fs::remove_dir_all(folder.path().join("views")).unwrap();
    let (hub, _) = open(&settings);
    let polled = hub.polled("polled").unwrap().unwrap();
    assert_eq!((polled.number, &polled.cursor[..]), (2, &b"cursor-2"[..]));
}

#[test]
fn the_cursor_of_a_source_is_carried_past_a_trim() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.retention.policy.size_max = 4 << 20;
    let (hub, _) = open(&settings);
    offer(&hub, page(1, &["a"]));
    offer(&hub, page(2, &["b"]));
    fill(&hub, 12 << 20);
    wait_for("the log to be trimmed", || {
        hub.reader().bounds().first > FrameNumber(3)
    });
    settle(&hub);
    drop(hub);
    std::fs::remove_dir_all(folder.path().join("views")).unwrap();
    let (hub, _) = open(&settings);
    let polled = hub.polled("polled").unwrap().unwrap();
    assert!(polled.carried && polled.number == 2, "{polled:?}");
    // What is offered behind it goes on.
    assert!(matches!(offer(&hub, page(3, &["c"])), Answer::Page(_)));
    assert_eq!(hub.polled("polled").unwrap().unwrap().number, 3);
}

#[test]
fn a_cursor_that_was_copied_forward_takes_back_no_newer_one() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, _) = open(&settings(folder.path()));
    offer(&hub, page(1, &["a"]));
    let old = hub.polled("polled").unwrap().unwrap();
    offer(&hub, page(2, &["b"]));
    let carried = Entry::Polled(Box::new(Polled {
        carried: true,
        ..old
    }));
    offer(&hub, Content::Plain(Box::new(carried)));
    assert_eq!(hub.polled("polled").unwrap().unwrap().number, 2);
}

/// Appends about `bytes` in events of 100 KiB.
fn fill(hub: &Hub, bytes: usize) {
    for n in 0..bytes / 100_000 {
        let answer = offer(hub, event(&format!("fill-{n}"), vec![b'x'; 100_000]));
        assert!(matches!(answer, Answer::Kept { .. }), "{answer:?}");
    }
}

#[test]
fn an_unread_subscription_holds_the_log_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.retention.policy.size_max = 4 << 20;
    settings.retention.subscriptions = vec![SubscriptionRetention {
        name: "checkout/orders".to_owned(),
        lag_max: None,
        park: None,
    }];
    let (hub, _) = open(&settings);
    fill(&hub, 12 << 20);
    let held = |kind: &str| {
        let is = |entry: &Entry| matches!(entry, Entry::System(system) if system.kind == kind);
        !hub.scan(None, PAGE, is).unwrap().found.is_empty()
    };
    wait_for("the system event", || held("trim-held"));
    assert_eq!(hub.reader().bounds().first, FrameNumber(1));
    // Once it has read on, the log goes.
    let end = hub.scan(None, PAGE, |_| true).unwrap().scanned_to.unwrap();
    let cursor = Content::Cursor {
        subscription: "checkout/orders".to_owned(),
        place: end,
    };
    assert_eq!(offer(&hub, cursor), Answer::Noted);
    wait_for("the trim", || hub.reader().bounds().first > FrameNumber(1));
    wait_for("the system event", || held("trim-released"));
}

#[test]
fn a_full_log_refuses_and_recovers_by_a_trim() {
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(folder.path());
    settings.retention.size_max = 8 << 20;
    settings.retention.subscriptions = vec![SubscriptionRetention {
        name: "checkout/orders".to_owned(),
        lag_max: None,
        park: None,
    }];
    settings.retention.policy.size_max = 4 << 20;
    let (hub, _) = open(&settings);
    let mut refused = false;
    for n in 0..2000 {
        let answer = offer(&hub, event(&format!("fill-{n}"), vec![b'x'; 100_000]));
        if answer == Answer::Refused(Refusal::Full) {
            refused = true;
            break;
        }
    }
    assert!(refused);
    let end = hub.scan(None, PAGE, |_| true).unwrap().scanned_to.unwrap();
    let cursor = Content::Cursor {
        subscription: "checkout/orders".to_owned(),
        place: end,
    };
    assert_eq!(offer(&hub, cursor), Answer::Noted);
    wait_for("room", || {
        matches!(
            offer(&hub, event("after", b"1".to_vec())),
            Answer::Kept { .. } | Answer::Repeat { .. }
        )
    });
}

#[test]
fn two_processes_cannot_have_the_same_data() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (_hub, _) = open(&settings);
    let second = Hub::open(&settings, |_, _| {});
    let error = second.map(|_| ()).unwrap_err();
    assert!(
        error.to_string().contains("in use") || error.to_string().contains("lock"),
        "{error}"
    );
}

#[test]
fn a_closed_hub_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, _) = open(&settings(folder.path()));
    hub.close();
    assert!(matches!(
        hub.submit(event("a", vec![])),
        Err(Refusal::Closing)
    ));
}

#[test]
fn concurrent_copies_are_one_event() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, _) = open(&settings(folder.path()));
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let offers: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| offer(&hub, event("same", b"1".to_vec()))))
            .collect();
        offers.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let kept = answers
        .iter()
        .filter(|it| matches!(it, Answer::Kept { .. }))
        .count();
    let ids: std::collections::BTreeSet<EventId> = answers.iter().map(id_of).collect();
    assert_eq!((kept, ids.len()), (1, 1));
}

#[test]
fn a_rotten_bit_in_an_old_segment_is_found_in_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let (hub, _) = open(&settings);
    fill(&hub, 4 << 20);
    drop(hub);
    let mut segments: Vec<_> = walk(&folder.path().join("log"));
    segments.retain(|path| path.extension().is_some_and(|it| it == "segment"));
    segments.sort();
    let mut bytes = std::fs::read(&segments[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segments[0], bytes).unwrap();

    let (hub, report) = open(&settings);
    // Its footer is believed at the start.
    assert!(report.log.damage.is_none());
    wait_for("the background check", || {
        hub.stats()
            .scrub_damaged
            .load(std::sync::atomic::Ordering::Relaxed)
            == 1
    });
}

#[test]
fn what_was_acknowledged_is_found_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, _) = open(&settings(folder.path()));
    for n in 0..200 {
        let kept = offer(&hub, event(&n.to_string(), b"1".to_vec()));
        assert!(hub.find(&id_of(&kept)).unwrap().is_some());
    }
}

#[test]
fn a_scan_gets_past_an_entry_that_is_larger_than_a_page_looks_through() {
    let folder = tempfile::tempdir().unwrap();
    let (hub, _) = open(&settings(folder.path()));
    offer(&hub, event("large", vec![b'x'; 6_000_000]));
    offer(&hub, event("small", b"1".to_vec()));
    let limits = PageLimits {
        scan_bytes: 1 << 20,
        ..PAGE
    };
    let small =
        |entry: &Entry| matches!(entry, Entry::Event(it) if it.event.external_id == "small");
    let (mut after, mut found) = (None, 0);
    for _ in 0..20 {
        let page = hub.scan(after, limits, small).unwrap();
        assert!(page.at_end || page.scanned_to > after);
        (after, found) = (page.scanned_to, found + page.found.len());
    }
    assert_eq!(found, 1);
}
