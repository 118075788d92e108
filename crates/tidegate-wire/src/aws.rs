//! Calls of AWS: what is posted to SQS and EventBridge, and what their answers mean.
//!
//! Both speak the JSON protocol: a POST to `/` whose header `x-amz-target` names the action. A [`Call`]
//! is what to send, to be signed by [`sigv4`](crate::sigv4); [`outcome`] tells an answer from a
//! refusal, and each action reads its own answer. A batch may be accepted in part, so its answer is
//! one verdict for each entry, in the order they were given.
//!
//! A [`Dispatch`] takes any number of events to a [`Target`], a queue or a bus: it makes the calls and
//! reads their answers, and in the end has one [`EventResult`] for each event.
//!
//! Sources: the API references of Amazon SQS and Amazon EventBridge, "AWS JSON protocol" in the Smithy
//! specification.

pub mod events;
pub mod sqs;

mod dispatch;
mod target;

pub use dispatch::{Dispatch, EventResult, Refusal, RefusalCause};
pub use target::{Bus, Item, Queue, Target, public_url};

use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Most entries of one batch, at SQS and at EventBridge.
pub const BATCH_ENTRIES_MAX: usize = 10;

/// Largest answer that is read: one message of the largest size with every character escaped
/// (`\u0001` takes six bytes) and room for its attributes, or ten of common sizes.
pub const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Longest text of theirs that is kept of an error.
const MESSAGE_CHARS_MAX: usize = 512;

/// A call to be posted to `/`, with these two headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// `x-amz-target`.
    pub target: &'static str,
    /// `content-type`.
    pub content_type: &'static str,
    /// JSON.
    pub body: Vec<u8>,
}

/// Why a call cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Nothing to send, or too much.
    #[error("a batch has 1 to {BATCH_ENTRIES_MAX} entries, not {0}")]
    Entries(usize),
    /// One entry or all together.
    #[error("{what} has {bytes} bytes, more than the {max} that are taken")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How large it is.
        bytes: usize,
        /// What is taken.
        max: usize,
    },
    /// A field that must not be empty, or has characters the service refuses.
    #[error("{0} is empty, too long, or has characters the service does not take")]
    Field(&'static str),
    /// A number outside its range.
    #[error("{0} is outside of its range")]
    Range(&'static str),
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The service refused.
    #[error("{code} ({status}): {message}")]
    Refused {
        /// The answer's status.
        status: StatusCode,
        /// For example `QueueDoesNotExist`.
        code: String,
        /// The service's own words, cut.
        message: String,
    },
    /// The answer is not what the action answers.
    #[error("the answer of {action} cannot be read: {problem}")]
    Malformed {
        /// The action.
        action: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// What became of one entry of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken, under this id of theirs.
    Accepted(String),
    /// It was not.
    Rejected {
        /// For example `InternalFailure`.
        code: String,
        /// The service's own words, cut.
        message: String,
        /// Whether the entry itself is at fault, so that sending it again changes nothing.
        ours: bool,
    },
}

impl AnswerError {
    /// Whether the service asks for fewer calls.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        let Self::Refused { status, code, .. } = self else {
            return false;
        };
        *status == StatusCode::TOO_MANY_REQUESTS || is_throttling(code)
    }
}

/// Whether an error code, of a call or of an entry, asks for fewer calls.
#[must_use]
pub fn is_throttling(code: &str) -> bool {
    code.contains("Throttl")
        || [
            "RequestThrottled",
            "TooManyRequestsException",
            "KmsThrottled",
        ]
        .contains(&code)
}

/// The answer's body, or the refusal in it.
///
/// # Errors
/// [`AnswerError::Refused`] for any status but 200.
pub fn outcome(status: StatusCode, body: &[u8]) -> Result<&[u8], AnswerError> {
    if status == StatusCode::OK {
        return Ok(body);
    }
    let refusal: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    // `com.amazonaws.sqs#QueueDoesNotExist`, in some services followed by `:` and an address.
    let code = refusal.code.rsplit('#').next().unwrap_or_default();
    let code = code.split(':').next().unwrap_or_default();
    Err(AnswerError::Refused {
        status,
        code: cut(if code.is_empty() { "Unknown" } else { code }),
        message: cut(if refusal.message.is_empty() {
            &refusal.capital
        } else {
            &refusal.message
        }),
    })
}

#[derive(Default, Deserialize)]
struct ErrorBody {
    #[serde(rename = "__type", default)]
    code: String,
    #[serde(default)]
    message: String,
    /// Some services spell it so, some send both.
    #[serde(rename = "Message", default)]
    capital: String,
}

fn read<T: DeserializeOwned>(action: &'static str, body: &[u8]) -> Result<T, AnswerError> {
    let malformed = |problem| AnswerError::Malformed { action, problem };
    if body.len() > ANSWER_BYTES_MAX {
        return Err(malformed(format!("more than {ANSWER_BYTES_MAX} bytes")));
    }
    serde_json::from_slice(body).map_err(|error| malformed(cut(&error.to_string())))
}

fn call(target: &'static str, content_type: &'static str, body: &impl Serialize) -> Call {
    let body = serde_json::to_vec(body).expect("structs of text and numbers are JSON");
    Call {
        target,
        content_type,
        body,
    }
}

fn check_entries(count: usize) -> Result<(), CallError> {
    if (1..=BATCH_ENTRIES_MAX).contains(&count) {
        Ok(())
    } else {
        Err(CallError::Entries(count))
    }
}

fn check_size(what: &'static str, bytes: usize, max: usize) -> Result<(), CallError> {
    if bytes > max {
        return Err(CallError::TooLarge { what, bytes, max });
    }
    Ok(())
}

/// Their words go into logs and records: bounded, and without control characters.
fn cut(text: &str) -> String {
    let plain = text.chars().filter(|character| !character.is_control());
    plain.take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
