//! Failing disks, full disks, and directories that are not what they should be.

use std::error::Error;

use tidegate_core::log::embedded::{EmbeddedLog, OpenOptions};
use tidegate_core::log::engine::{AppendError, Engine, FullCause, Retry};
use tidegate_core::log::memdisk::{Crash, Faults, MemDisk};
use tidegate_core::log::recovery::OpenError;
use tidegate_types::position::FrameNumber;
use tidegate_types::time::UnixMillis;

use crate::log_world::{NOW, SEGMENT_BYTES, append, entry, fill, open, read_all, try_open};

/// The frame of a failed sync can be read from the page cache and is not on disk: it must not be in the
/// log, now or after a restart, and the number goes to the next frame.
#[test]
fn after_a_failed_sync_the_log_goes_on_in_a_new_segment() {
    for crash in [Crash::LoseAll, Crash::KeepAll, Crash::Tear] {
        let disk = MemDisk::new(5);
        let (mut log, _) = open(&disk);
        fill(&mut log, 3, 100);
        let head = log.head();
        disk.set_faults(Faults {
            sync_fails_in: Some(0),
            ..Faults::default()
        });
        let error = append(&mut log, "lost").unwrap_err();
        assert_eq!(error.retry(), Retry::Now);
        let source = error.source().map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("sync failed as asked"));
        assert_eq!(log.head(), head);
        assert_eq!(log.status().segments, 2);
        assert_eq!(log.status().failures, 1);
        append(&mut log, "kept").unwrap();
        let frames = read_all(&log).unwrap();
        assert_eq!(frames.len(), 4);
        disk.crash(crash);
        let (log, report) = open(&disk);
        assert_eq!((report.cut, report.damage), (None, None));
        assert_eq!(read_all(&log).unwrap(), frames, "{crash:?}");
    }
}

/// Not even the new segment can be begun: the file of the failed sync is still not used again.
#[test]
fn the_segment_of_a_failed_sync_is_never_written_again() {
    let disk = MemDisk::new(5);
    let (mut log, _) = open(&disk);
    fill(&mut log, 3, 100);
    disk.set_faults(Faults {
        sync_fails_in: Some(0),
        create_fails_in: Some(0),
        ..Faults::default()
    });
    append(&mut log, "lost").unwrap_err();
    assert_eq!(log.status().segments, 1);
    append(&mut log, "kept").unwrap();
    assert_eq!(log.status().segments, 2);
    assert_eq!(read_all(&log).unwrap().len(), 4);
}

/// What was acknowledged is read again after a failure; if it is not what it was, the log stops.
#[test]
fn a_failure_that_took_an_acknowledged_frame_stops_the_log() {
    let disk = MemDisk::new(5);
    let (mut log, _) = open(&disk);
    fill(&mut log, 3, 100);
    disk.flip_bit("0000000000000001.segment", 256 + 3 * 200, 0);
    disk.set_faults(Faults {
        sync_fails_in: Some(0),
        ..Faults::default()
    });
    append(&mut log, "lost").unwrap_err();
    let error = append(&mut log, "refused").unwrap_err();
    assert!(matches!(&error, AppendError::Corrupt(damage) if damage.frame == FrameNumber(3)));
    assert_eq!(log.status().damage.unwrap().frame, FrameNumber(3));
}

/// The process dies right after the failed sync. The frame looks whole to the next process: it may be
/// taken only if it is then really on disk.
#[test]
fn a_frame_left_by_a_failed_sync_is_written_again_before_it_is_believed() {
    for seed in 0..20 {
        let disk = MemDisk::new(seed);
        let (mut log, _) = open(&disk);
        fill(&mut log, 3, 100);
        disk.set_faults(Faults {
            sync_fails_in: Some(0),
            stops_in: Some(2),
            ..Faults::default()
        });
        append(&mut log, &"x".repeat(2000)).unwrap_err();
        disk.crash(Crash::KeepAll);
        let (mut log, _) = open(&disk);
        let head = log.head();
        fill(&mut log, 1, 100);
        let frames = read_all(&log).unwrap();
        disk.crash(Crash::LoseAll);
        let (log, report) = open(&disk);
        assert_eq!(report.damage, None, "seed {seed}, head {head:?}");
        assert_eq!(read_all(&log).unwrap(), frames, "seed {seed}");
    }
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let disk = MemDisk::new(6);
    let (mut log, _) = open(&disk);
    disk.set_capacity(2 * SEGMENT_BYTES + 1000);
    let refused = loop {
        if let Err(error) = append(&mut log, &"x".repeat(400)) {
            break error;
        }
    };
    assert!(matches!(refused, AppendError::Full(FullCause::Disk)));
    assert_eq!(refused.retry(), Retry::Later);
    let head = log.head();
    append(&mut log, &"x".repeat(400)).unwrap_err();
    append(&mut log, "a small one still fits").unwrap();
    disk.set_capacity(u64::MAX);
    append(&mut log, &"x".repeat(400)).unwrap();
    assert_eq!(log.head().frame.0, head.frame.0 + 2);
    disk.crash(Crash::LoseAll);
    let (log, report) = open(&disk);
    assert_eq!(report.damage, None);
    assert_eq!(log.head().frame.0, head.frame.0 + 2);
    read_all(&log).unwrap();
}

#[test]
fn the_size_limit_refuses_until_something_is_trimmed() {
    let disk = MemDisk::new(6);
    let options = OpenOptions {
        segment_bytes: SEGMENT_BYTES,
        size_max: 3 * SEGMENT_BYTES,
        ..OpenOptions::new("us-east-1")
    };
    let (mut log, _) = EmbeddedLog::open(disk, options, NOW).unwrap();
    let refused = loop {
        if let Err(error) = append(&mut log, &"x".repeat(500)) {
            break error;
        }
    };
    assert!(matches!(refused, AppendError::Full(FullCause::SizeLimit)));
    let policy = tidegate_core::log::engine::TrimPolicy {
        keep: std::time::Duration::MAX,
        size_max: 2 * SEGMENT_BYTES,
    };
    log.trim(NOW, &policy, FrameNumber(u64::MAX)).unwrap();
    append(&mut log, &"x".repeat(500)).unwrap();
}

/// Every call of an append that begins a segment fails once; the log always goes on.
#[test]
fn any_single_failure_is_survived() {
    for at in 0..4 {
        for kind in 0..3 {
            let disk = MemDisk::new(at);
            let (mut log, _) = open(&disk);
            let fails = |which| (kind == which).then_some(at);
            let mut failures = 0;
            for number in 0..30 {
                if number == 5 {
                    disk.set_faults(Faults {
                        write_fails_in: fails(0),
                        sync_fails_in: fails(1),
                        create_fails_in: fails(2),
                        ..Faults::default()
                    });
                }
                let before = log.head();
                if append(&mut log, &"x".repeat(900)).is_err() {
                    failures += 1;
                    assert_eq!(log.head(), before);
                    append(&mut log, &"x".repeat(900)).unwrap();
                }
            }
            assert!(failures <= 1);
            let frames = read_all(&log).unwrap();
            assert_eq!(frames.len(), 30);
            disk.crash(Crash::LoseAll);
            let (log, report) = open(&disk);
            assert_eq!(report.damage, None);
            assert_eq!(read_all(&log).unwrap(), frames);
        }
    }
}

/// The disk fails in the middle of a series of chunks: readers pass over what is there of it.
#[test]
fn an_interrupted_series_of_chunks_is_passed_over() {
    let disk = MemDisk::new(8);
    let (mut log, _) = open(&disk);
    fill(&mut log, 1, 10);
    let large = entry(&"z".repeat(1_500_000));
    disk.set_faults(Faults {
        sync_fails_in: Some(5),
        ..Faults::default()
    });
    let head = log.head();
    log.append_large(NOW, &head, &large).unwrap_err();
    assert!(log.head().frame > head.frame, "some chunks are in the log");
    let head = log.head();
    let whole = log.append_large(NOW, &head, &large).unwrap();
    let reader = log.reader();
    let entries: Vec<_> = read_all(&log)
        .unwrap()
        .iter()
        .flat_map(|frame| {
            let entries = reader.entries(frame).unwrap();
            entries
                .into_iter()
                .map(|(index, _)| (frame.number(), index))
        })
        .collect();
    assert_eq!(entries, [(FrameNumber(1), 0), (whole.frame, 0)]);
}

#[test]
fn a_new_directory_is_a_new_incarnation() {
    let disk = MemDisk::new(9);
    let (log, report) = open(&disk);
    assert!(report.new_log);
    assert_eq!(report.to_string(), "new log");
    assert_eq!(log.head().incarnation.0, NOW.0);
    let later = OpenOptions::new("us-east-1");
    let (log, report) = EmbeddedLog::open(disk, later, UnixMillis(NOW.0 + 5)).unwrap();
    assert!(!report.new_log);
    assert_eq!(log.head().incarnation.0, NOW.0);
}

#[test]
fn the_log_of_another_region_is_refused() {
    let disk = MemDisk::new(9);
    open(&disk);
    let error = EmbeddedLog::open(disk, OpenOptions::new("us-west-2"), NOW).unwrap_err();
    assert!(matches!(error, OpenError::Origin { .. }));
    assert_eq!(
        error.to_string(),
        "the data directory holds the log of region us-east-1, not of us-west-2; \
         start with that region or with another data directory"
    );
}

#[test]
fn options_that_make_no_log_are_refused() {
    for options in [
        OpenOptions::new(""),
        OpenOptions::new(&"x".repeat(200)),
        OpenOptions {
            segment_bytes: 100,
            ..OpenOptions::new("a")
        },
    ] {
        let opened = EmbeddedLog::open(MemDisk::new(0), options, NOW);
        assert!(matches!(opened, Err(OpenError::Options(_))));
    }
}

/// A process that is killed while it begins a segment leaves a name that only the cache knows. The
/// next one must not acknowledge anything there before that name is on disk.
#[test]
fn a_segment_begun_by_a_killed_process_survives_a_power_loss() {
    for stops_in in 0..6 {
        let disk = MemDisk::new(stops_in);
        disk.set_faults(Faults {
            stops_in: Some(stops_in),
            ..Faults::default()
        });
        drop(try_open(&disk));
        disk.crash(Crash::KeepAll);
        let (mut log, _) = open(&disk);
        append(&mut log, "acknowledged").unwrap();
        disk.crash(Crash::LoseAll);
        let (log, _) = open(&disk);
        let head = log.head().frame;
        assert_eq!(head, FrameNumber(1), "stopped at call {stops_in}");
    }
}

/// The header of a segment can be read from the cache although its sync failed in an open before this
/// one: it must be written again before frames are acknowledged behind it.
#[test]
fn a_header_whose_sync_failed_is_written_again() {
    for (stops_in, sync) in (0..6).flat_map(|stops_in| [(stops_in, 0), (stops_in, 1)]) {
        for seed in 0..8 {
            let disk = MemDisk::new(seed);
            disk.set_faults(Faults {
                stops_in: Some(stops_in),
                ..Faults::default()
            });
            drop(try_open(&disk));
            disk.crash(Crash::KeepAll);
            disk.set_faults(Faults {
                sync_fails_in: Some(sync),
                ..Faults::default()
            });
            drop(try_open(&disk));
            disk.set_faults(Faults::default());
            let (mut log, _) = open(&disk);
            append(&mut log, "acknowledged").unwrap();
            disk.crash(Crash::LoseAll);
            let (log, report) = open(&disk);
            let found = (log.head().frame, report.damage);
            let at = format!("stopped at call {stops_in}, sync {sync} failed, seed {seed}");
            assert_eq!(found, (FrameNumber(1), None), "{at}");
        }
    }
}
