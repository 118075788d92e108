//! What callers are told.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use tidegate_core::receive::intake::{Answer, Refusal};

use crate::http::ReplyBody;

/// Seconds after which to try again when too much is waiting.
const RETRY_SOON: HeaderValue = HeaderValue::from_static("1");

/// Seconds after which to try again when the disk is full or failing.
const RETRY_LATER: HeaderValue = HeaderValue::from_static("30");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Identity of the event or fault that a request became.
const EVENT_ID: HeaderName = HeaderName::from_static("tidegate-event-id");

/// What one offered event became.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// It was offered.
    Answered(Answer),
    /// The flow leaves it out.
    Filtered,
}

impl Outcome {
    fn json(&self) -> String {
        match self {
            Self::Filtered => r#"{"filtered":true}"#.to_owned(),
            Self::Answered(Answer::Kept { id, .. }) => format!(r#"{{"id":"{id}"}}"#),
            Self::Answered(Answer::Repeat { id, .. }) => {
                format!(r#"{{"id":"{id}","repeat":true}}"#)
            }
            Self::Answered(Answer::SetAside { fault, repeat, .. }) => {
                format!(r#"{{"id":"{fault}","fault":true,"repeat":{repeat}}}"#)
            }
            // No request is answered by a page.
            Self::Answered(Answer::Noted | Answer::Page(_)) => "{}".to_owned(),
            Self::Answered(Answer::Refused(refusal)) => {
                format!(r#"{{"refused":"{}"}}"#, refusal.name())
            }
        }
    }

    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Answered(Answer::Refused(refusal)) => Some(*refusal),
            _ => None,
        }
    }

    fn is_fault(&self) -> bool {
        matches!(self, Self::Answered(Answer::SetAside { .. }))
    }

    fn id(&self) -> Option<String> {
        match self {
            Self::Answered(Answer::Kept { id, .. } | Answer::Repeat { id, .. }) => {
                Some(id.to_string())
            }
            Self::Answered(Answer::SetAside { fault, .. }) => Some(fault.to_string()),
            _ => None,
        }
    }
}

/// The answer to a request that held one event.
pub(crate) fn one(outcome: &Outcome) -> Response<ReplyBody> {
    if let Some(refusal) = outcome.refusal() {
        return refused(refusal);
    }
    let status = if outcome.is_fault() {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    let mut response = reply(status, JSON, outcome.json());
    if let Some(id) = outcome.id().and_then(|id| HeaderValue::try_from(id).ok()) {
        response.headers_mut().insert(EVENT_ID, id);
    }
    response
}

/// The answer to a batch. One refused event refuses the request: when it is sent again, what was
/// kept the first time is a repeat.
pub(crate) fn many(outcomes: &[Outcome]) -> Response<ReplyBody> {
    if let Some(refusal) = outcomes.iter().find_map(Outcome::refusal) {
        return refused(refusal);
    }
    let fault = outcomes.iter().any(Outcome::is_fault);
    let status = if fault {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    let outcomes: Vec<String> = outcomes.iter().map(Outcome::json).collect();
    reply(
        status,
        JSON,
        format!(r#"{{"events":[{}]}}"#, outcomes.join(",")),
    )
}

/// The answer when the hub did not take it.
pub(crate) fn refused(refusal: Refusal) -> Response<ReplyBody> {
    let (status, retry) = match refusal {
        Refusal::Overload | Refusal::Closing => (StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_SOON)),
        Refusal::Full | Refusal::WriteFailed | Refusal::Damaged | Refusal::LedgerUnreadable => {
            (StatusCode::SERVICE_UNAVAILABLE, Some(RETRY_LATER))
        }
        Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, None),
        Refusal::UnknownCursor => (StatusCode::CONFLICT, None),
    };
    let mut response = problem(status, refusal.name(), &refusal.to_string());
    if let Some(retry) = retry {
        response.headers_mut().insert(header::RETRY_AFTER, retry);
    }
    response
}

/// 503 because more requests are under way than are allowed.
pub(crate) fn overload() -> Response<ReplyBody> {
    refused(Refusal::Overload)
}

/// A problem as in RFC 9457; `code` is stable, `text` is for people.
pub(crate) fn problem(status: StatusCode, code: &str, text: &str) -> Response<ReplyBody> {
    let body = serde_json::json!({ "status": status.as_u16(), "code": code, "title": text });
    reply(status, PROBLEM, body.to_string())
}

pub(crate) fn reply(
    status: StatusCode,
    kind: HeaderValue,
    body: impl Into<ReplyBody>,
) -> Response<ReplyBody> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
