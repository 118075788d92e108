//! What can go wrong: when an expression is compiled (the operator's), and when it runs (the event's).

use std::fmt;
use std::ops::Range;

use crate::limits::ERROR_BYTES_MAX;

/// The expression of a flow that an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// `id`: the identity that the sender gave the event.
    Id,
    /// `type`: the type of the event.
    Type,
    /// `key`: the key within which order is kept.
    Key,
    /// `time`: when it happened.
    Time,
    /// `data`: the payload.
    Data,
    /// `when`: whether the event is taken at all.
    When,
    /// No expression: the body that the expressions look into.
    Body,
    /// A single expression that stands by itself, such as the filter of a subscription.
    Filter,
    /// `path` of a request that is made of an event.
    Path,
    /// One of the `headers` of such a request.
    Header,
    /// The `body` of such a request.
    Payload,
}

impl Field {
    /// The key under which the expression stands in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Type => "type",
            Self::Key => "key",
            Self::Time => "time",
            Self::Data => "data",
            Self::When => "when",
            Self::Body | Self::Payload => "body",
            Self::Filter => "filter",
            Self::Path => "path",
            Self::Header => "headers",
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A problem of an expression, with the place and the cure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {label}")]
pub struct CompileError {
    /// The expression it is about.
    pub field: Field,
    /// The bytes of the expression's text that are at fault. Both ends are character boundaries of that text.
    pub span: Range<usize>,
    /// What is wrong there, for a label under the text.
    pub label: String,
    /// What to do about it.
    pub help: String,
}

/// Why an event could not be mapped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {text}")]
pub struct MapError {
    /// The expression that failed.
    pub field: Field,
    /// The kind, for counting and for tests.
    pub kind: MapErrorKind,
    /// What happened. It may quote up to 256 bytes of the event, so it belongs with the kept fault and
    /// not into a log.
    pub text: String,
}

impl MapError {
    pub(crate) fn new(field: Field, kind: MapErrorKind, text: impl Into<String>) -> Self {
        Self {
            field,
            kind,
            text: shortened(text.into()),
        }
    }
}

/// Kinds of [`MapError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MapErrorKind {
    /// The body is declared as JSON, or as a form, and is none that we take.
    InvalidBody,
    /// The expression raised an error, for example because it indexed a string.
    Raised,
    /// The expression gave nothing, or null, where a value is needed.
    Missing,
    /// The expression gave more than one output.
    Several,
    /// The expression gave a value of the wrong kind, for example an object where a text is needed.
    Unsuitable,
    /// The value is longer or nested deeper than allowed.
    TooLarge,
    /// The expression took more steps, or more of the stack, than it may.
    Overrun,
    /// The interpreter failed. That is our defect, not the event's.
    Internal,
}

impl MapErrorKind {
    /// The name that stands in metrics and in the kept fault.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidBody => "invalid-body",
            Self::Raised => "raised",
            Self::Missing => "missing",
            Self::Several => "several",
            Self::Unsuitable => "unsuitable",
            Self::TooLarge => "too-large",
            Self::Overrun => "overrun",
            Self::Internal => "internal",
        }
    }
}

/// What an evaluation says about itself, before it is known which field it was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: MapErrorKind,
    pub(crate) text: String,
}

impl Failure {
    pub(crate) fn new(kind: MapErrorKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }

    pub(crate) fn raised(text: impl Into<String>) -> Self {
        Self::new(MapErrorKind::Raised, text)
    }

    pub(crate) fn of(self, field: Field) -> MapError {
        MapError::new(field, self.kind, self.text)
    }
}

/// Cuts `text` at a character boundary so that it fits in an error.
fn shortened(mut text: String) -> String {
    if text.len() > ERROR_BYTES_MAX {
        let end = (0..=ERROR_BYTES_MAX)
            .rev()
            .find(|at| text.is_char_boundary(*at))
            .unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
