//! CloudEvents as a filter, for tests against libraries from outside (`tests/interop/wire`).
//!
//! `cloudevents decode` reads requests that a library wrote, as JSON lines, and compares the events with the
//! expected ones; it ends like a Rust test program. `cloudevents encode` reads events and writes the same
//! lines with headers and body added.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidegate_wire::cloudevents::{
    BATCH_JSON, CloudEvent, Limits, STRUCTURED_JSON, decode, encode_batch, encode_binary,
    encode_structured,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Events and the request that carries them.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Which library stands on the other side.
    library: String,
    /// `binary`, `structured` or `batch`.
    mode: String,
    events: Vec<Plain>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body_base64: String,
}

/// An event in neutral form.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Plain {
    attributes: BTreeMap<String, String>,
    data_base64: String,
}

impl Plain {
    fn event(&self) -> Result<CloudEvent> {
        let mut event = CloudEvent {
            data: STANDARD.decode(&self.data_base64)?.into(),
            ..CloudEvent::default()
        };
        for (name, value) in &self.attributes {
            let value = value.clone();
            match name.as_str() {
                "specversion" => {}
                "id" => event.id = value,
                "source" => event.source = value,
                "type" => event.kind = value,
                "subject" => event.subject = Some(value),
                "time" => event.time = Some(value.parse()?),
                "datacontenttype" => event.datacontenttype = Some(value),
                "dataschema" => event.dataschema = Some(value),
                _ => event.extensions.push((name.clone(), value)),
            }
        }
        Ok(event)
    }
}

impl Case {
    fn events(&self) -> Result<Vec<CloudEvent>> {
        self.events.iter().map(Plain::event).collect()
    }

    /// Whether what was read is what was meant: attributes alike, JSON data with the same meaning, other
    /// data byte for byte.
    fn check(&self) -> Result<std::result::Result<(), String>> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.append(name.parse::<HeaderName>()?, value.parse::<HeaderValue>()?);
        }
        let body = Bytes::from(STANDARD.decode(&self.body_base64)?);
        let read = match decode(&headers, &body, Limits::default()) {
            Ok(read) => read,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let mut same = read.len() == self.events.len();
        for (read, meant) in read.iter().cloned().zip(self.events()?) {
            let is_json = meant.datacontenttype.as_deref() == Some("application/json");
            let json = |data: &Bytes| serde_json::from_slice::<Value>(data).ok();
            same &= if is_json {
                json(&read.data) == json(&meant.data)
            } else {
                read.data == meant.data
            };
            same &= attributes(read) == attributes(meant);
        }
        Ok(if same {
            Ok(())
        } else {
            Err(format!("read {read:?}"))
        })
    }

    fn encode(&mut self) -> Result<()> {
        let events = self.events()?;
        let (headers, body) = match (self.mode.as_str(), events.as_slice()) {
            ("binary", [event]) => encode_binary(event)?,
            ("structured", [event]) => (
                content_type(STRUCTURED_JSON),
                encode_structured(event).into(),
            ),
            ("batch", events) => (content_type(BATCH_JSON), encode_batch(events).into()),
            (other, _) => return Err(format!("mode {other} with {} events", events.len()).into()),
        };
        for (name, value) in &headers {
            self.headers
                .insert(name.to_string(), value.to_str()?.to_owned());
        }
        self.body_base64 = STANDARD.encode(body);
        Ok(())
    }
}

/// The event without data, its extensions in order, its media type without parameters.
fn attributes(mut event: CloudEvent) -> CloudEvent {
    event.extensions.sort();
    event.data = Bytes::new();
    let media_type = event
        .datacontenttype
        .as_deref()
        .and_then(|one| one.split(';').next());
    event.datacontenttype = media_type.map(str::to_owned);
    event
}

fn content_type(media_type: &'static str) -> HeaderMap {
    HeaderMap::from_iter([(
        http::header::CONTENT_TYPE,
        HeaderValue::from_static(media_type),
    )])
}

fn main() -> Result<ExitCode> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let (mut out, mut passed, mut failed) = (io::stdout().lock(), 0_u64, 0_u64);
    for line in io::stdin().lock().lines() {
        let mut case: Case = serde_json::from_str(&line?)?;
        if mode == "encode" {
            case.encode()?;
            writeln!(out, "{}", serde_json::to_string(&case)?)?;
            continue;
        }
        match case.check()? {
            Ok(()) => passed += 1,
            Err(why) => {
                failed += 1;
                writeln!(out, "{}, {}: {why}", case.library, case.mode)?;
            }
        }
    }
    if mode == "encode" {
        return Ok(ExitCode::SUCCESS);
    }
    let good = failed == 0 && passed > 0;
    let word = if good { "ok" } else { "FAILED" };
    writeln!(
        out,
        "test result: {word}. {passed} passed; {failed} failed; 0 ignored"
    )?;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
