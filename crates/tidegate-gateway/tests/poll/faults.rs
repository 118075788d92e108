//! Items that could not be processed, and how they are cured.

use serde_json::json;
use tidegate_core::log::entry::{Entry, Fault};
use tidegate_gateway::gateway::{CommandError, ResubmitRequest, Resubmitted};

use super::site::Site;
use super::source::{Reply, Source};

const FLOW: &str = "  list:
    system: erp
    poll: { every: 1s, request: '/l', items: '.i[]' }
    event: { id: .body.id, type: '\"a\"', data: '{ n: (.body.n + 1) }' }";

impl Site {
    /// Resubmits a fault, as the admin API does.
    async fn resubmit(&self, fault: &Fault) -> Result<Resubmitted, CommandError> {
        let hub = self.gateway.hub();
        assert!(hub.settled(super::site::PATIENCE));
        let summary = hub.views().open_fault(fault.time, &fault.id).unwrap();
        let place = summary.expect("it is open").place;
        let Some(Entry::Fault(fault)) = hub.at(place).unwrap().map(|found| found.entry) else {
            panic!("a fault stands there");
        };
        let request = ResubmitRequest {
            fault: *fault,
            place,
            superseded: false,
            renew_key: false,
            by: "a test".to_owned(),
        };
        self.gateway.resubmit(request).await
    }

    fn is_open(&self, fault: &Fault) -> bool {
        let hub = self.gateway.hub();
        assert!(hub.settled(super::site::PATIENCE));
        let open = hub.views().open_fault(fault.time, &fault.id);
        open.unwrap().is_some()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_is_mapped_again_by_the_mapping_in_force() {
    let source = Source::start(|_, _| {
        Reply::json(&json!({ "i": [
            { "id": "1", "n": 1 }, { "id": "2", "n": "two" }, { "id": "3", "n": "three" },
        ] }))
    })
    .await;
    let site = Site::start(&source.url(), FLOW).await;
    site.until("two faults", |site| site.faults().len() == 2)
        .await;
    let faults = site.faults();
    let failed = site.resubmit(&faults[0]).await;
    assert!(
        matches!(&failed, Err(CommandError::FailsAgain(why)) if why.starts_with("data: ")),
        "{failed:?}"
    );
    assert!(site.is_open(&faults[0]));

    // Only one of them is wanted now.
    let mended = FLOW
        .replace("(.body.n + 1)", ".body.n")
        .replace("event: {", "event: { when: '.body.n != \"three\"',");
    site.reload(&mended);
    assert_eq!(site.resubmit(&faults[0]).await, Ok(Resubmitted::Kept));
    assert_eq!(site.resubmit(&faults[1]).await, Ok(Resubmitted::LeftOut));
    assert!(!site.is_open(&faults[0]) && !site.is_open(&faults[1]));
    let events = site.events();
    let event = events.iter().find(|it| it.event.external_id == "2");
    let event = &event.expect("it was kept").event;
    assert_eq!(&event.data[..], br#"{"n":"two"}"#);
    assert_eq!(event.flow, "list");

    // The source lists it yet, and it is known.
    let asked = source.asked().len();
    site.until("two more rounds", |_| source.asked().len() > asked + 2)
        .await;
    let mut ids = site.ids();
    ids.sort();
    assert_eq!(ids, ["1", "2"]);
    let books = site.gateway.books().unwrap();
    let row = books.pages.iter().find(|page| page.flow == "list").unwrap();
    assert_eq!(row.balance.name(), "even", "{row:?}");
    assert_eq!((row.row.delivered.count, row.row.discarded.count), (2, 1));
}

const RECONCILED: &str = "  pushes:
    system: erp
    receive: { path: /in/github, reconcile: repair, verify: { scheme: github, secret: \"${env:TOKEN}\" } }
    event: { id: '.headers[\"x-id\"]', type: '\"push\"', data: '{ n: (.body.n + 1) }' }
  repair:
    system: erp
    poll:
      every: 1s
      request: '/l'
      items: '.[]'
      received: { headers: '{ \"x-id\": .guid }', body: '{ n: .n }' }";

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_stands_for_a_request_is_made_one_again() {
    let source = Source::start(|_, _| {
        // The first cannot be made a request, the second cannot be mapped.
        Reply::json(&json!([{ "guid": ["1"], "n": 1 }, { "guid": "2", "n": "two" }]))
    })
    .await;
    let site = Site::start(&source.url(), RECONCILED).await;
    site.until("two faults", |site| site.faults().len() == 2)
        .await;
    let faults = site.faults();
    let flows: Vec<&str> = faults.iter().map(|it| it.flow.as_str()).collect();
    assert_eq!(flows, ["repair", "pushes"]);
    let mended = RECONCILED
        .replace(
            ".guid }",
            "(.guid | if type == \"array\" then .[0] else . end) }",
        )
        .replace("(.body.n + 1)", ".body.n");
    site.reload(&mended);
    for fault in &faults {
        assert_eq!(site.resubmit(fault).await, Ok(Resubmitted::Kept));
        assert!(!site.is_open(fault));
    }
    let events = site.events();
    let told: Vec<(&str, &str, &[u8])> = events
        .iter()
        .map(|it| {
            let event = &it.event;
            (
                event.flow.as_str(),
                event.external_id.as_str(),
                &event.data[..],
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("pushes", "1", &br#"{"n":1}"#[..]),
            ("pushes", "2", &br#"{"n":"two"}"#[..]),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_get_on_is_no_event() {
    let source =
        Source::start(|_, _| Reply::json(&json!({ "i": [{ "id": "1" }], "n": "same" }))).await;
    let flow = "  list:
    system: erp
    poll: { every: 1s, request: '/l?after={cursor}', items: '.i[]', next: .n }
    event: { id: .body.id, type: '\"a\"' }";
    let site = Site::start(&source.url(), flow).await;
    site.until("the fault", |site| site.faults().len() == 1)
        .await;
    let fault = site.faults().remove(0);
    assert_eq!(fault.cause.name(), "stuck");
    let refused = site.resubmit(&fault).await;
    assert!(
        matches!(refused, Err(CommandError::FailsAgain(_))),
        "{refused:?}"
    );
    assert!(site.is_open(&fault));
    assert_eq!(site.ids(), ["1"]);
}
