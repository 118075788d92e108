//! Events to a queue and messages from one, against servers that follow a script.

use std::time::Duration;

use tidegate_gateway::outbound::aws::{
    Delivered, QueueSource, QueueSourceSettings, Service, SourceError, deliver, settings,
};
use tidegate_gateway::outbound::{Endpoint, FailureKind};
use tidegate_types::secret::Secret;
use tidegate_wire::aws::sqs::Receive;
use tidegate_wire::aws::{CallError, EventResult, Item, Queue, RefusalCause, Target};
use tidegate_wire::sigv4::Credentials;

use crate::support::{Act, PATIENCE, Server, transport};

fn credentials() -> Credentials {
    Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: Secret::new("aws-s3cr3t"),
        session_token: None,
    }
}

fn endpoint(server: &Server) -> std::sync::Arc<Endpoint> {
    let mut settings = settings(Service::Sqs, "eu-central-1", credentials());
    settings.url = server.url();
    settings.guard.allow = vec!["127.0.0.0/8".parse().unwrap()];
    Endpoint::new(&settings).unwrap()
}

fn queue(name: &str) -> Queue {
    Queue::new(format!(
        "https://sqs.eu-central-1.amazonaws.com/177715257436/{name}"
    ))
    .unwrap()
}

fn item<'a>(id: &'a str, key: &'a str) -> Item<'a> {
    Item {
        id,
        kind: "order.created",
        key,
        time: None,
        body: id.as_bytes(),
        headers: &[],
    }
}

fn turn(status: u16, body: &str) -> Vec<Act> {
    let length = body.len();
    let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n\r\n{body}");
    vec![Act::Read, Act::Write(text.into_bytes())]
}

async fn to(server: &Server, name: &str, items: &[Item<'_>], timeout: Duration) -> Delivered {
    let target = Target::Queue(queue(name));
    deliver(&transport(), &endpoint(server), &target, items, timeout).await
}

fn accepted(id: &str) -> EventResult {
    EventResult::Accepted(id.to_owned())
}

#[tokio::test]
async fn a_batch_that_is_accepted_in_part() {
    let body = r#"{"Successful": [{"Id": "0", "MessageId": "m-0"}],
        "Failed": [{"Id": "1", "Code": "InvalidMessageContents", "SenderFault": true}]}"#;
    let server = Server::new(vec![turn(200, body)]).await;
    let items = [item("one", ""), item("two", "")];
    let delivered = to(&server, "plain", &items, PATIENCE).await;
    assert_eq!(delivered.results[0], accepted("m-0"));
    assert!(matches!(
        &delivered.results[1],
        EventResult::Refused(refusal) if refusal.cause == RefusalCause::Event && refusal.status() == 422
    ));
    assert_eq!((delivered.calls, delivered.failure.is_none()), (1, true));
    let seen = server.seen().remove(0);
    assert!(seen.starts_with("post / http/1.1\r\n"), "{seen}");
    assert!(
        seen.contains("x-amz-target: amazonsqs.sendmessagebatch\r\n")
            && seen.contains("content-type: application/x-amz-json-1.0\r\n")
            && seen.contains("authorization: aws4-hmac-sha256 credential=akidexample/")
            && seen.contains(";x-amz-target, signature="),
        "{seen}"
    );
}

#[tokio::test]
async fn a_call_that_breaks_leaves_the_rest_unsent() {
    let first = r#"{"Successful": [{"Id": "0", "MessageId": "m-0"}]}"#;
    let script = [turn(200, first), vec![Act::Read, Act::Reset]].concat();
    let server = Server::new(vec![script]).await;
    let items = [item("1", "a"), item("2", "a"), item("3", "a")];
    let delivered = to(&server, "orders.fifo", &items, PATIENCE).await;
    assert_eq!(
        delivered.results,
        [
            accepted("m-0"),
            EventResult::Unanswered,
            EventResult::Unsent
        ]
    );
    assert_eq!(delivered.failure.unwrap().kind, FailureKind::Closed);
    assert_eq!((delivered.calls, server.seen().len()), (2, 2));
}

#[tokio::test]
async fn all_calls_together_have_one_time() {
    let first = r#"{"Successful": [{"Id": "0", "MessageId": "m-0"}]}"#;
    let server = Server::new(vec![[turn(200, first), vec![Act::Hang]].concat()]).await;
    let items = [item("1", "a"), item("2", "a"), item("3", "a")];
    let timeout = Duration::from_millis(500);
    let delivered = to(&server, "orders.fifo", &items, timeout).await;
    assert_eq!(
        delivered.results[1..],
        [EventResult::Unanswered, EventResult::Unsent]
    );
    assert!(delivered.duration < Duration::from_secs(5));
    assert_eq!(delivered.failure.unwrap().kind, FailureKind::AnswerTimeout);
}

#[tokio::test]
async fn what_was_not_sent_is_told_apart() {
    let server = Server::new(vec![vec![Act::Hang]]).await;
    let mut settings = settings(Service::Sqs, "eu-central-1", credentials());
    settings.url = server.url();
    // Loopback is not open for it.
    settings.guard.allow = Vec::new();
    assert!(Endpoint::new(&settings).is_err());
    settings.url = "http://sqs.invalid".to_owned();
    let endpoint = Endpoint::new(&settings).unwrap();
    let target = Target::Queue(queue("plain"));
    let transport = crate::support::with_names(&crate::support::Names::new(&[]));
    let delivered = deliver(&transport, &endpoint, &target, &[item("1", "")], PATIENCE).await;
    assert_eq!(delivered.results, [EventResult::Unsent]);
    assert_eq!(delivered.failure.unwrap().kind, FailureKind::Resolve);
}

#[test]
fn where_services_are() {
    for (service, region, url) in [
        (
            Service::Sqs,
            "eu-central-1",
            "https://sqs.eu-central-1.amazonaws.com",
        ),
        (
            Service::EventBridge,
            "cn-north-1",
            "https://events.cn-north-1.amazonaws.com.cn",
        ),
    ] {
        let settings = settings(service, region, credentials());
        assert_eq!(settings.url, url);
        assert!(Endpoint::new(&settings).is_ok());
        assert!(!format!("{settings:?}").contains("s3cr3t"));
    }
    // What would lead elsewhere is no region.
    for region in ["", "x/", "evil.example/", "x@evil.example", "x#"] {
        assert!(
            Endpoint::new(&settings(Service::Sqs, region, credentials())).is_err(),
            "{region}"
        );
    }
}

fn source(server: &Server, messages_max: u8) -> QueueSource {
    let settings = QueueSourceSettings {
        receive: Receive {
            messages_max,
            wait_seconds: 0,
            visibility_seconds: None,
        },
        ..QueueSourceSettings::new(queue("theirs"))
    };
    QueueSource::new(endpoint(server), settings).unwrap()
}

const MESSAGES: &str = r#"{"Messages": [
    {"MessageId": "m-1", "ReceiptHandle": "handle-1", "Body": "one", "Attributes": {"ApproximateReceiveCount": "1"},
     "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "order.created"}}},
    {"MessageId": "m-2", "ReceiptHandle": "handle-2", "Body": "two"}]}"#;

#[tokio::test]
async fn only_what_is_durable_is_deleted() {
    let deleted = r#"{"Successful": [{"Id": "0"}]}"#;
    let script = [turn(200, MESSAGES), turn(200, deleted), turn(200, "{}")].concat();
    let server = Server::new(vec![script]).await;
    let (source, transport) = (source(&server, 10), transport());
    let mut messages = source.receive(&transport).await.unwrap();
    assert_eq!(
        (messages[0].id.as_str(), messages[0].body.as_str()),
        ("m-1", "one")
    );
    assert_eq!(messages[0].attributes["kind"], "order.created");
    assert_eq!(messages[0].system["ApproximateReceiveCount"], "1");
    assert!(!format!("{messages:?}").contains("handle"));
    // The second one was not kept.
    let durable = vec![messages.remove(1).receipt];
    drop(messages);
    let deleted = source.delete(&transport, durable).await;
    assert_eq!(
        (deleted.count, deleted.left, deleted.error.is_none()),
        (1, 0, true)
    );
    assert!(source.receive(&transport).await.unwrap().is_empty());
    let seen = server.seen();
    assert!(seen[1].contains("deletemessagebatch") && seen[1].contains("handle-2"));
    assert!(!seen[1].contains("handle-1") && seen.len() == 3);
}

#[tokio::test]
async fn what_is_not_deleted_comes_again_and_is_told() {
    let failed = r#"{"Successful": [{"Id": "0"}],
        "Failed": [{"Id": "1", "Code": "ReceiptHandleIsInvalid", "SenderFault": true}]}"#;
    let script = [turn(200, MESSAGES), turn(200, failed)].concat();
    let server = Server::new(vec![script]).await;
    let (source, transport) = (source(&server, 10), transport());
    let messages = source.receive(&transport).await.unwrap();
    let durable = messages
        .into_iter()
        .map(|message| message.receipt)
        .collect();
    let deleted = source.delete(&transport, durable).await;
    assert_eq!((deleted.count, deleted.left), (1, 1));
    let error = deleted.error.unwrap().to_string();
    assert!(error.contains("ReceiptHandleIsInvalid"), "{error}");
}

#[tokio::test]
async fn messages_that_are_too_large_together_are_asked_for_in_smaller_numbers() {
    let head = "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";
    let flood = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let large = vec![
        Act::Read,
        Act::Write(head.as_bytes().to_vec()),
        Act::Flood(flood),
    ];
    let server = Server::new(vec![large.clone(), large, turn(200, "{}")]).await;
    let (source, transport) = (source(&server, 3), transport());
    for _ in 0..2 {
        let refused = source.receive(&transport).await;
        assert!(matches!(refused, Err(SourceError::TooLarge)), "{refused:?}");
    }
    source.receive(&transport).await.unwrap();
    let seen = server.seen();
    for (seen, asked) in seen.iter().zip([3, 1, 1]) {
        assert!(
            seen.contains(&format!("\"MaxNumberOfMessages\":{asked},")),
            "{seen}"
        );
    }
}

#[tokio::test]
async fn a_source_says_why_there_is_nothing() {
    let refusal = r#"{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "gone"}"#;
    let server = Server::new(vec![turn(400, refusal)]).await;
    let refused = source(&server, 10).receive(&transport()).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "QueueDoesNotExist (400 Bad Request): gone"
    );
    let broken = Act::Write(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{\"Mess".to_vec());
    let server = Server::new(vec![vec![Act::Read, broken]]).await;
    let refused = source(&server, 10).receive(&transport()).await;
    assert!(
        matches!(refused, Err(SourceError::BrokenOff)),
        "{refused:?}"
    );
    let mut settings = QueueSourceSettings::new(queue("theirs"));
    settings.receive.wait_seconds = 21;
    let refused = QueueSource::new(endpoint(&server), settings).unwrap_err();
    assert!(matches!(refused, CallError::Range(_)));
}
