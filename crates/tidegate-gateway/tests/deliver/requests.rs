//! What a request looks like.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tidegate_types::secret::Secret;
use tidegate_wire::signature::{DEFAULT_TOLERANCE, Request, Spec, Verifier};

use crate::sink::{Got, Sink};
use crate::site::{SECRET, Site, one_flow};

#[tokio::test]
async fn events_go_out_as_they_are_unless_mapped() {
    let sink = Sink::start().await;
    let site = Site::start(&one_flow(&sink.url(), "")).await;
    site.publish("order.created", "a", "k").await;
    site.publish("other.created", "b", "k").await;
    site.publish("order.changed", "c", "k").await;
    let got = sink.wait_for(2).await;
    assert_eq!(got[0].method, "POST");
    assert_eq!(got[0].path, "/");
    assert_eq!(got[0].header("content-type"), Some("application/json"));
    assert_eq!(got[0].json(), json!({ "id": "a", "key": "k" }));
    assert_eq!(got[1].id(), "c");
    let keys: Vec<_> = got.iter().map(|it| it.header("idempotency-key")).collect();
    assert!(keys[0].is_some() && keys[0] != keys[1], "{keys:?}");
    site.flow_when(|it| it.delivered == 2 && it.lag_frames == 0)
        .await;
}

#[tokio::test]
async fn path_headers_and_body_are_mapped() {
    let sink = Sink::start().await;
    let deliver = r#"when: '.data.total > 5', request: { method: PUT, path: '/orders/{.data.id}?t={.data.total}',
        headers: { x-type: .type, x-none: .data.absent }, body: '{ total: .data.total }', content-type: application/vnd.x+json },
        idempotency: { header: x-key }"#;
    let url = format!("{}/base", sink.url());
    let site = Site::start(&one_flow(&url, deliver)).await;
    for (id, total) in [("a/b c", 7), ("small", 3), ("../admin", 9)] {
        let data = json!({ "id": id, "total": total });
        let event = json!({ "specversion": "1.0", "id": id, "source": "/s", "type": "order.created", "data": data });
        site.send(event).await;
    }
    let got = sink.wait_for(1).await;
    assert_eq!(got[0].method, "PUT");
    assert_eq!(got[0].path, "/base/orders/a%2Fb%20c?t=7");
    assert_eq!(got[0].header("x-type"), Some("order.created"));
    assert_eq!(got[0].header("x-none"), None);
    assert_eq!(
        got[0].header("content-type"),
        Some("application/vnd.x+json")
    );
    assert!(got[0].header("x-key").is_some());
    assert_eq!(got[0].json(), json!({ "total": 7 }));
    // What would leave the base path is set aside.
    let faults = site.faults_when(1).await;
    assert!(
        faults[0].1.message.contains("dot segment"),
        "{}",
        faults[0].1.message
    );
    assert_eq!(sink.got().len(), 1);
}

fn verify(got: &Got) {
    let spec = Spec::StandardWebhooks {
        keys: vec![Secret::new(SECRET)],
        tolerance: DEFAULT_TOLERANCE,
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &got.headers {
        let name = HeaderName::try_from(name.as_str()).unwrap();
        headers.insert(name, HeaderValue::try_from(value.as_str()).unwrap());
    }
    let request = Request {
        method: &got.method,
        path: &got.path,
        query: "",
        headers: &headers,
        body: &got.body,
    };
    let verified = Verifier::new(&spec).unwrap();
    let now = tidegate_hub::clock::now();
    verified.verify(now, &request).unwrap();
}

#[tokio::test]
async fn requests_are_signed_anew_and_prove_who_we_are() {
    let sink = Sink::start().await;
    sink.script([crate::sink::Does::Status(500)]);
    let flows = format!(
        "systems: {{ crm: {{ url: \"{}\", private-ranges: [127.0.0.1], auth: {{ bearer: {{ token: \"${{env:T}}\" }} }} }} }}
flows: {{ orders: {{ system: crm, deliver: {{ on: [order.*], sign: {{ scheme: standard-webhooks, secret: \"${{env:S}}\" }}, {} }} }} }}
",
        sink.url(),
        crate::site::QUICK
    );
    let site = Site::start(&flows).await;
    site.publish("order.created", "a", "k").await;
    let got = sink.wait_for(2).await;
    for one in &got {
        verify(one);
        let bearer = format!("Bearer {SECRET}");
        assert_eq!(one.header("authorization"), Some(bearer.as_str()));
    }
    // The same message, whatever the attempt.
    assert_eq!(got[0].header("webhook-id"), got[1].header("webhook-id"));
    assert_eq!(
        got[0].header("webhook-id"),
        got[0].header("idempotency-key")
    );
}

#[tokio::test]
async fn several_events_go_in_one_request() {
    let sink = Sink::start().await;
    let site = Site::start(&one_flow(&sink.url(), "batch: { events: 3, wait: 50ms }")).await;
    site.publish_many("b", 7, 7).await;
    let total = |got: &[Got]| -> usize {
        got.iter()
            .map(|it| it.json().as_array().unwrap().len())
            .sum()
    };
    let got = sink.until(|got| total(got) == 7).await;
    assert!(
        got.iter()
            .all(|it| it.json().as_array().unwrap().len() <= 3)
    );
    assert!(got.len() < 7, "{}", got.len());
    let kind = got[0].header("content-type");
    assert_eq!(kind, Some("application/cloudevents-batch+json"));
    assert_eq!(got[0].json()[0]["data"]["id"], "b-0");
}

#[tokio::test]
async fn only_events_of_the_named_sources_go_out() {
    let sink = Sink::start().await;
    let flows = format!(
        "systems: {{ crm: {{ url: \"{}\", private-ranges: [127.0.0.1] }} }}
flows:
  shop-in: {{ system: crm, receive: {{ path: /in/shop, verify: none }}, event: {{ id: .body.id, type: '\"order.x\"' }} }}
  orders: {{ system: crm, deliver: {{ on: [order.*], from: [shop-in] }} }}
",
        sink.url()
    );
    let site = Site::start(&flows).await;
    site.publish("order.created", "published", "").await;
    site.post("/in/shop", r#"{"id":"received"}"#).await;
    site.flow_when(|it| it.delivered == 1 && it.lag_frames == 0)
        .await;
    let got = sink.got();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].id(), "received");
}

#[tokio::test]
async fn private_addresses_are_refused_unless_named() {
    let sink = Sink::start().await;
    let flows = one_flow(&sink.url(), "").replace(", private-ranges: [127.0.0.1]", "");
    let refused = Site::refused(&flows).await;
    assert!(
        refused.contains("flow orders: its endpoint cannot be used"),
        "{refused}"
    );
    assert!(refused.contains("127.0.0.1 is"), "{refused}");
    assert!(sink.got().is_empty());
}
