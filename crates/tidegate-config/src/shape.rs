//! The shape of the configuration file, described once.
//!
//! One tree of values ([`file::ROOT`]) says which keys there are, what they hold, what holds when
//! they are absent, and what they mean. From it come the checker (which also feeds the decoder,
//! defaults included), the JSON Schema and the configuration reference, so that the three cannot
//! disagree.

mod check;
mod checked;
pub(crate) mod file;
mod near;
mod scalar;

pub(crate) use check::check;
pub(crate) use checked::{Checked, Fields, Item};
pub(crate) use near::nearest;
pub(crate) use scalar::{Datum, NAME_PATTERN, Scalar, Word};

/// What may stand at a place.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A single value.
    Scalar(Scalar),
    /// A mapping with fixed keys.
    Map(Map),
    /// A mapping with fixed keys that depend on one of them.
    Tagged(Tagged),
    /// A mapping whose keys are names the operator chooses.
    Named(Named),
    /// A list.
    List(List),
}

/// A mapping with fixed keys.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) fields: &'static [Field],
    /// The key meant when something other than a mapping stands here.
    pub(crate) short: Option<&'static str>,
    /// Sets of keys of which exactly one must stand here.
    pub(crate) one_of: &'static [&'static [&'static str]],
}

impl Map {
    pub(crate) const fn new(fields: &'static [Field]) -> Self {
        Self {
            fields,
            short: None,
            one_of: &[],
        }
    }

    /// The field of this name.
    pub(crate) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub(crate) const fn short(self, key: &'static str) -> Self {
        Self {
            short: Some(key),
            ..self
        }
    }

    pub(crate) const fn one_of(self, sets: &'static [&'static [&'static str]]) -> Self {
        Self {
            one_of: sets,
            ..self
        }
    }
}

/// A mapping in which the word under `tag` decides on the other keys. The word alone may stand
/// for the mapping.
#[derive(Debug)]
pub(crate) struct Tagged {
    pub(crate) tag: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) variants: &'static [Variant],
}

/// One of the words of a [`Tagged`] mapping.
#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) word: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) map: Map,
}

/// A mapping from names to values of one shape.
#[derive(Debug)]
pub(crate) struct Named {
    /// What is named, in the singular: `flow`.
    pub(crate) what: &'static str,
    pub(crate) value: &'static Shape,
    pub(crate) most: usize,
}

/// A list of values of one shape.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) item: &'static Shape,
    pub(crate) least: usize,
    pub(crate) most: usize,
}

/// What holds when a key is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Its absence is an error.
    Required,
    /// Nothing holds.
    Optional,
    /// This value holds, written as in the file.
    Default(&'static str),
    /// An empty mapping or list holds: all its own defaults.
    Empty,
    /// Known, but not available in this version.
    NotYet,
}

/// A key of a mapping with what it holds.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: &'static Shape,
    pub(crate) presence: Presence,
    /// Meaning, unit, and what happens when it is raised or lowered.
    pub(crate) doc: &'static str,
    /// How it is written, for the reference and the editor.
    pub(crate) example: Option<&'static str>,
    /// The version that brought it.
    pub(crate) since: &'static str,
}

impl Field {
    const fn new(
        name: &'static str,
        shape: &'static Shape,
        presence: Presence,
        doc: &'static str,
    ) -> Self {
        Self {
            name,
            shape,
            presence,
            doc,
            example: None,
            since: "0.1",
        }
    }

    pub(crate) const fn required(
        name: &'static str,
        shape: &'static Shape,
        doc: &'static str,
    ) -> Self {
        Self::new(name, shape, Presence::Required, doc)
    }

    pub(crate) const fn optional(
        name: &'static str,
        shape: &'static Shape,
        doc: &'static str,
    ) -> Self {
        Self::new(name, shape, Presence::Optional, doc)
    }

    pub(crate) const fn empty(
        name: &'static str,
        shape: &'static Shape,
        doc: &'static str,
    ) -> Self {
        Self::new(name, shape, Presence::Empty, doc)
    }

    /// A key of a later version: its use is answered with what it will be.
    pub(crate) const fn not_yet(name: &'static str, doc: &'static str) -> Self {
        Self::new(name, &ANYTHING, Presence::NotYet, doc)
    }

    pub(crate) const fn default(self, text: &'static str) -> Self {
        Self {
            presence: Presence::Default(text),
            ..self
        }
    }

    pub(crate) const fn example(self, text: &'static str) -> Self {
        Self {
            example: Some(text),
            ..self
        }
    }
}

/// Shape of keys that are not read.
static ANYTHING: Shape = Shape::Scalar(Scalar::Text { most: 0 });

impl Shape {
    /// What stands here, for a message: `a mapping`, `a duration such as 30s`.
    pub(crate) fn expected(&self) -> String {
        match self {
            Self::Scalar(scalar) => scalar.expected(),
            Self::Map(map) => match map.short.and_then(|key| map.field(key)) {
                Some(field) => format!("{} or a mapping", field.shape.expected()),
                None => "a mapping".to_owned(),
            },
            Self::Tagged(tagged) => format!("a mapping with `{}`", tagged.tag),
            Self::Named(named) => format!("a mapping from the name of a {} to it", named.what),
            Self::List(list) => format!("a list, each item {}", list.item.expected()),
        }
    }
}
