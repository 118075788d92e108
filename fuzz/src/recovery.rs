//! A log whose disk was damaged anywhere, opened, read, written and opened again. It serves what was
//! appended and nothing else.

use std::io;

use bytes::Bytes;
use tidegate_core::log::FrameHash;
use tidegate_core::log::disk::{Disk, DiskFile};
use tidegate_core::log::embedded::{EmbeddedLog, OpenOptions};
use tidegate_core::log::engine::Engine;
use tidegate_core::log::entry::{Blame, Entry, EventEntry, Fault, FaultCause, encode_entry};
use tidegate_core::log::frame::FrameDraft;
use tidegate_core::log::memdisk::{Crash, MemDisk};
use tidegate_types::event::{Event, Raw};
use tidegate_types::id::EventId;
use tidegate_types::position::FrameNumber;
use tidegate_types::time::UnixMillis;

use crate::input::{byte, piece};

/// The smallest segment, so that a few frames make several.
const SEGMENT_BYTES: u64 = 4096;
/// Frames of one log.
const FRAMES_MAX: u8 = 24;
/// Places that are damaged.
const DAMAGES_MAX: usize = 16;

/// `frames byte, crash byte, payload of the entries, 0xff, damages of six bytes: segment, offset (2), length, value, kind`.
pub fn run(data: &[u8]) {
    let (count, rest) = byte(data);
    let (crash, rest) = byte(rest);
    let (payload, damages) = piece(rest, 0xff);
    let disk = MemDisk::new(u64::from(crash));
    let mut hashes = Vec::new();
    if write(&disk, count % FRAMES_MAX, payload, &mut hashes).is_none() {
        return;
    }
    disk.crash(match crash % 3 {
        0 => Crash::LoseAll,
        1 => Crash::KeepAll,
        _ => Crash::Tear,
    });
    damage(&disk, damages);
    let Ok((mut log, report)) = EmbeddedLog::open(disk.clone(), options(), UnixMillis(2)) else {
        return;
    };
    let _said = report.to_string();
    check(&log, &hashes);
    let head = log.head();
    let mut draft = FrameDraft::new();
    let _index = draft.push(&encode_entry(&Entry::Unknown {
        kind: 99,
        payload: Bytes::new(),
    }));
    let appended = log.append(UnixMillis(3), &head, &mut draft).ok();
    assert!(
        appended.is_none() || report.damage.is_none(),
        "a damaged log takes more"
    );
    drop(log);
    if let Some(appended) = appended {
        disk.crash(Crash::LoseAll);
        let again = EmbeddedLog::open(disk, options(), UnixMillis(4));
        let again = again.map(|(log, report)| (log.head(), report.damage));
        assert_eq!(
            again.ok(),
            Some((appended, None)),
            "what was acknowledged behind a repair is lost"
        );
    }
}

fn options() -> OpenOptions {
    OpenOptions {
        segment_bytes: SEGMENT_BYTES,
        size_max: 1 << 20,
        ..OpenOptions::new("local")
    }
}

/// Frames with entries of every kind whose payload is the fuzzer's.
fn write(disk: &MemDisk, count: u8, payload: &[u8], hashes: &mut Vec<FrameHash>) -> Option<()> {
    let (mut log, _) = EmbeddedLog::open(disk.clone(), options(), UnixMillis(1)).ok()?;
    let mut payloads = payload.split(|byte| *byte == 0xfe).cycle();
    for number in 0..count {
        let payload = Bytes::copy_from_slice(payloads.next()?.get(..2048).unwrap_or(payload));
        let mut draft = FrameDraft::new();
        draft.push(&encode_entry(&Entry::Unknown {
            kind: number % 9,
            payload,
        }))?;
        let head = log.head();
        hashes.push(log.append(UnixMillis(1), &head, &mut draft).ok()?.hash);
    }
    Some(())
}

/// Whatever is served was appended so, entries can be asked for, and every frame up to the head is there.
fn check<D: Disk>(log: &EmbeddedLog<D>, hashes: &[FrameHash])
where
    EmbeddedLog<D>: Engine,
{
    let reader = log.reader();
    let bounds = reader.bounds();
    let mut next = bounds.first;
    while next <= bounds.head.frame {
        let Ok(frames) = reader.read(next, 1 << 16) else {
            return;
        };
        assert!(!frames.is_empty(), "a frame below the head is not there");
        for frame in &frames {
            let at = usize::try_from(frame.number().0)
                .unwrap_or(usize::MAX)
                .saturating_sub(1);
            assert_eq!(
                Some(&frame.hash()),
                hashes.get(at),
                "a frame that was never appended is served"
            );
            let _entries = reader.entries(frame);
            next = frame.number().next();
        }
    }
    let _none = reader.read(FrameNumber(u64::MAX), 1);
    let _at = reader.frame_at_time(UnixMillis(1));
}

fn damage(disk: &MemDisk, damages: &[u8]) {
    let mut names: Vec<String> = disk
        .list()
        .unwrap_or_default()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.sort();
    for damage in damages.chunks_exact(6).take(DAMAGES_MAX) {
        // A file that was removed before can be damaged no more.
        let _done = damage_one(disk, &names, damage);
    }
    let _durable = disk.sync_dir();
}

fn damage_one(disk: &MemDisk, names: &[String], damage: &[u8]) -> io::Result<()> {
    let [segment, high, low, len, value, kind] = *damage else {
        return Ok(());
    };
    let Some(name) = names.get(usize::from(segment) % names.len().max(1)) else {
        return Ok(());
    };
    let offset = u64::from(u16::from_be_bytes([high, low])) % (SEGMENT_BYTES + 64);
    if kind % 8 == 0 {
        return disk.remove(name);
    }
    let file = disk.open(name)?;
    if kind % 8 == 1 {
        file.set_len(offset)?;
    } else {
        file.write_at(&vec![value; usize::from(len) + 1], offset)?;
    }
    file.sync_data()
}

/// An event and a fault as they stand in a frame.
pub(crate) fn event_entries() -> Vec<Vec<u8>> {
    let raw = Raw {
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        query: "a=b".to_owned(),
        body: Bytes::from_static(b"{\"n\":1}"),
    };
    let event = EventEntry {
        event: Event {
            id: EventId::from_bytes([1; 16]),
            flow: "f".to_owned(),
            external_id: "1".to_owned(),
            kind: "t".to_owned(),
            time: UnixMillis(1),
            received: UnixMillis(2),
            key: "k".to_owned(),
            content_type: "application/json".to_owned(),
            data: Bytes::from_static(b"1"),
            attributes: vec![("source".to_owned(), "/s".to_owned())],
            raw: Some(raw.clone()),
        },
        fingerprint: [2; 16],
    };
    let fault = Fault {
        id: EventId::from_bytes([3; 16]),
        flow: "f".to_owned(),
        cause: FaultCause::IdReused,
        blame: Blame::Them,
        message: "used before".to_owned(),
        time: UnixMillis(3),
        external_id: "1".to_owned(),
        event: Some(event.clone()),
        raw,
        fingerprint: [4; 16],
        carried: false,
    };
    let entries = [Entry::Event(event), Entry::Fault(Box::new(fault))];
    entries
        .iter()
        .map(|entry| encode_entry(entry).as_bytes().to_vec())
        .collect()
}

/// Logs of one and of several segments, with and without damage.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let payload: Vec<u8> = event_entries()
        .concat()
        .into_iter()
        .filter(|byte| *byte != 0xff)
        .collect();
    let seed = |frames: u8, crash: u8, damages: &[u8]| {
        [&[frames, crash], payload.as_slice(), &[0xff], damages].concat()
    };
    vec![
        seed(3, 0, &[]),
        seed(20, 1, &[0, 1, 44, 3, 0, 7]),
        seed(20, 2, &[1, 0, 4, 3, 9, 7]),
        seed(12, 0, &[0, 2, 0, 0, 0, 1]),
        seed(12, 0, &[1, 0, 0, 0, 0, 0]),
    ]
}
