//! Every point at which a machine can stop, and every length of what it was writing.

use tidegate_core::log::engine::{Engine, TrimPolicy};
use tidegate_core::log::frame::Frame;
use tidegate_core::log::memdisk::{Crash, Faults, MemDisk};
use tidegate_types::position::FrameNumber;

use crate::log_world::{Log, NOW, append, open, read_all};

/// A few frames over several segments, then a trim: creation, writing, sealing and removal of segments.
fn work(log: &mut Log) {
    for number in 0..14 {
        if append(log, &format!("{number:>700}")).is_err() {
            return;
        }
    }
    let policy = TrimPolicy {
        keep: std::time::Duration::MAX,
        size_max: 6000,
    };
    // Where the machine stops on the way is seen afterwards.
    let _trimmed = log.trim(NOW, &policy, FrameNumber(7));
}

/// The log as it was when the machine stopped at the given call.
fn stopped_at(call: u64) -> (MemDisk, Log) {
    let disk = MemDisk::new(call);
    let (mut log, _) = open(&disk);
    disk.set_faults(Faults {
        stops_in: Some(call),
        ..Faults::default()
    });
    work(&mut log);
    (disk, log)
}

/// After the crash the log must open, hold the acknowledged frames as they were, and go on.
#[track_caller]
fn check(disk: &MemDisk, acknowledged: FrameNumber, whole: &[Frame], what: &str) {
    let (mut log, report) = open(disk);
    assert_eq!(report.damage, None, "{what}");
    let head = log.head().frame;
    assert!(
        head == acknowledged || head == acknowledged.next(),
        "{what}: frame {acknowledged} was acknowledged, the log ends at {head}"
    );
    let frames = read_all(&log).expect(what);
    for frame in &frames {
        let at = usize::try_from(frame.number().0 - 1).expect("few frames");
        assert_eq!(frame.bytes(), whole[at].bytes(), "{what}");
    }
    let first = frames.first().map_or_else(|| head.next(), Frame::number);
    assert!(first <= FrameNumber(7), "{what}: {first} was kept");
    append(&mut log, "on").expect(what);
    drop(log);
    let (log, report) = open(disk);
    assert_eq!(log.head().frame, head.next(), "{what}");
    assert_eq!(report.cut, None, "{what}: it was repaired for good");
    read_all(&log).expect(what);
}

#[test]
fn every_stop_and_every_length_of_the_last_write() {
    let disk = MemDisk::new(0);
    let (mut log, _) = open(&disk);
    // The same appends without a trim: of the same incarnation, hence byte for byte the same frames.
    for number in 0..14 {
        append(&mut log, &format!("{number:>700}")).unwrap();
    }
    let whole = read_all(&log).unwrap();
    assert_eq!(whole.len(), 14);

    let (mut tears, mut cuts) = (0, 0);
    for call in 0.. {
        let (disk, log) = stopped_at(call);
        if !disk.stopped() {
            assert!(call > 40, "the work has more calls than {call}");
            break;
        }
        let acknowledged = log.head().frame;
        let name = |how: Crash| format!("call {call}, {how:?}");
        for how in [Crash::LoseAll, Crash::KeepAll] {
            let disk = disk.fork();
            disk.crash(how);
            check(&disk, acknowledged, &whole, &name(how));
        }
        for seed in 0..4 {
            // The second crash comes while the first is repaired: it must be repaired again.
            let disk = disk.fork();
            disk.crash(Crash::Tear);
            disk.set_faults(Faults {
                stops_in: Some(seed),
                ..Faults::default()
            });
            let _opened = crate::log_world::try_open(&disk);
            disk.crash(Crash::Tear);
            check(&disk, acknowledged, &whole, &name(Crash::Tear));
        }
        for kept in 0..=disk.unsynced_bytes().unwrap_or(0) {
            let disk = disk.fork();
            let how = Crash::KeepBytes(kept);
            disk.crash(how);
            let (opened, report) = open(&disk.fork());
            tears += 1;
            cuts += u64::from(report.cut.is_some());
            drop(opened);
            check(&disk, acknowledged, &whole, &name(how));
        }
    }
    assert!(tears > 10_000 && cuts > 8_000, "{tears} {cuts}");
}
