//! What the tests of the log share.

use tidegate_core::log::embedded::{EmbeddedLog, OpenOptions};
use tidegate_core::log::engine::{AppendError, Engine, Head, LogReader};
use tidegate_core::log::entry::{EncodedEntry, Entry, System, encode_entry};
use tidegate_core::log::frame::{Frame, FrameDraft};
use tidegate_core::log::memdisk::MemDisk;
use tidegate_core::log::recovery::{OpenError, RecoveryReport};
use tidegate_types::position::FrameNumber;
use tidegate_types::time::UnixMillis;

pub(crate) const NOW: UnixMillis = UnixMillis(1_795_255_200_000);
pub(crate) const SEGMENT_BYTES: u64 = 4096;

pub(crate) type Log = EmbeddedLog<MemDisk>;

pub(crate) fn try_open(disk: &MemDisk) -> Result<(Log, RecoveryReport), OpenError> {
    let options = OpenOptions {
        segment_bytes: SEGMENT_BYTES,
        ..OpenOptions::new("us-east-1")
    };
    EmbeddedLog::open(disk.clone(), options, NOW)
}

pub(crate) fn open(disk: &MemDisk) -> (Log, RecoveryReport) {
    try_open(disk).expect("the log opens")
}

/// An entry whose last byte is not zero, so that each of its bytes counts.
pub(crate) fn entry(text: &str) -> EncodedEntry {
    encode_entry(&Entry::System(System {
        kind: "test".to_owned(),
        time: NOW,
        text: String::new(),
        tags: vec![("text".to_owned(), text.to_owned())],
    }))
}

pub(crate) fn append(log: &mut Log, text: &str) -> Result<Head, AppendError> {
    let mut draft = FrameDraft::new();
    assert_eq!(draft.push(&entry(text)), Some(0));
    let head = log.head();
    log.append(NOW, &head, &mut draft)
}

/// `count` frames with texts of `bytes` bytes.
pub(crate) fn fill(log: &mut Log, count: u64, bytes: usize) {
    for _ in 0..count {
        let number = log.head().frame.next();
        append(log, &format!("{number:>bytes$}")).expect("an append");
    }
}

/// All frames that are kept, checked to be in order and chained up to the head.
pub(crate) fn read_all(log: &Log) -> Result<Vec<Frame>, String> {
    let reader = log.reader();
    let bounds = reader.bounds();
    let frames = read_from(&*reader, bounds.first)?;
    let mut next = bounds.first;
    for pair in frames.windows(2) {
        if pair[1].header().prev != pair[0].hash() {
            return Err(format!("frame {} is not chained", pair[1].number()));
        }
    }
    for frame in &frames {
        if frame.number() != next {
            return Err(format!("frame {} where {next} should be", frame.number()));
        }
        next = next.next();
    }
    if let Some(last) = frames.last()
        && (last.number() != log.head().frame || last.hash() != log.head().hash)
    {
        return Err("the head is not the last frame".to_owned());
    }
    Ok(frames)
}

fn read_from(reader: &dyn LogReader, first: FrameNumber) -> Result<Vec<Frame>, String> {
    let mut frames: Vec<Frame> = Vec::new();
    loop {
        let next = frames.last().map_or(first, |frame| frame.number().next());
        if next > reader.bounds().head.frame {
            return Ok(frames);
        }
        let page = reader.read(next, 3000).map_err(|error| error.to_string())?;
        if page.is_empty() {
            return Err(format!("frame {next} is missing"));
        }
        frames.extend(page);
    }
}
