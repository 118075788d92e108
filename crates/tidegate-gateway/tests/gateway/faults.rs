//! What is genuine and cannot be processed: kept with its original, 202, never lost.

use tidegate_core::log::entry::{Blame, FaultCause};

use crate::call::{Call, assert_status, id, json};
use crate::site::Site;

const FLOWS: &str = r#"
systems: { partner: {} }
flows:
  orders:
    system: partner
    receive: { path: /in/orders, verify: none, body-max: 4MiB }
    event: { id: .body.id, type: '"order." + .body.kind', data: '{ total: (.body.total + 1) }' }
  signed:
    system: partner
    receive: { path: /in/signed, verify: { scheme: standard-webhooks, secret: "${env:WHSEC_NEW}" } }
    event: { type: '"order." + .body.kind' }
  slow:
    system: partner
    receive: { path: /in/slow, verify: none }
    event: { id: .body.id, type: '"slow"', data: 'if .body.spin then last(range(1e15)) else .body.id end' }
"#;

fn order(body: &str) -> Call {
    Call::new(
        "/in/orders?via=test",
        &[("content-type", "application/json"), ("x-trace", "t1")],
        body.to_owned(),
    )
}

async fn fault(site: &Site, call: &Call) -> (String, bool) {
    let answer = site.send(call).await;
    assert_status(&answer, 202);
    assert_eq!(json(&answer)["fault"], true, "{answer:?}");
    (id(&answer), json(&answer)["repeat"] == true)
}

#[tokio::test]
async fn what_cannot_be_mapped_is_kept_byte_for_byte() {
    let site = Site::start(FLOWS).await;
    // Total is a text, which cannot be added to; the spelling of the JSON is kept.
    let call = order("{ \"id\":\t\"7\", \"kind\":\"created\", \"total\": \"twelve \u{1f600}\" }\n");
    fault(&site, &call).await;
    let [fault] = &site.faults()[..] else {
        panic!("one fault")
    };
    assert_eq!((fault.cause, fault.blame), (FaultCause::Mapping, Blame::Us));
    assert_eq!(
        (fault.external_id.as_str(), fault.flow.as_str()),
        ("7", "orders")
    );
    assert_eq!(fault.raw.body, call.body);
    assert_eq!(fault.raw.query, "via=test");
    assert!(
        fault
            .raw
            .headers
            .contains(&("x-trace".to_owned(), "t1".to_owned()))
    );
    assert!(fault.message.starts_with("data: "), "{}", fault.message);
    assert_eq!(site.events(), []);
    let status = site.flow("orders");
    assert_eq!((status.kept, status.faults), (0, 1));
}

#[tokio::test]
async fn a_repeated_fault_is_kept_once_and_another_body_is_not_lost() {
    let mut site = Site::start(FLOWS).await;
    let call = order(r#"{"id":"7","kind":"created","total":"a"}"#);
    let (first, repeat) = fault(&site, &call).await;
    assert!(!repeat);
    let head = site.head();
    assert_eq!(fault(&site, &call).await, (first.clone(), true));
    site = site.restart().await;
    assert_eq!(fault(&site, &call).await, (first.clone(), true));
    assert_eq!(site.head(), head);
    // Their correction of the same event, which does not map either.
    let (second, repeat) = fault(&site, &order(r#"{"id":"7","kind":"created","total":"b"}"#)).await;
    assert!(!repeat && second != first);
    let bodies: Vec<_> = site
        .faults()
        .into_iter()
        .map(|fault| fault.raw.body)
        .collect();
    assert_eq!(bodies.len(), 2);
    assert!(bodies[1].ends_with(br#""b"}"#));
}

#[tokio::test]
async fn an_event_after_its_fault_is_an_event() {
    let mut site = Site::start(FLOWS).await;
    let call = order(r#"{"id":"7","kind":"created","total":"a"}"#);
    fault(&site, &call).await;
    site.reload(&FLOWS.replace("(.body.total + 1)", ".body.total"))
        .unwrap();
    assert_status(&site.send(&call).await, 200);
    assert_eq!((site.events().len(), site.faults().len()), (1, 1));
}

#[tokio::test]
async fn no_identity_given_by_a_sender_collides_with_a_fault() {
    let site = Site::start(FLOWS).await;
    let event = order(r#"{"id":"fault:7","kind":"created","total":1}"#);
    assert_status(&site.send(&event).await, 200);
    fault(&site, &order(r#"{"id":"7","kind":"created","total":"a"}"#)).await;
    assert_eq!((site.events().len(), site.faults().len()), (1, 1));
}

#[tokio::test]
async fn each_cause_has_its_name_and_its_blame() {
    let site = Site::start(FLOWS).await;
    let cases = [
        (
            order(r#"{"kind":"created","total":1}"#),
            FaultCause::Identity,
            Blame::Us,
        ),
        (
            order(r#"{"id":"","kind":"created","total":1}"#),
            FaultCause::Identity,
            Blame::Us,
        ),
        (
            order(r#"{"id":"2","kind":{},"total":1}"#),
            FaultCause::Mapping,
            Blame::Us,
        ),
        (order("{\"id\":\"3\","), FaultCause::Format, Blame::Them),
        (order("\u{feff}{}"), FaultCause::Format, Blame::Them),
        (
            Call::new("/in/slow", &[], r#"{"id":"4","spin":true}"#),
            FaultCause::Overrun,
            Blame::Us,
        ),
    ];
    for (call, cause, blame) in cases {
        fault(&site, &call).await;
        let kept = site.faults().pop().unwrap();
        assert_eq!(
            (kept.cause, kept.blame),
            (cause, blame),
            "{call:?} {kept:?}"
        );
        assert_eq!(kept.raw.body, call.body);
        assert!(!kept.message.is_empty() && kept.message.len() < 1024);
    }
}

/// `data` may be as large as the flow lets bodies be.
#[tokio::test]
async fn a_large_body_is_mapped_whole() {
    let site = Site::start(&FLOWS.replace("{ total: (.body.total + 1) }", ".body")).await;
    let body = format!(
        r#"{{"id":"7","kind":"created","text":"{}"}}"#,
        "x".repeat(3 << 20)
    );
    assert_status(&site.send(&order(&body)).await, 200);
    assert_eq!(site.events()[0].event.data, body);
}

#[tokio::test]
async fn a_flow_that_overruns_is_quarantined_until_a_reload() {
    let mut site = Site::start(FLOWS).await;
    let call =
        |n: u32, spin: bool| Call::new("/in/slow", &[], format!(r#"{{"id":"{n}","spin":{spin}}}"#));
    fault(&site, &call(0, true)).await;
    fault(&site, &call(1, true)).await;
    // One that ends in between begins the count anew.
    assert_status(&site.send(&call(2, false)).await, 200);
    for n in 3..6 {
        assert!(!site.flow("slow").quarantined);
        fault(&site, &call(n, true)).await;
    }
    assert!(site.flow("slow").quarantined);
    fault(&site, &call(6, false)).await;
    assert_eq!(site.faults().pop().unwrap().cause, FaultCause::Quarantined);
    // Other flows go on.
    assert_status(
        &site
            .send(&order(r#"{"id":"7","kind":"created","total":1}"#))
            .await,
        200,
    );
    site.reload(FLOWS).unwrap();
    assert!(!site.flow("slow").quarantined);
    assert_status(&site.send(&call(6, false)).await, 200);
}

#[tokio::test]
async fn a_fault_of_a_signed_flow_knows_its_sender_s_id() {
    let site = Site::start(FLOWS).await;
    let headers = [("content-type", "application/json")];
    let call = Call::new("/in/signed", &headers, "[]").signed(
        &site.scheme("signed"),
        "msg_1",
        tidegate_hub::clock::now(),
    );
    fault(&site, &call).await;
    assert_eq!(site.faults()[0].external_id, "msg_1");
}
