//! The JSON event format: one event (structured mode) and several (batched mode).

mod write;

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::draft::Draft;
use super::error::{DecodeError, Fault, PROBLEMS_MAX, Problem, Problems};
use super::{CloudEvent, EXTENSIONS_MAX, Limits, syntax};

pub use write::{encode_batch, encode_structured};

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
