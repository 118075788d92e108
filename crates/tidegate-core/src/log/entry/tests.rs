//! Round trips of every kind, and bytes that were made to break the decoder.

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tidegate_types::event::{Event, Raw};
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::time::UnixMillis;

use super::*;
use crate::books::{Hour, HourTally, Tally};

fn body() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..200).prop_map(Bytes::from)
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    vec((".{0,12}", ".{0,12}"), 0..4)
}

fn raw() -> impl Strategy<Value = Raw> {
    (pairs(), ".{0,20}", body()).prop_map(|(headers, query, body)| Raw {
        headers,
        query,
        body,
    })
}

prop_compose! {
    fn event()(
        id: [u8; 16], fingerprint: [u8; 16], time: u64, received: u64,
        texts in [".{0,12}", ".{0,12}", ".{0,12}", ".{0,12}", ".{0,12}"],
        data in body(), attributes in pairs(), raw in option::of(raw()), same_body: bool,
    ) -> EventEntry {
        let [flow, external_id, kind, key, content_type] = texts;
        let raw = raw.map(|raw| Raw { body: if same_body { data.clone() } else { raw.body }, ..raw });
        EventEntry {
            event: Event {
                id: EventId::from_bytes(id), flow, external_id, kind, key, content_type, data, attributes, raw,
                time: UnixMillis(time), received: UnixMillis(received),
            },
            fingerprint,
        }
    }
}

prop_compose! {
    fn fault()(
        id: [u8; 16], fingerprint: [u8; 16], cause in 1_u8.., blame in 1_u8.., time: u64,
        texts in [".{0,12}", ".{0,12}", ".{0,12}"], event in option::of(event()), raw in raw(), carried: bool,
    ) -> Fault {
        let [flow, message, external_id] = texts;
        Fault {
            id: EventId::from_bytes(id), flow, cause: FaultCause::from_code(cause),
            blame: Blame::from_code(blame), message, time: UnixMillis(time), external_id, event, raw,
            fingerprint, carried,
        }
    }
}

prop_compose! {
    fn cursor()(subscription in ".{0,12}", a: u64, b: u64, index: u32, time: u64) -> Cursor {
        let place = Place { incarnation: Incarnation(a), frame: FrameNumber(b), index };
        Cursor { subscription, place, time: UnixMillis(time) }
    }
}

fn place() -> impl Strategy<Value = Place> {
    any::<(u64, u64, u32)>().prop_map(|(incarnation, frame, index)| Place {
        incarnation: Incarnation(incarnation),
        frame: FrameNumber(frame),
        index,
    })
}

prop_compose! {
    fn receipt()(
        place in place(), id: [u8; 16], fault: Option<[u8; 16]>, status: u16, endpoint: u16,
        attempts: u32, time: u64,
    ) -> Receipt {
        let outcome = match fault {
            Some(fault) => ReceiptOutcome::SetAside { fault: EventId::from_bytes(fault) },
            None => ReceiptOutcome::Delivered { status, endpoint },
        };
        Receipt { place, id: EventId::from_bytes(id), outcome, attempts, time: UnixMillis(time) }
    }
}

prop_compose! {
    fn receipts()(
        flow in ".{0,12}", shard: u16, time: u64, low in place(), filtered in vec(any::<(u32, u64, u128)>(), 0..3),
        endpoints in vec(".{0,9}", 0..3), done in vec(receipt(), 0..5),
        held in vec((".{0,9}", place(), any::<Option<[u8; 16]>>()), 0..4), released in vec(".{0,9}", 0..3),
    ) -> Receipts {
        let held = held.into_iter().map(|(key, from, blocked)| HeldLane {
            key, from, blocked: blocked.map(EventId::from_bytes),
        });
        let filtered = filtered.into_iter().map(|(hour, count, digest)| HourTally {
            hour: Hour(hour), tally: Tally { count, digest },
        });
        Receipts {
            flow, shard, time: UnixMillis(time), low, filtered: filtered.collect(), endpoints, done,
            held: held.collect(), released,
        }
    }
}

prop_compose! {
    fn retrying()(
        texts in [".{0,9}", ".{0,9}", ".{0,9}"], shard: u16, place in place(), id: [u8; 16],
        counts: [u32; 2], times: [u64; 3], blame in 1_u8.., status: u16,
    ) -> Retrying {
        let [flow, key, text] = texts;
        Retrying {
            flow, shard, place, id: EventId::from_bytes(id), key, attempts: counts[0], sent: counts[1],
            since: UnixMillis(times[0]), next: UnixMillis(times[1]), blame: Blame::from_code(blame),
            status, text, time: UnixMillis(times[2]),
        }
    }
}

prop_compose! {
    fn mark()(
        receipts in receipts(), through in place(), as_of: u64, done in vec(place(), 0..4),
        set_aside in vec(any::<[u8; 16]>(), 0..3), retrying in vec(retrying(), 0..3),
    ) -> ParkEntry {
        ParkEntry::Mark(Box::new(ParkMark {
            flow: receipts.flow, shard: receipts.shard, time: receipts.time, low: receipts.low,
            held: receipts.held, through, as_of: FrameNumber(as_of), done, retrying,
            set_aside: set_aside.into_iter().map(EventId::from_bytes).collect(),
        }))
    }
}

fn run() -> impl Strategy<Value = PassedRun> {
    let run = (place(), any::<u64>(), vec(any::<[u8; 16]>(), 0..4));
    run.prop_map(|(first, appended, ids)| PassedRun {
        first,
        appended: UnixMillis(appended),
        ids: ids.into_iter().map(EventId::from_bytes).collect(),
    })
}

prop_compose! {
    fn given_up()(flow in ".{0,9}", shard: u16, time: u64, runs in vec(run(), 0..4)) -> GivenUp {
        GivenUp { flow, shard, time: UnixMillis(time), runs }
    }
}

fn park() -> impl Strategy<Value = ParkEntry> {
    let parked = (place(), any::<u64>(), event()).prop_map(|(place, appended, event)| {
        let appended = UnixMillis(appended);
        ParkEntry::Event(Box::new(ParkedEvent {
            place,
            appended,
            event,
        }))
    });
    prop_oneof![parked, vec(run(), 0..4).prop_map(ParkEntry::Passed), mark()]
}

/// Any entry.
fn closed() -> impl Strategy<Value = Entry> {
    let closed = (
        any::<[u64; 2]>(),
        any::<[u8; 16]>(),
        ".{0,9}",
        option::of(".{0,9}"),
    );
    closed.prop_map(|([a, b], id, text, reason)| {
        Entry::FaultClosed(Box::new(FaultClosed {
            id: EventId::from_bytes(id),
            set_aside: UnixMillis(a),
            flow: text.clone(),
            how: match reason {
                Some(reason) => Closing::Discarded { reason },
                None => Closing::Resubmitted {
                    superseded: a % 2 == 0,
                },
            },
            by: text,
            time: UnixMillis(b),
        }))
    })
}

pub(crate) fn entry() -> impl Strategy<Value = Entry> {
    let checkpoint = (any::<[u64; 3]>(), vec(cursor(), 0..3)).prop_map(|([a, b, c], cursors)| {
        Entry::Checkpoint(Checkpoint {
            oldest: FrameNumber(a),
            time: UnixMillis(b),
            cursors,
            faults_open: c,
        })
    });
    let system =
        (".{0,12}", any::<u64>(), ".{0,30}", pairs()).prop_map(|(kind, at, text, tags)| {
            Entry::System(System {
                kind,
                time: UnixMillis(at),
                text,
                tags,
            })
        });
    let chunk = (any::<u64>(), any::<u32>(), body()).prop_map(|(group, index, bytes)| {
        Entry::Chunk(Chunk {
            group,
            index,
            bytes,
        })
    });
    let joined = (any::<[u64; 3]>(), any::<u32>(), body()).prop_map(|([a, b, c], chunks, tail)| {
        Entry::Joined(Joined {
            group: a,
            chunks,
            total_len: b,
            first: FrameNumber(c),
            tail,
        })
    });
    let polled = (
        any::<[u64; 2]>(),
        any::<[u32; 3]>(),
        any::<bool>(),
        body(),
        [".{0,9}", ".{0,9}"],
    );
    let polled = polled.prop_map(|([number, time], counts, carried, cursor, [flow, etag])| {
        Entry::Polled(Box::new(Polled {
            flow,
            number,
            time: UnixMillis(time),
            cursor,
            etag,
            items: counts[0],
            faults: counts[1],
            filtered: counts[2],
            carried,
        }))
    });
    let unknown = (100_u8.., body()).prop_map(|(kind, payload)| Entry::Unknown { kind, payload });
    prop_oneof![
        4 => event().prop_map(Entry::Event),
        2 => fault().prop_map(|fault| Entry::Fault(Box::new(fault))),
        1 => cursor().prop_map(Entry::Cursor),
        1 => checkpoint,
        1 => system,
        1 => chunk,
        1 => joined,
        1 => polled,
        2 => receipts().prop_map(|entry| Entry::Receipts(Box::new(entry))),
        1 => retrying().prop_map(|entry| Entry::Retrying(Box::new(entry))),
        1 => closed(),
        1 => given_up().prop_map(|entry| Entry::GivenUp(Box::new(entry))),
        2 => park().prop_map(Entry::Park),
        1 => unknown,
    ]
}

proptest! {
    #[test]
    fn every_entry_round_trips(entry in entry()) {
        let bytes = Bytes::copy_from_slice(encode_entry(&entry).as_bytes());
        prop_assert_eq!(decode_entry(&bytes), Ok(entry));
    }

    #[test]
    fn what_is_cut_short_is_refused(entry in entry(), at: prop::sample::Index) {
        let encoded = encode_entry(&entry);
        let cut = at.index(encoded.len());
        let bytes = Bytes::copy_from_slice(&encoded.as_bytes()[..cut]);
        prop_assert!(decode_entry(&bytes).is_err());
    }

    /// A payload that ends early or late behind an honest length: only an unknown kind takes it.
    #[test]
    fn a_payload_of_another_length_is_refused(entry in entry(), at: prop::sample::Index, longer: bool) {
        prop_assume!(!matches!(entry, Entry::Unknown { .. }));
        let mut bytes = encode_entry(&entry).as_bytes().to_vec();
        if longer {
            bytes.push(0);
        } else {
            bytes.truncate(ENTRY_HEADER_BYTES + at.index(bytes.len() - ENTRY_HEADER_BYTES));
        }
        let len = u32::try_from(bytes.len() - 4).unwrap();
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        prop_assert!(decode_entry(&Bytes::from(bytes)).is_err());
    }

    /// Altered bytes give an error or another entry that itself round-trips; never a panic.
    #[test]
    fn altered_bytes_never_break_it(
        entry in entry(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = encode_entry(&entry).as_bytes().to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(read) = decode_entry(&Bytes::from(bytes)) {
            let again = Bytes::copy_from_slice(encode_entry(&read).as_bytes());
            prop_assert_eq!(decode_entry(&again), Ok(read));
        }
    }

    #[test]
    fn arbitrary_bytes_never_break_it(kind in 0_u8..17, payload in vec(any::<u8>(), 0..300)) {
        let mut bytes = u32::try_from(payload.len() + 1).unwrap().to_le_bytes().to_vec();
        bytes.push(kind);
        bytes.extend(payload);
        if let Ok(read) = decode_entry(&Bytes::from(bytes)) {
            let again = Bytes::copy_from_slice(encode_entry(&read).as_bytes());
            prop_assert_eq!(decode_entry(&again), Ok(read));
        }
    }
}

#[test]
fn bodies_are_slices_of_the_frame_and_equal_ones_are_stored_once() {
    let data = Bytes::from(vec![7; 1000]);
    let mut entry = EventEntry {
        event: Event {
            id: EventId::from_bytes([1; 16]),
            flow: "github".to_owned(),
            external_id: "1".to_owned(),
            kind: "push".to_owned(),
            time: UnixMillis(1),
            received: UnixMillis(2),
            key: String::new(),
            content_type: "application/json".to_owned(),
            data: data.clone(),
            attributes: Vec::new(),
            raw: Some(Raw {
                body: data,
                ..Raw::default()
            }),
        },
        fingerprint: [2; 16],
    };
    let once = encode_event(&entry);
    entry.event.raw.as_mut().unwrap().body = Bytes::from(vec![8; 1000]);
    let twice = encode_event(&entry);
    assert_eq!(twice.len() - once.len(), 1000 + 4);

    let bytes = Bytes::copy_from_slice(once.as_bytes());
    let Ok(Entry::Event(read)) = decode_entry(&bytes) else {
        panic!("an event was written");
    };
    let inside = bytes.as_ptr_range();
    assert!(inside.contains(&read.event.data.as_ptr()));
    assert_eq!(
        read.event.raw.unwrap().body.as_ptr(),
        read.event.data.as_ptr()
    );
}

#[test]
fn codes_and_names_never_change() {
    let causes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(|code| FaultCause::from_code(code).name());
    let expected = [
        "mapping",
        "identity",
        "id-reused",
        "overrun",
        "quarantined",
        "format",
        "exhausted",
        "rejected",
        "gone",
        "stuck",
    ];
    assert_eq!(causes, expected);
    let blames = [1, 2, 3, 4, 5].map(|code| Blame::from_code(code).name());
    assert_eq!(blames, ["us", "them", "path", "operator", "proxy"]);
    assert_eq!(Blame::from_code(9).code(), 9);
}
