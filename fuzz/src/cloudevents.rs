//! Requests that should hold CloudEvents, in all three modes, and handshakes. What was read is
//! written and read again, and must be the same.

use bytes::Bytes;
use tidegate_wire::cloudevents::{
    AllowedOrigins, CloudEvent, HandshakePolicy, Limits, decode, encode_batch, encode_binary,
    encode_structured, handshake,
};

use crate::input::message;

/// `headers, empty line, body`.
pub fn run(data: &[u8]) {
    let (headers, body) = message(data);
    let policy = HandshakePolicy {
        origins: AllowedOrigins::Any,
        rate_per_minute: Some(100),
    };
    let _consent = handshake(&headers, &policy);
    let Ok(events) = decode(&headers, &body, Limits::default()) else {
        return;
    };
    for event in &events {
        again(event);
    }
    let (headers, body) = with_type("application/cloudevents-batch+json", &encode_batch(&events));
    let read = decode(&headers, &body, Limits::default()).unwrap_or_default();
    let typed = |events: Vec<CloudEvent>| events.into_iter().map(typed).collect::<Vec<_>>();
    assert_eq!(typed(read), typed(events), "a batch changes on its way");
}

fn again(event: &CloudEvent) {
    let (headers, body) = with_type("application/cloudevents+json", &encode_structured(event));
    same(
        &headers,
        &body,
        event,
        "the structured form changes an event",
    );
    if let Ok((headers, body)) = encode_binary(event) {
        same(&headers, &body, event, "the binary form changes an event");
    }
}

fn same(headers: &http::HeaderMap, body: &Bytes, event: &CloudEvent, what: &str) {
    let read = decode(headers, body, Limits::default()).unwrap_or_default();
    let read: Vec<CloudEvent> = read.into_iter().map(typed).collect();
    assert_eq!(read, [typed(event.clone())], "{what}");
}

/// In JSON an event without a media type has JSON (JSON event format, section 3.1), and white space around
/// JSON data is not part of the value.
fn typed(mut event: CloudEvent) -> CloudEvent {
    let json = "application/json".to_owned();
    if event.datacontenttype.get_or_insert(json).contains("json") {
        event.data = Bytes::copy_from_slice(event.data.trim_ascii());
    }
    event
}

fn with_type(kind: &str, body: &[u8]) -> (http::HeaderMap, Bytes) {
    message(&[b"content-type:", kind.as_bytes(), b"\n\n", body].concat())
}

/// One event in each mode, and a handshake.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    [
        "ce-specversion:1.0\nce-id:1\nce-source:/shop\nce-type:order.created\nce-time:2026-11-21T10:00:00Z\nce-partitionkey:k%20e\ncontent-type:application/json\n\n{\"n\":1.0}",
        "content-type:application/cloudevents+json; charset=utf-8\n\n{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/shop\",\"type\":\"order.created\",\"subject\":\"s\",\"more\":true,\"count\":3,\"data\":{\"n\":1e2}}",
        "content-type:application/cloudevents+json\n\n{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/shop\",\"type\":\"t\",\"datacontenttype\":\"image/png\",\"dataschema\":\"urn:x\",\"data_base64\":\"AAEC\"}",
        "content-type:application/cloudevents-batch+json\n\n[{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"a\",\"type\":\"t\"},{\"specversion\":\"1.0\",\"id\":\"2\",\"source\":\"a\",\"type\":\"t\",\"data\":\"\\u00e9\"}]",
        "webhook-request-origin:sender.example\nwebhook-request-rate:120\n\n",
    ]
    .iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}
