//! What expressions look at: one request, as `{ headers, query, body }`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jaq_json::{Map, Val};

use crate::error::{Failure, MapErrorKind};
use crate::json::{scan, text, tree};
use crate::limits::FORM_FIELDS_MAX;
use crate::{form, json};

/// One request to map.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// Headers in the order they came, names in lower case. A name that repeats is joined with `, ` (RFC 9110, 5.3).
    pub headers: &'a [(String, String)],
    /// Query string without the `?`; an object of strings in the expression, of arrays where a name repeats.
    pub query: &'a str,
    /// Media type of the body with its parameters; empty if the request said none.
    pub content_type: &'a str,
    /// The body after content decoding.
    pub body: &'a Bytes,
}

/// How a body becomes a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Json,
    Form,
    Text,
    /// JSON if it parses.
    Unsaid,
    Other,
}

/// The body as JSON text, checked by whoever walks it.
#[derive(Debug)]
pub(crate) struct Body<'a> {
    /// The text of one JSON value.
    pub(crate) json: Cow<'a, str>,
    /// The body has no value of its own (`null`), and its bytes are in `body_base64`.
    pub(crate) binary: bool,
}

impl<'a> Input<'a> {
    /// The body as JSON text. Only what is declared as JSON, or may be, comes unchecked.
    pub(crate) fn body_json(&self) -> Result<Body<'a>, Failure> {
        let media = media(self.content_type);
        if self
            .body
            .iter()
            .all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
            && media != Media::Text
        {
            return Ok(Body {
                json: Cow::Borrowed("null"),
                binary: false,
            });
        }
        let binary = Body {
            json: Cow::Borrowed("null"),
            binary: true,
        };
        let utf8 = std::str::from_utf8(self.body);
        Ok(match (media, utf8) {
            (Media::Json, Ok(json)) => Body {
                json: Cow::Borrowed(json),
                binary: false,
            },
            (Media::Json | Media::Form, Err(error)) => {
                return Err(Failure::new(
                    MapErrorKind::InvalidBody,
                    format!("the body is not UTF-8 at byte {}", error.valid_up_to()),
                ));
            }
            (Media::Form, Ok(text)) => {
                let json = form::to_json(text).map_err(|form::TooManyFields| {
                    Failure::new(
                        MapErrorKind::InvalidBody,
                        "the form has more than 1000 fields",
                    )
                })?;
                Body {
                    json: Cow::Owned(json),
                    binary: false,
                }
            }
            (Media::Text, Ok(text)) => Body {
                json: Cow::Owned(quoted(text)),
                binary: false,
            },
            (Media::Unsaid, Ok(json)) if scan::check(json).is_ok() => Body {
                json: Cow::Borrowed(json),
                binary: false,
            },
            (Media::Text | Media::Unsaid | Media::Other, _) => binary,
        })
    }

    /// Fails if the query string has more fields than we take.
    pub(crate) fn check_query(&self) -> Result<(), Failure> {
        if self.query.len() > FORM_FIELDS_MAX
            && form::fields(self.query).nth(FORM_FIELDS_MAX).is_some()
        {
            return Err(Failure::new(
                MapErrorKind::InvalidBody,
                "the query string has more than 1000 fields",
            ));
        }
        Ok(())
    }

    /// The whole input as a value of the interpreter.
    pub(crate) fn value(&self, body: &Body<'_>) -> Result<Val, Failure> {
        let mut map = Map::default();
        map.insert(key("headers"), self.headers_value());
        map.insert(key("query"), self.query_value()?);
        map.insert(
            key("body"),
            tree::read(&body.json).map_err(|error| invalid_json(&error))?,
        );
        if body.binary {
            map.insert(key("body_base64"), Val::from(STANDARD.encode(self.body)));
        }
        Ok(Val::obj(map))
    }

    fn headers_value(&self) -> Val {
        let mut map = Map::default();
        for (name, _) in self.headers {
            let name_value = key(name);
            if !map.contains_key(&name_value) {
                let value = self.header(name).map(Cow::into_owned).unwrap_or_default();
                map.insert(name_value, Val::from(value));
            }
        }
        Val::obj(map)
    }

    fn query_value(&self) -> Result<Val, Failure> {
        let json = form::to_json(self.query).map_err(|form::TooManyFields| {
            Failure::new(
                MapErrorKind::InvalidBody,
                "the query string has more than 1000 fields",
            )
        })?;
        tree::read(&json).map_err(|error| Failure::new(MapErrorKind::Internal, error.to_string()))
    }

    /// The value of a header; several of one name joined.
    pub(crate) fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut values = self
            .headers
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, value)| value.as_str());
        let first = values.next()?;
        let mut joined = Cow::Borrowed(first);
        for value in values {
            let joined = joined.to_mut();
            joined.push_str(", ");
            joined.push_str(value);
        }
        Some(joined)
    }

    /// The value of a parameter of the query as JSON text; `None` if there is none.
    pub(crate) fn query_json(&self, name: &str) -> Option<String> {
        let values: Vec<_> = form::fields(self.query)
            .filter(|(n, _)| n == name)
            .map(|(_, value)| value)
            .collect();
        if values.is_empty() {
            return None;
        }
        let mut out = Vec::new();
        form::write_values(&values, &mut out);
        String::from_utf8(out).ok()
    }
}

/// The error for a body that is declared as JSON and is none.
pub(crate) fn invalid_json(error: &json::JsonError) -> Failure {
    Failure::new(
        MapErrorKind::InvalidBody,
        format!("the body is not JSON: {error}"),
    )
}

fn media(content_type: &str) -> Media {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let is = |name: &str| essence.eq_ignore_ascii_case(name);
    let starts = |with: &str| {
        essence
            .get(..with.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(with))
    };
    let ends = |with: &str| {
        let start = essence.len().saturating_sub(with.len());
        essence
            .get(start..)
            .is_some_and(|end| end.eq_ignore_ascii_case(with))
    };
    if essence.is_empty() {
        Media::Unsaid
    } else if is("application/json") || is("text/json") || ends("+json") {
        Media::Json
    } else if is("application/x-www-form-urlencoded") {
        Media::Form
    } else if starts("text/") {
        Media::Text
    } else {
        Media::Other
    }
}

fn quoted(raw: &str) -> String {
    let mut out = Vec::with_capacity(raw.len() + 2);
    text::write(raw, &mut out);
    String::from_utf8(out).expect("a string was written")
}

fn key(name: &str) -> Val {
    Val::from(name.to_owned())
}
