//! Mappings in which one word decides on the other keys.

use super::{Checker, Place, broken};
use crate::diagnostic::{Code, Problem};
use crate::marked::{Node, Value};
use crate::shape::near::nearest;
use crate::shape::{Checked, Datum, Item, Shape, Tagged, Variant};

impl Checker<'_> {
    pub(super) fn tagged(
        &mut self,
        node: &Node,
        shape: &'static Shape,
        tagged: &'static Tagged,
        place: Place<'_>,
    ) -> Item {
        let (entries, tag) = match &node.value {
            Value::Map(entries) => {
                let tag = entries.iter().find(|entry| entry.key == tagged.tag);
                (entries.as_slice(), tag.map(|entry| &entry.value))
            }
            Value::Scalar(_) if !node.is_null() => (&[][..], Some(node)),
            _ => return self.wrong_type(node, &shape.expected(), place),
        };
        let Some(tag) = tag else {
            self.no_tag(tagged, place);
            return broken(node.span);
        };
        let Some(variant) = self.variant(tag, tagged, place) else {
            return broken(node.span);
        };
        let mut item = self.fields(entries, &variant.map, &[tagged.tag], place);
        if let Checked::Fields(fields) = &mut item.value {
            let word = Item {
                span: tag.span,
                value: Checked::Datum(Datum::Word(variant.word)),
            };
            fields.entries.push((tagged.tag.to_owned(), tag.span, word));
        }
        item
    }

    fn no_tag(&mut self, tagged: &Tagged, place: Place<'_>) {
        let words: Vec<&str> = tagged.variants.iter().map(|v| v.word).collect();
        self.problems.push(
            Problem::new(
                Code::Missing,
                place.span,
                format!("`{}` lacks `{}`", place.name, tagged.tag),
            )
            .label(format!("`{}` is missing here", tagged.tag))
            .help(format!("possible: {}", words.join(", "))),
        );
    }

    fn variant(
        &mut self,
        tag: &Node,
        tagged: &'static Tagged,
        place: Place<'_>,
    ) -> Option<&'static Variant> {
        let text = match &tag.value {
            Value::Scalar(written) => written.text.as_str(),
            Value::Broken => return None,
            Value::List(_) | Value::Map(_) => {
                self.wrong_type(tag, "a word", place);
                return None;
            }
        };
        let found = tagged.variants.iter().find(|v| v.word == text);
        if found.is_none() {
            let words: Vec<&str> = tagged.variants.iter().map(|v| v.word).collect();
            let known = format!("possible: {}", words.join(", "));
            let help = match nearest(text, words.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`? {known}"),
                None => known,
            };
            self.problems.push(
                Problem::new(
                    Code::BadValue,
                    tag.span,
                    format!("`{}`: unknown `{}` here", place.name, tagged.tag),
                )
                .label("unknown")
                .help(help),
            );
        }
        found
    }
}
