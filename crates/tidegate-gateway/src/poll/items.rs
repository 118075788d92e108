//! From the body of an answer to its items, and what leads to the next page.

use bytes::Bytes;
use serde_json::value::RawValue;
use tidegate_core::log::entry::{Blame, Fingerprint};
use tidegate_core::receive::fingerprint;
use tidegate_map::{Filter, Input, MapError, MapErrorKind, Mapping};
use tidegate_types::time::UnixMillis;

/// The media type of an item, whatever that of the page is.
pub(super) const ITEM_TYPE: &str = "application/json";

/// The expressions that look at a page.
#[derive(Debug)]
pub(crate) struct Reader {
    /// Gives one list.
    pub(super) items: Filter,
    pub(super) next: Option<Filter>,
    /// Only its `time` counts.
    pub(super) time: Option<Mapping>,
    pub(super) body_max: usize,
    pub(super) items_max: usize,
}

/// A page that was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) items: Vec<Bytes>,
    pub(super) next: Option<String>,
    pub(super) newest: Option<UnixMillis>,
    pub(super) fingerprint: Fingerprint,
}

/// Why a page cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) blame: Blame,
    pub(super) text: String,
}

impl Reader {
    /// Reads a page; `link` is what a header says about the next one. Takes time in proportion to the
    /// body, and belongs on a thread for mapping.
    pub(super) fn read(&self, body: &Bytes, link: Option<String>) -> Result<Read, Unreadable> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Read {
                items: Vec::new(),
                next: link,
                newest: None,
                fingerprint: fingerprint::of_original(&[]),
            });
        }
        // The list holds no more than the body, and little besides.
        let most = self.body_max.saturating_mul(2);
        let list = self.items.apply_within(body, most);
        let list = list.map_err(|error| unreadable("items", &error))?;
        let list = list.unwrap_or_else(|| Bytes::from_static(b"[]"));
        let items = split(&list)?;
        if items.len() > self.items_max {
            return Err(Unreadable {
                blame: Blame::Us,
                text: format!(
                    "the page has {} items, more than `page-max` ({})",
                    items.len(),
                    self.items_max
                ),
            });
        }
        let next = match &self.next {
            None => link,
            Some(filter) => {
                let next = filter.apply(body);
                token(next.map_err(|error| unreadable("next", &error))?)?
            }
        };
        Ok(Read {
            newest: items.iter().filter_map(|item| self.time_of(item)).max(),
            fingerprint: fingerprint::of_original(&list),
            items,
            next,
        })
    }

    /// The time of an item, if it has one.
    fn time_of(&self, item: &Bytes) -> Option<UnixMillis> {
        let mapped = self.time.as_ref()?.run(&Input {
            headers: &[],
            query: "",
            content_type: ITEM_TYPE,
            body: item,
        });
        mapped.ok()??.time
    }
}

fn unreadable(what: &str, error: &MapError) -> Unreadable {
    Unreadable {
        blame: match error.kind {
            MapErrorKind::InvalidBody => Blame::Them,
            _ => Blame::Us,
        },
        text: format!("{what}: {}", error.text),
    }
}

/// The elements of a list; those of the list in it, if that is all it holds.
fn split(list: &Bytes) -> Result<Vec<Bytes>, Unreadable> {
    let elements = |list: &Bytes| -> Result<Vec<Bytes>, Unreadable> {
        let raw: Vec<&RawValue> = serde_json::from_slice(list).map_err(|error| Unreadable {
            blame: Blame::Us,
            text: format!("items: {error}"),
        })?;
        let raw = raw.into_iter().map(|item| item.get().as_bytes());
        Ok(raw.map(|item| list.slice_ref(item)).collect())
    };
    let items = elements(list)?;
    match items.as_slice() {
        [one] if one.starts_with(b"[") => elements(one),
        _ => Ok(items),
    }
}

/// The text of a cursor; `None` at the end.
fn token(json: Option<Bytes>) -> Result<Option<String>, Unreadable> {
    let value = json.map(|json| serde_json::from_slice(&json));
    match value.transpose() {
        Ok(None | Some(serde_json::Value::Null | serde_json::Value::Bool(false))) => Ok(None),
        Ok(Some(serde_json::Value::String(text))) => Ok(Some(text).filter(|text| !text.is_empty())),
        Ok(Some(serde_json::Value::Number(number))) => Ok(Some(number.to_string())),
        _ => Err(Unreadable {
            blame: Blame::Us,
            text: "next: a text, a number or null is needed".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use tidegate_map::EventSpec;

    use super::*;

    fn reader(items: &str, next: Option<&str>) -> Reader {
        let time = EventSpec {
            kind: "\"item\"".to_owned(),
            time: Some(".body.at".to_owned()),
            data: Some("null".to_owned()),
            ..EventSpec::default()
        };
        Reader {
            items: Filter::compile(&format!("[{items}\n]")).unwrap(),
            next: next.map(|next| Filter::compile(next).unwrap()),
            time: Some(Mapping::compile(&time).unwrap()),
            body_max: 10_000,
            items_max: 3,
        }
    }

    fn items(read: &Read) -> Vec<&str> {
        let texts = read.items.iter();
        texts
            .map(|item| std::str::from_utf8(item).unwrap())
            .collect()
    }

    #[test]
    fn items_as_outputs_or_as_a_list() {
        let body =
            Bytes::from_static(br#"{"a":[{"n":1,"at":5},{"n":12345678901234567890}],"c":7}"#);
        for text in [".a[]", ".a", ".a[] # all of them"] {
            let read = reader(text, Some(".c")).read(&body, None).unwrap();
            assert_eq!(
                items(&read),
                [r#"{"n":1,"at":5}"#, r#"{"n":12345678901234567890}"#],
                "{text}"
            );
            assert_eq!(read.next.as_deref(), Some("7"));
            assert_eq!(read.newest, Some(UnixMillis(5000)));
        }
        let none = reader(".a[]", None)
            .read(&Bytes::from_static(b"{\"a\":[]}"), None)
            .unwrap();
        assert!(none.items.is_empty());
        let nothing = reader(".a[]", None).read(&Bytes::from_static(b" "), Some("x".to_owned()));
        assert_eq!(nothing.unwrap().next.as_deref(), Some("x"));
    }

    #[test]
    fn the_end_is_null_false_or_empty() {
        let body = Bytes::from_static(b"{}");
        for (next, expected) in [
            ("null", None),
            ("false", None),
            ("\"\"", None),
            ("\"a\"", Some("a")),
        ] {
            let read = reader("empty", Some(next)).read(&body, None).unwrap();
            assert_eq!(read.next.as_deref(), expected, "{next}");
        }
        assert!(reader("empty", Some("{}")).read(&body, None).is_err());
    }

    #[test]
    fn whose_fault_it_is() {
        let blame = |items: &str, body: &'static [u8]| {
            reader(items, None)
                .read(&Bytes::from_static(body), None)
                .unwrap_err()
                .blame
        };
        assert_eq!(blame(".a[]", b"<html>"), Blame::Them);
        assert_eq!(blame(".a[]", b"{}"), Blame::Us);
        assert_eq!(blame(".[]", b"[1,2,3,4]"), Blame::Us);
    }
}
