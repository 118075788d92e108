//! Flows of CloudEvents: the three modes, the handshake, and what is none.

use http::{HeaderMap, Method};
use serde_json::json;
use tidegate_core::log::entry::{Blame, FaultCause};

use crate::call::{Call, assert_problem, assert_status, header_map, id, json};
use crate::site::Site;

const FLOWS: &str = r#"
systems: { partner: {} }
flows:
  events:
    system: partner
    receive:
      path: /in/events
      format: cloudevents
      verify: { scheme: bearer, token: "${env:TOKEN}" }
      cloudevents: { origins: [grid.example], rate: 100 }
  open:
    system: partner
    receive: { path: /in/open, format: cloudevents, verify: none }
"#;

const SINGLE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

fn open(content_type: &str, body: &str) -> Call {
    Call::new(
        "/in/open",
        &[("content-type", content_type)],
        body.to_owned(),
    )
}

#[tokio::test]
async fn all_three_modes_carry_the_same_event() {
    let site = Site::start(FLOWS).await;
    let structured = r#"{"specversion":"1.0","id":"1","source":"/shop","type":"order.created","subject":"o-1","time":"2026-11-21T10:00:00Z","partitionkey":"c-9","tenant":"t","data":{"total": 12.50}}"#;
    let binary = Call::new(
        "/in/open",
        &[
            ("ce-specversion", "1.0"),
            ("ce-id", "1"),
            ("ce-source", "/shop"),
            ("ce-type", "order.created"),
            ("ce-subject", "o-1"),
            ("ce-time", "2026-11-21T10:00:00Z"),
            ("ce-partitionkey", "c-9"),
            ("ce-tenant", "t"),
            ("content-type", "application/json"),
        ],
        r#"{"total": 12.50}"#,
    );
    let first = site.send(&open(SINGLE, structured)).await;
    assert_status(&first, 200);
    for (call, batch) in [
        (binary, false),
        (open(BATCH, &format!("[{structured}]")), false),
        (open(BATCH, &format!("[{structured},{structured}]")), true),
    ] {
        let answer = site.send(&call).await;
        assert_status(&answer, 200);
        let outcome = if batch {
            json(&answer)["events"][1].clone()
        } else {
            json(&answer)
        };
        assert_eq!(
            outcome,
            json!({"id": id(&first), "repeat": true}),
            "{call:?}"
        );
    }
    let [entry] = &site.events()[..] else {
        panic!("one event")
    };
    let event = &entry.event;
    assert_eq!(
        (
            event.kind.as_str(),
            event.key.as_str(),
            event.external_id.as_str()
        ),
        ("order.created", "c-9", "/shop 1")
    );
    assert_eq!(event.time.to_string(), "2026-11-21T10:00:00.000Z");
    assert_eq!(event.data, r#"{"total": 12.50}"#);
    let attributes: Vec<_> = event
        .attributes
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        attributes,
        [("source", "/shop"), ("subject", "o-1"), ("tenant", "t")]
    );
    assert_eq!(event.raw.as_ref().unwrap().body, structured);
}

#[tokio::test]
async fn each_event_of_a_batch_has_an_answer() {
    let site = Site::start(FLOWS).await;
    let event = |id: &str, total: u32| {
        format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","data":{total}}}"#)
    };
    let first = site
        .send(&open(
            BATCH,
            &format!("[{},{}]", event("1", 1), event("2", 2)),
        ))
        .await;
    assert_status(&first, 200);
    assert_eq!(site.events().len(), 2);
    // One is new, one a repeat, one a reuse of an id: the fault makes the whole 202.
    let second = site
        .send(&open(
            BATCH,
            &format!("[{},{},{}]", event("3", 3), event("1", 1), event("2", 9)),
        ))
        .await;
    assert_status(&second, 202);
    let outcomes = json(&second)["events"].clone();
    assert!(outcomes[0].get("repeat").is_none());
    assert_eq!(outcomes[1]["id"], json(&first)["events"][0]["id"]);
    assert_eq!(
        (outcomes[1]["repeat"].clone(), outcomes[2]["fault"].clone()),
        (true.into(), true.into())
    );
    assert_eq!((site.events().len(), site.faults().len()), (3, 1));
    let empty = site.send(&open(BATCH, "[]")).await;
    assert_status(&empty, 200);
    assert_eq!(json(&empty), json!({"events": []}));
    // Each keeps its own element as the original, not the whole batch.
    let raw = site.events()[0].event.raw.clone().unwrap();
    assert!(raw.body.starts_with(br#"{"specversion""#), "{raw:?}");
}

#[tokio::test]
async fn what_announces_events_and_holds_none_is_kept_as_a_fault() {
    let site = Site::start(FLOWS).await;
    let cases = [
        (SINGLE, "{"),
        (SINGLE, "[]"),
        (SINGLE, r#"{"specversion":"1.0","id":"1","source":"/s"}"#),
        (
            SINGLE,
            r#"{"specversion":"0.3","id":"1","source":"/s","type":"t"}"#,
        ),
        (
            SINGLE,
            r#"{"specversion":"1.0","id":"1","id":"2","source":"/s","type":"t"}"#,
        ),
        (
            BATCH,
            r#"[{"specversion":"1.0","id":"1","source":"/s","type":"t"},{}]"#,
        ),
    ];
    for (content_type, body) in cases {
        let call = open(content_type, body);
        let first = site.send(&call).await;
        assert_status(&first, 202);
        let fault = site.faults().pop().unwrap();
        assert_eq!(
            (fault.cause, fault.blame),
            (FaultCause::Format, Blame::Them),
            "{body}"
        );
        assert_eq!(fault.raw.body, body);
        let again = site.send(&call).await;
        assert_eq!(
            (id(&again), json(&again)["repeat"].clone()),
            (id(&first), true.into())
        );
    }
    assert_eq!((site.events().len(), site.faults().len()), (0, cases.len()));
}

#[tokio::test]
async fn what_announces_no_events_is_415() {
    let site = Site::start(FLOWS).await;
    for (content_type, code) in [
        ("application/json", "not-cloudevents"),
        ("text/plain", "not-cloudevents"),
        ("application/cloudevents+avro", "unsupported-format"),
        (
            "application/cloudevents+json; charset=utf-16",
            "unsupported-format",
        ),
    ] {
        assert_problem(&site.send(&open(content_type, "{}")).await, 415, code);
    }
    let many = vec![r#"{"specversion":"1.0","id":"1","source":"/s","type":"t"}"#; 1001].join(",");
    assert_problem(
        &site.send(&open(BATCH, &format!("[{many}]"))).await,
        413,
        "batch-too-large",
    );
    assert_eq!((site.events().len(), site.faults().len()), (0, 0));
}

#[tokio::test]
async fn permission_is_given_to_the_listed_origins() {
    let site = Site::start(FLOWS).await;
    let ask = async |path: &str, headers: &[(&str, &str)]| {
        site.request(Method::OPTIONS, path, header_map(headers), "")
            .await
    };
    let granted = ask(
        "/in/events",
        &[
            ("webhook-request-origin", "GRID.example"),
            ("webhook-request-rate", "1000"),
        ],
    )
    .await;
    assert_status(&granted, 200);
    assert_eq!(granted.headers["webhook-allowed-origin"], "GRID.example");
    assert_eq!(granted.headers["webhook-allowed-rate"], "100");
    assert_eq!(granted.headers["allow"], "OPTIONS, POST");
    for headers in [
        &[("webhook-request-origin", "evil.example")][..],
        &[("webhook-request-origin", "")],
        &[
            ("webhook-request-origin", "grid.example"),
            ("webhook-request-rate", "0"),
        ],
        &[("origin", "grid.example")],
    ] {
        let refused = ask("/in/events", headers).await;
        assert_problem(&refused, 403, "handshake");
        assert!(
            !refused.headers.contains_key("webhook-allowed-origin"),
            "{refused:?}"
        );
    }
    // A flow that gives no permission has none to ask for; permission is no proof.
    assert_status(
        &ask("/in/open", &[("webhook-request-origin", "grid.example")]).await,
        405,
    );
    let unproved = Call::new("/in/events", &[("content-type", SINGLE)], "{}");
    assert_problem(&site.send(&unproved).await, 401, "unverified");
    let other = site
        .request(Method::GET, "/in/events", HeaderMap::new(), "")
        .await;
    assert_eq!(other.headers["allow"], "POST, OPTIONS");
}
