//! Fills a hub's data directory with events, or counts those in it, for `cargo xtask bench`.
//!
//! `hub_data fill DIRECTORY EVENTS [BODY_BYTES [KEYS]]` goes through the front door: identities, frames, syncs and
//! views are those of a node. Event n has the body `{"n":n,…}` and the key n modulo KEYS. `hub_data count DIRECTORY` reads the log from end to end. The directory
//! must not be in use.
#![expect(
    clippy::print_stdout,
    reason = "a program for people and scripts prints its figures"
)]

use std::path::{Path, PathBuf};

use bytes::Bytes;
use tidegate_core::log::engine::TrimPolicy;
use tidegate_core::log::entry::{Entry, EventEntry, encode_event};
use tidegate_core::receive::fingerprint;
use tidegate_core::receive::intake::{Answer, Content, IntakeLimits};
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;
use tidegate_hub::settings::{HubSettings, Retention};
use tidegate_types::event::{Event, Raw};
use tidegate_types::id::{EventId, FlowNamespace};
use tidegate_types::position::FrameNumber;

type Failure = Box<dyn std::error::Error>;

/// The region of a configuration that names none.
const ORIGIN: &str = "local";
/// Offered before any is waited for: a few full frames.
const AT_ONCE: u64 = 8192;
/// Bytes of frames read in one step.
const STEP_BYTES: usize = 4 << 20;
const USAGE: &str =
    "usage: hub_data fill DIRECTORY EVENTS [BODY_BYTES [KEYS]] | hub_data count DIRECTORY";

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["count", dir] => println!("{}", count(&open(Path::new(dir))?)?),
        ["fill", dir, events, rest @ ..] if rest.len() <= 2 => {
            let body = rest.first().map_or(Ok(200), |body| body.parse())?;
            let keys = rest.get(1).map_or(Ok(1), |keys| keys.parse::<u64>())?;
            fill(&open(Path::new(dir))?, events.parse()?, body, keys.max(1))?;
        }
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

fn open(dir: &Path) -> Result<Hub, Failure> {
    const FOR_EVER: std::time::Duration = std::time::Duration::from_secs(100 * 365 * 86_400);
    const SIZE_MAX: u64 = 1 << 40;
    let settings = HubSettings {
        origin: ORIGIN.to_owned(),
        data: PathBuf::from(dir),
        segment_bytes: 64 << 20,
        limits: IntakeLimits::default(),
        retention: Retention {
            policy: TrimPolicy {
                keep: FOR_EVER,
                size_max: SIZE_MAX,
            },
            size_max: SIZE_MAX,
            subscriptions: Vec::new(),
        },
    };
    Ok(Hub::open(&settings, |_, _| {})?.0)
}

fn count(hub: &Hub) -> Result<u64, Failure> {
    let reader = hub.reader();
    let (mut next, mut events) = (reader.bounds().first, 0);
    loop {
        let page = reader.read(next, STEP_BYTES)?;
        let Some(last) = page.last() else {
            return Ok(events);
        };
        next = FrameNumber(last.number().0 + 1);
        for frame in &page {
            let entries = reader.entries(frame)?;
            let is_event = |(_, entry): &&(u32, Entry)| matches!(entry, Entry::Event(_));
            events += entries.iter().filter(is_event).count() as u64;
        }
    }
}

fn fill(hub: &Hub, events: u64, body: usize, keys: u64) -> Result<(), Failure> {
    let namespace = FlowNamespace::new("bench", "bench");
    let mut next = 0;
    while next < events {
        let until = events.min(next + AT_ONCE);
        let answers: Result<Vec<_>, _> = (next..until)
            .map(|number| hub.submit(event(&namespace, number, body, number % keys)))
            .collect();
        for answer in answers? {
            match answer.blocking_recv()? {
                Answer::Kept { .. } => {}
                other => return Err(format!("an event was not kept: {other:?}").into()),
            }
        }
        next = until;
    }
    Ok(())
}

/// An event whose data and original are the same body.
fn event(namespace: &FlowNamespace, number: u64, body: usize, key: u64) -> Content {
    let external_id = format!("72d3162e-cc78-11e3-81ab-{number:012x}");
    let front = format!(r#"{{"n":{number},"pad":""#);
    let pad = body.saturating_sub(front.len() + 2);
    let data = Bytes::from(format!(r#"{front}{:x<pad$}"}}"#, ""));
    let time = now();
    let event = Event {
        id: EventId::derive(namespace, &external_id),
        flow: "bench".to_owned(),
        external_id,
        kind: "github.push".to_owned(),
        time,
        received: time,
        key: format!("acme/orders-{key}"),
        content_type: "application/json".to_owned(),
        data: data.clone(),
        attributes: Vec::new(),
        raw: Some(Raw {
            headers: Vec::new(),
            query: String::new(),
            body: data,
        }),
    };
    let fingerprint = fingerprint::of_event(&event.kind, &event.key, &event.data);
    Content::Event {
        id: event.id,
        fingerprint,
        horizon: FrameNumber(0),
        entry: encode_event(&EventEntry { event, fingerprint }),
    }
}
