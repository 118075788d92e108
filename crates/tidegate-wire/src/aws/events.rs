//! EventBridge: putting events on a bus (`PutEvents`).

use std::borrow::Borrow;

use serde::{Deserialize, Serialize};

use super::{AnswerError, Call, CallError, Verdict, call, check_entries, check_size, cut, read};

/// Bytes of all entries of a call together, counted as [`Entry::bytes`] does. The service took 256 KiB
/// for years and takes 1 MiB in most regions since 2026; this is what every region takes.
pub const ENTRIES_BYTES_MAX: usize = 256 * 1024;

/// Longest source and detail type (API reference, `PutEventsRequestEntry`).
const NAME_BYTES_MAX: usize = 256;

/// One event for a bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Entry {
    /// Who says so; not beginning with `aws.`.
    pub source: String,
    /// The event's type.
    pub detail_type: String,
    /// A JSON object as text.
    pub detail: String,
    /// Name or ARN of the bus.
    pub event_bus_name: String,
    /// Seconds since 1970; the service's clock if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
}

impl Entry {
    /// Its size as the service counts it: source, type and detail, and 14 for a time.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = [&self.source, &self.detail_type, &self.detail];
        let bytes = texts
            .iter()
            .fold(0_usize, |sum, text| sum.saturating_add(text.len()));
        bytes.saturating_add(if self.time.is_some() { TIME_BYTES } else { 0 })
    }

    /// What the service would refuse of it.
    pub(super) fn check(&self) -> Result<(), CallError> {
        check_source(&self.source)?;
        if !is_name(&self.detail_type) {
            return Err(CallError::Field("the detail type"));
        }
        if !self.detail.trim_ascii_start().starts_with('{') {
            return Err(CallError::Field("the detail (it must be an object)"));
        }
        check_size("the entry", self.bytes(), ENTRIES_BYTES_MAX)
    }
}

/// What a time counts for.
const TIME_BYTES: usize = 14;

/// The call that puts `entries`.
///
/// # Errors
/// Too many or too large entries, or one without source, type or an object as detail.
pub fn put_events<E: Borrow<Entry>>(entries: &[E]) -> Result<Call, CallError> {
    check_entries(entries.len())?;
    let entries: Vec<&Entry> = entries.iter().map(Borrow::borrow).collect();
    let mut bytes = 0_usize;
    for entry in &entries {
        entry.check()?;
        bytes = bytes.saturating_add(entry.bytes());
    }
    check_size("the batch", bytes, ENTRIES_BYTES_MAX)?;
    let body = Put { entries: &entries };
    Ok(call(
        "AWSEvents.PutEvents",
        "application/x-amz-json-1.1",
        &body,
    ))
}

/// What became of each of the `sent` entries.
///
/// # Errors
/// When the answer has another shape or another count of entries.
pub fn put_events_answer(sent: usize, body: &[u8]) -> Result<Vec<Verdict>, AnswerError> {
    const ACTION: &str = "PutEvents";
    let answer: Answer = read(ACTION, body)?;
    if answer.entries.len() != sent {
        return Err(AnswerError::Malformed {
            action: ACTION,
            problem: format!("{} verdicts on {sent} entries", answer.entries.len()),
        });
    }
    let verdict = |entry: AnswerEntry| match entry.event_id {
        Some(id) if !id.is_empty() => Verdict::Accepted(cut(&id)),
        _ => Verdict::Rejected {
            ours: is_ours(&entry.error_code),
            code: cut(&entry.error_code),
            message: cut(&entry.error_message),
        },
    };
    Ok(answer.entries.into_iter().map(verdict).collect())
}

fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
}

pub(super) fn check_source(source: &str) -> Result<(), CallError> {
    // The prefix is for services of AWS.
    if is_name(source) && !source.starts_with("aws.") {
        Ok(())
    } else {
        Err(CallError::Field("the source"))
    }
}

/// Longest name or ARN of a bus (API reference, `PutEventsRequestEntry`).
const BUS_BYTES_MAX: usize = 1600;

pub(super) fn check_bus(name: &str) -> Result<(), CallError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/_.-:".contains(&byte);
    if (1..=BUS_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain) {
        Ok(())
    } else {
        Err(CallError::Field("the event bus"))
    }
}

/// Codes that come again however often the entry is sent (API reference, `PutEventsResultEntry`).
fn is_ours(code: &str) -> bool {
    [
        "AccessDeniedException",
        "InvalidAccountIdException",
        "InvalidArgument",
        "MalformedDetail",
        "RedactionFailure",
        "NotAuthorizedForSourceException",
        "NotAuthorizedForDetailTypeException",
    ]
    .contains(&code)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Put<'a> {
    entries: &'a [&'a Entry],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    entries: Vec<AnswerEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AnswerEntry {
    event_id: Option<String>,
    #[serde(default)]
    error_code: String,
    #[serde(default)]
    error_message: String,
}
