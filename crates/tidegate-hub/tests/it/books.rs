//! The books of a hub: while it runs, after a restart, and when something is wrong.

use tidegate_core::books::{Balance, Kind, Limits, Page};
use tidegate_core::log::entry::{Entry, Receipt, ReceiptOutcome, Receipts};
use tidegate_core::receive::intake::{Answer, Content};
use tidegate_hub::books::Bookkeeper;
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Place};

use crate::hub::{event, offer, open, settings, settle};

fn keep(hub: &Hub, name: &str) -> (EventId, Place) {
    match offer(hub, event(name, b"{}".to_vec())) {
        Answer::Kept { id, place } => (id, place),
        other => panic!("{other:?}"),
    }
}

fn write(hub: &Hub, low: Place, done: &[(EventId, Place)]) {
    let receipt = |(id, place): &(EventId, Place)| Receipt {
        place: *place,
        id: *id,
        outcome: ReceiptOutcome::Delivered {
            status: 200,
            endpoint: 0,
        },
        attempts: 1,
        time: now(),
    };
    let receipts = Receipts {
        flow: "out".to_owned(),
        shard: 0,
        time: now(),
        low,
        filtered: Vec::new(),
        endpoints: vec!["main".to_owned()],
        done: done.iter().map(receipt).collect(),
        held: Vec::new(),
        released: Vec::new(),
    };
    let content = Content::Plain(Box::new(Entry::Receipts(Box::new(receipts))));
    assert_eq!(offer(hub, content), Answer::Noted);
}

fn after(place: Place) -> Place {
    Place {
        frame: place.frame.next(),
        index: 0,
        ..place
    }
}

/// The sums over all hours of one side, which may have turned in between.
fn books(hub: &Hub) -> Vec<Page> {
    settle(hub);
    let mut keeper = Bookkeeper::new(hub, Limits::default(), now()).unwrap();
    keeper.close(hub, |_, _| true).unwrap().pages
}

fn counts(pages: &[Page], kind: Kind) -> [u64; 3] {
    let pages = pages.iter().filter(|page| page.kind == kind);
    let rows = pages.map(|page| page.row);
    rows.fold([0; 3], |[received, delivered, pending], row| {
        [
            received + row.received.count,
            delivered + row.delivered.count,
            pending + row.pending.count,
        ]
    })
}

#[test]
fn they_balance_while_events_come_and_go_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(dir.path());
    let (hub, _) = open(&settings);
    let (id, place) = keep(&hub, "first");
    write(&hub, place, &[]);
    let others: Vec<_> = (0..5).map(|n| keep(&hub, &format!("event-{n}"))).collect();
    write(&hub, after(place), &[(id, place), others[2]]);
    let pages = books(&hub);
    assert!(
        pages.iter().all(|page| page.balance == Balance::Even),
        "{pages:?}"
    );
    assert_eq!(counts(&pages, Kind::Ingress), [6, 6, 0]);
    assert_eq!(counts(&pages, Kind::Egress), [6, 2, 4]);
    drop(hub);

    let (hub, _) = open(&settings);
    assert_eq!(books(&hub), pages);
    let last = others.last().unwrap().1;
    write(
        &hub,
        after(last),
        &[others[0], others[1], others[3], others[4]],
    );
    let pages = books(&hub);
    assert!(
        pages.iter().all(|page| page.balance == Balance::Even),
        "{pages:?}"
    );
    assert_eq!(counts(&pages, Kind::Egress), [6, 6, 0]);
}

#[test]
fn a_receipt_that_is_missing_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (hub, _) = open(&settings(dir.path()));
    let (id, place) = keep(&hub, "first");
    write(&hub, place, &[]);
    let (_, lost) = keep(&hub, "lost");
    write(&hub, after(lost), &[(id, place)]);
    let pages = books(&hub);
    let odd: Vec<_> = pages
        .iter()
        .filter(|page| page.balance != Balance::Even)
        .collect();
    assert_eq!(odd.len(), 1, "{pages:?}");
    assert_eq!(odd[0].balance, Balance::Odd { missing: 1 });
}

#[test]
fn an_hour_that_was_trimmed_in_part_is_shown_and_not_judged() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path());
    settings.retention.policy.size_max = 3 << 20;
    let (hub, _) = open(&settings);
    let body = vec![b'x'; 256 << 10];
    for number in 0..64 {
        let content = event(&format!("event-{number}"), body.clone());
        assert!(matches!(offer(&hub, content), Answer::Kept { .. }));
    }
    let begun = std::time::Instant::now();
    while hub.reader().bounds().first == FrameNumber(1) {
        assert!(begun.elapsed().as_secs() < 30, "nothing was trimmed");
        std::thread::yield_now();
    }
    let pages = books(&hub);
    let is = |wanted: fn(&Balance) -> bool| pages.iter().any(|page| wanted(&page.balance));
    assert!(is(|it| *it == Balance::Unknown), "{pages:?}");
    assert!(!is(|it| matches!(it, Balance::Odd { .. })), "{pages:?}");
}
