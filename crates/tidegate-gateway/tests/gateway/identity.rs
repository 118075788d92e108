//! Identity and repeats: the same request has the same id and stands in the log once.

use std::collections::HashSet;
use std::sync::Arc;

use tidegate_core::log::entry::FaultCause;
use tidegate_types::id::{EventId, FlowNamespace};

use crate::call::{Call, assert_status, id, json};
use crate::site::Site;

const FLOWS: &str = r#"
systems: { partner: {} }
flows:
  expression:
    system: partner
    receive: { path: /in/expression, verify: none }
    event: { id: '.headers["x-id"]', type: '"order." + .body.kind', key: .body.customer, data: '{ total: .body.total }' }
  scheme:
    system: partner
    receive: { path: /in/scheme, verify: { scheme: standard-webhooks, secret: "${env:WHSEC_NEW}" } }
    event: { type: '"order." + .body.kind', data: '{ total: .body.total }' }
  content:
    system: partner
    receive: { path: /in/content, verify: none }
    event: { id: content, type: '"order." + .body.kind' }
  none:
    system: partner
    receive: { path: /in/none, verify: none }
    event: { id: none, type: '"order." + .body.kind' }
  cloudevents:
    system: partner
    receive: { path: /in/cloudevents, format: cloudevents, verify: none }
"#;

/// The same event, sent in a way that differs in what is not the event: a header and the key order.
fn call(site: &Site, flow: &str, id: &str, total: u32, again: bool) -> Call {
    let body = match (flow, again) {
        ("content" | "cloudevents", _) | (_, false) => {
            format!(r#"{{"id":"{id}","kind":"created","customer":"c","total":{total}}}"#)
        }
        (_, true) => format!(r#"{{"total":{total},"kind":"created","customer":"c","id":"{id}"}}"#),
    };
    let attempt = if again { "2" } else { "1" };
    let mut headers = vec![
        ("content-type", "application/json"),
        ("x-id", id),
        ("x-attempt", attempt),
    ];
    if flow == "cloudevents" {
        headers.extend([
            ("ce-specversion", "1.0"),
            ("ce-id", id),
            ("ce-source", "/shop"),
            ("ce-type", "order.created"),
        ]);
    }
    let call = Call::new(&site.path(flow), &headers, body);
    call.signed(&site.scheme(flow), id, tidegate_hub::clock::now())
}

fn is_repeat(answer: &tidegate_gateway::http::Answer) -> bool {
    json(answer).get("repeat") == Some(&serde_json::Value::Bool(true))
}

#[tokio::test]
async fn a_repeat_is_answered_with_the_same_id_and_appends_nothing() {
    let mut site = Site::start(FLOWS).await;
    let mut first = Vec::new();
    for flow in ["expression", "scheme", "content", "cloudevents"] {
        let answer = site.send(&call(&site, flow, "7", 12, false)).await;
        assert_status(&answer, 200);
        assert!(!is_repeat(&answer), "{flow} {answer:?}");
        first.push((flow, id(&answer)));
    }
    let head = site.head();
    for round in ["at once", "after a restart", "after a reload"] {
        match round {
            "after a restart" => site = site.restart().await,
            "after a reload" => site.reload(FLOWS).unwrap(),
            _ => {}
        }
        for (flow, first) in &first {
            let answer = site.send(&call(&site, flow, "7", 12, true)).await;
            assert_status(&answer, 200);
            assert!(is_repeat(&answer), "{flow} {round} {answer:?}");
            assert_eq!(&id(&answer), first, "{flow} {round}");
        }
        assert_eq!(site.head(), head, "{round}");
    }
    assert_eq!(site.events().len(), first.len());
}

/// The rule of the documentation, computed here by the vocabulary alone.
#[tokio::test]
async fn the_id_is_made_of_flow_and_external_id() {
    let site = Site::start(FLOWS).await;
    for (flow, external) in [
        ("expression", "7"),
        ("scheme", "7"),
        ("cloudevents", "/shop 7"),
    ] {
        let answer = site.send(&call(&site, flow, "7", 12, false)).await;
        let namespace = FlowNamespace::new("orders", flow);
        assert_eq!(
            id(&answer),
            EventId::derive(&namespace, external).to_string(),
            "{flow}"
        );
    }
}

#[tokio::test]
async fn without_identity_every_request_is_an_event() {
    let site = Site::start(FLOWS).await;
    let mut ids = HashSet::new();
    for _ in 0..3 {
        let answer = site.send(&call(&site, "none", "7", 12, false)).await;
        assert!(!is_repeat(&answer), "{answer:?}");
        ids.insert(id(&answer));
    }
    let site = site.restart().await;
    ids.insert(id(&site.send(&call(&site, "none", "7", 12, false)).await));
    assert_eq!(ids.len(), 4);
    assert_eq!(site.events().len(), 4);
}

#[tokio::test]
async fn a_reused_id_is_a_fault_once() {
    let site = Site::start(FLOWS).await;
    for flow in ["expression", "scheme", "cloudevents"] {
        let event = id(&site.send(&call(&site, flow, "7", 12, false)).await);
        let reuse = call(&site, flow, "7", 13, false);
        let answer = site.send(&reuse).await;
        assert_status(&answer, 202);
        assert_eq!(json(&answer)["fault"], true);
        assert_ne!(id(&answer), event);
        let head = site.head();
        let again = site.send(&reuse).await;
        assert_status(&again, 202);
        assert_eq!(
            (id(&again), json(&again)["repeat"].clone()),
            (id(&answer), true.into())
        );
        assert_eq!(site.head(), head);
        // The first one still is what it was.
        let first = site.send(&call(&site, flow, "7", 12, false)).await;
        assert!(is_repeat(&first) && id(&first) == event, "{first:?}");
        let fault = site.faults().pop().unwrap();
        assert_eq!(fault.cause, FaultCause::IdReused);
        assert_eq!(fault.raw.body, reuse.body);
        assert!(fault.message.contains(&event), "{}", fault.message);
    }
    assert_eq!((site.events().len(), site.faults().len()), (3, 3));
}

#[tokio::test]
async fn the_same_id_in_another_flow_is_another_event() {
    let site = Site::start(FLOWS).await;
    let mut ids = HashSet::new();
    for flow in ["expression", "scheme", "cloudevents"] {
        ids.insert(id(&site.send(&call(&site, flow, "7", 12, false)).await));
    }
    assert_eq!(ids.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn copies_at_the_same_time_are_one_event() {
    let site = Arc::new(Site::start(FLOWS).await);
    for flow in ["expression", "scheme", "content", "cloudevents"] {
        let call = call(&site, flow, "7", 12, false);
        let copies = (0..200).map(|_| {
            let (call, client) = (call.clone(), site.client());
            tokio::spawn(async move { call.send(&client).await })
        });
        let copies: Vec<_> = copies.collect();
        let (mut ids, mut firsts) = (HashSet::new(), 0);
        for copy in copies {
            let answer = copy.await.unwrap();
            assert_status(&answer, 200);
            ids.insert(id(&answer));
            firsts += usize::from(!is_repeat(&answer));
        }
        assert_eq!((ids.len(), firsts), (1, 1), "{flow}");
        let status = site.flow(flow);
        assert_eq!((status.kept, status.repeats), (1, 199), "{flow}");
    }
    assert_eq!(site.events().len(), 4);
}
