//! A message as the senders of each scheme write it. The values are made up.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Value, json};
use tidegate_config::config::{Flow, Format};
use tidegate_types::id::{EventId, FlowNamespace};

/// The header with the event of a GitHub webhook.
pub(super) const GITHUB_EVENT: HeaderName = HeaderName::from_static("x-github-event");

/// When everything in a sample happened: fixed, so that the same id has the same content and is a
/// repeat. 2026-01-01T00:00:00Z, in text and in seconds.
const HAPPENED: &str = "2026-01-01T00:00:00Z";
const HAPPENED_SECONDS: u64 = 1_767_225_600;

/// Headers and body of a sample for `flow`, whose id is `id`. The same id gives the same sample.
///
/// The fields follow what the senders document: GitHub "Webhook events and payloads", Stripe "The
/// Event object", Shopify "Webhooks: headers", Slack "Events API", Standard Webhooks "Payload
/// structure", CloudEvents 1.0.2 "JSON event format".
pub(super) fn of(flow: &Flow, id: &str) -> (HeaderMap, Vec<u8>) {
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static("tidegate-send"),
    );
    let mut put = |name: &'static str, value: &str| {
        // An id that no header can carry is left out here, and told where it is signed.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    let body = if flow.format == Format::CloudEvents {
        put("content-type", "application/cloudevents+json");
        cloud_event(id)
    } else {
        match flow.verify.scheme() {
            "github" => {
                put("x-github-event", "push");
                put("x-github-delivery", id);
                push()
            }
            "stripe" => payment(id),
            "shopify" => {
                put("x-shopify-topic", "orders/create");
                put("x-shopify-webhook-id", id);
                put("x-shopify-shop-domain", "example.myshopify.example");
                order(id)
            }
            "slack" => mention(id),
            _ => generic(id),
        }
    };
    (headers, body.to_string().into_bytes())
}

fn cloud_event(id: &str) -> Value {
    json!({
        "specversion": "1.0",
        "id": id,
        "source": "/tidegate/send",
        "type": "com.example.test.sent",
        "time": HAPPENED,
        "datacontenttype": "application/json",
        "data": { "message": "hello" },
    })
}

fn push() -> Value {
    json!({
        "ref": "refs/heads/main",
        "repository": { "id": 1, "full_name": "example/harbour", "private": false },
        "sender": { "id": 1, "login": "ada" },
        "commits": [{ "id": "5f0c2c1", "message": "Raise the gate" }],
    })
}

fn payment(id: &str) -> Value {
    json!({
        "id": format!("evt_{}", id.replace('-', "")),
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": HAPPENED_SECONDS,
        "data": { "object": { "id": "pi_example", "customer": "cus_example", "amount": 1200, "currency": "eur" } },
    })
}

fn order(id: &str) -> Value {
    json!({
        "id": number(id),
        "created_at": HAPPENED,
        "total_price": "12.00",
        "currency": "EUR",
        "customer": { "id": 1, "email": "ada@example.com" },
    })
}

fn mention(id: &str) -> Value {
    json!({
        "type": "event_callback",
        "event_id": format!("Ev{}", id.replace('-', "")),
        "event_time": HAPPENED_SECONDS,
        "team_id": "T0EXAMPLE",
        "event": { "type": "app_mention", "user": "U0EXAMPLE", "text": "hello", "channel": "C0EXAMPLE" },
    })
}

fn generic(id: &str) -> Value {
    json!({
        "id": id,
        "type": "test.sent",
        "timestamp": HAPPENED,
        "customer": "cus_example",
        "data": { "message": "hello" },
    })
}

/// A number for senders that count: the first six bytes of the identity made of `id`.
fn number(id: &str) -> u64 {
    let id = EventId::derive(&FlowNamespace::new("tidegate", "sample"), id);
    id.as_bytes()
        .iter()
        .take(6)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
