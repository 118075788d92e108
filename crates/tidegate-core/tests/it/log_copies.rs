//! Copies of a log: the same bytes, several frames to a sync, torn and recovered.

use tidegate_core::log::embedded::{EmbeddedLog, GROUP_BYTES_MAX, OpenOptions};
use tidegate_core::log::engine::{AppendError, Engine, Head, TrimPolicy};
use tidegate_core::log::entry::{Entry, System, encode_entry};
use tidegate_core::log::frame::{Frame, genesis};
use tidegate_core::log::memdisk::{Crash, Faults, MemDisk};
use tidegate_core::log::recovery::RecoveryReport;
use tidegate_types::position::FrameNumber;

use crate::log_world::{Log, NOW, fill, open, read_all};

fn options() -> OpenOptions {
    OpenOptions {
        segment_bytes: 16 * 1024,
        ..OpenOptions::copy("us-east-1")
    }
}

/// A log of `count` frames, all of them, and what stands before the first.
fn original(count: u64, bytes: usize) -> (Vec<Frame>, Head) {
    let (mut log, _) = open(&MemDisk::new(9));
    let start = log.head();
    fill(&mut log, count, bytes);
    (read_all(&log).expect("a good log"), start)
}

fn copy(disk: &MemDisk, start: &Head) -> (Log, RecoveryReport) {
    EmbeddedLog::open_after(disk.clone(), options(), start, NOW).expect("the copy opens")
}

fn bytes_of(frames: &[Frame]) -> Vec<&[u8]> {
    frames.iter().map(|frame| &frame.bytes()[..]).collect()
}

#[test]
fn a_copy_has_the_same_bytes_and_survives() {
    let (frames, start) = original(200, 300);
    let disk = MemDisk::new(1);
    let (mut log, report) = copy(&disk, &start);
    assert!(report.new_log);
    let (_, before) = disk.counts();
    let head = log.append_frames(NOW, &frames[..150]).unwrap();
    assert_eq!(head.hash, frames[149].hash());
    let (_, after) = disk.counts();
    assert!(after - before < 20, "{} syncs", after - before);
    for frame in &frames[150..] {
        log.append_frames(NOW, std::slice::from_ref(frame)).unwrap();
    }
    assert_eq!(bytes_of(&read_all(&log).unwrap()), bytes_of(&frames));
    let head = log.head();
    drop(log);
    let (log, report) = copy(&disk, &start);
    assert_eq!((log.head(), report.cut), (head, None));
    assert_eq!(bytes_of(&read_all(&log).unwrap()), bytes_of(&frames));
}

#[test]
fn a_copy_may_begin_in_the_midst() {
    let (frames, _) = original(30, 100);
    let start = Head {
        incarnation: frames[0].header().incarnation,
        frame: FrameNumber(20),
        hash: frames[19].hash(),
    };
    let disk = MemDisk::new(1);
    let (mut log, _) = copy(&disk, &start);
    assert_eq!(log.reader().bounds().first, FrameNumber(21));
    assert_eq!(log.head(), start);
    drop(log);
    (log, _) = copy(&disk, &start);
    assert_eq!(log.head(), start, "an empty copy keeps its place");
    log.append_frames(NOW, &frames[20..]).unwrap();
    drop(log);
    let (log, _) = copy(&disk, &start);
    assert_eq!(bytes_of(&read_all(&log).unwrap()), bytes_of(&frames[20..]));
}

#[test]
fn what_does_not_follow_is_refused() {
    let (frames, start) = original(6, 100);
    let (mut other, _) = open(&MemDisk::new(3));
    fill(&mut other, 6, 90);
    let other = read_all(&other).unwrap();
    let (mut log, _) = copy(&MemDisk::new(1), &start);
    log.append_frames(NOW, &frames[..3]).unwrap();
    let head = log.head();
    for wrong in [&frames[4..], &frames[2..3], &other[3..4]] {
        let refused = log.append_frames(NOW, wrong);
        assert!(matches!(refused, Err(AppendError::Conflict { head: at }) if at == head));
        assert_eq!(log.head(), head);
    }
    log.append_frames(NOW, &frames[3..]).unwrap();
    assert_eq!(log.append_frames(NOW, &[]).unwrap(), log.head());
}

#[test]
fn a_group_that_is_torn_anywhere_is_cut_and_never_called_damage() {
    let (frames, start) = original(40, 400);
    let (mut cuts, mut kept_some) = (0, 0);
    for seed in 0..300 {
        let disk = MemDisk::new(seed);
        let (mut log, _) = copy(&disk, &start);
        log.append_frames(NOW, &frames[..10]).unwrap();
        disk.set_faults(Faults {
            stops_in: Some(0),
            ..Faults::default()
        });
        assert!(log.append_frames(NOW, &frames[10..30]).is_err());
        disk.crash(Crash::Tear);
        // A second crash while the first is repaired.
        disk.set_faults(Faults {
            stops_in: Some(seed % 3),
            ..Faults::default()
        });
        let _opened = EmbeddedLog::open_after(disk.clone(), options(), &start, NOW);
        disk.crash(Crash::Tear);
        let (mut log, report) = copy(&disk, &start);
        assert_eq!(report.damage, None, "seed {seed}");
        cuts += u64::from(report.cut.is_some());
        let head = log.head().frame.0;
        assert!((10..=30).contains(&head), "seed {seed}: {head}");
        kept_some += u64::from(head > 10);
        let at = usize::try_from(head).unwrap();
        log.append_frames(NOW, &frames[at..]).unwrap();
        drop(log);
        let (log, report) = copy(&disk, &start);
        assert_eq!((report.damage, report.cut), (None, None), "seed {seed}");
        assert_eq!(bytes_of(&read_all(&log).unwrap()), bytes_of(&frames));
    }
    assert!(cuts > 100 && kept_some > 50, "{cuts} {kept_some}");
}

#[test]
fn damage_further_up_than_one_write_is_named() {
    let (frames, start) = original(5000, 400);
    let total: usize = frames.iter().map(|frame| frame.bytes().len()).sum();
    assert!(total > GROUP_BYTES_MAX + 500_000);
    let options = OpenOptions {
        segment_bytes: 8 << 20,
        ..OpenOptions::copy("us-east-1")
    };
    let disk = MemDisk::new(1);
    let (mut log, _) = EmbeddedLog::open_after(disk.clone(), options.clone(), &start, NOW).unwrap();
    log.append_frames(NOW, &frames).unwrap();
    drop(log);
    disk.flip_bit("0000000000000001.segment", 100_000, 3);
    let (log, report) = EmbeddedLog::open_after(disk, options, &start, NOW).unwrap();
    let damage = report.damage.expect("it is more than a torn write");
    assert!(damage.frame > FrameNumber(100) && damage.frame < FrameNumber(400));
    assert_eq!(log.head().frame.next(), damage.frame);
}

#[test]
fn a_failed_sync_is_not_believed() {
    let (frames, start) = original(30, 400);
    let disk = MemDisk::new(5);
    let (mut log, _) = copy(&disk, &start);
    log.append_frames(NOW, &frames[..10]).unwrap();
    disk.set_faults(Faults {
        sync_fails_in: Some(0),
        ..Faults::default()
    });
    assert!(matches!(
        log.append_frames(NOW, &frames[10..]),
        Err(AppendError::Failed(_))
    ));
    assert_eq!(log.head().frame, FrameNumber(10));
    log.append_frames(NOW, &frames[10..]).unwrap();
    drop(log);
    disk.crash(Crash::LoseAll);
    let (log, report) = copy(&disk, &start);
    assert_eq!(report.damage, None);
    assert_eq!(bytes_of(&read_all(&log).unwrap()), bytes_of(&frames));
}

#[test]
fn a_series_of_chunks_is_trimmed_whole_or_not_at_all() {
    let disk = MemDisk::new(9);
    let own = OpenOptions {
        segment_bytes: 64 * 1024,
        ..OpenOptions::new("us-east-1")
    };
    let (mut log, _) = EmbeddedLog::open(disk, own, NOW).unwrap();
    let start = log.head();
    assert_eq!(start.hash, genesis("us-east-1", start.incarnation));
    fill(&mut log, 8, 1500);
    let large = encode_entry(&Entry::System(System {
        kind: "test".to_owned(),
        time: NOW,
        text: "x".repeat(2_000_000),
        tags: Vec::new(),
    }));
    let head = log.head();
    let joined = log.append_large(NOW, &head, &large).unwrap();
    fill(&mut log, 30, 1500);
    let frames = read_all(&log).unwrap();

    let (mut copy, _) = copy(&MemDisk::new(1), &start);
    // One by one, so that each frame could begin a segment.
    for frame in &frames {
        copy.append_frames(NOW, std::slice::from_ref(frame))
            .unwrap();
    }
    let reader = copy.reader();
    let mut trimmed = 0;
    loop {
        let first = reader.bounds().first;
        assert!(
            first <= FrameNumber(9) || first > joined.frame,
            "the log begins at {first}, in the midst of a series"
        );
        if first <= joined.frame {
            assert!(reader.read_entry(joined.frame, 0).is_ok());
        }
        let size_max = copy.status().bytes - 1;
        let policy = TrimPolicy {
            keep: std::time::Duration::MAX,
            size_max,
        };
        let report = copy.trim(NOW, &policy, FrameNumber(u64::MAX)).unwrap();
        if report.segments == 0 {
            break;
        }
        trimmed += report.segments;
    }
    assert!(trimmed > 3 && reader.bounds().first > joined.frame);
}
