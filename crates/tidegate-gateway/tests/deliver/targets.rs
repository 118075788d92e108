//! Queues and buses of AWS, against a service that answers as it is told. The real shapes of answers
//! are tested against software from outside (`tests/interop/aws`).

use serde_json::{Value, json};

use crate::sink::{Does, Got, Sink};
use crate::site::{QUICK, Site};

const KEY: &str = "access-key: AKIDEXAMPLE, secret-key: \"${env:KEY}\"";

fn queue(sink: &Sink, name: &str, more: &str, deliver: &str) -> String {
    let url = sink.url();
    format!(
        "systems: {{ aws: {{ url: \"{url}\", private-ranges: [127.0.0.1] }} }}
flows:
  orders:
    system: aws
    deliver:
      {{ on: [order.*], to: {{ sqs: {{ queue-url: \"{url}/1/{name}\", region: eu-central-1, {KEY}, {more} }} }}, {deliver} }}
"
    )
}

fn bus(sink: &Sink, deliver: &str) -> String {
    let url = sink.url();
    format!(
        "systems: {{ aws: {{ url: \"{url}\", private-ranges: [127.0.0.1] }} }}
flows:
  orders:
    system: aws
    deliver:
      {{ on: [order.*], to: {{ event-bridge: {{ bus: orders, source: shop, region: eu-central-1, {KEY} }} }}, {deliver} }}
"
    )
}

fn taken(_: &Got) -> Option<Does> {
    let body = r#"{"Successful": [{"Id": "0", "MessageId": "m"}]}"#;
    Some(Does::Tells(200, body.to_owned()))
}

fn refused(code: &str, ours: bool) -> Does {
    let entry = json!({ "Id": "0", "Code": code, "SenderFault": ours });
    Does::Tells(200, json!({ "Failed": [entry] }).to_string())
}

/// The one message of a call.
fn entry(got: &Got) -> Value {
    let entries = got.json()["Entries"].clone();
    assert_eq!(entries.as_array().map(Vec::len), Some(1), "{entries}");
    entries[0].clone()
}

fn text(value: &Value) -> Value {
    serde_json::from_str(value.as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_queue_gets_messages_and_repeats_have_one_key() {
    let sink = Sink::start().await;
    sink.script([Does::Resets, refused("InternalError", false)]);
    sink.rule(taken);
    let more = "attributes: { kind: .type, none: .data.absent }, body: '{ id: .data.id }'";
    let site = Site::start(&queue(&sink, "plain", more, QUICK)).await;
    site.publish("order.created", "a", "k").await;
    site.publish("other.created", "b", "k").await;
    site.flow_when(|it| it.delivered == 1 && it.lag_frames == 0)
        .await;
    let got = sink.got();
    assert_eq!(got.len(), 3);
    for got in &got {
        assert_eq!((got.method.as_str(), got.path.as_str()), ("POST", "/"));
        let target = got.header("x-amz-target");
        assert_eq!(target, Some("AmazonSQS.SendMessageBatch"));
        let proof = got.header("authorization").unwrap();
        assert!(
            proof.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
                && proof.contains("/eu-central-1/sqs/aws4_request"),
            "{proof}"
        );
        assert_eq!(got.json()["QueueUrl"], format!("{}/1/plain", sink.url()));
        let entry = entry(got);
        assert_eq!(text(&entry["MessageBody"]), json!({ "id": "a" }));
        let attributes = &entry["MessageAttributes"];
        assert_eq!(attributes["kind"]["StringValue"], "order.created");
        assert!(attributes["idempotency-key"]["StringValue"].is_string());
        assert_eq!(attributes.as_object().map(serde_json::Map::len), Some(2));
        assert_eq!(entry["MessageGroupId"], Value::Null);
        assert_eq!(entry, self::entry(&sink.got()[0]));
    }
}

#[tokio::test]
async fn a_fifo_queue_keeps_keys_and_drops_repeats() {
    let sink = Sink::start().await;
    sink.rule(taken);
    let site = Site::start(&queue(&sink, "orders.fifo", "", QUICK)).await;
    site.publish_many("e", 12, 3).await;
    let got = sink.wait_for(12).await;
    let mut ids = std::collections::HashSet::new();
    let mut orders = std::collections::BTreeMap::<String, Vec<usize>>::new();
    for got in &got {
        let entry = entry(got);
        let group = entry["MessageGroupId"].as_str().unwrap().to_owned();
        let body = text(&entry["MessageBody"]);
        assert_eq!(body["key"], group);
        let id = body["id"].as_str().unwrap().strip_prefix("e-").unwrap();
        orders.entry(group).or_default().push(id.parse().unwrap());
        let dedup = &entry["MessageDeduplicationId"];
        let key = &entry["MessageAttributes"]["idempotency-key"]["StringValue"];
        assert_eq!(dedup, key);
        ids.insert(dedup.as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 12);
    assert_eq!(orders.len(), 3);
    for order in orders.values() {
        assert!(order.is_sorted() && order.len() == 4, "{orders:?}");
    }
}

#[tokio::test]
async fn what_a_queue_refuses_is_set_aside_alone() {
    let sink = Sink::start().await;
    sink.rule(|got| {
        let id = text(&entry(got)["MessageBody"])["id"].clone();
        if id == "bad" {
            return Some(refused("InvalidMessageContents", true));
        }
        taken(got)
    });
    let site = Site::start(&queue(&sink, "plain", "", QUICK)).await;
    for (id, key) in [("first", "a"), ("bad", "b"), ("behind", "b"), ("last", "c")] {
        site.publish("order.created", id, key).await;
    }
    let faults = site.faults_when(1).await;
    let message = &faults[0].1.message;
    assert!(message.contains("InvalidMessageContents"), "{message}");
    assert_eq!(faults[0].1.cause.name(), "rejected");
    // The key that failed waits, the others do not.
    let status = site.flow_when(|it| it.delivered == 2).await;
    assert_eq!(status.delivered, 2);
}

#[tokio::test]
async fn what_cannot_be_a_message_is_ours_and_never_sent() {
    // An event bus wants an object; the service is not asked about anything else.
    let sink = Sink::start().await;
    let site = Site::start(&bus(&sink, QUICK)).await;
    let event = json!({ "specversion": "1.0", "id": "a", "source": "/s", "type": "order.created", "data": [1] });
    site.send(event).await;
    let faults = site.faults_when(1).await;
    assert_eq!(faults[0].1.blame.name(), "us", "{:?}", faults[0].1);
    assert_eq!(sink.got().len(), 0);
}

#[tokio::test]
async fn a_bus_gets_entries_and_throttling_is_waited_for() {
    let sink = Sink::start().await;
    let throttled = r#"{"FailedEntryCount": 1, "Entries": [{"ErrorCode": "ThrottlingException"}]}"#;
    sink.script([Does::Tells(200, throttled.to_owned())]);
    sink.rule(|_| {
        let body = r#"{"FailedEntryCount": 0, "Entries": [{"EventId": "e"}]}"#;
        Some(Does::Tells(200, body.to_owned()))
    });
    let site = Site::start(&bus(&sink, QUICK)).await;
    site.publish("order.created", "a", "k").await;
    site.flow_when(|it| it.delivered == 1).await;
    let got = sink.got();
    assert_eq!(got.len(), 2);
    assert_eq!(got[1].header("x-amz-target"), Some("AWSEvents.PutEvents"));
    let entry = entry(&got[1]);
    assert_eq!(entry["EventBusName"], "orders");
    assert_eq!(entry["Source"], "shop");
    assert_eq!(entry["DetailType"], "order.created");
    assert_eq!(text(&entry["Detail"]), json!({ "id": "a", "key": "k" }));
    assert!(site.faults().await.is_empty());
}

#[tokio::test]
async fn wrong_credentials_set_nothing_aside() {
    let sink = Sink::start().await;
    let body = r#"{"__type": "com.amazon.coral.service#InvalidClientTokenId", "message": "no"}"#;
    sink.script(vec![Does::Tells(403, body.to_owned()); 4]);
    sink.rule(taken);
    let site = Site::start(&queue(&sink, "plain", "", QUICK)).await;
    site.publish("order.created", "a", "k").await;
    site.flow_when(|it| it.delivered == 1).await;
    assert_eq!(sink.got().len(), 5);
    assert!(site.faults().await.is_empty());
}
