//! What a refusal is about, by its code.

use http::StatusCode;

use super::super::{AnswerError, CallError, is_throttling};

/// Why an event was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct Refusal {
    /// What it is about.
    pub cause: RefusalCause,
    /// The service's code, or `NotSendable` if it was refused here.
    pub code: String,
    /// In words, bounded.
    pub message: String,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalCause {
    /// The event: the same bytes will be refused again.
    Event,
    /// The service wants fewer calls.
    Throttling,
    /// Our credentials and permissions, or the target's name.
    Access,
    /// The service, which may take it another time.
    Service,
}

impl Refusal {
    /// The HTTP status that says the same, for whoever judges answers by their status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self.cause {
            RefusalCause::Event => 422,
            RefusalCause::Throttling => 429,
            RefusalCause::Access => 403,
            RefusalCause::Service => 500,
        }
    }
}

impl From<AnswerError> for Refusal {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Refused {
                status,
                code,
                message,
            } => Self {
                cause: match status {
                    StatusCode::TOO_MANY_REQUESTS => RefusalCause::Throttling,
                    // Even if its body is not what the service would write: what stands before it refuses.
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if !is_throttling(&code) => {
                        RefusalCause::Access
                    }
                    _ => cause(&code, is_about_content(&code)),
                },
                code,
                message,
            },
            AnswerError::Malformed { action, problem } => Self {
                cause: RefusalCause::Service,
                code: "MalformedAnswer".to_owned(),
                message: format!("{action}: {problem}"),
            },
        }
    }
}

/// For what is refused here, before it is sent.
impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        Self {
            cause: RefusalCause::Event,
            code: "NotSendable".to_owned(),
            message: error.to_string(),
        }
    }
}

/// What a code is about; `is_ours` as the service or its reference says.
pub(super) fn cause(code: &str, is_ours: bool) -> RefusalCause {
    // First of all: the services call those, too, the sender's fault.
    if is_throttling(code) {
        RefusalCause::Throttling
    } else if is_about_access(code) {
        RefusalCause::Access
    } else if is_ours {
        RefusalCause::Event
    } else {
        RefusalCause::Service
    }
}

/// Codes that any event would have got (API references, "Common Errors" and "Errors" of the actions).
fn is_about_access(code: &str) -> bool {
    const PARTS: &[&str] = &[
        "AccessDenied",
        "AuthFailure",
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidAccountId",
        "InvalidAddress",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignature",
        "Kms",
        "MissingAuthenticationToken",
        "NonExistentQueue",
        "NotAuthorized",
        "OptInRequired",
        "QueueDoesNotExist",
        "RequestExpired",
        "ResourceNotFound",
        "SignatureDoesNotMatch",
        "UnrecognizedClient",
        "UnsupportedOperation",
    ];
    // A bus may forbid sources and types one by one: that is about the event's type.
    !code.ends_with("NotAuthorizedForDetailTypeException")
        && PARTS.iter().any(|part| code.contains(part))
}

/// Codes with which a whole call is refused for one of its entries, or for all of them together.
pub(super) fn is_about_content(code: &str) -> bool {
    const PARTS: &[&str] = &[
        "BatchRequestTooLong",
        "InvalidArgument",
        "InvalidAttribute",
        "InvalidMessageContents",
        "InvalidParameter",
        "MalformedDetail",
        "MessageTooLong",
        "MissingParameter",
        "RequestEntityTooLarge",
        "Serialization",
        "Validation",
    ];
    PARTS.iter().any(|part| code.contains(part))
}
