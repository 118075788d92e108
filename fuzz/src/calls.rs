//! Events taken to a queue or a bus whose service answers anything: each has one result, nothing is said
//! to be accepted in an answer that failed, and it ends.

use http::StatusCode;
use tidegate_wire::aws::sqs::{delete_batch_answer, receive_message_answer};
use tidegate_wire::aws::{Bus, Dispatch, EventResult, Item, Queue, Target};

use crate::input::{byte, piece};

/// Most events of one input.
const ITEMS_MAX: u8 = 32;

/// `target byte, keys NUL answers`: a key is one byte, an answer is `status byte, body NUL`.
pub fn run(data: &[u8]) {
    let (kind, rest) = byte(data);
    let (keys, answers) = piece(rest, 0);
    let targets = [
        Queue::new("https://sqs.example/1/plain").map(Target::Queue),
        Queue::new("https://sqs.example/1/orders.fifo").map(Target::Queue),
        Bus::new("default", "orders").map(Target::Bus),
    ];
    let target = targets
        .get(usize::from(kind) % targets.len())
        .and_then(|target| target.as_ref().ok());
    let target = target.expect("the targets above are good");
    let texts: Vec<(String, String)> = (0..ITEMS_MAX)
        .zip(keys)
        .map(|(number, key)| (number.to_string(), key.to_string()))
        .collect();
    let items: Vec<Item<'_>> = texts
        .iter()
        .map(|(id, key)| Item {
            id,
            kind: "order.created",
            key,
            time: None,
            body: b"{}",
            headers: &[],
        })
        .collect();
    dispatch(target, &items, answers);
    let (_, body) = byte(answers);
    let _ = receive_message_answer(body);
    let _ = delete_batch_answer(usize::from(kind), body);
}

fn dispatch(target: &Target, items: &[Item<'_>], mut answers: &[u8]) {
    let mut dispatch = Dispatch::new(target, items);
    let (mut calls, mut good) = (0_usize, 0_usize);
    while dispatch.next_call().is_some() {
        calls = calls.saturating_add(1);
        let (answer, rest) = piece(answers, 0);
        answers = rest;
        let (status, body) = byte(answer);
        let statuses = [200, 200, 400, 403, 413, 429, 500, 302];
        let status = statuses
            .get(usize::from(status) % statuses.len())
            .and_then(|status| StatusCode::from_u16(*status).ok());
        match status {
            Some(status) if !answer.is_empty() => {
                good = good.saturating_add(usize::from(status == StatusCode::OK));
                dispatch.handle_answer(status, body);
            }
            _ => dispatch.handle_failure(),
        }
    }
    let results = dispatch.finish();
    assert_eq!(results.len(), items.len(), "one result for each event");
    assert!(calls <= items.len().saturating_mul(2), "it ends");
    let accepted = results
        .iter()
        .filter(|result| matches!(result, EventResult::Accepted(_)));
    assert!(
        accepted.count() <= good.saturating_mul(10),
        "accepted without an answer"
    );
}

/// Answers whole, in part, refused and throttled, for each target.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let queue: &[&[u8]] = &[
        b"\x01{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"m\"},{\"Id\":\"1\",\"MessageId\":\"m\"}]}",
        b"\x01{\"Successful\":[{\"Id\":\"0\",\"MessageId\":\"m\"}],\"Failed\":[{\"Id\":\"1\",\"Code\":\"InternalError\",\"SenderFault\":false}]}",
        b"\x02{\"__type\":\"com.amazonaws.sqs#InvalidMessageContents\",\"message\":\"no\"}",
        b"\x05{\"__type\":\"ThrottlingException\"}",
        b"\x01{\"Messages\":[{\"MessageId\":\"m\",\"ReceiptHandle\":\"h\",\"Body\":\"b\",\"Attributes\":{\"a\":\"b\"}}]}",
    ];
    let bus: &[&[u8]] = &[
        b"\x01{\"FailedEntryCount\":1,\"Entries\":[{\"EventId\":\"e\"},{\"ErrorCode\":\"ThrottlingException\",\"ErrorMessage\":\"slow\"}]}",
        b"\x03{\"__type\":\"AccessDeniedException\",\"Message\":\"no\"}",
    ];
    let of =
        |kind: u8, answers: &[&[u8]]| [[&[kind][..], b"ab\0"].concat(), answers.join(&0)].concat();
    let alone = queue
        .iter()
        .flat_map(|answer| [of(0, &[answer]), of(1, &[answer])]);
    alone
        .chain(bus.iter().map(|answer| of(2, &[answer])))
        .chain([of(0, queue), of(1, queue), of(2, bus)])
        .collect()
}
