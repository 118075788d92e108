//! Things the operator writes any number of: named values and lists.

use tidegate_types::name::is_name;

use super::{Checker, Place, broken, holds_secret};
use crate::diagnostic::{Code, Problem};
use crate::marked::{Entry, Node, Value};
use crate::shape::{Checked, Fields, Item, List, NAME_PATTERN, Named, Shape};

impl Checker<'_> {
    pub(super) fn named(
        &mut self,
        node: &Node,
        shape: &'static Shape,
        named: &'static Named,
        place: Place<'_>,
    ) -> Item {
        let entries: &[Entry] = match &node.value {
            Value::Map(entries) => entries,
            _ if node.is_null() => &[],
            _ => return self.wrong_type(node, &shape.expected(), place),
        };
        if entries.len() > named.most {
            let message = format!("`{}` has more than {} entries", place.name, named.most);
            self.problems.push(
                Problem::new(Code::TooLarge, place.span, message)
                    .label(format!("{} entries", entries.len()))
                    .help("spread them over several gateways"),
            );
            return broken(node.span);
        }
        let mut found = Fields {
            span: place.span,
            entries: Vec::with_capacity(entries.len()),
        };
        for entry in entries {
            if !is_name(&entry.key) {
                self.bad_name(entry, named);
            }
            let inner = Place {
                name: &entry.key,
                span: entry.key_span,
            };
            let item = self.shape(&entry.value, named.value, inner);
            found
                .entries
                .push((entry.key.clone(), entry.key_span, item));
        }
        Item {
            span: place.span,
            value: Checked::Fields(found),
        }
    }

    fn bad_name(&mut self, entry: &Entry, named: &Named) {
        self.problems.push(
            Problem::new(
                Code::BadValue,
                entry.key_span,
                format!(
                    "`{}` is not possible as the name of a {}",
                    entry.key, named.what
                ),
            )
            .label("not a name")
            .help(format!(
                "lower-case letters, digits and inner hyphens, at most 63 ({NAME_PATTERN})"
            )),
        );
    }

    pub(super) fn list(
        &mut self,
        node: &Node,
        shape: &'static Shape,
        list: &'static List,
        place: Place<'_>,
    ) -> Item {
        let items: &[Node] = match &node.value {
            Value::List(items) => items,
            _ if node.is_null() && list.least == 0 => &[],
            _ => {
                if holds_secret(list.item) {
                    self.problems.mask(node.span);
                }
                return self.wrong_type(node, &shape.expected(), place);
            }
        };
        if !(list.least..=list.most).contains(&items.len()) {
            let (least, most) = (list.least, list.most);
            self.problems.push(
                Problem::new(
                    Code::BadValue,
                    place.span,
                    format!("`{}` has {} items", place.name, items.len()),
                )
                .label("too few or too many")
                .help(format!("from {least} to {most} are possible")),
            );
        }
        let checked = items
            .iter()
            .take(list.most)
            .map(|item| self.shape(item, list.item, place))
            .collect();
        Item {
            span: node.span,
            value: Checked::List(checked),
        }
    }
}
