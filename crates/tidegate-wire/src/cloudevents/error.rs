//! Why CloudEvents cannot be read.

use std::fmt;

/// Most problems reported of one request. Whoever gets this many has one cause to look for.
pub const PROBLEMS_MAX: usize = 32;

/// Longest media type or attribute name that is repeated in an error.
const SHOWN_CHARACTERS_MAX: usize = 80;

/// Why a request gives no events. All of it may be told to the sender.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// Neither a CloudEvents media type nor `ce-` headers. Answer: 415.
    #[error(
        "the request is no CloudEvent; send content-type {} or {}, or ce- headers",
        super::STRUCTURED_JSON,
        super::BATCH_JSON
    )]
    NotCloudEvents,
    /// A CloudEvents format other than JSON in UTF-8. Answer: 415.
    #[error(
        "{0:?} is not accepted; send {one} or {many} in UTF-8",
        one = super::STRUCTURED_JSON,
        many = super::BATCH_JSON
    )]
    Unsupported(String),
    /// The body is not JSON, or not an object (structured) or an array (batch). Answer: 400.
    #[error("the body is not the JSON its content-type announces")]
    Json(#[source] serde_json::Error),
    /// More events than are taken at once. Answer: 413.
    #[error("the batch has more than {max} events; send smaller batches")]
    TooMany {
        /// How many are taken.
        max: usize,
    },
    /// Events that break the specification. Answer: 400.
    #[error("{0}")]
    Invalid(Problems),
}

impl DecodeError {
    pub(super) fn unsupported(content_type: Option<&str>) -> Self {
        Self::Unsupported(shown(content_type.unwrap_or_default()))
    }

    /// A short stable name of the error, for metrics and answers.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotCloudEvents => "not-cloudevents",
            Self::Unsupported(_) => "unsupported-format",
            Self::Json(_) => "malformed-json",
            Self::TooMany { .. } => "batch-too-large",
            Self::Invalid(_) => "invalid-event",
        }
    }
}

/// All that is wrong with the events of a request, up to [`PROBLEMS_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which event of the batch, from 0 on; 0 for a single event.
    pub event: usize,
    /// Which attribute, or `data` and `data_base64`.
    pub attribute: String,
    /// What is wrong with it.
    pub fault: Fault,
}

impl Problem {
    pub(super) fn new(event: usize, attribute: &str, fault: Fault) -> Self {
        Self {
            event,
            attribute: shown(attribute),
            fault,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "event {}: {:?} {}",
            self.event, self.attribute, self.fault
        )
    }
}

/// What is wrong with an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A required attribute is not there.
    #[error("is required and missing")]
    Missing,
    /// It is there and empty.
    #[error("is empty")]
    Empty,
    /// It comes more than once.
    #[error("comes more than once")]
    Repeated,
    /// Its name is not made of `a-z` and `0-9`.
    #[error("is no attribute name: only lower-case letters and digits are allowed")]
    Name,
    /// A JSON type attributes cannot have.
    #[error(
        "has a JSON type that attributes cannot have; send a string, and for extensions a boolean or an integer of 32 bits"
    )]
    Type,
    /// Not version 1.0.
    #[error("is not 1.0, the version that is accepted")]
    Version,
    /// Not a time.
    #[error("is not a time of RFC 3339 at or after 1970, for example 2026-11-21T10:00:00Z")]
    Time,
    /// Not a URI reference.
    #[error("is not a URI reference of RFC 3986")]
    UriReference,
    /// Not a URI.
    #[error("is not an absolute URI of RFC 3986")]
    Uri,
    /// Not a media type.
    #[error("is not a media type such as application/json")]
    MediaType,
    /// Characters that attributes cannot have, or not text at all.
    #[error("has control characters or is not valid text")]
    Characters,
    /// Longer than [`super::ATTRIBUTE_BYTES_MAX`].
    #[error("is longer than {} bytes", super::ATTRIBUTE_BYTES_MAX)]
    TooLong,
    /// One extension too many.
    #[error("is one extension too many: {} are accepted", super::EXTENSIONS_MAX)]
    TooManyExtensions,
    /// A header that the binary mode forbids.
    #[error("must not be a header: in the binary mode content-type says it")]
    Forbidden,
    /// Not base64.
    #[error("is not a string of base64")]
    Base64,
    /// `data` and `data_base64` at once.
    #[error("excludes data: send one of them")]
    BothData,
    /// `data` that is no string though its type is not JSON.
    #[error("must be a string because datacontenttype is not JSON")]
    DataNotText,
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS_MAX).collect()
}
