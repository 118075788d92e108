//! A flow's `event:` block, compiled: from a request to what the event is.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use tidegate_types::time::UnixMillis;

use crate::code::{Code, Subject};
use crate::direct::plan::Root;
use crate::direct::value::Value;
use crate::direct::walk::Trie;
use crate::error::{CompileError, Failure, Field, MapError, MapErrorKind};
use crate::input::{Input, invalid_json};
use crate::limits::{DATA_BYTES_MAX, TEXT_BYTES_MAX};

/// The expressions of a flow, as written in the configuration. Each looks at `{ headers, query, body }`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventSpec {
    /// The identity that the sender gave the event; absent if a signature scheme brings it, or there is none.
    pub id: Option<String>,
    /// The type of the event.
    pub kind: String,
    /// The key within which order is kept; absent means "no key".
    pub key: Option<String>,
    /// When it happened; absent means "when it was received".
    pub time: Option<String>,
    /// The payload; absent means the body as it is.
    pub data: Option<String>,
    /// Whether the event is taken at all: `false` and `null` leave it out.
    pub when: Option<String>,
}

/// What a mapping made of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The identity that the sender gave it; `None` if there is no expression for it or that gave null.
    pub external_id: Option<String>,
    /// The type; never empty.
    pub kind: String,
    /// The key; empty if there is none.
    pub key: String,
    /// When it happened, if the request says so.
    pub time: Option<UnixMillis>,
    /// The payload: compact JSON, or the body byte for byte if the flow has no expression for it.
    pub data: Bytes,
}

/// The expressions of a flow, compiled. Threads can share it, and it keeps nothing between runs.
#[derive(Debug)]
pub struct Mapping {
    /// The paths that the direct expressions want.
    trie: Trie,
    id: Option<Code>,
    kind: Code,
    key: Option<Code>,
    time: Option<Code>,
    data: Option<Code>,
    when: Option<Code>,
    direct: bool,
    data_bytes_max: usize,
}

impl Mapping {
    /// Compiles the expressions of a flow.
    ///
    /// # Errors
    /// All problems of all expressions together.
    pub fn compile(spec: &EventSpec) -> Result<Self, Vec<CompileError>> {
        let mut trie = Trie::default();
        let mut errors = Vec::new();
        let mut compile = |field, text: &str| {
            Code::compile(field, text, Root::Request, &mut trie)
                .map_err(|found| errors.extend(found))
                .ok()
        };
        let mut optional =
            |field, text: &Option<String>| text.as_deref().and_then(|text| compile(field, text));
        let when = optional(Field::When, &spec.when);
        let id = optional(Field::Id, &spec.id);
        let key = optional(Field::Key, &spec.key);
        let time = optional(Field::Time, &spec.time);
        let data = optional(Field::Data, &spec.data);
        let kind = compile(Field::Type, &spec.kind);
        let Some(kind) = kind.filter(|_| errors.is_empty()) else {
            return Err(errors);
        };
        let direct = kind.is_direct()
            && [&id, &key, &time, &data, &when]
                .into_iter()
                .flatten()
                .all(Code::is_direct);
        Ok(Self {
            trie,
            id,
            kind,
            key,
            time,
            data,
            when,
            direct,
            data_bytes_max: DATA_BYTES_MAX,
        })
    }

    /// The same mapping with another limit on the size of `data` that it makes, in bytes.
    #[must_use]
    pub const fn with_data_bytes_max(mut self, bytes: usize) -> Self {
        self.data_bytes_max = bytes;
        self
    }

    /// Whether no expression needs the interpreter. A run then takes time in proportion to the body only,
    /// and may take place on any thread; otherwise it belongs on a thread for mapping.
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        self.direct
    }

    /// Maps one request; `None` if the flow leaves it out.
    ///
    /// # Errors
    /// The body is not what its type says, or an expression fails on it: the event is to be kept as a fault.
    pub fn run(&self, input: &Input<'_>) -> Result<Option<Mapped>, MapError> {
        let of_body = |failure: Failure| failure.of(Field::Body);
        let body = input.body_json().map_err(of_body)?;
        input.check_query().map_err(of_body)?;
        let found = self
            .trie
            .walk(&body.json)
            .map_err(|error| of_body(invalid_json(&error)))?;
        let tree = if self.direct {
            None
        } else {
            Some(input.value(&body).map_err(of_body)?)
        };
        let subject = Subject {
            found: &found,
            input: Some(input),
            tree: tree.as_ref(),
            body_bytes: input.body.len(),
            bytes_max: self.data_bytes_max,
        };
        let value = |field, code| value(&subject, field, code);
        if self.when.is_some()
            && !value(Field::When, self.when.as_ref())?.is_some_and(|value| value.is_truthy())
        {
            return Ok(None);
        }
        let missing = |field, text| MapError::new(field, MapErrorKind::Missing, text);
        Ok(Some(Mapped {
            external_id: text(Field::Id, value(Field::Id, self.id.as_ref())?)?,
            kind: text(Field::Type, value(Field::Type, Some(&self.kind))?)?
                .filter(|kind| !kind.is_empty())
                .ok_or_else(|| missing(Field::Type, "the expression gives no type"))?,
            key: text(Field::Key, value(Field::Key, self.key.as_ref())?)?.unwrap_or_default(),
            time: time(value(Field::Time, self.time.as_ref())?)
                .map_err(|failure| failure.of(Field::Time))?,
            data: match &self.data {
                None => input.body.clone(),
                Some(code) => code
                    .run_to_json(&subject)
                    .map_err(|failure| failure.of(Field::Data))?
                    .ok_or_else(|| missing(Field::Data, "the expression gives no output"))?,
            },
        }))
    }
}

fn value<'a, 'p: 'a>(
    subject: &Subject<'a, '_>,
    field: Field,
    code: Option<&'p Code>,
) -> Result<Option<Value<'a>>, MapError> {
    code.map_or(Ok(None), |code| {
        code.run(subject).map_err(|failure| failure.of(field))
    })
}

/// The text that a value stands for: strings, numbers and booleans have one, null is absence.
pub(crate) fn text(field: Field, value: Option<Value<'_>>) -> Result<Option<String>, MapError> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let text = scalar(value).map_err(|failure| failure.of(field))?;
    if text.len() > TEXT_BYTES_MAX {
        let text = format!(
            "{} bytes long, at most {TEXT_BYTES_MAX} are allowed",
            text.len()
        );
        return Err(MapError::new(field, MapErrorKind::TooLarge, text));
    }
    Ok(Some(text.into_owned()))
}

fn scalar(value: Value<'_>) -> Result<Cow<'_, str>, Failure> {
    match value.kind() {
        kind @ ("an object" | "an array" | "a string of bytes") => Err(Failure::new(
            MapErrorKind::Unsuitable,
            format!("the expression gives {kind}, and a text, number or boolean is needed"),
        )),
        // Scalars are as long as the body at most; what is too long is told by the caller.
        _ => value.into_text(usize::MAX),
    }
}

/// Numbers above this are milliseconds, others seconds: as seconds it is in the year 5138, as milliseconds in 1973.
const SECONDS_MAX: f64 = 1e11;

/// The last millisecond of the year 9999, up to which RFC 3339 can write times.
const TIME_MAX: u64 = 253_402_300_799_999;

/// The time that a value stands for: RFC 3339, or a number of seconds or milliseconds since 1970, also as text.
fn time(value: Option<Value<'_>>) -> Result<Option<UnixMillis>, Failure> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let is_boolean = value.kind() == "a boolean";
    let text = scalar(value)?;
    let parsed = text.parse().ok().or_else(|| numeric_time(text.trim()));
    parsed.filter(|time| !is_boolean && time.0 <= TIME_MAX).map(Some).ok_or_else(|| {
        let expected = "no time: RFC 3339 (2026-11-21T10:00:00Z), or seconds or milliseconds since 1970, are expected";
        Failure::new(MapErrorKind::Unsuitable, expected)
    })
}

fn numeric_time(text: &str) -> Option<UnixMillis> {
    let number: f64 = text.parse().ok()?;
    let seconds = if number > SECONDS_MAX {
        number / 1000.0
    } else {
        number
    };
    let since_1970 = Duration::try_from_secs_f64(seconds).ok()?;
    // A float of seconds is off by less than a microsecond, so round to the millisecond.
    let rounded = since_1970.checked_add(Duration::from_micros(500))?;
    u64::try_from(rounded.as_millis()).ok().map(UnixMillis)
}

#[cfg(test)]
mod tests;
