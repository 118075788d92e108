//! Headers and footers round-trip, and are found only where they are whole.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::log::disk::Disk;
use crate::log::memdisk::MemDisk;

fn header() -> SegmentHeader {
    SegmentHeader {
        incarnation: Incarnation(1),
        sequence: 2,
        first: FrameNumber(3),
        prev: [4; 32],
        created: UnixMillis(5),
        origin: "us-east-1".to_owned(),
    }
}

fn footer(entries: u64) -> Footer {
    let entry = |frame| IndexEntry {
        frame: FrameNumber(frame),
        time: UnixMillis(frame * 2),
        offset: frame * 3,
    };
    Footer {
        incarnation: Incarnation(1),
        extent: Extent {
            first: FrameNumber(3),
            last: FrameNumber(9),
            first_time: UnixMillis(10),
            last_time: UnixMillis(11),
            end: 700,
        },
        hash: [12; 32],
        index: (0..entries).map(entry).collect(),
    }
}

#[test]
fn a_header_is_read_as_it_was_written() {
    let file = MemDisk::new(0).create("a", 1000).unwrap();
    assert!(matches!(SegmentHeader::read(&file), Ok(HeaderState::Bad)));
    file.write_at(&header().encode(), 0).unwrap();
    let read = SegmentHeader::read(&file);
    assert!(matches!(read, Ok(HeaderState::Good(read)) if read == header()));
}

#[test]
fn a_header_of_a_later_version_is_named() {
    let file = MemDisk::new(0).create("a", 1000).unwrap();
    let mut bytes = header().encode();
    bytes[4] = 9;
    file.write_at(&checksum(bytes), 0).unwrap();
    assert!(matches!(
        SegmentHeader::read(&file),
        Ok(HeaderState::Version(9))
    ));
}

#[test]
fn a_footer_is_found_from_both_sides() {
    for entries in [0, 1, 1000] {
        let file = MemDisk::new(0).create("a", 100_000).unwrap();
        assert_eq!(Footer::read(&file).unwrap(), None);
        assert_eq!(Footer::find(&file, 700).unwrap(), None);
        let footer = footer(entries);
        let len = footer.write(&file).unwrap();
        assert_eq!(file.len().unwrap(), len);
        assert_eq!(Footer::read(&file).unwrap(), Some(footer.clone()));
        assert_eq!(Footer::find(&file, 700).unwrap(), Some(footer.clone()));
        // The file was not cut: it is still found from the front.
        file.set_len(len + 5000).unwrap();
        assert_eq!(Footer::read(&file).unwrap(), None);
        assert_eq!(Footer::find(&file, 700).unwrap(), Some(footer));
    }
}

#[test]
fn names_sort_as_sequences_do() {
    for sequence in [0, 1, 9, 10, 255, 256, u64::MAX] {
        assert_eq!(sequence_of(&segment_name(sequence)), Some(sequence));
    }
    assert!(segment_name(255) < segment_name(256));
    for other in ["lock", "1.segment", "000000000000000G.segment", ".segment"] {
        assert_eq!(sequence_of(other), None, "{other}");
    }
}

proptest! {
    #[test]
    fn altered_ends_are_refused(at: prop::sample::Index, bit in 0_u8..8) {
        let disk = MemDisk::new(0);
        let file = disk.create("a", 256 + 444).unwrap();
        file.write_at(&header().encode(), 0).unwrap();
        let len = footer(3).write(&file).unwrap();
        let used = 256 + usize::try_from(len).unwrap() - 700;
        let at = at.index(used) as u64;
        let in_header = at < 256;
        disk.flip_bit("a", if in_header { at } else { at - 256 + 700 }, bit);
        if in_header {
            let bad = matches!(SegmentHeader::read(&file), Ok(HeaderState::Bad));
            prop_assert!(bad);
        } else {
            prop_assert_eq!(Footer::read(&file).unwrap(), None);
        }
    }

    #[test]
    fn arbitrary_ends_never_break_it(bytes in vec(any::<u8>(), 0..400)) {
        let disk = MemDisk::new(0);
        let file = disk.create("a", 0).unwrap();
        file.write_at(&bytes, 0).unwrap();
        prop_assert!(Footer::read(&file).unwrap().is_none());
        file.write_at(b"TGX1", 0).unwrap();
        prop_assert!(Footer::find(&file, 0).unwrap().is_none());
    }
}
