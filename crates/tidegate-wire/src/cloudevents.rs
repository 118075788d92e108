//! CloudEvents 1.0 over HTTP: the binary, structured and batched content modes, in and out, and the
//! handshake of "HTTP 1.1 Web Hooks for Event Delivery".
//!
//! Sources: CloudEvents 1.0.2, its HTTP protocol binding, its JSON event format. JSON `data` is cut out
//! of the body and embedded again as text: numbers, key order and spelling stay as the sender wrote them.

mod binary;
mod draft;
mod error;
mod handshake;
mod json;
mod outward;
mod syntax;

use bytes::Bytes;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use tidegate_types::time::UnixMillis;

pub use binary::{InvalidAttribute, encode_binary};
pub use error::{DecodeError, Fault, PROBLEMS_MAX, Problem, Problems};
pub use handshake::{AllowedOrigins, HandshakePolicy, HandshakeRefusal, handshake};
pub use json::{encode_batch, encode_structured};

/// Media type of one event in JSON.
pub const STRUCTURED_JSON: &str = "application/cloudevents+json";

/// Media type of several events in JSON.
pub const BATCH_JSON: &str = "application/cloudevents-batch+json";

/// Most extension attributes of one event. They stand in the log with every event.
pub const EXTENSIONS_MAX: usize = 64;

/// Longest value of an attribute: it must fit in a header of the binary mode, and common servers
/// take headers up to 8 KiB.
pub const ATTRIBUTE_BYTES_MAX: usize = 4096;

/// The extension that carries the partition key (CloudEvents extension "Partitioning").
pub const PARTITION_KEY: &str = "partitionkey";

/// One event. `specversion` is always 1.0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloudEvent {
    /// Identity, unique together with `source`.
    pub id: String,
    /// Where it came from, a URI reference.
    pub source: String,
    /// The attribute `type`.
    pub kind: String,
    /// What within the source it is about.
    pub subject: Option<String>,
    /// When it happened, in milliseconds; what the sender wrote beyond that is dropped.
    pub time: Option<UnixMillis>,
    /// Media type of `data`.
    pub datacontenttype: Option<String>,
    /// Schema of `data`, a URI.
    pub dataschema: Option<String>,
    /// Extension attributes in the order they came. Booleans and integers are kept as their text.
    pub extensions: Vec<(String, String)>,
    /// The payload: JSON text as the sender wrote it where the type is JSON, raw bytes otherwise.
    /// Empty if there was none.
    pub data: Bytes,
}

impl CloudEvent {
    /// The extension `name`, if the event has it.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.extensions
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// `time` as RFC 3339; `None` if it is not set or beyond the year 9999, which that cannot write.
fn time_text(event: &CloudEvent) -> Option<String> {
    event
        .time
        .map(|time| time.to_string())
        .filter(|text| syntax::time(text).is_some())
}

/// How much is taken at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most events of one batch.
    pub batch_events_max: usize,
}

impl Default for Limits {
    /// 1,000 events: what a 1 MiB body holds of events of 1 KiB.
    fn default() -> Self {
        Self {
            batch_events_max: 1000,
        }
    }
}

/// The events of a request, whichever content mode it uses. The body is the one after content decoding.
///
/// The mode is told by `content-type`: a batch, a structured event, or else a binary one, which must have
/// `ce-` headers (HTTP protocol binding, section 3). An empty batch gives no events.
///
/// # Errors
/// [`DecodeError`]; the problems of all events are reported together, each with event and attribute.
pub fn decode(
    headers: &HeaderMap,
    body: &Bytes,
    limits: Limits,
) -> Result<Vec<CloudEvent>, DecodeError> {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = content_type.map(syntax::essence).unwrap_or_default();
    if media_type.starts_with("application/cloudevents") {
        let charset = content_type.and_then(syntax::charset);
        if charset.is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8")) {
            return Err(DecodeError::unsupported(content_type));
        }
    }
    match media_type.as_str() {
        STRUCTURED_JSON => json::decode_structured(body).map(|event| vec![event]),
        BATCH_JSON => json::decode_batch(body, limits),
        other if other.starts_with("application/cloudevents") => {
            Err(DecodeError::unsupported(content_type))
        }
        _ if binary::is_binary(headers) => binary::decode(headers, body).map(|event| vec![event]),
        _ => Err(DecodeError::NotCloudEvents),
    }
}

#[cfg(test)]
mod tests;
