//! Receiving messages, and deleting them once they are durable here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::{
    AnswerError, BATCH_ENTRIES_MAX, Call, CallError, Verdict, call, check_entries, read,
};
use super::{Attribute, JSON, check_queue, verdicts};

/// Longest a call may wait for messages (API reference, `ReceiveMessage`).
const WAIT_SECONDS_MAX: u8 = 20;

/// Longest a received message may stay hidden from others: 12 hours.
const VISIBILITY_SECONDS_MAX: u32 = 43_200;

/// Longest receipt handle; the service's have some 400 characters.
const HANDLE_BYTES_MAX: usize = 4096;

/// How messages are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receive {
    /// Most messages, 1 to 10.
    pub messages_max: u8,
    /// How long the service waits for a first one, up to 20 seconds.
    pub wait_seconds: u8,
    /// How long they stay hidden from others unless deleted; the queue's own setting if `None`.
    pub visibility_seconds: Option<u32>,
}

/// A message from a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The service's id, the same at each receipt of this message.
    pub message_id: String,
    /// What deletes it, another one at each receipt.
    pub receipt_handle: String,
    /// Its text.
    pub body: String,
    /// Its attributes that are text or numbers.
    pub attributes: BTreeMap<String, String>,
    /// What the service says of it, such as `SentTimestamp` and `ApproximateReceiveCount`.
    pub system: BTreeMap<String, String>,
}

/// The call that asks for messages, with all their attributes.
///
/// # Errors
/// A number outside its range.
pub fn receive_message(queue_url: &str, how: Receive) -> Result<Call, CallError> {
    check_queue(queue_url)?;
    if !(1..=BATCH_ENTRIES_MAX).contains(&usize::from(how.messages_max)) {
        return Err(CallError::Range("the count of messages"));
    }
    if how.wait_seconds > WAIT_SECONDS_MAX {
        return Err(CallError::Range("the wait"));
    }
    if how
        .visibility_seconds
        .is_some_and(|seconds| seconds > VISIBILITY_SECONDS_MAX)
    {
        return Err(CallError::Range("the visibility timeout"));
    }
    let body = Ask {
        queue_url,
        max_number_of_messages: how.messages_max,
        wait_time_seconds: how.wait_seconds,
        visibility_timeout: how.visibility_seconds,
        message_attribute_names: ["All"],
        message_system_attribute_names: ["All"],
    };
    Ok(call("AmazonSQS.ReceiveMessage", JSON, &body))
}

/// The messages, none if there were none.
///
/// # Errors
/// When the answer has another shape, or more messages than can be asked for.
pub fn receive_message_answer(body: &[u8]) -> Result<Vec<Received>, AnswerError> {
    const ACTION: &str = "ReceiveMessage";
    let answer: Answer = read(ACTION, body)?;
    let messages = answer.messages.unwrap_or_default();
    let malformed = |problem: &str| AnswerError::Malformed {
        action: ACTION,
        problem: problem.to_owned(),
    };
    if messages.len() > BATCH_ENTRIES_MAX {
        return Err(malformed("more messages than can be asked for"));
    }
    if messages
        .iter()
        .any(|message| !is_handle(&message.receipt_handle))
    {
        return Err(malformed("a receipt handle that cannot be sent back"));
    }
    Ok(messages.into_iter().map(Received::from).collect())
}

/// The call that deletes messages by their receipt handles.
///
/// # Errors
/// Too many, or something that is no handle.
pub fn delete_batch(queue_url: &str, handles: &[&str]) -> Result<Call, CallError> {
    check_queue(queue_url)?;
    check_entries(handles.len())?;
    if !handles.iter().all(|handle| is_handle(handle)) {
        return Err(CallError::Field("a receipt handle"));
    }
    let entries: Vec<serde_json::Value> = handles
        .iter()
        .enumerate()
        .map(|(number, handle)| serde_json::json!({ "Id": number.to_string(), "ReceiptHandle": handle }))
        .collect();
    let body = serde_json::json!({ "QueueUrl": queue_url, "Entries": entries });
    Ok(call("AmazonSQS.DeleteMessageBatch", JSON, &body))
}

/// What became of each of the `sent` deletions.
///
/// # Errors
/// When the answer has another shape, or not one verdict for each.
pub fn delete_batch_answer(sent: usize, body: &[u8]) -> Result<Vec<Verdict>, AnswerError> {
    verdicts("DeleteMessageBatch", sent, body)
}

fn is_handle(handle: &str) -> bool {
    (1..=HANDLE_BYTES_MAX).contains(&handle.len())
        && handle.bytes().all(|byte| byte.is_ascii_graphic())
}

impl From<Message> for Received {
    fn from(message: Message) -> Self {
        let text = |(name, attribute): (String, Attribute)| Some((name, attribute.string_value?));
        Self {
            message_id: message.message_id,
            receipt_handle: message.receipt_handle,
            body: message.body,
            attributes: message
                .message_attributes
                .into_iter()
                .filter_map(text)
                .collect(),
            system: message.attributes,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ask<'a> {
    queue_url: &'a str,
    max_number_of_messages: u8,
    wait_time_seconds: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility_timeout: Option<u32>,
    message_attribute_names: [&'static str; 1],
    message_system_attribute_names: [&'static str; 1],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    messages: Option<Vec<Message>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    message_id: String,
    receipt_handle: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    message_attributes: BTreeMap<String, Attribute>,
}
