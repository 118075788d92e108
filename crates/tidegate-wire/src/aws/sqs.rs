//! SQS: sending, receiving and deleting messages.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{AnswerError, Call, CallError, Verdict, call, check_entries, check_size, cut, read};

mod receive;

pub use receive::{
    Receive, Received, delete_batch, delete_batch_answer, receive_message, receive_message_answer,
};

/// Bytes of a message with its attributes, and of a batch together: 1 MiB since August 2025.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;

/// Most attributes of a message (SQS Developer Guide, quotas).
pub const ATTRIBUTES_MAX: usize = 10;

/// Longest group and deduplication id (API reference, `SendMessage`).
const ID_BYTES_MAX: usize = 128;

/// Longest name of an attribute (SQS Developer Guide, message attributes).
const ATTRIBUTE_NAME_BYTES_MAX: usize = 256;

/// Longest queue URL that is sent; names have 80 characters, hosts fewer than 256.
const QUEUE_URL_BYTES_MAX: usize = 512;

/// Longest delay, 15 minutes.
const DELAY_SECONDS_MAX: u16 = 900;

pub(super) const JSON: &str = "application/x-amz-json-1.0";

/// A message to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The text; not empty, only characters XML 1.0 has.
    pub body: String,
    /// Attributes, all of them text, by name.
    pub attributes: BTreeMap<String, String>,
    /// For FIFO queues: order is kept within a group.
    pub group_id: Option<String>,
    /// For FIFO queues: the same id within five minutes is taken once.
    pub deduplication_id: Option<String>,
    /// Seconds until it can be received, up to 900; standard queues only.
    pub delay_seconds: Option<u16>,
}

impl Message {
    /// Its size as the service counts it: the text, and name, type and value of each attribute.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let pairs = self.attributes.iter();
        pairs.fold(self.body.len(), |sum, (name, value)| {
            sum.saturating_add(name.len())
                .saturating_add(TEXT_TYPE.len())
                .saturating_add(value.len())
        })
    }

    /// What the service would refuse of it.
    pub(super) fn check(&self) -> Result<(), CallError> {
        if self.body.is_empty() || !self.body.chars().all(is_taken) {
            return Err(CallError::Field("the body"));
        }
        let attribute = |(name, value): (&String, &String)| {
            is_attribute_name(name) && !value.is_empty() && value.chars().all(is_taken)
        };
        if self.attributes.len() > ATTRIBUTES_MAX || !self.attributes.iter().all(attribute) {
            return Err(CallError::Field("an attribute"));
        }
        if [&self.group_id, &self.deduplication_id]
            .into_iter()
            .flatten()
            .any(|id| !is_id(id))
        {
            return Err(CallError::Field("the group or deduplication id"));
        }
        if self
            .delay_seconds
            .is_some_and(|delay| delay > DELAY_SECONDS_MAX)
        {
            return Err(CallError::Range("the delay"));
        }
        check_size("the message", self.bytes(), MESSAGE_BYTES_MAX)
    }

    fn form(&self) -> Form<'_> {
        let attribute = |(name, value): (&'_ String, &'_ String)| {
            let value = Attribute {
                data_type: TEXT_TYPE.to_owned(),
                string_value: Some(value.clone()),
            };
            (name.clone(), value)
        };
        Form {
            message_body: &self.body,
            message_attributes: self.attributes.iter().map(attribute).collect(),
            message_group_id: self.group_id.as_deref(),
            message_deduplication_id: self.deduplication_id.as_deref(),
            delay_seconds: self.delay_seconds,
        }
    }
}

/// The call that sends one message.
///
/// # Errors
/// A message that the service would refuse.
pub fn send_message(queue_url: &str, message: &Message) -> Result<Call, CallError> {
    check_queue(queue_url)?;
    message.check()?;
    let body = Send {
        queue_url,
        id: None,
        message: message.form(),
    };
    Ok(call("AmazonSQS.SendMessage", JSON, &body.json()))
}

/// The id the service gave the message.
///
/// # Errors
/// When the answer has none.
pub fn send_message_answer(body: &[u8]) -> Result<String, AnswerError> {
    let answer: Sent = read("SendMessage", body)?;
    Ok(cut(&answer.message_id))
}

/// The call that sends up to ten messages.
///
/// # Errors
/// Too many or too large, or a message that the service would refuse.
pub fn send_batch<M: Borrow<Message>>(queue_url: &str, messages: &[M]) -> Result<Call, CallError> {
    check_queue(queue_url)?;
    check_entries(messages.len())?;
    let mut bytes = 0_usize;
    let mut entries = Vec::with_capacity(messages.len());
    for (number, message) in messages.iter().map(Borrow::borrow).enumerate() {
        message.check()?;
        bytes = bytes.saturating_add(message.bytes());
        let entry = Send {
            queue_url,
            id: Some(number),
            message: message.form(),
        };
        entries.push(entry.json());
    }
    check_size("the batch", bytes, MESSAGE_BYTES_MAX)?;
    let body = serde_json::json!({ "QueueUrl": queue_url, "Entries": entries });
    Ok(call("AmazonSQS.SendMessageBatch", JSON, &body))
}

/// What became of each of the `sent` messages.
///
/// # Errors
/// When the answer has another shape, or not one verdict for each.
pub fn send_batch_answer(sent: usize, body: &[u8]) -> Result<Vec<Verdict>, AnswerError> {
    verdicts("SendMessageBatch", sent, body)
}

/// Sorts the verdicts of a batch by the entries they are about.
fn verdicts(action: &'static str, sent: usize, body: &[u8]) -> Result<Vec<Verdict>, AnswerError> {
    let answer: BatchAnswer = read(action, body)?;
    let malformed = |problem: String| AnswerError::Malformed { action, problem };
    let mut sorted: Vec<Option<Verdict>> = vec![None; sent];
    let accepted = answer
        .successful
        .into_iter()
        .map(|entry| (entry.id, Verdict::Accepted(cut(&entry.message_id))));
    let rejected = answer.failed.into_iter().map(|entry| {
        let verdict = Verdict::Rejected {
            code: cut(&entry.code),
            message: cut(&entry.message),
            ours: entry.sender_fault,
        };
        (entry.id, verdict)
    });
    for (id, verdict) in accepted.chain(rejected) {
        let place = id
            .parse::<usize>()
            .ok()
            .and_then(|number| sorted.get_mut(number));
        match place {
            Some(place @ None) => *place = Some(verdict),
            Some(Some(_)) => return Err(malformed(format!("two verdicts on entry {}", cut(&id)))),
            None => return Err(malformed(format!("a verdict on entry {}", cut(&id)))),
        }
    }
    let whole: Option<Vec<Verdict>> = sorted.into_iter().collect();
    whole.ok_or_else(|| malformed("an entry without a verdict".to_owned()))
}

pub(super) fn check_queue(queue_url: &str) -> Result<(), CallError> {
    let graphic = queue_url.bytes().all(|byte| byte.is_ascii_graphic());
    if queue_url.is_empty() || queue_url.len() > QUEUE_URL_BYTES_MAX || !graphic {
        return Err(CallError::Field("the queue's URL"));
    }
    Ok(())
}

/// Letters, digits and punctuation.
pub(super) fn is_id(text: &str) -> bool {
    (1..=ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// SQS Developer Guide, "Amazon SQS message attributes".
/// Whether an attribute of a message can have this name.
#[must_use]
pub fn is_attribute_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let lower = name.to_ascii_lowercase();
    (1..=ATTRIBUTE_NAME_BYTES_MAX).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.")
}

/// The characters XML 1.0 has; the service refuses a message with others.
fn is_taken(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{FFFD}' | '\u{10000}'..)
}

/// The type of an attribute that is text.
const TEXT_TYPE: &str = "String";

struct Send<'a> {
    queue_url: &'a str,
    /// Within a batch.
    id: Option<usize>,
    message: Form<'a>,
}

impl Send<'_> {
    fn json(&self) -> serde_json::Value {
        let mut json = serde_json::json!(self.message);
        if let Some(fields) = json.as_object_mut() {
            match self.id {
                None => fields.insert("QueueUrl".to_owned(), self.queue_url.into()),
                Some(number) => fields.insert("Id".to_owned(), number.to_string().into()),
            };
        }
        json
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Form<'a> {
    message_body: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<String, Attribute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_group_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_deduplication_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_seconds: Option<u16>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    data_type: String,
    /// Missing for bytes, which we neither send nor read.
    string_value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    message_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchAnswer {
    #[serde(default)]
    successful: Vec<Successful>,
    #[serde(default)]
    failed: Vec<Failed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Successful {
    id: String,
    /// Deleting has none.
    #[serde(default)]
    message_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failed {
    id: String,
    code: String,
    #[serde(default)]
    message: String,
    sender_fault: bool,
}
