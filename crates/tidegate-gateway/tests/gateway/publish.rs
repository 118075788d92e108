//! Publish: CloudEvents of our own services.

use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;

use crate::call::{Call, assert_problem, assert_status, id, json};
use crate::limits::gzip;
use crate::site::Site;

const SERVICES: &str = r#"
services:
  checkout:
    tokens: ["${env:NEW}", "${env:OLD}"]
    publish: [order.*, refund]
  billing:
    token: "${env:BILLING}"
    subscribe: { all: ["*"] }
"#;

const NEW: &str = "Bearer NEW-0123456789abcdef0123456789abcdef";
const OLD: &str = "Bearer OLD-0123456789abcdef0123456789abcdef";
const BILLING: &str = "Bearer BILLING-0123456789abcdef0123456789abcdef";
const SINGLE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

fn event(id: &str, kind: &str, total: u32) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/checkout","type":"{kind}","partitionkey":"c-1","data":{{"total": {total}}}}}"#
    )
}

fn publish(token: &str, content_type: &str, body: impl Into<String>) -> Call {
    let headers = [("authorization", token), ("content-type", content_type)];
    Call::new("/v1/events", &headers, body.into())
}

#[tokio::test]
async fn an_event_is_kept_once_in_any_mode() {
    let site = Site::start(SERVICES).await;
    let first = site
        .send(&publish(NEW, SINGLE, event("1", "order.created", 12)))
        .await;
    assert_status(&first, 200);
    let binary = Call::new(
        "/v1/events",
        &[
            ("authorization", OLD),
            ("content-type", "application/json"),
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/checkout"),
            ("ce-type", "order.created"),
            ("ce-partitionkey", "c-1"),
        ],
        r#"{"total": 12}"#,
    );
    let mut compressed = publish(NEW, SINGLE, "");
    compressed
        .headers
        .insert("content-encoding", HeaderValue::from_static("gzip"));
    compressed.body = gzip(event("1", "order.created", 12).as_bytes()).into();
    let head = site.head();
    for call in [
        binary,
        compressed,
        publish(NEW, BATCH, format!("[{}]", event("1", "order.created", 12))),
    ] {
        let again = site.send(&call).await;
        assert_status(&again, 200);
        assert_eq!(json(&again), json!({"id": id(&first), "repeat": true}));
    }
    assert_eq!(site.head(), head);
    let [entry] = &site.events()[..] else {
        panic!("one event")
    };
    let event = &entry.event;
    assert_eq!(
        (event.flow.as_str(), event.key.as_str(), event.raw.clone()),
        ("services/checkout", "c-1", None)
    );
    assert_eq!(event.data, r#"{"total": 12}"#);
    let labels = [("flow", "services/checkout"), ("outcome", "repeat")];
    assert!((site.metric("tidegate_events_total", &labels) - 3.0).abs() < 0.1);
}

#[tokio::test]
async fn a_repeat_after_a_restart_is_one_and_a_reuse_is_a_fault() {
    let site = Site::start(SERVICES).await;
    let call = publish(NEW, SINGLE, event("1", "order.created", 12));
    let first = site.send(&call).await;
    let site = site.restart().await;
    assert_eq!(
        json(&site.send(&call).await),
        json!({"id": id(&first), "repeat": true})
    );
    let reuse = site
        .send(&publish(NEW, SINGLE, event("1", "order.created", 13)))
        .await;
    assert_status(&reuse, 202);
    let fault = site.faults().pop().unwrap();
    assert_eq!(fault.event.unwrap().event.data, r#"{"total": 13}"#);
}

#[tokio::test]
async fn a_batch_is_taken_whole_or_not_at_all() {
    let site = Site::start(SERVICES).await;
    let batch = |kinds: &[&str]| {
        let events: Vec<_> = kinds
            .iter()
            .enumerate()
            .map(|(n, kind)| event(&n.to_string(), kind, 1))
            .collect();
        publish(NEW, BATCH, format!("[{}]", events.join(",")))
    };
    for (kinds, status, code) in [
        (
            &["order.created", "payment.made"][..],
            403,
            "type-not-allowed",
        ),
        (&["refunds"], 403, "type-not-allowed"),
        (&["order"], 403, "type-not-allowed"),
        (&["order.created", ""], 400, "invalid-event"),
    ] {
        assert_problem(&site.send(&batch(kinds)).await, status, code);
    }
    assert_eq!(site.events(), []);
    let answer = site
        .send(&batch(&["order.created", "order.paid", "refund"]))
        .await;
    assert_status(&answer, 200);
    assert_eq!(json(&answer)["events"].as_array().unwrap().len(), 3);
    let kinds: Vec<_> = site.events().into_iter().map(|it| it.event.kind).collect();
    assert_eq!(kinds, ["order.created", "order.paid", "refund"]);
}

#[tokio::test]
async fn only_services_get_past_the_door() {
    let site = Site::start(SERVICES).await;
    let head = site.head();
    let body = event("1", "order.created", 1);
    let no_token = Call::new("/v1/events", &[("content-type", SINGLE)], body.clone());
    let mut refused = vec![no_token];
    for token in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer  ",
        "Bearer x",
        "Basic TkVX",
        "NEW-0123456789abcdef0123456789abcdef",
        "Bearer NEW-0123456789abcdef0123456789abcdeF",
        "Bearer NEW-0123456789abcdef0123456789abcde",
        "Bearer NEW-0123456789abcdef0123456789abcdef x",
        "Bearer,NEW-0123456789abcdef0123456789abcdef",
    ] {
        refused.push(publish(token, SINGLE, body.clone()));
    }
    // Two would be read differently by different parties.
    let mut twice = publish(NEW, SINGLE, body.clone());
    twice
        .headers
        .append("authorization", HeaderValue::from_static("Bearer x"));
    refused.push(twice);
    let mut odd = publish(NEW, SINGLE, body.clone());
    odd.headers.insert(
        "authorization",
        HeaderValue::from_bytes(b"Bearer \xff\xfe").unwrap(),
    );
    refused.push(odd);
    let query = Call::new(
        "/v1/events?token=NEW-0123456789abcdef0123456789abcdef",
        &[("content-type", SINGLE)],
        body.clone(),
    );
    refused.push(query);
    let mut answers = Vec::new();
    for call in &refused {
        let answer = site.send(call).await;
        assert_problem(&answer, 401, "unknown-service");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        answers.push(answer.body);
    }
    // Strangers cannot tell what is there from what is not.
    for (method, path) in [
        (Method::GET, "/v1/subscriptions/all"),
        (Method::GET, "/v1/subscriptions/none"),
        (Method::DELETE, "/v1/"),
        (Method::PUT, "/v1/subscriptions/all/cursor"),
    ] {
        let answer = site.request(method, path, HeaderMap::new(), "").await;
        assert_status(&answer, 401);
        answers.push(answer.body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1);
    assert!(
        (site.metric("tidegate_requests_unknown_service_total", &[]) - (refused.len() + 4) as f64)
            .abs()
            < 0.1
    );
    assert_eq!(site.head(), head);
}

/// RFC 9110, section 11.1, and any number of spaces behind it.
#[tokio::test]
async fn the_scheme_of_a_token_may_be_in_any_case() {
    let site = Site::start(SERVICES).await;
    let body = event("1", "order.created", 1);
    for token in [
        NEW.replace("Bearer", "bearer"),
        NEW.replace("Bearer ", "BEARER   "),
    ] {
        assert_status(
            &site.send(&publish(&token, SINGLE, body.clone())).await,
            200,
        );
    }
}

#[tokio::test]
async fn a_service_publishes_only_what_it_may() {
    let site = Site::start(SERVICES).await;
    let answer = site
        .send(&publish(BILLING, SINGLE, event("1", "order.created", 1)))
        .await;
    assert_problem(&answer, 403, "type-not-allowed");
    let title = json(&answer)["title"].as_str().unwrap().to_owned();
    assert!(
        title.contains("billing") && title.contains("order.created") && title.contains("publish"),
        "{title}"
    );
}

#[tokio::test]
async fn what_is_no_event_is_told_what_it_lacks() {
    let site = Site::start(SERVICES).await;
    let head = site.head();
    for (content_type, body, status, code) in [
        ("application/json", "{}", 415, "not-cloudevents"),
        (
            "application/cloudevents+avro",
            "",
            415,
            "unsupported-format",
        ),
        (SINGLE, "{", 400, "malformed-json"),
        (BATCH, "{}", 400, "malformed-json"),
        (SINGLE, "{}", 400, "invalid-event"),
    ] {
        assert_problem(
            &site.send(&publish(NEW, content_type, body)).await,
            status,
            code,
        );
    }
    let title = json(&site.send(&publish(NEW, SINGLE, "{}")).await)["title"].to_string();
    for attribute in ["specversion", "id", "source", "type"] {
        assert!(title.contains(attribute), "{title}");
    }
    let large = publish(NEW, SINGLE, "x".repeat((1 << 20) + 1));
    assert_problem(&site.send(&large).await, 413, "body");
    let mut encoded = publish(NEW, SINGLE, "x");
    encoded
        .headers
        .insert("content-encoding", HeaderValue::from_static("br"));
    assert_problem(&site.send(&encoded).await, 415, "content-encoding");
    for (method, path, status) in [
        (Method::GET, "/v1/events", 405),
        (Method::POST, "/v1/events/", 404),
        (Method::POST, "/v1/event", 404),
        (Method::POST, "/v1//events", 404),
    ] {
        let call = Call {
            method,
            path: path.to_owned(),
            ..publish(NEW, SINGLE, "")
        };
        assert_status(&site.send(&call).await, status);
    }
    assert_eq!(site.head(), head);
}
