//! What a plan evaluates to: mostly slices of the body.

use std::borrow::Cow;

use jaq_json::Val;

use crate::error::{Failure, MapErrorKind};
use crate::json::write::Unwritable;
use crate::json::{compact, text, tree, write};

/// A value on its way to the output.
#[derive(Clone, Debug)]
pub(crate) enum Value<'a> {
    /// The text of a JSON value as it stands in the body, or as it was built.
    Json(Cow<'a, str>),
    /// A string, decoded.
    Text(Cow<'a, str>),
    /// The result of an operator that the interpreter's values carried out.
    Tree(Val),
}

impl<'a> Value<'a> {
    pub(crate) const NULL: Self = Value::Json(Cow::Borrowed("null"));

    pub(crate) const fn bool(is: bool) -> Self {
        Value::Json(Cow::Borrowed(if is { "true" } else { "false" }))
    }

    pub(crate) fn is_null(&self) -> bool {
        match self {
            Value::Json(json) => json.as_ref() == "null",
            Value::Text(_) => false,
            Value::Tree(value) => matches!(value, Val::Null),
        }
    }

    /// Whether it is neither `null` nor `false`.
    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Value::Json(json) => !matches!(json.as_ref(), "null" | "false"),
            Value::Text(_) => true,
            Value::Tree(value) => !matches!(value, Val::Null | Val::Bool(false)),
        }
    }

    /// The decoded text if it is a string, else the value itself.
    pub(crate) fn into_string(self) -> Result<Cow<'a, str>, Self> {
        match self {
            Value::Text(string) => Ok(string),
            Value::Json(Cow::Borrowed(json)) => match inner(json) {
                Some(raw) => Ok(text::decode(raw)),
                None => Err(Value::Json(Cow::Borrowed(json))),
            },
            Value::Json(Cow::Owned(json)) => match inner(&json) {
                Some(raw) => Ok(Cow::Owned(text::decode(raw).into_owned())),
                None => Err(Value::Json(Cow::Owned(json))),
            },
            Value::Tree(Val::TStr(bytes)) => {
                Ok(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
            }
            tree @ Value::Tree(_) => Err(tree),
        }
    }

    /// As `tostring` gives it: a string stays, anything else becomes its JSON text.
    pub(crate) fn into_text(self, bytes_max: usize) -> Result<Cow<'a, str>, Failure> {
        match self.into_string() {
            Ok(string) => Ok(string),
            // What cannot be JSON, such as an infinite number, has a text nevertheless.
            Err(Value::Tree(value)) => Ok(Cow::Owned(value.to_string())),
            Err(value) => {
                let mut out = Vec::new();
                value.write(&mut out, bytes_max)?;
                String::from_utf8(out).map(Cow::Owned).map_err(|_| {
                    Failure::new(MapErrorKind::Internal, "JSON that is not UTF-8 was written")
                })
            }
        }
    }

    /// As a value of the interpreter.
    pub(crate) fn into_tree(self) -> Result<Val, Failure> {
        match self {
            Value::Text(string) => Ok(Val::from(string.into_owned())),
            Value::Tree(value) => Ok(value),
            Value::Json(json) => tree::read(&json)
                .map_err(|error| Failure::new(MapErrorKind::Internal, error.to_string())),
        }
    }

    /// Appends its JSON text, until `out` is longer than `bytes_max`.
    pub(crate) fn write(&self, out: &mut Vec<u8>, bytes_max: usize) -> Result<(), Failure> {
        match self {
            Value::Text(string) => text::write(string, out),
            Value::Json(json) => compact::append(json, out),
            Value::Tree(value) => {
                write::write(value, out, bytes_max).map_err(|why| unwritable(why, bytes_max))?
            }
        }
        if out.len() > bytes_max {
            Err(unwritable(Unwritable::Long, bytes_max))
        } else {
            Ok(())
        }
    }

    /// What kind of value it is, for errors.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "a string",
            Value::Json(json) => kind_of(json),
            Value::Tree(value) => kind_of_tree(value),
        }
    }
}

/// The failure for a value that cannot be written.
pub(crate) fn unwritable(why: Unwritable, bytes_max: usize) -> Failure {
    match why {
        Unwritable::NotFinite => Failure::new(
            MapErrorKind::Unsuitable,
            "the result holds a number that is infinite or none, which JSON cannot say",
        ),
        Unwritable::Key => Failure::new(
            MapErrorKind::Unsuitable,
            "the result holds an object with a key that is no string",
        ),
        Unwritable::Bytes => Failure::new(
            MapErrorKind::Unsuitable,
            "the result holds bytes that are no text",
        ),
        Unwritable::Long => Failure::new(
            MapErrorKind::TooLarge,
            format!("the result is longer than {bytes_max} bytes"),
        ),
        Unwritable::Deep => Failure::new(
            MapErrorKind::TooLarge,
            "the result is nested deeper than 256 levels",
        ),
    }
}

/// What kind of value a checked JSON text is.
pub(crate) fn kind_of(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// What kind of value a value of the interpreter is.
pub(crate) const fn kind_of_tree(value: &Val) -> &'static str {
    match value {
        Val::Null => "null",
        Val::Bool(_) => "a boolean",
        Val::Num(_) => "a number",
        Val::TStr(_) => "a string",
        Val::BStr(_) => "a string of bytes",
        Val::Arr(_) => "an array",
        Val::Obj(_) => "an object",
    }
}

/// What stands between the quotes of a JSON string.
fn inner(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"')
}
