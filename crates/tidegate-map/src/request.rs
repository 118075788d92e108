//! From an event to the request that brings it to another system.

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::code::{Code, Subject};
use crate::direct::plan::Root;
use crate::direct::value::Value;
use crate::direct::walk::Trie;
use crate::error::{CompileError, Failure, Field, MapError, MapErrorKind};
use crate::json::tree;
use crate::limits::DATA_BYTES_MAX;
use crate::mapping::text;
use crate::template::{Piece, pieces};

/// All but the characters that need no escape anywhere in a URL (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The expressions of a request, as written in the configuration. Each looks at one JSON document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestSpec {
    /// Path and query, with expressions in braces; what they give is escaped.
    pub path: String,
    /// Headers by their names, each value an expression; null leaves the header out.
    pub headers: Vec<(String, String)>,
    /// The body; absent means that the caller sends one of its own.
    pub body: Option<String>,
}

/// Which expression of a [`RequestSpec`] an error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestPart {
    /// The path; spans count in the whole template.
    Path,
    /// The header with this number, in the order of the spec.
    Header(usize),
    /// The body.
    Body,
}

/// What a mapping made of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedRequest {
    /// The path, escaped.
    pub path: String,
    /// The query without its `?`, escaped; empty if there is none.
    pub query: String,
    /// Headers. Their values are texts of whatever characters the event had.
    pub headers: Vec<(String, String)>,
    /// The body as compact JSON, if there is an expression for it.
    pub body: Option<Bytes>,
}

/// The expressions of a request, compiled. Threads can share it.
#[derive(Debug)]
pub struct RequestMapping {
    trie: Trie,
    path: Vec<Part>,
    headers: Vec<(String, Code)>,
    body: Option<Code>,
    direct: bool,
}

#[derive(Debug)]
enum Part {
    Literal(String),
    /// The value of an expression; in the path an empty one is refused, since it would name another thing.
    Value(Code),
}

impl RequestMapping {
    /// Compiles the expressions.
    ///
    /// # Errors
    /// All problems of all expressions together, each with the part it is about.
    pub fn compile(spec: &RequestSpec) -> Result<Self, Vec<(RequestPart, CompileError)>> {
        let mut trie = Trie::default();
        let mut errors = Vec::new();
        let path = compile_path(&spec.path, &mut trie, &mut errors);
        let mut compile = |part, field, text: &str| {
            let compiled = Code::compile(field, text, Root::Document, &mut trie);
            let tagged =
                |found: Vec<CompileError>| errors.extend(found.into_iter().map(|it| (part, it)));
            compiled.map_err(tagged).ok()
        };
        let mut headers = Vec::with_capacity(spec.headers.len());
        for (number, (name, value)) in spec.headers.iter().enumerate() {
            let code = compile(RequestPart::Header(number), Field::Header, value);
            headers.extend(code.map(|code| (name.clone(), code)));
        }
        let body = spec.body.as_deref();
        let body = body.and_then(|text| compile(RequestPart::Body, Field::Payload, text));
        if !errors.is_empty() {
            return Err(errors);
        }
        let in_path = path.iter().filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Value(code) => Some(code),
        });
        let mut all = in_path
            .chain(headers.iter().map(|(_, code)| code))
            .chain(&body);
        let direct = all.all(Code::is_direct);
        Ok(Self {
            trie,
            direct,
            path,
            headers,
            body,
        })
    }

    /// Whether the interpreter is not needed; see [`crate::Mapping::is_direct`].
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        self.direct
    }

    /// Whether nothing in it looks at the document, so that none need be made.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        let literal = |part: &Part| matches!(part, Part::Literal(_));
        self.path.iter().all(literal) && self.headers.is_empty() && self.body.is_none()
    }

    /// Maps one document.
    ///
    /// # Errors
    /// The document is not JSON, an expression fails on it, or gives what cannot stand where it belongs.
    pub fn run(&self, json: &[u8]) -> Result<MappedRequest, MapError> {
        let invalid =
            |problem: String| MapError::new(Field::Body, MapErrorKind::InvalidBody, problem);
        let document = std::str::from_utf8(json)
            .map_err(|error| invalid(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
        let found = self
            .trie
            .walk(document)
            .map_err(|error| invalid(format!("not JSON: {error}")))?;
        let tree = if self.direct {
            None
        } else {
            let tree = tree::read(document);
            Some(tree.map_err(|error| invalid(format!("not JSON: {error}")))?)
        };
        let subject = Subject {
            found: &found,
            input: None,
            tree: tree.as_ref(),
            body_bytes: json.len(),
            // Whatever was taken in can be passed on as it is.
            bytes_max: DATA_BYTES_MAX.max(json.len()),
        };
        let (path, query) = self.located(&subject)?;
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, code) in &self.headers {
            let value = text(Field::Header, value(&subject, Field::Header, code)?)?;
            headers.extend(value.map(|value| (name.clone(), value)));
        }
        let body = self.body.as_ref().map(|code| {
            let made = code.run_to_json(&subject);
            let made = made.map_err(|failure: Failure| failure.of(Field::Payload))?;
            made.ok_or_else(|| missing(Field::Payload, "the expression gives no output"))
        });
        Ok(MappedRequest {
            path,
            query,
            headers,
            body: body.transpose()?,
        })
    }

    fn located<'a, 'p: 'a>(
        &'p self,
        subject: &Subject<'a, '_>,
    ) -> Result<(String, String), MapError> {
        let (mut path, mut query): (String, Option<String>) = (String::new(), None);
        for part in &self.path {
            match part {
                Part::Literal(literal) => match (&mut query, literal.split_once('?')) {
                    (Some(query), _) => query.push_str(literal),
                    (None, None) => path.push_str(literal),
                    (None, Some((before, behind))) => {
                        path.push_str(before);
                        query = Some(behind.to_owned());
                    }
                },
                Part::Value(code) => {
                    let value = text(Field::Path, value(subject, Field::Path, code)?)?;
                    let value = value
                        .ok_or_else(|| missing(Field::Path, "the expression gives nothing"))?;
                    if query.is_none() && value.is_empty() {
                        return Err(missing(Field::Path, "the expression gives an empty text"));
                    }
                    let target = query.as_mut().unwrap_or(&mut path);
                    target.extend(utf8_percent_encode(&value, ESCAPED));
                }
            }
        }
        Ok((path, query.unwrap_or_default()))
    }
}

fn compile_path(
    template: &str,
    trie: &mut Trie,
    errors: &mut Vec<(RequestPart, CompileError)>,
) -> Vec<Part> {
    let pieces = match pieces(template) {
        Ok(pieces) => pieces,
        Err(error) => {
            errors.push((RequestPart::Path, error));
            return Vec::new();
        }
    };
    let mut parts = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => parts.push(Part::Literal(literal.to_owned())),
            Piece::Expression { text, at } => {
                match Code::compile(Field::Path, text, Root::Document, trie) {
                    Ok(code) => parts.push(Part::Value(code)),
                    Err(found) => errors.extend(found.into_iter().map(|mut error| {
                        error.span = error.span.start + at..error.span.end + at;
                        (RequestPart::Path, error)
                    })),
                }
            }
        }
    }
    parts
}

fn value<'a, 'p: 'a>(
    subject: &Subject<'a, '_>,
    field: Field,
    code: &'p Code,
) -> Result<Option<Value<'a>>, MapError> {
    code.run(subject).map_err(|failure| failure.of(field))
}

fn missing(field: Field, why: &str) -> MapError {
    MapError::new(field, MapErrorKind::Missing, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &[u8] =
        br#"{"id":"7","type":"order.created","data":{"id":"a/b ?","total":12,"empty":"","up":".."}}"#;

    fn spec(path: &str) -> RequestSpec {
        RequestSpec {
            path: path.to_owned(),
            ..RequestSpec::default()
        }
    }

    fn located(path: &str) -> Result<(String, String), MapErrorKind> {
        let mapped = RequestMapping::compile(&spec(path)).unwrap().run(EVENT);
        let mapped = mapped.map_err(|error| error.kind)?;
        Ok((mapped.path, mapped.query))
    }

    fn pair(path: &str, query: &str) -> Result<(String, String), MapErrorKind> {
        Ok((path.to_owned(), query.to_owned()))
    }

    #[test]
    fn paths_are_filled_and_escaped() {
        assert_eq!(located("/orders"), pair("/orders", ""));
        assert_eq!(located("/o/{.data.id}"), pair("/o/a%2Fb%20%3F", ""));
        assert_eq!(
            located("/o/{.id}?t={.data.total}&i={.data.id}"),
            pair("/o/7", "t=12&i=a%2Fb%20%3F")
        );
        assert_eq!(located("/o?e={.data.empty}"), pair("/o", "e="));
        assert_eq!(
            located("/o/{.type | ltrimstr(\"order.\")}"),
            pair("/o/created", "")
        );
        // A question mark of the event begins no query.
        assert_eq!(located("/{.data.id}/x"), pair("/a%2Fb%20%3F/x", ""));
    }

    #[test]
    fn paths_without_a_value_are_refused() {
        assert_eq!(located("/o/{.data.absent}"), Err(MapErrorKind::Missing));
        assert_eq!(located("/o/{.data.empty}"), Err(MapErrorKind::Missing));
        assert_eq!(located("/o?x={.data.absent}"), Err(MapErrorKind::Missing));
        assert_eq!(located("/o/{.data}"), Err(MapErrorKind::Unsuitable));
    }

    #[test]
    fn headers_and_body() {
        let mapping = RequestMapping::compile(&RequestSpec {
            path: "/o".to_owned(),
            headers: vec![
                ("x-type".to_owned(), ".type".to_owned()),
                ("x-none".to_owned(), ".data.absent".to_owned()),
            ],
            body: Some("{ total: .data.total }".to_owned()),
        })
        .unwrap();
        assert!(mapping.is_direct());
        assert!(!mapping.is_constant());
        let mapped = mapping.run(EVENT).unwrap();
        let headers = [("x-type".to_owned(), "order.created".to_owned())];
        assert_eq!(mapped.headers, headers);
        assert_eq!(mapped.body.unwrap(), r#"{"total":12}"#);
        assert!(RequestMapping::compile(&spec("/o")).unwrap().is_constant());
    }

    #[test]
    fn problems_are_told_with_their_part_and_place() {
        let errors = RequestMapping::compile(&RequestSpec {
            path: "/o/{env}".to_owned(),
            headers: vec![
                ("x-a".to_owned(), ".a".to_owned()),
                ("x-b".to_owned(), "now".to_owned()),
            ],
            body: Some("[".to_owned()),
        })
        .unwrap_err();
        let parts: Vec<_> = errors.iter().map(|(part, _)| *part).collect();
        let expected = [RequestPart::Path, RequestPart::Header(1), RequestPart::Body];
        assert_eq!(parts, expected);
        assert_eq!(errors[0].1.span, 4..7);
    }
}
