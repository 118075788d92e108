//! Calls as the API references show them; answers whole, in part, and hostile.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::events::{Entry, put_events, put_events_answer};
use super::sqs::{
    Message, Receive, delete_batch, receive_message, receive_message_answer, send_batch,
    send_batch_answer, send_message,
};
use super::*;

const QUEUE: &str = "https://sqs.us-east-1.amazonaws.com/177715257436/orders";

fn body(call: &Call) -> Value {
    serde_json::from_slice(&call.body).unwrap()
}

fn message(body: &str) -> Message {
    Message {
        body: body.to_owned(),
        ..Message::default()
    }
}

fn entry(detail: &str) -> Entry {
    Entry {
        source: "orders".to_owned(),
        detail_type: "order.created".to_owned(),
        detail: detail.to_owned(),
        event_bus_name: "default".to_owned(),
        time: Some(1_795_255_200),
    }
}

#[test]
fn one_message() {
    let sent = Message {
        body: "hello".to_owned(),
        attributes: BTreeMap::from([("kind".to_owned(), "order.created".to_owned())]),
        group_id: Some("octo/repo".to_owned()),
        deduplication_id: Some("1".to_owned()),
        delay_seconds: None,
    };
    let call = send_message(QUEUE, &sent).unwrap();
    assert_eq!(call.target, "AmazonSQS.SendMessage");
    assert_eq!(call.content_type, "application/x-amz-json-1.0");
    assert_eq!(
        body(&call),
        json!({
            "QueueUrl": QUEUE,
            "MessageBody": "hello",
            "MessageAttributes": { "kind": { "DataType": "String", "StringValue": "order.created" } },
            "MessageGroupId": "octo/repo",
            "MessageDeduplicationId": "1",
        })
    );
}

#[test]
fn a_batch_is_numbered_and_its_verdicts_are_sorted() {
    let call = send_batch(QUEUE, &[message("a"), message("b")]).unwrap();
    assert_eq!(
        body(&call),
        json!({ "QueueUrl": QUEUE, "Entries": [
            { "Id": "0", "MessageBody": "a" }, { "Id": "1", "MessageBody": "b" } ] })
    );
    let answer = br#"{
        "Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": false, "Message": "later"}],
        "Successful": [{"Id": "1", "MessageId": "m-1", "MD5OfMessageBody": "x"}]}"#;
    let rejected = Verdict::Rejected {
        code: "InternalError".to_owned(),
        message: "later".to_owned(),
        ours: false,
    };
    assert_eq!(
        send_batch_answer(2, answer),
        Ok(vec![rejected, Verdict::Accepted("m-1".to_owned())])
    );
}

#[test]
fn a_batch_answer_must_speak_of_each_entry_once() {
    for answer in [
        r#"{}"#,
        r#"{"Successful": [{"Id": "0", "MessageId": "m"}, {"Id": "0", "MessageId": "m"}]}"#,
        r#"{"Successful": [{"Id": "1", "MessageId": "m"}]}"#,
        r#"{"Successful": [{"Id": "-1", "MessageId": "m"}]}"#,
        r#"{"Successful": [{"Id": "18446744073709551616", "MessageId": "m"}]}"#,
        "[",
    ] {
        let read = send_batch_answer(1, answer.as_bytes());
        assert!(
            matches!(read, Err(AnswerError::Malformed { .. })),
            "{answer}"
        );
    }
}

#[test]
fn limits_of_messages() {
    let large = message(&"x".repeat(sqs::MESSAGE_BYTES_MAX / 2 + 1));
    assert!(send_message(QUEUE, &large).is_ok());
    assert!(matches!(
        send_batch(QUEUE, &[large.clone(), large]),
        Err(CallError::TooLarge {
            what: "the batch",
            ..
        })
    ));
    assert_eq!(
        send_batch::<Message>(QUEUE, &[]),
        Err(CallError::Entries(0))
    );
    assert_eq!(
        send_batch(QUEUE, &vec![message("a"); 11]),
        Err(CallError::Entries(11))
    );
    for bad in ["", "\0", "\u{FFFE}"] {
        assert_eq!(
            send_message(QUEUE, &message(bad)),
            Err(CallError::Field("the body"))
        );
    }
    let delayed = Message {
        delay_seconds: Some(901),
        ..message("a")
    };
    assert_eq!(
        send_message(QUEUE, &delayed),
        Err(CallError::Range("the delay"))
    );
    let grouped = Message {
        group_id: Some("a b".to_owned()),
        ..message("a")
    };
    assert!(send_message(QUEUE, &grouped).is_err());
    assert!(send_message("", &message("a")).is_err());
}

#[test]
fn receiving() {
    let how = Receive {
        messages_max: 10,
        wait_seconds: 20,
        visibility_seconds: Some(60),
    };
    let call = receive_message(QUEUE, how).unwrap();
    assert_eq!(
        body(&call),
        json!({
            "QueueUrl": QUEUE, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 20, "VisibilityTimeout": 60,
            "MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"],
        })
    );
    for how in [
        Receive {
            messages_max: 0,
            ..how
        },
        Receive {
            messages_max: 11,
            ..how
        },
        Receive {
            wait_seconds: 21,
            ..how
        },
        Receive {
            visibility_seconds: Some(43_201),
            ..how
        },
    ] {
        assert!(receive_message(QUEUE, how).is_err(), "{how:?}");
    }
    assert_eq!(receive_message_answer(b"{}"), Ok(Vec::new()));
    let answer =
        br#"{"Messages": [{"MessageId": "m", "ReceiptHandle": "h", "Body": "b", "MD5OfBody": "x",
        "Attributes": {"SentTimestamp": "1795255200000"},
        "MessageAttributes": {"kind": {"DataType": "String", "StringValue": "k"},
                              "bytes": {"DataType": "Binary", "BinaryValue": "AA=="}}}]}"#;
    let received = receive_message_answer(answer).unwrap();
    assert_eq!(
        received[0].attributes,
        BTreeMap::from([("kind".to_owned(), "k".to_owned())])
    );
    assert_eq!(received[0].system["SentTimestamp"], "1795255200000");
    assert!(
        receive_message_answer(
            br#"{"Messages": [{"MessageId": "m", "ReceiptHandle": "a\u0000"}]}"#
        )
        .is_err()
    );
}

#[test]
fn deleting() {
    let call = delete_batch(QUEUE, &["h1", "h2"]).unwrap();
    assert_eq!(call.target, "AmazonSQS.DeleteMessageBatch");
    assert_eq!(
        body(&call)["Entries"],
        json!([{ "Id": "0", "ReceiptHandle": "h1" }, { "Id": "1", "ReceiptHandle": "h2" }])
    );
    assert!(delete_batch(QUEUE, &[""]).is_err());
}

#[test]
fn events_accepted_in_part() {
    let call = put_events(&[entry("{}"), entry("{}")]).unwrap();
    assert_eq!(call.target, "AWSEvents.PutEvents");
    assert_eq!(
        body(&call)["Entries"][0],
        json!({ "Source": "orders", "DetailType": "order.created", "Detail": "{}",
                "EventBusName": "default", "Time": 1_795_255_200 })
    );
    let answer = br#"{"FailedEntryCount": 1, "Entries": [
        {"EventId": "e-1"}, {"ErrorCode": "ThrottlingException", "ErrorMessage": "slow down"}]}"#;
    let verdicts = put_events_answer(2, answer).unwrap();
    assert_eq!(verdicts[0], Verdict::Accepted("e-1".to_owned()));
    let Verdict::Rejected { code, ours, .. } = &verdicts[1] else {
        panic!("{verdicts:?}");
    };
    assert!(is_throttling(code) && !ours);
    assert!(put_events_answer(1, answer).is_err());
}

#[test]
fn limits_of_events() {
    assert!(put_events(&[entry("[]")]).is_err());
    let named = |source: &str| Entry {
        source: source.to_owned(),
        ..entry("{}")
    };
    assert!(put_events(&[named("")]).is_err());
    assert!(put_events(&[named("aws.s3")]).is_err());
    let fits = events::ENTRIES_BYTES_MAX - entry("").bytes() - 2;
    let detail = |blanks: usize| format!("{{{}}}", " ".repeat(blanks));
    assert!(put_events(&[entry(&detail(fits))]).is_ok());
    assert!(put_events(&[entry(&detail(fits + 1))]).is_err());
}

#[test]
fn nesting_without_end_is_refused() {
    let nested = "[".repeat(1_000_000);
    for body in [
        nested.clone(),
        format!(r#"{{"Messages": {nested}"#),
        format!(r#"{{"Unknown": {nested}"#),
        format!(
            r#"{{"Messages": [{{"MessageId": "m", "ReceiptHandle": "h", "Attributes": {nested}"#
        ),
    ] {
        assert!(receive_message_answer(body.as_bytes()).is_err());
        assert!(send_batch_answer(1, body.as_bytes()).is_err());
        assert!(put_events_answer(1, body.as_bytes()).is_err());
        assert!(outcome(StatusCode::BAD_REQUEST, body.as_bytes()).is_err());
    }
}

#[test]
fn refusals() {
    let refusal = br#"{"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "no\nqueue"}"#;
    let error = outcome(StatusCode::BAD_REQUEST, refusal).unwrap_err();
    assert_eq!(
        error.to_string(),
        "QueueDoesNotExist (400 Bad Request): noqueue"
    );
    assert!(!error.is_throttled());
    let refusal = br#"{"__type": "RequestThrottled:http://x/", "Message": ""}"#;
    assert!(
        outcome(StatusCode::BAD_REQUEST, refusal)
            .unwrap_err()
            .is_throttled()
    );
    let both = br#"{"__type": "a#B", "message": "c", "Message": "c"}"#;
    let error = outcome(StatusCode::BAD_REQUEST, both).unwrap_err();
    assert_eq!(error.to_string(), "B (400 Bad Request): c");
    let page = outcome(StatusCode::BAD_GATEWAY, b"<html>").unwrap_err();
    assert_eq!(page.to_string(), "Unknown (502 Bad Gateway): ");
    assert_eq!(outcome(StatusCode::OK, b"{}"), Ok(&b"{}"[..]));
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic(text in "[\\[\\]{}\":,a-zA-Z0-9]{0,120}", status in 100_u16..600) {
        let status = StatusCode::from_u16(status).unwrap();
        if let Err(error) = outcome(status, text.as_bytes()) {
            prop_assert!(error.to_string().len() < 4096);
        }
        prop_assert!(send_batch_answer(1, text.as_bytes()).is_err());
        receive_message_answer(text.as_bytes()).ok();
        put_events_answer(1, text.as_bytes()).ok();
    }

    #[test]
    fn what_is_sent_is_what_was_given(text in "\\PC{1,60}") {
        let call = send_message(QUEUE, &message(&text)).unwrap();
        prop_assert_eq!(&body(&call)["MessageBody"], &Value::from(text));
    }
}
