//! Writing events in the JSON event format.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::cloudevents::{CloudEvent, syntax, time_text};

/// `event` in the JSON event format, for [`crate::cloudevents::STRUCTURED_JSON`].
#[must_use]
pub fn encode_structured(event: &CloudEvent) -> Vec<u8> {
    written(&Envelope(event))
}

/// Events in the JSON batch format, for [`crate::cloudevents::BATCH_JSON`].
#[must_use]
pub fn encode_batch<'a>(events: impl IntoIterator<Item = &'a CloudEvent>) -> Vec<u8> {
    let envelopes: Vec<Envelope<'_>> = events.into_iter().map(Envelope).collect();
    written(&envelopes)
}

fn written(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("string keys and values, and a vector takes any amount")
}

struct Envelope<'a>(&'a CloudEvent);

impl Serialize for Envelope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let event = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("specversion", "1.0")?;
        map.serialize_entry("id", &event.id)?;
        map.serialize_entry("source", &event.source)?;
        map.serialize_entry("type", &event.kind)?;
        let optional = [
            ("time", &time_text(event)),
            ("subject", &event.subject),
            ("dataschema", &event.dataschema),
            ("datacontenttype", &event.datacontenttype),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in &event.extensions {
            map.serialize_entry(name, value)?;
        }
        match payload(event) {
            Payload::None => {}
            Payload::Json(json) => map.serialize_entry("data", json)?,
            Payload::Text(text) => map.serialize_entry("data", text)?,
            Payload::Binary(bytes) => {
                map.serialize_entry("data_base64", &STANDARD.encode(bytes))?
            }
        }
        map.end()
    }
}

/// How the data of an event is written.
enum Payload<'a> {
    None,
    Json(&'a RawValue),
    Text(&'a str),
    Binary(&'a [u8]),
}

/// JSON as it is (checked, or it would break the document around it), text as a string, all else in base64.
fn payload(event: &CloudEvent) -> Payload<'_> {
    let data = event.data.as_ref();
    if data.is_empty() {
        return Payload::None;
    }
    let media_type = event.datacontenttype.as_deref();
    if syntax::is_json(media_type) {
        return serde_json::from_slice(data).map_or(Payload::Binary(data), Payload::Json);
    }
    let essence = media_type.map(syntax::essence).unwrap_or_default();
    let is_text =
        essence.starts_with("text/") || essence.ends_with("/xml") || essence.ends_with("+xml");
    match str::from_utf8(data) {
        Ok(text) if is_text => Payload::Text(text),
        _ => Payload::Binary(data),
    }
}
