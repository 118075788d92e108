//! How fast the log appends, opens and reads on a real disk.
//!
//! `cargo run --release -p tidegate-hub --example log_bench -- DIRECTORY [EVENTS]`. The directory should be
//! on the disk that is meant, and is left with the log in it.
#![expect(
    clippy::print_stdout,
    reason = "a program for people prints its figures"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tidegate_core::log::embedded::{EmbeddedLog, OpenOptions};
use tidegate_core::log::engine::Engine;
use tidegate_core::log::entry::{EncodedEntry, EventEntry, encode_event};
use tidegate_core::log::frame::FrameDraft;
use tidegate_hub::disk::FsDisk;
use tidegate_types::event::{Event, Raw};
use tidegate_types::id::EventId;
use tidegate_types::position::FrameNumber;
use tidegate_types::time::UnixMillis;

const NOW: UnixMillis = UnixMillis(1_795_255_200_000);
/// Long enough to begin and seal a few segments.
const RUN_FOR: Duration = Duration::from_secs(4);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(
        arguments
            .next()
            .ok_or("usage: log_bench DIRECTORY [EVENTS]")?,
    );
    let events: u64 = arguments.next().map_or(Ok(0), |text| text.parse())?;
    let event = event(800);
    println!("entry of {} bytes", event.len());
    for per_frame in [1, 8, 32, 128, 512] {
        appends(&dir.join(format!("append-{per_frame}")), &event, per_frame)?;
    }
    if events > 0 {
        reopen(&dir.join("reopen"), events)?;
    }
    Ok(())
}

fn open(dir: &Path) -> Result<EmbeddedLog<FsDisk>, Failure> {
    let disk = FsDisk::open(dir)?;
    Ok(EmbeddedLog::open(disk, OpenOptions::new("bench"), NOW)?.0)
}

fn appends(dir: &Path, event: &EncodedEntry, per_frame: u64) -> Result<(), Failure> {
    let mut log = open(dir)?;
    let mut draft = FrameDraft::new();
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < RUN_FOR {
        draft.clear();
        for _ in 0..per_frame {
            draft.push(event).ok_or("the frame is full")?;
        }
        let head = log.head();
        let before = Instant::now();
        log.append(NOW, &head, &mut draft)?;
        times.push(before.elapsed());
    }
    let seconds = begun.elapsed().as_secs_f64();
    times.sort_unstable();
    let quantile = |percent: usize| times.get(times.len() * percent / 100).copied();
    let frames = times.len();
    println!(
        "{per_frame:4} per frame: {:9.0} events/s, append p50 {:?} p99 {:?} max {:?}, {} segments",
        frames as f64 * per_frame as f64 / seconds,
        quantile(50).unwrap_or_default(),
        quantile(99).unwrap_or_default(),
        times.last().copied().unwrap_or_default(),
        log.status().segments,
    );
    Ok(())
}

/// Appends so many events of 200 bytes, then opens the log again and reads it from end to end.
fn reopen(dir: &Path, events: u64) -> Result<(), Failure> {
    const PER_FRAME: u64 = 512;
    let event = event(200);
    let mut log = open(dir)?;
    let mut draft = FrameDraft::new();
    let begun = Instant::now();
    for _ in 0..events.div_ceil(PER_FRAME) {
        draft.clear();
        for _ in 0..PER_FRAME {
            draft.push(&event).ok_or("the frame is full")?;
        }
        let head = log.head();
        log.append(NOW, &head, &mut draft)?;
    }
    let status = log.status();
    println!(
        "{events} events of 200 bytes appended in {:?}: {} bytes, {} segments",
        begun.elapsed(),
        status.bytes,
        status.segments
    );
    drop(log);
    let begun = Instant::now();
    let log = open(dir)?;
    println!("opened in {:?}", begun.elapsed());
    let reader = log.reader();
    let begun = Instant::now();
    let (mut next, mut bytes, mut entries) = (FrameNumber(1), 0, 0);
    loop {
        let page = reader.read(next, 1024 * 1024)?;
        let Some(last) = page.last() else { break };
        next = last.number().next();
        for frame in &page {
            bytes += frame.bytes().len();
            entries += reader.entries(frame)?.len();
        }
    }
    println!(
        "read and decoded {entries} entries, {bytes} bytes in {:?}",
        begun.elapsed()
    );
    Ok(())
}

/// An event whose data and original are the same body.
fn event(body: usize) -> EncodedEntry {
    let data = Bytes::from(vec![b'x'; body]);
    let raw = Raw {
        headers: Vec::new(),
        query: String::new(),
        body: data.clone(),
    };
    encode_event(&EventEntry {
        event: Event {
            id: EventId::from_bytes([7; 16]),
            flow: "github-events".to_owned(),
            external_id: "72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned(),
            kind: "github.push".to_owned(),
            time: NOW,
            received: NOW,
            key: "acme/shop".to_owned(),
            content_type: "application/json".to_owned(),
            data,
            attributes: Vec::new(),
            raw: Some(raw),
        },
        fingerprint: [8; 16],
    })
}
