//! The JSON event format: one event (structured mode) and several (batched mode).

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::draft::Draft;
use super::error::{DecodeError, Fault, PROBLEMS_MAX, Problem, Problems};
use super::{CloudEvent, EXTENSIONS_MAX, Limits, syntax};

/// Most members of an event that are looked at: all attributes, the data, and one extension too many,
/// which is then reported.
const MEMBERS_MAX: usize = EXTENSIONS_MAX + 16;

/// The members of a JSON object in their order, values as the text they are.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// The elements of a JSON array as text, one more than allowed at most.
struct Elements<'a>(Vec<&'a RawValue>);

/// A member name, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The event of a body in structured mode.
pub(super) fn decode_structured(body: &Bytes) -> Result<CloudEvent, DecodeError> {
    let members: Members<'_> = serde_json::from_slice(body).map_err(DecodeError::Json)?;
    event(0, &members, body).map_err(invalid)
}

/// The events of a body in batched mode.
pub(super) fn decode_batch(body: &Bytes, limits: Limits) -> Result<Vec<CloudEvent>, DecodeError> {
    let max = limits.batch_events_max;
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let elements = deserializer
        .deserialize_seq(ElementsVisitor { max })
        .map_err(DecodeError::Json)?;
    deserializer.end().map_err(DecodeError::Json)?;
    if elements.0.len() > max {
        return Err(DecodeError::TooMany { max });
    }
    let (mut events, mut problems) = (Vec::with_capacity(elements.0.len()), Vec::new());
    for (index, element) in elements.0.into_iter().enumerate() {
        let members: Members<'_> =
            serde_json::from_str(element.get()).map_err(DecodeError::Json)?;
        match event(index, &members, body) {
            Ok(event) => events.push(event),
            Err(more) => problems.extend(more),
        }
        if problems.len() >= PROBLEMS_MAX {
            break;
        }
    }
    if problems.is_empty() {
        Ok(events)
    } else {
        Err(invalid(problems))
    }
}

fn invalid(mut problems: Vec<Problem>) -> DecodeError {
    problems.truncate(PROBLEMS_MAX);
    DecodeError::Invalid(Problems(problems))
}

fn event(index: usize, members: &Members<'_>, body: &Bytes) -> Result<CloudEvent, Vec<Problem>> {
    let mut draft = Draft::new(index);
    let (mut data, mut base64) = (None, None);
    for (name, value) in &members.0 {
        let slot = match name.as_ref() {
            "data" => &mut data,
            "data_base64" => &mut base64,
            name => {
                attribute(&mut draft, name, value);
                continue;
            }
        };
        if slot.replace(*value).is_some() {
            draft.fault(name, Fault::Repeated);
        }
    }
    let base64 = base64.filter(|value| value.get() != "null");
    let data = match (data, base64) {
        (Some(_), Some(_)) => Err(("data_base64", Fault::BothData)),
        (None, Some(encoded)) => binary_data(encoded).ok_or(("data_base64", Fault::Base64)),
        (Some(value), None) => plain_data(&mut draft, value, body).map_err(|fault| ("data", fault)),
        (None, None) => Ok(Bytes::new()),
    };
    let data = data.unwrap_or_else(|(name, fault)| {
        draft.fault(name, fault);
        Bytes::new()
    });
    draft.finish(data)
}

/// Sets an attribute from its JSON value; `null` means it is not set (JSON event format, section 2.2).
fn attribute(draft: &mut Draft, name: &str, value: &RawValue) {
    let text = value.get();
    let is_core = matches!(
        name,
        "specversion"
            | "id"
            | "source"
            | "type"
            | "subject"
            | "time"
            | "datacontenttype"
            | "dataschema"
    );
    match text.as_bytes().first() {
        Some(b'"') => match string(value) {
            Some(text) => draft.set(name, &text),
            None => draft.fault(name, Fault::Characters),
        },
        Some(b'n') => {}
        Some(b't' | b'f') if !is_core => draft.set(name, text),
        // An Integer of the type system has 32 bits; `-0`, fractions and exponents are none.
        _ if !is_core
            && text
                .parse::<i32>()
                .is_ok_and(|number| number.to_string() == text) =>
        {
            draft.set(name, text);
        }
        _ => draft.fault(name, Fault::Type),
    }
}

/// `data`: JSON as it stands in the body, or the content of a string for other types.
fn plain_data(draft: &mut Draft, value: &RawValue, body: &Bytes) -> Result<Bytes, Fault> {
    if syntax::is_json(draft.content_type()) {
        draft.imply_json();
        return Ok(body.slice_ref(value.get().as_bytes()));
    }
    let text = string(value).ok_or(Fault::DataNotText)?;
    Ok(Bytes::from(text.into_owned()))
}

fn binary_data(value: &RawValue) -> Option<Bytes> {
    STANDARD
        .decode(string(value)?.as_bytes())
        .ok()
        .map(Bytes::from)
}

/// The content of a JSON string.
fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Name<'_>>(value.get())
        .ok()
        .map(|name| name.0)
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a CloudEvent as a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::with_capacity(map.size_hint().unwrap_or(12).min(MEMBERS_MAX));
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            if members.len() >= MEMBERS_MAX {
                return Err(serde::de::Error::custom(format!(
                    "a CloudEvent has at most {MEMBERS_MAX} members here"
                )));
            }
            members.push((name, value));
        }
        Ok(Members(members))
    }
}

struct ElementsVisitor {
    max: usize,
}

impl<'de> Visitor<'de> for ElementsVisitor {
    type Value = Elements<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array of CloudEvents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while elements.len() <= self.max {
            match sequence.next_element::<&'de RawValue>()? {
                Some(element) => elements.push(element),
                None => return Ok(Elements(elements)),
            }
        }
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Elements(elements))
    }
}

/// `event` in the JSON event format, for [`super::STRUCTURED_JSON`].
#[must_use]
pub fn encode_structured(event: &CloudEvent) -> Vec<u8> {
    written(&Envelope(event))
}

/// Events in the JSON batch format, for [`super::BATCH_JSON`].
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
            ("time", &super::time_text(event)),
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
