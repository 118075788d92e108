//! Holds a marked tree against the shape and collects everything that does not fit.

mod fields;
mod many;
mod tagged;

use super::scalar::Refused;
use super::{Checked, Item, Map, Scalar, Shape};
use crate::diagnostic::{Code, Problem, Problems, Span};
use crate::marked::{Entry, Node, Value};

/// Checks the whole file; what is broken stands in the result as [`Checked::Broken`].
pub(crate) fn check(root: &Node, shape: &'static Shape, problems: &mut Problems) -> Item {
    let mut checker = Checker { problems };
    let top = Place {
        name: "configuration",
        span: Span::point(root.span.start),
    };
    checker.shape(root, shape, top)
}

/// What is being checked: the key before it, for messages about the whole.
#[derive(Clone, Copy)]
struct Place<'tree> {
    name: &'tree str,
    span: Span,
}

struct Checker<'problems> {
    problems: &'problems mut Problems,
}

impl Checker<'_> {
    fn shape(&mut self, node: &Node, shape: &'static Shape, place: Place<'_>) -> Item {
        if node.value == Value::Broken {
            return broken(node.span);
        }
        match shape {
            Shape::Scalar(scalar) => self.scalar(node, scalar, place),
            Shape::Map(map) => self.map(node, shape, map, place),
            Shape::Tagged(tagged) => self.tagged(node, shape, tagged, place),
            Shape::Named(named) => self.named(node, shape, named, place),
            Shape::List(list) => self.list(node, shape, list, place),
        }
    }

    fn scalar(&mut self, node: &Node, scalar: &'static Scalar, place: Place<'_>) -> Item {
        let Value::Scalar(written) = &node.value else {
            if matches!(scalar, Scalar::Secret) {
                self.problems.mask(node.span);
            }
            return self.wrong_type(node, &scalar.expected(), place);
        };
        match scalar.read(written) {
            Ok(datum) => Item {
                span: node.span,
                value: Checked::Datum(datum),
            },
            Err(refused) => {
                self.refused(node.span, place, refused);
                broken(node.span)
            }
        }
    }

    fn refused(&mut self, span: Span, place: Place<'_>, refused: Refused) {
        if refused.hide {
            self.problems.mask(span);
        }
        let span = if span.start == span.end {
            place.span
        } else {
            span
        };
        let message = format!("`{}`: {}", place.name, refused.message);
        self.problems.push(
            Problem::new(refused.code, span, message)
                .label(refused.label)
                .help(refused.help),
        );
    }

    fn map(
        &mut self,
        node: &Node,
        shape: &'static Shape,
        map: &'static Map,
        place: Place<'_>,
    ) -> Item {
        let short = map.short.and_then(|key| map.field(key));
        match (&node.value, short) {
            (Value::Map(entries), _) => self.fields(entries, map, &[], place),
            _ if node.is_null() => self.fields(&[], map, &[], place),
            (_, Some(field)) => {
                let entry = Entry {
                    key: field.name.to_owned(),
                    key_span: place.span,
                    value: node.clone(),
                };
                self.fields(std::slice::from_ref(&entry), map, &[], place)
            }
            (_, None) => self.wrong_type(node, &shape.expected(), place),
        }
    }

    fn wrong_type(&mut self, node: &Node, expected: &str, place: Place<'_>) -> Item {
        let (span, what) = match &node.value {
            Value::Map(_) => (place.span, "a mapping"),
            Value::List(_) => (place.span, "a list"),
            Value::Scalar(_) if node.is_null() => (place.span, "nothing"),
            Value::Scalar(_) | Value::Broken => (node.span, "a single value"),
        };
        self.problems.push(
            Problem::new(
                Code::WrongType,
                span,
                format!("`{}` holds {what}", place.name),
            )
            .label("wrong type")
            .help(format!("expected: {expected}")),
        );
        broken(node.span)
    }
}

fn broken(span: Span) -> Item {
    Item {
        span,
        value: Checked::Broken,
    }
}

fn holds_secret(shape: &Shape) -> bool {
    match shape {
        Shape::Scalar(scalar) => matches!(scalar, Scalar::Secret),
        Shape::List(list) => holds_secret(list.item),
        Shape::Map(_) | Shape::Tagged(_) | Shape::Named(_) => false,
    }
}
