//! The records: what is written is read, and anything else is refused.

use bytes::Bytes;
use proptest::prelude::*;
use tidegate_types::position::{FrameNumber, Incarnation, Position};

use super::{name, shard};
use crate::lease::{
    BATCHES, Epoch, Holding, Key, RECORD_BYTES_MAX, RecordError, SessionId, SessionRecord, ShardId,
    ShardRecord,
};

fn names() -> impl Strategy<Value = String> {
    "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?"
}

fn session() -> impl Strategy<Value = SessionRecord> {
    (any::<(u64, u64, u64, bool)>(), names()).prop_map(
        |((number, nonce, counter, ended), region)| SessionRecord {
            number,
            nonce,
            region: name(&region),
            counter,
            ended,
        },
    )
}

fn holding() -> impl Strategy<Value = Holding> {
    let by = (names(), any::<u64>()).prop_map(|(node, number)| SessionId {
        node: name(&node),
        number,
    });
    let given = (names(), names(), any::<(u64, u64, u32)>());
    (by, any::<u64>(), proptest::option::of(given)).prop_map(|(by, epoch, given)| {
        let epoch = Epoch(epoch);
        match given {
            None => Holding::Held { by, epoch },
            Some((to, origin, (incarnation, frame, index))) => Holding::Yielded {
                by,
                epoch,
                to: name(&to),
                seal: Position {
                    origin,
                    incarnation: Incarnation(incarnation),
                    frame: FrameNumber(frame),
                    index,
                },
            },
        }
    })
}

fn shards() -> impl Strategy<Value = ShardRecord> {
    let id = (names(), proptest::option::of(names())).prop_map(|(flow, part)| match part {
        Some(part) => ShardId::part(&flow, &part).unwrap(),
        None => ShardId::whole(&flow).unwrap(),
    });
    proptest::collection::btree_map(id, holding(), 0..20).prop_map(|shards| ShardRecord { shards })
}

proptest! {
    #[test]
    fn sessions_come_back(record in session()) {
        prop_assert_eq!(SessionRecord::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn shards_come_back(record in shards()) {
        let bytes = record.encode();
        prop_assert!(bytes.len() <= record.bytes_at_most());
        prop_assert_eq!(ShardRecord::decode(&bytes), Ok(record));
    }

    #[test]
    fn cut_or_changed_bytes_never_panic(record in shards(), at: prop::sample::Index, flip: u8) {
        let bytes = record.encode();
        let cut = bytes.slice(..at.index(bytes.len()));
        prop_assert!(ShardRecord::decode(&cut).is_err());
        let mut changed = bytes.to_vec();
        changed[at.index(bytes.len())] ^= flip;
        if let Ok(other) = ShardRecord::decode(&changed.clone().into()) {
            prop_assert_eq!(other.encode(), Bytes::from(changed));
        }
    }

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        let _ = (SessionRecord::decode(&bytes).is_ok(), ShardRecord::decode(&bytes).is_ok());
    }
}

#[test]
fn other_versions_and_kinds_are_refused() {
    let session = SessionRecord {
        number: 1,
        nonce: 2,
        region: name("r"),
        counter: 3,
        ended: false,
    };
    let mut later = session.encode().to_vec();
    later[0] = 2;
    assert_eq!(
        SessionRecord::decode(&later.into()),
        Err(RecordError::Version(2))
    );
    assert_eq!(
        ShardRecord::decode(&session.encode()),
        Err(RecordError::Kind(1))
    );
    let long = Bytes::from(vec![1; RECORD_BYTES_MAX + 1]);
    assert_eq!(ShardRecord::decode(&long), Err(RecordError::Long));
}

/// The bytes are a format: other nodes, and later versions, read them.
#[test]
fn the_bytes_are_these() {
    let session = SessionRecord {
        number: 7,
        nonce: 0x0102_0304_0506_0708,
        region: name("us-east-1"),
        counter: 9,
        ended: true,
    };
    assert_eq!(
        hex(&session.encode()),
        "0101070000000000000008070605040302010900000075732d656173742d31090000000000000001"
    );
    let record = ShardRecord {
        shards: [(
            shard("f/0"),
            Holding::Held {
                by: SessionId {
                    node: name("a"),
                    number: 1,
                },
                epoch: Epoch(5),
            },
        )]
        .into(),
    };
    assert_eq!(
        hex(&record.encode()),
        "01020100000003000000662f300500000000000000010000006101000000000000000000"
            .strip_suffix("00")
            .unwrap()
    );
    assert_eq!(
        Key::of(&shard("orders-to-crm/7")),
        Key::of(&shard("orders-to-crm"))
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Ten thousand shards find room, with names as long as people make them.
#[test]
fn ten_thousand_shards_have_room() {
    let mut records = std::collections::BTreeMap::<Key, ShardRecord>::new();
    for flow in 0..625 {
        for part in 0..16 {
            let shard = shard(&format!("orders-of-department-{flow}-to-warehouse/{part}"));
            let holding = Holding::Held {
                by: SessionId {
                    node: name("us-east-1"),
                    number: 3,
                },
                epoch: Epoch(4),
            };
            let record = records.entry(Key::of(&shard)).or_default();
            record.shards.insert(shard, holding);
        }
    }
    let most = records
        .values()
        .map(ShardRecord::bytes_at_most)
        .max()
        .unwrap();
    let bytes = records.values().map(|record| record.encode().len());
    println!(
        "{} of {BATCHES} records, at most {most} bytes when all are given up, {} now",
        records.len(),
        bytes.max().unwrap()
    );
    assert!(most <= RECORD_BYTES_MAX, "{most}");
}

#[test]
fn shards_have_names() {
    for bad in ["", "/", "a/", "/a", "a/b/c", "A", "a/B"] {
        assert!(bad.parse::<ShardId>().is_err(), "{bad}");
    }
    assert_eq!(shard("a/b").flow(), "a");
    assert_eq!(shard("a").flow(), "a");
}
