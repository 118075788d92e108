//! A single expression over a JSON document: the filter of a subscription, a part of a request.

use bytes::Bytes;

use crate::code::{Code, Subject};
use crate::direct::plan::Root;
use crate::direct::walk::Trie;
use crate::error::{CompileError, Failure, Field, MapError, MapErrorKind};
use crate::json::tree;
use crate::limits::DATA_BYTES_MAX;

/// A compiled expression over one JSON document, with the fences of a mapping. Threads can share it.
#[derive(Debug)]
pub struct Filter {
    trie: Trie,
    code: Code,
}

impl Filter {
    /// Compiles an expression whose `.` is the document.
    ///
    /// # Errors
    /// All problems of the expression.
    pub fn compile(text: &str) -> Result<Self, Vec<CompileError>> {
        let mut trie = Trie::default();
        let code = Code::compile(Field::Filter, text, Root::Document, &mut trie)?;
        Ok(Self { trie, code })
    }

    /// Whether the interpreter is not needed; see [`crate::Mapping::is_direct`].
    #[must_use]
    pub const fn is_direct(&self) -> bool {
        self.code.is_direct()
    }

    /// Whether the document passes: the expression gives something other than `false` and `null`.
    ///
    /// # Errors
    /// The document is not JSON, or the expression fails on it.
    pub fn matches(&self, json: &[u8]) -> Result<bool, MapError> {
        self.with(json, DATA_BYTES_MAX, |subject| {
            Ok(self
                .code
                .run(subject)?
                .is_some_and(|value| value.is_truthy()))
        })
    }

    /// The one output of the expression as compact JSON; `None` if it gives none.
    ///
    /// # Errors
    /// The document is not JSON, the expression fails on it or gives several outputs, or the output is
    /// longer than [`DATA_BYTES_MAX`].
    pub fn apply(&self, json: &[u8]) -> Result<Option<Bytes>, MapError> {
        self.apply_within(json, DATA_BYTES_MAX)
    }

    /// As [`Filter::apply`], with another limit on the output, in bytes.
    ///
    /// # Errors
    /// As [`Filter::apply`].
    pub fn apply_within(&self, json: &[u8], bytes_max: usize) -> Result<Option<Bytes>, MapError> {
        self.with(json, bytes_max, |subject| self.code.run_to_json(subject))
    }

    fn with<'p, T>(
        &'p self,
        json: &'p [u8],
        bytes_max: usize,
        run: impl FnOnce(&Subject<'p, '_>) -> Result<T, Failure>,
    ) -> Result<T, MapError> {
        let invalid =
            |problem: String| MapError::new(Field::Body, MapErrorKind::InvalidBody, problem);
        let text = std::str::from_utf8(json).map_err(|error| {
            invalid(format!(
                "the document is not UTF-8 at byte {}",
                error.valid_up_to()
            ))
        })?;
        let not_json = |error| invalid(format!("the document is not JSON: {error}"));
        let found = self.trie.walk(text).map_err(not_json)?;
        let tree = if self.code.is_direct() {
            None
        } else {
            Some(tree::read(text).map_err(not_json)?)
        };
        let subject = Subject {
            found: &found,
            input: None,
            tree: tree.as_ref(),
            body_bytes: json.len(),
            bytes_max,
        };
        run(&subject).map_err(|failure| failure.of(Field::Filter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &[u8] =
        br#"{"id":"7","type":"order.created","data":{"total":12,"items":[{"sku":"a"}]}}"#;

    #[test]
    fn decides() {
        for (text, direct, expected) in [
            (".data.total > 10", true, true),
            (
                ".type == \"order.created\" and .data.total == 12",
                true,
                true,
            ),
            (".data.absent", true, false),
            ("false", true, false),
            ("empty", false, false),
            (".data.items | any(.sku == \"a\")", false, true),
            (".type | startswith(\"invoice.\")", false, false),
        ] {
            let filter = Filter::compile(text).unwrap();
            assert_eq!(filter.is_direct(), direct, "{text}");
            assert_eq!(filter.matches(EVENT), Ok(expected), "{text}");
        }
    }

    #[test]
    fn gives_one_value_or_says_why_not() {
        let apply = |text: &str, json: &[u8]| Filter::compile(text).unwrap().apply(json);
        assert_eq!(
            apply(".data", EVENT).unwrap().unwrap(),
            r#"{"total":12,"items":[{"sku":"a"}]}"#
        );
        assert_eq!(apply("empty", EVENT), Ok(None));
        assert_eq!(
            apply(".id, .type", EVENT).unwrap_err().kind,
            MapErrorKind::Several
        );
        assert_eq!(
            apply(".", b"{").unwrap_err().kind,
            MapErrorKind::InvalidBody
        );
        assert_eq!(
            apply(".", b"\xff").unwrap_err().kind,
            MapErrorKind::InvalidBody
        );
        assert_eq!(
            apply(".a.b", br#"{"a":1}"#).unwrap_err().kind,
            MapErrorKind::Raised
        );
    }
}
