//! The conformance suite over the disk in memory.

use bytes::Bytes;

use super::*;
use crate::log::conformance::CHECKS;
use crate::log::entry::{Entry, encode_entry};
use crate::log::memdisk::MemDisk;

#[test]
fn conforms() {
    for (name, check) in CHECKS {
        println!("{name}");
        let disk = MemDisk::new(1);
        check(&mut || {
            let options = OpenOptions {
                segment_bytes: 64 * 1024,
                ..OpenOptions::new("us-east-1")
            };
            let (log, _) = EmbeddedLog::open(disk.clone(), options, UnixMillis(7)).unwrap();
            Box::new(log)
        });
    }
}

#[test]
fn the_first_segment_is_small_and_the_next_ones_have_their_size() {
    let disk = MemDisk::new(1);
    let nominal = 2 * FIRST_SEGMENT_BYTES_MAX;
    let options = OpenOptions {
        segment_bytes: nominal,
        ..OpenOptions::new("us-east-1")
    };
    let (mut log, _) = EmbeddedLog::open(disk.clone(), options.clone(), UnixMillis(7)).unwrap();
    let lengths = || {
        let mut files = disk.list().unwrap();
        files.sort();
        files.into_iter().map(|(_, len)| len).collect::<Vec<_>>()
    };
    assert_eq!(lengths(), [FIRST_SEGMENT_BYTES_MAX]);

    let entry = encode_entry(&Entry::Unknown {
        kind: 200,
        payload: Bytes::from(vec![7; 256 * 1024]),
    });
    let mut frame = FrameDraft::new();
    let mut fill = |log: &mut EmbeddedLog<MemDisk>, bytes: u64| {
        for _ in 0..bytes / (256 * 1024) {
            frame.clear();
            assert!(frame.push(&entry).is_some());
            let head = log.head();
            log.append(UnixMillis(8), &head, &mut frame).unwrap();
        }
    };
    fill(&mut log, FIRST_SEGMENT_BYTES_MAX);
    assert_eq!(lengths().len(), 2, "it is full");
    assert_eq!(lengths().last(), Some(&nominal));
    drop(log);

    // What a segment holds is what its file has room for, also after a restart.
    let (mut log, _) = EmbeddedLog::open(disk.clone(), options, UnixMillis(9)).unwrap();
    fill(&mut log, FIRST_SEGMENT_BYTES_MAX);
    assert_eq!(lengths().len(), 2);
    fill(&mut log, FIRST_SEGMENT_BYTES_MAX);
    assert_eq!(lengths().len(), 3);
}
