//! What any engine must do: a suite for the tests of every engine.
//!
//! Each check starts from an empty log. All of them panic with a message when the engine is wrong, so
//! they are called from tests only.

use std::time::Duration;

use bytes::Bytes;
use tidegate_types::position::FrameNumber;
use tidegate_types::time::UnixMillis;

use super::engine::{
    AppendError, Engine, Head, LogReader, ReadError, Retry, ScrubCursor, TrimPolicy,
};
use super::entry::{EncodedEntry, Entry, System, encode_entry};
use super::frame::{Frame, FrameDraft};
use super::{ENTRY_BYTES_MAX, FRAME_BYTES_MAX};

/// Opens the engine under test. The first call gives an empty log; each later one opens it again as it
/// was left, after the engine and all its readers were dropped.
pub type Open<'a> = dyn FnMut() -> Box<dyn Engine> + 'a;

/// One check.
pub type Check = fn(&mut Open<'_>);

/// All checks, by name. Give each an empty log of its own, with segments so small that a few hundred
/// KiB fill several.
pub const CHECKS: [(&str, Check); 9] = [
    ("an empty log", empty_log),
    ("what is appended is read", appended_is_read),
    ("the expectation is checked", expectation),
    ("reads are bounded", bounded_reads),
    ("time never goes back", times),
    ("large entries", large_entries),
    ("too large an entry", too_large),
    ("trim and what holds it", trimming),
    ("scrub", scrubbing),
];

const START: UnixMillis = UnixMillis(1_795_255_200_000);

fn at(number: u64) -> UnixMillis {
    START.plus(Duration::from_secs(number))
}

fn system(text: &str) -> Entry {
    Entry::System(System {
        kind: "test".to_owned(),
        time: START,
        text: text.to_owned(),
        tags: Vec::new(),
    })
}

/// Appends a frame with these entries.
fn append(log: &mut dyn Engine, now: UnixMillis, entries: &[EncodedEntry]) -> Head {
    let mut draft = FrameDraft::new();
    for entry in entries {
        assert!(draft.push(entry).is_some(), "the frame is too small");
    }
    let head = log.head();
    let appended = log.append(now, &head, &mut draft);
    let appended = appended.expect("an append with the right expectation");
    assert_eq!(appended, log.head(), "append gives the new head");
    assert_eq!(appended.frame, head.frame.next(), "frames have no gaps");
    appended
}

/// Appends `count` frames of about `bytes` bytes, one second apart.
fn fill(log: &mut dyn Engine, count: u64, bytes: usize) {
    for _ in 0..count {
        let number = log.head().frame.next().0;
        let mut text = format!("frame {number} ");
        text.extend(std::iter::repeat_n('x', bytes));
        append(log, at(number), &[encode_entry(&system(&text))]);
    }
}

/// All frames from `from` on, checked to be in order and chained.
fn read_all(reader: &dyn LogReader, from: FrameNumber, bytes_max: usize) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    loop {
        let next = frames.last().map_or(from, |frame| frame.number().next());
        let page = reader.read(next, bytes_max).expect("a readable log");
        if page.is_empty() {
            return frames;
        }
        for frame in page {
            let before = frames.last();
            let expected = before.map_or(from, |frame| frame.number().next());
            assert_eq!(frame.number(), expected, "frames come in order");
            if let Some(before) = before {
                assert_eq!(frame.header().prev, before.hash(), "frames are chained");
            }
            frames.push(frame);
        }
    }
}

fn texts(reader: &dyn LogReader, frames: &[Frame]) -> Vec<String> {
    let entries = frames
        .iter()
        .flat_map(|frame| reader.entries(frame).expect("readable entries"));
    entries
        .filter_map(|(_, entry)| match entry {
            Entry::System(system) => Some(system.text),
            _ => None,
        })
        .collect()
}

fn empty_log(open: &mut Open<'_>) {
    let log = open();
    let head = log.head();
    assert_eq!(head.frame, FrameNumber(0));
    let reader = log.reader();
    assert_eq!(reader.bounds().first, FrameNumber(1));
    assert!(reader.read(FrameNumber(0), 1).expect("empty").is_empty());
    assert!(reader.read(FrameNumber(1), 1).expect("empty").is_empty());
    let found = reader.frame_at_time(START).expect("empty");
    assert_eq!(found, FrameNumber(1));
    drop((log, reader));
    assert_eq!(open().head(), head, "an empty log keeps its incarnation");
}

fn appended_is_read(open: &mut Open<'_>) {
    let mut log = open();
    let reader = log.reader();
    let entries = ["a", "b", "c"].map(|text| encode_entry(&system(text)));
    let first = append(log.as_mut(), START, &entries);
    assert_eq!(reader.bounds().head, first, "a reader sees the new head");
    let entry = reader
        .read_entry(first.frame, 1)
        .expect("the entry is there");
    assert_eq!(entry, system("b"));
    let missing = reader.read_entry(first.frame, 3);
    assert!(matches!(missing, Err(ReadError::NoEntry { .. })));
    let unknown = EncodedEntry::clone(&encode_entry(&Entry::Unknown {
        kind: 250,
        payload: Bytes::from_static(b"later"),
    }));
    append(log.as_mut(), START, &[unknown, encode_entry(&system("d"))]);
    fill(log.as_mut(), 40, 20_000);
    let before = read_all(&*reader, FrameNumber(1), 1);
    assert_eq!(before.len(), 42);
    assert_eq!(before.last().map(Frame::hash), Some(log.head().hash));
    assert_eq!(texts(&*reader, &before[..2]), ["a", "b", "c", "d"]);
    let head = log.head();
    drop((log, reader));

    let mut log = open();
    assert_eq!(log.head(), head, "the head survives");
    fill(log.as_mut(), 3, 20_000);
    let after = read_all(&*log.reader(), FrameNumber(1), usize::MAX);
    assert_eq!(after[..42], before, "frames survive byte for byte");
    assert_eq!(after.len(), 45);
}

fn expectation(open: &mut Open<'_>) {
    let mut log = open();
    let stale = log.head();
    let head = append(log.as_mut(), START, &[encode_entry(&system("a"))]);
    let mut draft = FrameDraft::new();
    assert_eq!(draft.push(&encode_entry(&system("b"))), Some(0));
    let mut other_hash = head;
    other_hash.hash[0] ^= 1;
    for expect in [stale, other_hash] {
        match log.append(START, &expect, &mut draft) {
            Err(error @ AppendError::Conflict { head: found }) => {
                assert_eq!(found, head);
                assert_eq!(error.retry(), Retry::Recheck);
            }
            other => assert!(other.is_err(), "a stale expectation was accepted"),
        }
        let large = encode_entry(&system(&"x".repeat(FRAME_BYTES_MAX)));
        let large = log.append_large(START, &expect, &large);
        assert!(matches!(large, Err(AppendError::Conflict { .. })));
    }
    assert_eq!(log.head(), head, "a refused frame leaves no trace");
    let appended = log.append(START, &head, &mut draft);
    assert!(appended.is_ok(), "the draft can be used again");
    let frames = read_all(&*log.reader(), FrameNumber(1), usize::MAX);
    assert_eq!(texts(&*log.reader(), &frames), ["a", "b"]);
}

fn bounded_reads(open: &mut Open<'_>) {
    let mut log = open();
    fill(log.as_mut(), 60, 10_000);
    let reader = log.reader();
    for bytes_max in [0, 1, 10_000, 25_000, 100_000, usize::MAX] {
        let frames = reader.read(FrameNumber(5), bytes_max).expect("readable");
        let bytes: usize = frames.iter().map(|frame| frame.bytes().len()).sum();
        assert_eq!(frames[0].number(), FrameNumber(5));
        assert!(bytes <= bytes_max.saturating_add(11_000), "{bytes}");
        let all = read_all(&*reader, FrameNumber(1), bytes_max);
        assert_eq!(all.len(), 60);
    }
    let past = reader.read(FrameNumber(61), 1).expect("past the head");
    assert!(past.is_empty());
}

fn times(open: &mut Open<'_>) {
    let mut log = open();
    fill(log.as_mut(), 30, 15_000);
    // The clock steps back.
    append(log.as_mut(), at(3), &[encode_entry(&system("late"))]);
    drop(log);
    let mut log = open();
    append(log.as_mut(), at(2), &[encode_entry(&system("later"))]);
    let reader = log.reader();
    for number in 1..=30 {
        let found = reader.frame_at_time(at(number)).expect("readable");
        assert_eq!(found, FrameNumber(number));
        let before = UnixMillis(at(number).0 - 1);
        let found = reader.frame_at_time(before).expect("readable");
        assert_eq!(found, FrameNumber(number));
    }
    let found = reader.frame_at_time(at(31)).expect("readable");
    assert_eq!(found, FrameNumber(33), "nothing is that young");
    let frames = read_all(&*reader, FrameNumber(1), usize::MAX);
    assert!(frames.is_sorted_by_key(|frame| frame.header().time));
    assert_eq!(log.status().newest, Some(at(30)));
}

fn large_entries(open: &mut Open<'_>) {
    let mut log = open();
    let mut places = Vec::new();
    for bytes in [FRAME_BYTES_MAX - 20, FRAME_BYTES_MAX, 1_200_000, 3_000_000] {
        fill(log.as_mut(), 1, 100);
        let text: String = ('a'..='z').cycle().take(bytes).collect();
        let entry = encode_entry(&system(&text));
        assert!(!entry.fits_frame());
        let head = log.head();
        let head = log
            .append_large(START, &head, &entry)
            .expect("a large entry");
        assert_eq!(head, log.head());
        places.push((head.frame, system(&text)));
    }
    fill(log.as_mut(), 1, 100);
    for _ in 0..2 {
        let reader = log.reader();
        for (frame, entry) in &places {
            let read = reader.read_entry(*frame, 0).expect("a joined entry");
            assert_eq!(read, *entry);
        }
        let frames = read_all(&*reader, FrameNumber(1), usize::MAX);
        let lengths: Vec<_> = texts(&*reader, &frames).iter().map(String::len).collect();
        let large = lengths.iter().filter(|len| **len > 1000).count();
        assert_eq!((lengths.len(), large), (9, 4), "chunks are not entries");
        drop((log, reader));
        log = open();
    }
}

fn too_large(open: &mut Open<'_>) {
    let mut log = open();
    let entry = encode_entry(&system(&"x".repeat(ENTRY_BYTES_MAX)));
    let head = log.head();
    match log.append_large(START, &head, &entry) {
        Err(error @ AppendError::TooLarge { .. }) => assert_eq!(error.retry(), Retry::Never),
        other => assert!(other.is_err(), "an entry without limit was accepted"),
    }
    assert_eq!(log.head(), head);
}

fn trimming(open: &mut Open<'_>) {
    let mut log = open();
    fill(log.as_mut(), 100, 20_000);
    let reader = log.reader();
    let keep_all = TrimPolicy {
        keep: Duration::from_hours(1),
        size_max: u64::MAX,
    };
    let half = TrimPolicy {
        keep: Duration::from_secs(50),
        size_max: u64::MAX,
    };
    let end = FrameNumber(u64::MAX);
    let report = log.trim(at(100), &keep_all, end).expect("a trim");
    assert_eq!((report.segments, report.oldest), (0, FrameNumber(1)));

    let held = log.trim(at(100), &half, FrameNumber(1)).expect("a trim");
    assert_eq!(
        (held.segments, held.frames),
        (0, 0),
        "unfinished work stays"
    );
    assert!(held.held_by_low_water > 0, "and it is said");

    let plan = log.trim_plan(at(100), &half, end);
    assert_eq!(
        reader.bounds().first,
        FrameNumber(1),
        "a plan changes nothing"
    );
    let bytes = log.status().bytes;
    let report = log.trim(at(100), &half, plan.oldest).expect("a trim");
    assert_eq!(report, plan, "a trim does what was planned");
    assert!(report.segments > 0 && report.frames > 20, "{report:?}");
    assert!(report.oldest <= FrameNumber(50), "what is young stays");
    assert_eq!(log.status().bytes, bytes - report.bytes);
    assert_eq!(reader.bounds().first, report.oldest);
    let trimmed = reader.read(FrameNumber(report.oldest.0 - 1), 1);
    assert!(matches!(trimmed, Err(ReadError::Trimmed { first }) if first == report.oldest));
    let kept = read_all(&*reader, report.oldest, usize::MAX);
    assert_eq!(kept.len() as u64, 100 - report.frames);

    let small = TrimPolicy {
        keep: Duration::MAX,
        size_max: log.status().bytes / 2,
    };
    let report = log.trim(at(100), &small, end).expect("a trim");
    assert!(report.segments > 0);
    let head = log.head();
    drop((log, reader));
    let mut log = open();
    assert_eq!(log.head(), head);
    assert_eq!(log.reader().bounds().first, report.oldest);
    fill(log.as_mut(), 3, 100);
    read_all(&*log.reader(), report.oldest, 1);
}

fn scrubbing(open: &mut Open<'_>) {
    let mut log = open();
    fill(log.as_mut(), 50, 20_000);
    let reader = log.reader();
    let (mut cursor, mut frames) = (ScrubCursor::default(), 0);
    loop {
        let step = reader.scrub(&cursor, 100_000).expect("a good log");
        frames += step.frames;
        cursor = step.cursor;
        if step.done {
            break;
        }
    }
    assert_eq!(frames, 50);
    let other = ScrubCursor {
        next: FrameNumber(7),
        prev: Some([0; 32]),
    };
    let broken = reader.scrub(&other, 1);
    assert!(matches!(broken, Err(ReadError::Chain { frame }) if frame == FrameNumber(7)));
}
