//! A message as the senders of each scheme write it. The values are made up.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::{Value, json};
use tidegate_config::config::{Flow, Format};
use tidegate_types::time::UnixMillis;

/// The header with the event of a GitHub webhook.
pub(super) const GITHUB_EVENT: HeaderName = HeaderName::from_static("x-github-event");

/// Headers and body of a sample for `flow`, whose id is `id`.
///
/// The fields follow what the senders document: GitHub "Webhook events and payloads", Stripe "The
/// Event object", Shopify "Webhooks: headers", Slack "Events API", Standard Webhooks "Payload
/// structure", CloudEvents 1.0.2 "JSON event format".
pub(super) fn of(flow: &Flow, id: &str, now: UnixMillis) -> (HeaderMap, Vec<u8>) {
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
        cloud_event(id, now)
    } else {
        match flow.verify.scheme() {
            "github" => {
                put("x-github-event", "push");
                put("x-github-delivery", id);
                push()
            }
            "stripe" => payment(id, now),
            "shopify" => {
                put("x-shopify-topic", "orders/create");
                put("x-shopify-webhook-id", id);
                put("x-shopify-shop-domain", "example.myshopify.example");
                order(now)
            }
            "slack" => mention(id, now),
            _ => generic(id, now),
        }
    };
    (headers, body.to_string().into_bytes())
}

fn cloud_event(id: &str, now: UnixMillis) -> Value {
    json!({
        "specversion": "1.0",
        "id": id,
        "source": "/tidegate/send",
        "type": "com.example.test.sent",
        "time": now.to_string(),
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

fn payment(id: &str, now: UnixMillis) -> Value {
    json!({
        "id": format!("evt_{}", id.replace('-', "")),
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": now.seconds(),
        "data": { "object": { "id": "pi_example", "customer": "cus_example", "amount": 1200, "currency": "eur" } },
    })
}

fn order(now: UnixMillis) -> Value {
    json!({
        "id": now.0,
        "created_at": now.to_string(),
        "total_price": "12.00",
        "currency": "EUR",
        "customer": { "id": 1, "email": "ada@example.com" },
    })
}

fn mention(id: &str, now: UnixMillis) -> Value {
    json!({
        "type": "event_callback",
        "event_id": format!("Ev{}", id.replace('-', "")),
        "event_time": now.seconds(),
        "team_id": "T0EXAMPLE",
        "event": { "type": "app_mention", "user": "U0EXAMPLE", "text": "hello", "channel": "C0EXAMPLE" },
    })
}

fn generic(id: &str, now: UnixMillis) -> Value {
    json!({
        "id": id,
        "type": "test.sent",
        "timestamp": now.to_string(),
        "customer": "cus_example",
        "data": { "message": "hello" },
    })
}
