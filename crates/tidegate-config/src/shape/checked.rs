//! The checked tree: what the decoder reads.

use std::time::Duration;

use super::scalar::Datum;
use crate::diagnostic::Span;
use crate::secrets::SecretRef;

/// A value that has the shape it should have, or is broken and reported.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) span: Span,
    pub(crate) value: Checked,
}

/// What stands there.
#[derive(Clone, Debug)]
pub(crate) enum Checked {
    Datum(Datum),
    Fields(Fields),
    List(Vec<Item>),
    /// Reported already; nothing further is said about it.
    Broken,
}

/// The keys of a mapping, defaults filled in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    pub(crate) span: Span,
    pub(crate) entries: Vec<(String, Span, Item)>,
}

impl Fields {
    /// The value of a key that stands here or has a default.
    pub(crate) fn get(&self, key: &str) -> Option<&Item> {
        self.entries
            .iter()
            .find(|(name, ..)| name == key)
            .map(|(.., item)| item)
    }

    /// Place of the value of `key`, or of the whole mapping.
    pub(crate) fn span_of(&self, key: &str) -> Span {
        self.get(key).map_or(self.span, |item| item.span)
    }

    pub(crate) fn fields(&self, key: &str) -> Option<&Self> {
        self.get(key).and_then(Item::fields)
    }

    /// The items of a list; none when it is absent or broken.
    pub(crate) fn list(&self, key: &str) -> &[Item] {
        match self.get(key).map(|item| &item.value) {
            Some(Checked::List(items)) => items,
            _ => &[],
        }
    }

    pub(crate) fn text(&self, key: &str) -> Option<String> {
        self.get(key).and_then(Item::text).map(str::to_owned)
    }

    pub(crate) fn word(&self, key: &str) -> Option<&'static str> {
        match self.datum(key) {
            Some(Datum::Word(word)) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match self.datum(key) {
            Some(Datum::Flag(value)) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn integer(&self, key: &str) -> Option<u64> {
        match self.datum(key) {
            Some(Datum::Integer(value)) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn duration(&self, key: &str) -> Option<Duration> {
        match self.datum(key) {
            Some(Datum::Duration(value)) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn secret(&self, key: &str) -> Option<&SecretRef> {
        match self.datum(key) {
            Some(Datum::Secret(reference)) => Some(reference),
            _ => None,
        }
    }

    fn datum(&self, key: &str) -> Option<&Datum> {
        match self.get(key).map(|item| &item.value) {
            Some(Checked::Datum(datum)) => Some(datum),
            _ => None,
        }
    }
}

impl Item {
    pub(crate) fn fields(&self) -> Option<&Fields> {
        match &self.value {
            Checked::Fields(fields) => Some(fields),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Checked::Datum(Datum::Text(text)) => Some(text),
            _ => None,
        }
    }
}
