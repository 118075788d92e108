//! YAML text as a tree in which every key and value knows where it stands.
//!
//! Only the part of YAML that a configuration needs is taken: one document, mappings with plain
//! keys, sequences, scalars. Anchors, aliases, tags and merge keys are refused with a place, so
//! that a small file cannot unfold into a large one and every value stands where it is used.

mod build;
mod offsets;
mod places;

use serde_json::{Map, Value as Json};

use crate::diagnostic::Span;

pub(crate) use build::parse;
pub(crate) use offsets::source_offset;

/// The largest configuration text, in bytes: a thousand flows of a kibibyte each.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;

/// The deepest nesting of a configuration. The shape itself needs less than ten levels.
pub const DEPTH_MAX: usize = 32;

/// The most keys one mapping may have; flows are limited to a thousand.
pub(crate) const KEYS_MAX: usize = 2000;

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// What stands there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// Refused and reported already; nothing further is said about it.
    Broken,
}

/// A key of a mapping with its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

/// A scalar: its text after YAML's unquoting, and how it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
}

/// What a scalar is by the core schema of YAML 1.2 (section 10.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    Null,
    Bool(bool),
    Integer(i64),
    /// A number that is no 64-bit integer.
    Number,
    Text,
}

impl Scalar {
    /// The type the core schema gives this scalar; whatever is quoted is text.
    pub(crate) fn resolved(&self) -> Resolved {
        if self.style != Style::Plain {
            return Resolved::Text;
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
            "true" | "True" | "TRUE" => return Resolved::Bool(true),
            "false" | "False" | "FALSE" => return Resolved::Bool(false),
            _ => {}
        }
        integer(&self.text)
            .map(Resolved::Integer)
            .or_else(|| is_number(&self.text).then_some(Resolved::Number))
            .unwrap_or(Resolved::Text)
    }
}

fn integer(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return i64::from_str_radix(digits, 16).ok();
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return i64::from_str_radix(digits, 8).ok();
    }
    text.parse().ok()
}

fn is_number(text: &str) -> bool {
    let digits = text.trim_start_matches(['-', '+']);
    let starts_numeric = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let named = matches!(digits, ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN");
    named || (starts_numeric && text.parse::<f64>().is_ok())
}

impl Node {
    /// The value as JSON, by the core schema, as other readers of YAML 1.2 see it.
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            Value::Scalar(scalar) => match scalar.resolved() {
                Resolved::Null => Json::Null,
                Resolved::Bool(value) => value.into(),
                Resolved::Integer(value) => value.into(),
                Resolved::Number => scalar.text.parse::<f64>().map_or(Json::Null, Json::from),
                Resolved::Text => scalar.text.as_str().into(),
            },
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), entry.value.to_json()))
                .collect::<Map<String, Json>>()
                .into(),
            Value::Broken => Json::Null,
        }
    }

    /// Whether the value is absent: nothing, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.resolved() == Resolved::Null)
    }
}

#[cfg(test)]
mod tests;
