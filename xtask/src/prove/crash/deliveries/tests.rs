use super::*;
use tidegate_core::log::entry::Receipt;
use tidegate_types::position::Incarnation;
use tidegate_types::time::UnixMillis;

fn id(number: u8) -> EventId {
    EventId::from_bytes([number; 16])
}

fn place(frame: u64) -> Place {
    Place {
        incarnation: Incarnation(1),
        frame: FrameNumber(frame),
        index: 0,
    }
}

/// A log with two events of one key in frames 1 and 2 and their receipts in frames 11 and 12; the first life ended
/// with frame 10, the second with frame 20.
fn log() -> Deliveries {
    let wanted = [1, 2].map(|number| Wanted {
        place: place(number.into()),
        id: id(number),
        key: "c1".to_owned(),
    });
    Deliveries {
        wanted: wanted.into(),
        receipts: [(id(1), FrameNumber(11)), (id(2), FrameNumber(12))].into(),
        ends: [(1, FrameNumber(10)), (2, FrameNumber(20))].into(),
    }
}

/// Requests: the event, the life, what was told.
fn taken(requests: &[(u8, u32, Told)]) -> Taken {
    let mut taken = Taken::default();
    for (at, (number, life, told)) in (1..).zip(requests) {
        let received = taken.events.entry(id(*number)).or_default();
        received.keys = vec!["k".to_owned()];
        received.arrivals.push(Arrival {
            at,
            life: *life,
            told: *told,
        });
    }
    taken
}

fn compare(log: &Deliveries, requests: &[(u8, u32, Told)]) -> (Delivered, Breaches) {
    let mut breaches = Breaches::default();
    let delivered = log.compare(&taken(requests), &mut breaches);
    (delivered, breaches)
}

/// The one kind of breach there is, with its number.
fn breach(log: &Deliveries, requests: &[(u8, u32, Told)], expected: Breach) -> u64 {
    let (_, breaches) = compare(log, requests);
    let text = breaches.to_string();
    assert_eq!(text.matches("BREACH").count(), 1, "{text}");
    breaches.count(expected)
}

#[test]
fn once_each_in_order_is_good() {
    let (delivered, breaches) = compare(&log(), &[(1, 2, Told::Done), (2, 2, Told::Done)]);
    assert!(breaches.is_empty(), "{breaches}");
    assert_eq!(delivered.events, 2);
}

#[test]
fn what_never_came_or_was_given_up_is_noticed() {
    assert_eq!(
        breach(&log(), &[(1, 2, Told::Done)], Breach::Undelivered),
        1
    );
    let given_up = [(1, 2, Told::Done), (2, 2, Told::Refused)];
    assert_eq!(breach(&log(), &given_up, Breach::Undelivered), 1);
}

#[test]
fn a_repeat_is_explained_by_a_crash_before_the_receipt_and_by_what_was_told() {
    let requests = [
        (1, 1, Told::Refused),
        (1, 1, Told::Nothing),
        (1, 1, Told::RefusedAfterAll),
        (1, 1, Told::Done),
        (1, 2, Told::Done),
        (2, 2, Told::Done),
    ];
    let (delivered, breaches) = compare(&log(), &requests);
    assert!(breaches.is_empty(), "{breaches}");
    assert_eq!((delivered.asked_for, delivered.unreceipted), (2, 1));
}

#[test]
fn a_repeat_without_a_reason_is_noticed() {
    // Within a life.
    let twice = [(1, 2, Told::Done), (1, 2, Told::Done), (2, 2, Told::Done)];
    assert_eq!(breach(&log(), &twice, Breach::Unexplained), 1);
    // The receipt was on disk when the life ended.
    let mut early = log();
    early.receipts.insert(id(1), FrameNumber(10));
    let twice = [(1, 1, Told::Done), (1, 2, Told::Done), (2, 2, Told::Done)];
    assert_eq!(breach(&early, &twice, Breach::Unexplained), 1);
    // It was answered in an earlier life, and lives went by in which the receipt got to disk.
    let mut late = log();
    late.ends.insert(3, FrameNumber(30));
    late.ends.insert(4, FrameNumber(40));
    let twice = [(1, 1, Told::Done), (2, 2, Told::Done), (1, 4, Told::Done)];
    assert_eq!(breach(&late, &twice, Breach::Unexplained), 1);
}

#[test]
fn the_wrong_order_is_noticed() {
    let swapped = [(2, 2, Told::Done), (1, 2, Told::Done)];
    assert_eq!(breach(&log(), &swapped, Breach::Disordered), 1);
    // In the right order, but before the receipt of the first was on disk.
    let hasty = [(1, 1, Told::Done), (2, 1, Told::Done)];
    assert_eq!(breach(&log(), &hasty, Breach::Disordered), 1);
    // Other keys do not wait for each other.
    let mut apart = log();
    apart.wanted[1].key = "c2".to_owned();
    let (_, breaches) = compare(&apart, &swapped);
    assert!(breaches.is_empty(), "{breaches}");
}

#[test]
fn what_is_not_on_disk_must_not_come() {
    let mut late = log();
    late.wanted[0].place = place(15);
    late.wanted[1].key.clear();
    let requests = [(1, 1, Told::Done), (2, 2, Told::Done)];
    assert_eq!(breach(&late, &requests, Breach::Premature), 1);
    let requests = [(1, 2, Told::Done), (2, 2, Told::Done), (9, 2, Told::Done)];
    assert_eq!(breach(&log(), &requests, Breach::Premature), 1);
}

#[test]
fn two_keys_for_one_event_are_noticed() {
    let mut taken = taken(&[(1, 2, Told::Done), (2, 2, Told::Done)]);
    if let Some(received) = taken.events.get_mut(&id(1)) {
        received.keys.push("another".to_owned());
    }
    let mut breaches = Breaches::default();
    log().compare(&taken, &mut breaches);
    assert_eq!(breaches.count(Breach::DeliveredTwice), 1);
}

#[test]
fn what_the_flow_sets_aside_is_noticed() {
    let receipt = Receipt {
        place: place(1),
        id: id(1),
        outcome: ReceiptOutcome::SetAside { fault: id(7) },
        attempts: 1,
        time: UnixMillis(1),
    };
    let receipts = Receipts {
        flow: FLOW.to_owned(),
        shard: 0,
        time: UnixMillis(1),
        low: place(2),
        filtered: Vec::new(),
        endpoints: Vec::new(),
        done: vec![receipt],
        held: Vec::new(),
        released: Vec::new(),
    };
    let mut breaches = Breaches::default();
    Deliveries::default().receipts(FrameNumber(3), &receipts, &mut breaches);
    assert_eq!(breaches.count(Breach::Undelivered), 1);
}
