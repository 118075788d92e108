//! A poll that repairs what a flow did not receive.

use serde_json::json;

use super::site::Site;
use super::source::{Reply, Source};

/// As Stripe has it: the list holds what the webhooks hold.
const STRIPE: &str = "  payments:
    system: erp
    receive: { path: /in/stripe, reconcile: repair, verify: { scheme: basic, user: u, password: \"${env:TOKEN}\" } }
    event: { id: .body.id, type: '\"stripe.\" + .body.type' }
  repair:
    system: erp
    poll:
      every: 1s
      request: '/v1/events?limit=2&created[gte]={since}&starting_after={cursor}'
      items: '.data[]'
      next:
        cursor: 'if .has_more then .data[-1].id else null end'
        timestamp: { field: .body.created, overlap: 1h, format: seconds }";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_received_is_known_and_what_was_missed_is_filled_in() {
    let all: Vec<_> = (0..5)
        .map(|number| json!({ "id": format!("evt_{number}"), "type": "charge", "created": 1_700_000_100 - number }))
        .collect();
    let list = all.clone();
    let source = Source::start(move |_, asked| {
        let after = asked.parameter("starting_after");
        let at = after.map_or(0, |id| {
            list.iter().position(|it| it["id"] == *id).unwrap() + 1
        });
        let end = list.len().min(at + 2);
        Reply::json(&json!({ "data": &list[at..end], "has_more": end < list.len() }))
    })
    .await;
    // The webhooks come first; the source answers only when they are there.
    let folder = Site::start(
        &source.url(),
        &STRIPE.replace("every: 1s", "cron: \"0 0 1 1 *\""),
    )
    .await;
    let authorization = "Basic dTpUT0tFTi0wMTIzNDU2Nzg5YWJjZGVm";
    for number in [0, 2] {
        // In other words than the list has: an extra blank, another order.
        let body = format!(
            r#"{{ "type": "charge", "created": {}, "id": "evt_{number}" }}"#,
            1_700_000_100 - number
        );
        let headers = [
            ("authorization", authorization),
            ("content-type", "application/json"),
        ];
        let answer = folder.post("/in/stripe", &headers, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let site = folder.restarted(&source.url(), STRIPE).await;
    site.until("what was missed", |site| site.ids().len() == 5)
        .await;
    site.until("a second round", |_| source.asked().len() >= 6)
        .await;
    let mut ids = site.ids();
    ids.sort();
    assert_eq!(ids, ["evt_0", "evt_1", "evt_2", "evt_3", "evt_4"]);
    assert!(site.events().iter().all(|it| it.event.flow == "payments"));
    assert_eq!(site.faults().len(), 0, "{:?}", site.faults());
    assert_eq!(source.asked()[0].target, "/v1/events?limit=2");
}

/// As GitHub has it: the list says what was sent, newest first.
const GITHUB: &str = "  pushes:
    system: erp
    receive: { path: /in/github, reconcile: repair, verify: { scheme: github, secret: \"${env:TOKEN}\" } }
    event: { id: '.headers[\"x-github-delivery\"]', type: '\"github.\" + .headers[\"x-github-event\"]' }
  repair:
    system: erp
    poll:
      every: 1s
      request: '/repos/o/r/hooks/1/deliveries?per_page=2'
      items: '.[]'
      next: { link: next, timestamp: { field: .body.delivered_at, overlap: 1m, order: newest-first } }
      received: { headers: '{ \"x-github-delivery\": .guid, \"x-github-event\": .event }' }";

#[tokio::test(flavor = "multi_thread")]
async fn items_stand_for_requests() {
    let source = Source::start(|_, asked| {
        let item = |number: u32| json!({ "guid": format!("g{number}"), "event": "push", "delivered_at": format!("2026-01-0{number}T00:00:00Z") });
        if asked.target.ends_with("&page=2") {
            return Reply::json(&json!([item(2), item(1)]));
        }
        Reply::json(&json!([item(4), item(3)]))
            .header("link", "</repos/o/r/hooks/1/deliveries?per_page=2&page=2>; rel=\"next\"")
    })
    .await;
    let site = Site::start(&source.url(), GITHUB).await;
    site.until("all deliveries", |site| site.ids().len() == 4)
        .await;
    assert_eq!(site.ids(), ["g4", "g3", "g2", "g1"]);
    assert!(
        site.events()
            .iter()
            .all(|it| it.event.kind == "github.push" && it.event.flow == "pushes")
    );
    // The second round ends at the first page that is older than the overlap.
    site.until("another round", |_| source.asked().len() >= 5)
        .await;
    let asked = source.asked();
    assert!(asked[1].target.ends_with("&page=2"));
}
