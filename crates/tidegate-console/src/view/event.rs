//! An event as JSON.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tidegate_hub::query::Found;
use tidegate_types::event::{Event, Raw};
use utoipa::ToSchema;

/// An event. Its payload is in `data` (JSON as it is, other text as a string) or in `data_base64`.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EventView {
    /// Identity, the same in every region.
    pub id: String,
    /// Where it stands in the log.
    pub position: String,
    /// The flow that took it in, or `services/NAME`.
    pub flow: String,
    /// Event type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The identity the sender gave it.
    pub external_id: String,
    /// Partition key.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// When it happened, RFC 3339.
    pub time: String,
    /// When it was taken in, RFC 3339.
    pub received: String,
    /// When its frame was appended, RFC 3339; absent for what never became an event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appended: Option<String>,
    /// Media type of the payload.
    pub content_type: String,
    /// The payload: JSON as it is, other text as a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub data: Option<Box<RawValue>>,
    /// The payload, if it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
    /// Further CloudEvents attributes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// The original request; only where one event is asked for, and there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<RawView>,
}

/// The original request, without credentials.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct RawView {
    /// Headers in the order they came: name and value.
    pub headers: Vec<(String, String)>,
    /// Query string without the `?`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// The body, if it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The body, if it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// Length of the body in bytes.
    pub body_bytes: usize,
}

impl EventView {
    /// The event at its place, without its original.
    pub(crate) fn listed(origin: &str, found: &Found, event: &Event) -> Self {
        Self {
            appended: Some(found.appended.to_string()),
            ..Self::of(found.place.of(origin).to_string(), event)
        }
    }

    /// The event at its place with its original.
    pub(crate) fn whole(origin: &str, found: &Found, event: &Event) -> Self {
        Self {
            raw: event.raw.as_ref().map(RawView::of),
            ..Self::listed(origin, found, event)
        }
    }

    pub(super) fn of(position: String, event: &Event) -> Self {
        let (data, data_base64) = payload(&event.content_type, &event.data);
        Self {
            id: event.id.to_string(),
            position,
            flow: event.flow.clone(),
            kind: event.kind.clone(),
            external_id: event.external_id.clone(),
            key: event.key.clone(),
            time: event.time.to_string(),
            received: event.received.to_string(),
            appended: None,
            content_type: event.content_type.clone(),
            data,
            data_base64,
            attributes: event.attributes.iter().cloned().collect(),
            raw: None,
        }
    }
}

impl RawView {
    pub(super) fn of(raw: &Raw) -> Self {
        let text = std::str::from_utf8(&raw.body).ok();
        Self {
            headers: raw.headers.clone(),
            query: raw.query.clone(),
            body: text.map(str::to_owned),
            body_base64: text.is_none().then(|| STANDARD.encode(&raw.body)),
            body_bytes: raw.body.len(),
        }
    }
}

/// The payload as JSON, as a JSON string, or in base64; the first that holds it unchanged.
fn payload(content_type: &str, data: &[u8]) -> (Option<Box<RawValue>>, Option<String>) {
    if data.is_empty() {
        return (None, None);
    }
    if is_json(content_type)
        && let Ok(json) = serde_json::from_slice(data)
    {
        return (Some(json), None);
    }
    match std::str::from_utf8(data)
        .ok()
        .and_then(|text| to_raw_value(text).ok())
    {
        Some(text) => (Some(text), None),
        None => (None, Some(STANDARD.encode(data))),
    }
}

/// `application/json` and every `+json` (RFC 6839), with or without parameters.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let (kind, suffix) = (essence.eq_ignore_ascii_case("application/json"), "+json");
    let tail = essence
        .len()
        .checked_sub(suffix.len())
        .and_then(|at| essence.get(at..));
    kind || tail.is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, data: &[u8], expected: (Option<&str>, Option<&str>)) {
        let (json, base64) = payload(content_type, data);
        assert_eq!(
            (json.as_ref().map(|json| json.get()), base64.as_deref()),
            expected
        );
    }

    #[test]
    fn a_payload_is_shown_in_the_first_form_that_holds_it() {
        let exact = br#"{"b":1.0,"a":12345678901234567890}"#;
        check(
            "application/json",
            exact,
            (Some(r#"{"b":1.0,"a":12345678901234567890}"#), None),
        );
        check(
            "application/problem+json; charset=utf-8",
            b"[1]",
            (Some("[1]"), None),
        );
        check("application/json", b"{broken", (Some(r#""{broken""#), None));
        check("text/plain", b"[1]", (Some(r#""[1]""#), None));
        check("application/octet-stream", &[0xff, 0], (None, Some("/wA=")));
        check("application/json", b"", (None, None));
    }
}
