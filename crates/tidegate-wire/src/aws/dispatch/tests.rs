//! Results one by one; and against a service that does whatever it may.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::target::{Bus, Queue};
use super::*;

fn queue(name: &str) -> Target {
    Target::Queue(Queue::new(format!("https://sqs.example/1/{name}")).unwrap())
}

fn bus() -> Target {
    Target::Bus(Bus::new("default", "orders").unwrap())
}

fn item<'a>(id: &'a str, key: &'a str, body: &'a [u8]) -> Item<'a> {
    Item {
        id,
        kind: "order.created",
        key,
        time: None,
        body,
        headers: &[],
    }
}

fn entries(call: &Call) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    body["Entries"].as_array().unwrap().clone()
}

fn bodies(call: &Call) -> Vec<String> {
    let texts = entries(call);
    let body = |entry: &Value| entry["MessageBody"].as_str().unwrap().to_owned();
    texts.iter().map(body).collect()
}

/// The answer of a queue: what is not accepted has a code and whether it is the sender's fault.
fn answer(verdicts: &[Option<(&str, bool)>]) -> Vec<u8> {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (number, verdict) in verdicts.iter().enumerate() {
        let id = number.to_string();
        match verdict {
            None => successful.push(json!({ "Id": id, "MessageId": format!("m-{number}") })),
            Some((code, fault)) => {
                failed.push(json!({ "Id": id, "Code": code, "SenderFault": fault }));
            }
        }
    }
    json!({ "Successful": successful, "Failed": failed })
        .to_string()
        .into_bytes()
}

fn causes(results: &[EventResult]) -> Vec<&'static str> {
    let word = |result: &EventResult| match result {
        EventResult::Accepted(_) => "accepted",
        EventResult::Unanswered => "unanswered",
        EventResult::Unsent => "unsent",
        EventResult::Refused(refusal) => match refusal.cause {
            RefusalCause::Event => "event",
            RefusalCause::Throttling => "throttling",
            RefusalCause::Access => "access",
            RefusalCause::Service => "service",
        },
    };
    results.iter().map(word).collect()
}

const OK: StatusCode = StatusCode::OK;

#[test]
fn a_standard_queue_gets_them_all_at_once() {
    let target = queue("plain");
    let headers = [("kind".to_owned(), "order.created".to_owned())];
    let items = [
        Item {
            headers: &headers,
            ..item("1", "k", b"one")
        },
        item("2", "k", b"two"),
    ];
    let mut dispatch = Dispatch::new(&target, &items);
    let call = dispatch.next_call().unwrap();
    let kind = json!({ "kind": { "DataType": "String", "StringValue": "order.created" } });
    assert_eq!(
        entries(&call),
        [
            json!({ "Id": "0", "MessageBody": "one", "MessageAttributes": kind }),
            json!({ "Id": "1", "MessageBody": "two" })
        ]
    );
    dispatch.handle_answer(OK, &answer(&[None, None]));
    assert_eq!(dispatch.next_call(), None);
    assert_eq!(
        dispatch.finish(),
        ["m-0", "m-1"].map(|id| EventResult::Accepted(id.to_owned()))
    );
}

#[test]
fn a_fifo_queue_gets_one_of_each_key_at_a_time() {
    let target = queue("orders.fifo");
    let items = [
        item("1", "a", b"a1"),
        item("2", "a", b"a2"),
        item("3", "b", b"b1"),
        item("4", "", b"none"),
        item("5", "", b"none too"),
    ];
    let mut dispatch = Dispatch::new(&target, &items);
    let call = dispatch.next_call().unwrap();
    assert_eq!(bodies(&call), ["a1", "b1", "none", "none too"]);
    assert_eq!(entries(&call)[0]["MessageGroupId"], "a");
    assert_eq!(entries(&call)[0]["MessageDeduplicationId"], "1");
    assert_eq!(entries(&call)[3]["MessageGroupId"], "5");
    dispatch.handle_answer(OK, &answer(&[None, None, None, None]));
    assert_eq!(bodies(&dispatch.next_call().unwrap()), ["a2"]);
    dispatch.handle_answer(OK, &answer(&[None]));
    assert_eq!(dispatch.next_call(), None);
    assert_eq!(causes(&dispatch.finish()), ["accepted"; 5]);
}

#[test]
fn behind_an_event_that_was_not_accepted_its_key_waits() {
    let target = queue("orders.fifo");
    let items = [
        item("1", "a", b"a1"),
        item("2", "b", b"b1"),
        item("3", "a", b"a2"),
        item("4", "b", b"b2"),
    ];
    let mut dispatch = Dispatch::new(&target, &items);
    dispatch.next_call().unwrap();
    dispatch.handle_answer(OK, &answer(&[Some(("InvalidMessageContents", true)), None]));
    assert_eq!(bodies(&dispatch.next_call().unwrap()), ["b2"]);
    dispatch.handle_answer(OK, &answer(&[None]));
    assert_eq!(dispatch.next_call(), None);
    assert_eq!(
        causes(&dispatch.finish()),
        ["event", "accepted", "unsent", "accepted"]
    );
}

#[test]
fn one_that_cannot_be_sent_takes_no_other_along() {
    let large = vec![b'x'; sqs::MESSAGE_BYTES_MAX + 1];
    let items = [
        item("1", "", &large),
        item("2", "", b"\xff"),
        item("3", "", b""),
        item("4", "", b"good"),
    ];
    let target = queue("plain");
    let mut dispatch = Dispatch::new(&target, &items);
    assert_eq!(bodies(&dispatch.next_call().unwrap()), ["good"]);
    dispatch.handle_answer(OK, &answer(&[None]));
    assert_eq!(
        causes(&dispatch.finish()),
        ["event", "event", "event", "accepted"]
    );
    let target = bus();
    let items = [item("1", "", b"[]"), item("2", "", b"{}")];
    let mut dispatch = Dispatch::new(&target, &items);
    assert_eq!(entries(&dispatch.next_call().unwrap()).len(), 1);
    let answer = json!({ "FailedEntryCount": 0, "Entries": [{ "EventId": "e" }] });
    dispatch.handle_answer(OK, answer.to_string().as_bytes());
    assert_eq!(causes(&dispatch.finish()), ["event", "accepted"]);
}

#[test]
fn what_refusals_are_about() {
    for (code, fault, cause, status) in [
        ("InvalidMessageContents", true, RefusalCause::Event, 422),
        ("InternalError", false, RefusalCause::Service, 500),
        ("RequestThrottled", true, RefusalCause::Throttling, 429),
        ("ThrottlingException", false, RefusalCause::Throttling, 429),
        ("KmsThrottled", true, RefusalCause::Throttling, 429),
        ("KmsDisabled", true, RefusalCause::Access, 403),
        ("AccessDeniedException", true, RefusalCause::Access, 403),
    ] {
        let target = queue("plain");
        let mut dispatch = Dispatch::new(&target, &[item("1", "", b"one")]);
        dispatch.next_call().unwrap();
        dispatch.handle_answer(OK, &answer(&[Some((code, fault))]));
        let results = dispatch.finish();
        let EventResult::Refused(refusal) = &results[0] else {
            panic!("{code}: {results:?}");
        };
        assert_eq!((refusal.cause, refusal.status()), (cause, status), "{code}");
    }
    let target = bus();
    let items = ["1", "2", "3"].map(|id| item(id, "", b"{}"));
    let mut dispatch = Dispatch::new(&target, &items);
    dispatch.next_call().unwrap();
    let answer = json!({ "Entries": [
        { "ErrorCode": "NotAuthorizedForDetailTypeException" },
        { "ErrorCode": "NotAuthorizedForSourceException" },
        { "ErrorCode": "InternalFailure" },
    ]});
    dispatch.handle_answer(OK, answer.to_string().as_bytes());
    assert_eq!(causes(&dispatch.finish()), ["event", "access", "service"]);
}

#[test]
fn no_call_follows_one_that_was_throttled() {
    let texts: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    let items: Vec<_> = texts.iter().map(|id| item(id, "", b"{}")).collect();
    let target = queue("plain");
    let mut dispatch = Dispatch::new(&target, &items);
    dispatch.next_call().unwrap();
    let mut verdicts = [None; 10];
    verdicts[3] = Some(("RequestThrottled", true));
    dispatch.handle_answer(OK, &answer(&verdicts));
    assert_eq!(dispatch.next_call(), None);
    let mut expected = vec!["accepted"; 12];
    (expected[3], expected[10], expected[11]) = ("throttling", "unsent", "unsent");
    assert_eq!(causes(&dispatch.finish()), expected);

    for (status, body, cause) in [
        (
            400,
            r#"{"__type": "com.amazonaws.sqs#RequestThrottled"}"#,
            "throttling",
        ),
        (429, "", "throttling"),
        (
            400,
            r#"{"__type": "com.amazonaws.sqs#QueueDoesNotExist"}"#,
            "access",
        ),
        (403, r#"{"__type": "SignatureDoesNotMatch"}"#, "access"),
        (403, "<Error>", "access"),
        (403, r#"{"__type": "ThrottlingException"}"#, "throttling"),
        (503, "<html>", "service"),
        (200, "{}", "service"),
    ] {
        let mut dispatch = Dispatch::new(&target, &items);
        dispatch.next_call().unwrap();
        dispatch.handle_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert_eq!(dispatch.next_call(), None, "{body}");
        let results = dispatch.finish();
        assert_eq!(causes(&results)[..10], [cause; 10], "{body}");
        assert_eq!(causes(&results)[10..], ["unsent"; 2], "{body}");
    }
}

#[test]
fn a_call_refused_for_one_entry_is_made_again_one_by_one() {
    let target = queue("plain");
    let items = ["good", "bad", "fine"].map(|id| item(id, "", id.as_bytes()));
    let mut dispatch = Dispatch::new(&target, &items);
    let refusal = br#"{"__type": "com.amazonaws.sqs#InvalidMessageContents"}"#;
    assert_eq!(bodies(&dispatch.next_call().unwrap()).len(), 3);
    dispatch.handle_answer(StatusCode::BAD_REQUEST, refusal);
    for id in ["good", "bad", "fine"] {
        assert_eq!(bodies(&dispatch.next_call().unwrap()), [id]);
        match id {
            "bad" => dispatch.handle_answer(StatusCode::BAD_REQUEST, refusal),
            _ => dispatch.handle_answer(OK, &answer(&[None])),
        }
    }
    assert_eq!(dispatch.next_call(), None);
    assert_eq!(
        causes(&dispatch.finish()),
        ["accepted", "event", "accepted"]
    );
}

#[test]
fn a_call_without_an_answer_ends_it() {
    let texts: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    let items: Vec<_> = texts.iter().map(|id| item(id, "", b"{}")).collect();
    let target = queue("plain");
    let mut dispatch = Dispatch::new(&target, &items);
    dispatch.next_call().unwrap();
    dispatch.handle_failure();
    assert_eq!(dispatch.next_call(), None);
    let results = dispatch.finish();
    assert_eq!(causes(&results)[..10], ["unanswered"; 10]);
    assert_eq!(causes(&results)[10..], ["unsent"]);

    let mut dispatch = Dispatch::new(&target, &items);
    dispatch.next_call().unwrap();
    dispatch.handle_unsent();
    assert_eq!(dispatch.next_call(), None);
    assert_eq!(causes(&dispatch.finish()), ["unsent"; 11]);
}

#[test]
fn calls_keep_the_limit_of_bytes() {
    let half = vec![b'x'; sqs::MESSAGE_BYTES_MAX / 2];
    let items = ["1", "2", "3"].map(|id| item(id, "", &half));
    let target = queue("plain");
    let mut dispatch = Dispatch::new(&target, &items);
    for count in [2, 1] {
        assert_eq!(entries(&dispatch.next_call().unwrap()).len(), count);
        dispatch.handle_answer(OK, &answer(&vec![None; count]));
    }
    assert_eq!(dispatch.next_call(), None);
}

/// What a service does with one call.
#[derive(Clone, Debug)]
enum Move {
    /// Accepts all entries but those whose bit is set, which get this code.
    Answer(u16, &'static str),
    Refuse(u16, &'static str),
    Garble,
    Vanish,
}

fn moves() -> impl Strategy<Value = Move> {
    const CODES: [&str; 3] = [
        "InvalidMessageContents",
        "InternalError",
        "RequestThrottled",
    ];
    const WHOLE: [&str; 4] = [
        "InvalidMessageContents",
        "QueueDoesNotExist",
        "RequestThrottled",
        "",
    ];
    prop_oneof![
        8 => (any::<u16>(), proptest::sample::select(&CODES[..])).prop_map(|(bits, code)| Move::Answer(bits, code)),
        4 => Just(Move::Answer(0, "")),
        2 => (400_u16..600, proptest::sample::select(&WHOLE[..])).prop_map(|(status, code)| Move::Refuse(status, code)),
        1 => Just(Move::Garble),
        1 => Just(Move::Vanish),
    ]
}

proptest! {
    /// Whatever the service does: it ends; each event has one result; what is said to be accepted was
    /// taken, and taken once; and a key's events were taken in their order, without a gap.
    #[test]
    fn results_are_what_happened(
        keys in proptest::collection::vec(0_u8..4, 1..40),
        moves in proptest::collection::vec(moves(), 1..8),
    ) {
        let target = queue("orders.fifo");
        let texts: Vec<(String, String)> = keys.iter().enumerate()
            .map(|(number, key)| (number.to_string(), format!("key-{key}"))).collect();
        let items: Vec<_> = texts.iter().map(|(id, key)| item(id, key, id.as_bytes())).collect();
        let mut dispatch = Dispatch::new(&target, &items);
        let mut moves = moves.iter().cycle();
        let mut taken: Vec<usize> = Vec::new();
        let mut calls = 0;
        while let Some(call) = dispatch.next_call() {
            calls += 1;
            prop_assert!(calls <= 2 * items.len());
            let sent = entries(&call);
            let groups: BTreeSet<_> = sent.iter().map(|entry| entry["MessageGroupId"].to_string()).collect();
            prop_assert!(groups.len() == sent.len() && sent.len() <= 10);
            let number = |entry: &Value| entry["MessageBody"].as_str().unwrap().parse::<usize>().unwrap();
            match moves.next().unwrap() {
                Move::Answer(bits, code) => {
                    let verdict = |at: usize| (bits >> at & 1 == 1).then_some((*code, *code == "InvalidMessageContents"));
                    let verdicts: Vec<_> = (0..sent.len()).map(verdict).collect();
                    let accepted = sent.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_none());
                    taken.extend(accepted.map(|(entry, _)| number(entry)));
                    dispatch.handle_answer(OK, &answer(&verdicts));
                }
                Move::Refuse(status, code) => {
                    let body = json!({ "__type": code }).to_string();
                    dispatch.handle_answer(StatusCode::from_u16(*status).unwrap(), body.as_bytes());
                }
                Move::Garble => dispatch.handle_answer(OK, b"<html>"),
                Move::Vanish => dispatch.handle_failure(),
            }
        }
        let results = dispatch.finish();
        prop_assert_eq!(results.len(), items.len());
        let accepted: Vec<usize> = (0..items.len())
            .filter(|place| matches!(results[*place], EventResult::Accepted(_))).collect();
        let mut sorted = taken.clone();
        sorted.sort_unstable();
        prop_assert_eq!(&accepted, &sorted);
        let mut of_key: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
        for place in &taken {
            of_key.entry(keys[*place]).or_default().push(*place);
        }
        for (key, taken) in of_key {
            let all: Vec<usize> = (0..keys.len()).filter(|place| keys[*place] == key).collect();
            prop_assert_eq!(&all[..taken.len()], &taken[..]);
        }
    }
}
