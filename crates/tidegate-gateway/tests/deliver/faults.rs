//! What cannot be delivered is set aside, and can be cured.

use tidegate_core::deliver::Discard;
use tidegate_core::log::entry::{Blame, Fault, FaultCause};
use tidegate_core::view::FaultSummary;
use tidegate_gateway::gateway::{CommandError, ResubmitRequest, Resubmitted};

use crate::sink::{Does, Got, Sink};
use crate::site::{QUICK, Site, one_flow};

fn again((summary, fault): &(FaultSummary, Fault), superseded: bool) -> ResubmitRequest {
    ResubmitRequest {
        fault: fault.clone(),
        place: summary.place,
        superseded,
        renew_key: false,
        by: "test".to_owned(),
    }
}

fn ids(got: &[Got]) -> Vec<String> {
    got.iter().map(Got::id).collect()
}

#[tokio::test]
async fn a_rejected_event_blocks_its_key_until_it_is_resubmitted() {
    let sink = Sink::start().await;
    sink.rule(|got| (got.id() == "a1").then_some(Does::Status(422)));
    let site = Site::start(&one_flow(&sink.url(), QUICK)).await;
    for (id, key) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
        site.publish("order.created", id, key).await;
    }
    let faults = site.faults_when(1).await;
    let fault = &faults[0].1;
    assert_eq!(fault.flow, "orders");
    assert_eq!(
        (fault.cause, fault.blame),
        (FaultCause::Rejected, Blame::Them)
    );
    assert!(fault.message.contains("422"), "{}", fault.message);
    assert_eq!(fault.event.as_ref().unwrap().event.external_id, "/shop a1");
    site.flow_when(|it| it.delivered == 1).await;
    assert!(!ids(&sink.got()).contains(&"a2".to_owned()));
    // It survives a restart that the key is blocked.
    let site = site.restart().await;
    site.publish("order.created", "b2", "b").await;
    site.flow_when(|it| it.delivered == 1).await;
    sink.rule(|_| None);
    site.resubmit(&again(&faults[0], false)).await;
    site.faults_when(0).await;
    site.flow_when(|it| it.delivered == 3).await;
    let ids = ids(&sink.got());
    assert_eq!(&ids[ids.len() - 2..], ["a1", "a2"], "{ids:?}");
}

#[tokio::test]
async fn an_event_that_cannot_be_mapped_is_ours_and_a_discarded_one_lets_its_key_go_on() {
    let sink = Sink::start().await;
    let deliver = format!("request: {{ path: '/o/{{.data.needed}}' }}, {QUICK}");
    let site = Site::start(&one_flow(&sink.url(), &deliver)).await;
    site.publish("order.created", "a1", "a").await;
    let good = serde_json::json!({ "specversion": "1.0", "id": "a2", "source": "/s", "type": "order.x",
        "partitionkey": "a", "data": { "id": "a2", "needed": "here" } });
    site.send(good).await;
    let faults = site.faults_when(1).await;
    let fault = &faults[0].1;
    assert_eq!(
        (fault.cause, fault.blame),
        (FaultCause::Rejected, Blame::Us)
    );
    assert!(fault.message.contains("path"), "{}", fault.message);
    assert!(sink.got().is_empty());
    let discard = Discard {
        fault: fault.id,
        set_aside: fault.time,
        reason: "a test".to_owned(),
        by: "test".to_owned(),
    };
    site.discard(&discard).await;
    site.faults_when(0).await;
    let got = sink.wait_for(1).await;
    assert_eq!(got[0].path, "/o/here");
}

#[tokio::test]
async fn what_was_overtaken_is_sent_again_only_on_demand() {
    let sink = Sink::start().await;
    sink.rule(|got| (got.id() == "a1").then_some(Does::Status(400)));
    let deliver = format!("on-fault: skip, {QUICK}");
    let site = Site::start(&one_flow(&sink.url(), &deliver)).await;
    site.publish("order.created", "a1", "a").await;
    site.publish("order.created", "a2", "a").await;
    site.flow_when(|it| it.delivered == 1).await;
    let faults = site.faults_when(1).await;
    sink.rule(|_| None);
    let refused = site.gateway().resubmit(again(&faults[0], false)).await;
    assert!(
        matches!(refused, Err(CommandError::Fault(_))),
        "{refused:?}"
    );
    site.resubmit(&again(&faults[0], true)).await;
    site.faults_when(0).await;
    assert_eq!(ids(&sink.got()), ["a1", "a2", "a1"]);
}

#[tokio::test]
async fn a_failing_condition_is_a_fault_and_no_event_is_lost_by_it() {
    let sink = Sink::start().await;
    let site = Site::start(&one_flow(&sink.url(), "when: '.data.id.deeper'")).await;
    site.publish("order.created", "a", "").await;
    let faults = site.faults_when(1).await;
    assert!(
        faults[0].1.message.contains("when:"),
        "{}",
        faults[0].1.message
    );
    assert!(sink.got().is_empty());
}

#[tokio::test]
async fn a_fault_of_receiving_is_mapped_again_by_the_mapping_in_force() {
    let flows = |kind: &str| {
        format!(
            "systems: {{ crm: {{}} }}
flows: {{ crm-in: {{ system: crm, receive: {{ path: /in/crm, verify: none }}, event: {{ id: .body.id, type: '{kind}' }} }} }}
"
        )
    };
    let mut site = Site::start(&flows(".body.missing")).await;
    site.post("/in/crm", r#"{"id":"a"}"#).await;
    let faults = site.faults_when(1).await;
    let again = |faults: &[(FaultSummary, Fault)]| again(&faults[0], false);
    let refused = site.gateway().resubmit(again(&faults)).await;
    assert!(
        matches!(refused, Err(CommandError::FailsAgain(_))),
        "{refused:?}"
    );
    site.reload(&flows("\"crm.changed\"")).await;
    let done = site.gateway().resubmit(again(&faults)).await;
    assert_eq!(done, Ok(Resubmitted::Kept));
    site.faults_when(0).await;
    // The same twice changes nothing, and the sender's repeat is one.
    let done = site.gateway().resubmit(again(&faults)).await;
    assert_eq!(done, Ok(Resubmitted::Kept));
    site.post("/in/crm", r#"{"id":"a"}"#).await;
    let counts = site.gateway().flows();
    assert_eq!((counts[0].kept, counts[0].repeats), (0, 1));
}

#[tokio::test]
async fn a_fault_of_receiving_is_given_up() {
    let site = Site::start(
        "systems: { crm: {} }
flows: { crm-in: { system: crm, receive: { path: /in/crm, verify: none }, event: { id: .body.id, type: .body.missing } } }
",
    )
    .await;
    site.post("/in/crm", r#"{"id":"a"}"#).await;
    let faults = site.faults_when(1).await;
    let fault = &faults[0].1;
    let discard = Discard {
        fault: fault.id,
        set_aside: fault.time,
        reason: "a test".to_owned(),
        by: "test".to_owned(),
    };
    site.gateway().discard("crm-in", discard).await.unwrap();
    site.faults_when(0).await;
}
