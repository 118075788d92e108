//! Flipped bits: what is damaged is named and never served, what stands before it is.

use tidegate_core::log::engine::{AppendError, Engine, ReadError, Retry, ScrubCursor};
use tidegate_core::log::frame::Frame;
use tidegate_core::log::memdisk::MemDisk;
use tidegate_core::log::recovery::OpenError;
use tidegate_types::position::FrameNumber;

use crate::log_world::{append, fill, open, read_all, try_open};

const FIRST: &str = "0000000000000001.segment";
const SECOND: &str = "0000000000000002.segment";
const HEADER_BYTES: u64 = 256;

/// A log of `count` frames of about 300 bytes, and its frames.
fn log_of(count: u64) -> (MemDisk, Vec<Frame>) {
    let disk = MemDisk::new(3);
    let (mut log, _) = open(&disk);
    fill(&mut log, count, 180);
    let frames = read_all(&log).expect("a readable log");
    (disk, frames)
}

/// Every single bit of a frame in the middle of the last segment.
#[test]
fn a_bad_frame_with_good_ones_behind_it_is_damage() {
    let (disk, frames) = log_of(6);
    let before = &frames[..3];
    let from = HEADER_BYTES
        + before
            .iter()
            .map(|frame| frame.bytes().len() as u64)
            .sum::<u64>();
    for at in 0..frames[3].bytes().len() as u64 {
        let bit = u8::try_from(at % 8).unwrap();
        let disk = disk.fork();
        disk.flip_bit(FIRST, from + at, bit);
        let content = disk.content(FIRST);
        let (mut log, report) = open(&disk);
        let damage = report.damage.expect("damage is reported");
        let place = (damage.segment.as_str(), damage.offset, damage.frame);
        assert_eq!(
            place,
            (FIRST, from, FrameNumber(4)),
            "bit {bit} of byte {at}"
        );
        assert_eq!(read_all(&log).unwrap(), before);
        let past = log.reader().read(FrameNumber(4), 1);
        assert!(matches!(past, Err(ReadError::Corrupt(found)) if *found == damage));
        let refused = append(&mut log, "more").unwrap_err();
        assert_eq!(refused.retry(), Retry::Never);
        assert!(matches!(refused, AppendError::Corrupt(found) if *found == damage));
        assert_eq!(log.status().damage, Some(damage));
        drop(log);
        assert_eq!(disk.content(FIRST), content, "nothing is changed on disk");
    }
}

/// The last frame alone cannot be told from one that was torn: it is cut, and that is said.
#[test]
fn a_bad_last_frame_is_cut_and_reported() {
    let (disk, frames) = log_of(4);
    let last = &frames[3];
    let end: u64 = frames.iter().map(|frame| frame.bytes().len() as u64).sum();
    let from = HEADER_BYTES + end - last.bytes().len() as u64;
    for at in 0..last.bytes().len() as u64 {
        let disk = disk.fork();
        disk.flip_bit(FIRST, from + at, 0);
        let (mut log, report) = open(&disk);
        assert_eq!(report.damage, None);
        let cut = report.cut.as_ref().expect("a cut is reported");
        assert_eq!((cut.offset, cut.frame), (from, FrameNumber(4)));
        assert!(
            report.to_string().contains("unacknowledged frame 4"),
            "{report}"
        );
        assert_eq!(read_all(&log).unwrap(), &frames[..3]);
        append(&mut log, "on").unwrap();
        let (log, report) = open(&disk);
        assert_eq!((report.cut, log.head().frame), (None, FrameNumber(4)));
    }
}

/// Sealed segments are not read at open: a read finds the damage, and so does a scrub.
#[test]
fn damage_in_a_sealed_segment_is_found_by_reads_and_scrubs() {
    let (disk, frames) = log_of(40);
    let from = HEADER_BYTES + frames[0].bytes().len() as u64;
    disk.flip_bit(FIRST, from + 100, 5);
    let (log, report) = open(&disk);
    assert_eq!(report.damage, None);
    let reader = log.reader();
    let bad = |error| match error {
        ReadError::Corrupt(damage) => (damage.segment, damage.offset, damage.frame),
        error => panic!("{error}"),
    };
    let place = (FIRST.to_owned(), from, FrameNumber(2));
    assert_eq!(bad(reader.read(FrameNumber(2), 1).unwrap_err()), place);
    let cursor = ScrubCursor::default();
    assert_eq!(bad(reader.scrub(&cursor, 100_000).unwrap_err()), place);
    let last = reader.read(FrameNumber(40), 1).unwrap();
    assert_eq!(last[0], frames[39]);
}

#[test]
fn a_damaged_footer_is_made_again() {
    let (disk, frames) = log_of(40);
    let len = disk.content(FIRST).unwrap().len() as u64;
    for back in 1..100 {
        let disk = disk.fork();
        disk.flip_bit(FIRST, len - back, 1);
        let (log, report) = open(&disk);
        assert_eq!((report.damage, report.footers_repaired), (None, 1));
        assert_eq!(read_all(&log).unwrap(), frames);
        let (_, report) = open(&disk);
        assert_eq!(report.footers_repaired, 0);
    }
}

#[test]
fn a_damaged_segment_header_is_damage() {
    let (disk, frames) = log_of(40);
    let sealed = frames
        .iter()
        .filter(|frame| frame.number() < second_first(&disk));
    let sealed: Vec<Frame> = sealed.cloned().collect();
    for at in 0..60 {
        let disk = disk.fork();
        disk.flip_bit(SECOND, at, 1);
        let (log, report) = open(&disk);
        let damage = report.damage.expect("damage is reported");
        assert_eq!((damage.segment.as_str(), damage.offset), (SECOND, 0));
        assert_eq!(read_all(&log).unwrap(), sealed);
        disk.flip_bit(FIRST, at, 1);
        let opened = try_open(&disk);
        assert!(matches!(opened, Err(OpenError::Damaged(damage)) if damage.segment == FIRST));
    }
}

/// First frame of the second segment, as its header says.
fn second_first(disk: &MemDisk) -> FrameNumber {
    let content = disk.content(SECOND).expect("a second segment");
    let first = content[28..36].try_into().expect("eight bytes");
    FrameNumber(u64::from_le_bytes(first))
}

#[test]
fn a_lost_segment_is_damage() {
    use tidegate_core::log::disk::Disk;
    let (disk, frames) = log_of(40);
    let next = second_first(&disk);
    disk.remove(SECOND).unwrap();
    let (log, report) = open(&disk);
    let damage = report.damage.expect("damage is reported");
    assert_eq!(damage.frame, next);
    assert!(read_all(&log).is_err() || log.head().frame.next() == next);
    let before = log.reader().read(FrameNumber(1), usize::MAX).unwrap();
    assert_eq!(before[..], frames[..before.len()]);
}

/// A body that holds what looks like the next frames does not turn a torn tail into damage.
#[test]
fn frames_inside_a_torn_frame_are_not_believed() {
    use tidegate_core::log::entry::{Entry, encode_entry};
    use tidegate_core::log::frame::FrameDraft;
    use tidegate_core::log::memdisk::{Crash, Faults};
    let (other, _) = log_of(9);
    let (spoof, _) = open(&other);
    let inside = read_all(&spoof).unwrap();
    let payload: Vec<u8> = inside
        .iter()
        .flat_map(|frame| frame.bytes().to_vec())
        .collect();
    let total = payload.len();
    let entry = encode_entry(&Entry::Unknown {
        kind: 200,
        payload: payload.into(),
    });
    let disk = MemDisk::new(4);
    let (mut log, _) = open(&disk);
    fill(&mut log, 2, 100);
    disk.set_faults(Faults {
        stops_in: Some(0),
        ..Faults::default()
    });
    let mut draft = FrameDraft::new();
    assert!(draft.push(&entry).is_some());
    let head = log.head();
    log.append(crate::log_world::NOW, &head, &mut draft)
        .unwrap_err();
    disk.crash(Crash::KeepBytes(total));
    let (log, report) = open(&disk);
    assert_eq!(report.damage, None);
    assert!(report.cut.is_some());
    assert_eq!(log.head(), head);
}
