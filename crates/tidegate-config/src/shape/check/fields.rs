//! Mappings with fixed keys: unknown, missing, premature and excluding keys, defaults.

use super::{Checker, Place, broken, holds_secret};
use crate::diagnostic::{Code, Problem, Problems};
use crate::marked::{self, Entry, Node, Style, Value};
use crate::shape::near::nearest;
use crate::shape::{Checked, Field, Fields, Item, Map, Presence};

impl Checker<'_> {
    /// The keys of a mapping. `ignored` are keys that stand for something else.
    pub(super) fn fields(
        &mut self,
        entries: &[Entry],
        map: &'static Map,
        ignored: &[&'static str],
        place: Place<'_>,
    ) -> Item {
        let mut found = Fields {
            span: place.span,
            entries: Vec::new(),
        };
        // Keys that a misspelt or premature key stands for: their absence is not told again.
        let mut excused: Vec<&str> = Vec::new();
        let mut excuse_all = false;
        for entry in entries {
            if ignored.contains(&entry.key.as_str()) {
                continue;
            }
            match map.field(&entry.key) {
                Some(field) if field.presence == Presence::NotYet => {
                    self.not_yet(entry, field);
                    excuse_all = true;
                }
                Some(field) => {
                    let inner = Place {
                        name: field.name,
                        span: entry.key_span,
                    };
                    let item = self.shape(&entry.value, field.shape, inner);
                    found
                        .entries
                        .push((entry.key.clone(), entry.key_span, item));
                }
                None => excused.extend(self.unknown(entry, map, ignored, place)),
            }
        }
        let excused = |key: &str| excuse_all || excused.contains(&key);
        self.absent(&mut found, map, &excused, place);
        self.one_of(&found, map, &excused, place);
        let span = found.span;
        Item {
            span,
            value: Checked::Fields(found),
        }
    }

    fn not_yet(&mut self, entry: &Entry, field: &Field) {
        self.problems.push(
            Problem::new(
                Code::NotYet,
                entry.key_span,
                format!("`{}` is not available in this version", field.name),
            )
            .label("not available yet")
            .help(format!(
                "remove the key; it will be for {}",
                lower_first(field.doc.trim_end_matches('.'))
            )),
        );
    }

    /// Reports an unknown key and gives back the one that was likely meant.
    fn unknown(
        &mut self,
        entry: &Entry,
        map: &'static Map,
        ignored: &[&'static str],
        place: Place<'_>,
    ) -> Option<&'static str> {
        let known = map.fields.iter().map(|field| field.name);
        let meant = nearest(&entry.key, known.clone().chain(ignored.iter().copied()));
        let field = meant.and_then(|name| map.field(name));
        if field.is_some_and(|field| holds_secret(field.shape)) {
            self.problems.mask(entry.value.span);
        }
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                let words: Vec<String> = known.map(|name| format!("`{name}`")).collect();
                format!("known here: {}", words.join(", "))
            }
        };
        self.problems.push(
            Problem::new(
                Code::UnknownKey,
                entry.key_span,
                format!("unknown key `{}` in `{}`", entry.key, place.name),
            )
            .label("unknown key")
            .help(help),
        );
        meant
    }

    /// Fills in defaults and reports what is required.
    fn absent(
        &mut self,
        found: &mut Fields,
        map: &'static Map,
        excused: &dyn Fn(&str) -> bool,
        place: Place<'_>,
    ) {
        for field in map.fields {
            if found.get(field.name).is_some() {
                continue;
            }
            let item = match field.presence {
                Presence::Required if excused(field.name) => broken(place.span),
                Presence::Required => {
                    self.missing(field, place);
                    broken(place.span)
                }
                Presence::Default(text) => self.default(field, text, place),
                Presence::Empty => {
                    let nothing = Node {
                        span: place.span,
                        value: Value::Scalar(marked::Scalar {
                            text: String::new(),
                            style: Style::Plain,
                        }),
                    };
                    self.shape(&nothing, field.shape, place)
                }
                Presence::Optional | Presence::NotYet => continue,
            };
            found
                .entries
                .push((field.name.to_owned(), place.span, item));
        }
    }

    fn missing(&mut self, field: &Field, place: Place<'_>) {
        let example = field.example.map_or_else(
            || format!("add `{}`: {}", field.name, field.shape.expected()),
            |example| format!("add it, for example `{}: {example}`", field.name),
        );
        self.problems.push(
            Problem::new(
                Code::Missing,
                place.span,
                format!("`{}` lacks `{}`", place.name, field.name),
            )
            .label(format!("`{}` is missing here", field.name))
            .help(example),
        );
    }

    fn default(&mut self, field: &Field, text: &'static str, place: Place<'_>) -> Item {
        let mut ignored = Problems::default();
        let Some(mut node) = marked::parse(text, &mut ignored) else {
            return broken(place.span);
        };
        node.span = place.span;
        self.shape(&node, field.shape, place)
    }

    fn one_of(
        &mut self,
        found: &Fields,
        map: &'static Map,
        excused: &dyn Fn(&str) -> bool,
        place: Place<'_>,
    ) {
        for set in map.one_of {
            let mut present = found
                .entries
                .iter()
                .filter(|(name, ..)| set.contains(&name.as_str()));
            let words: Vec<String> = set.iter().map(|key| format!("`{key}`")).collect();
            let words = words.join(" or ");
            match (present.next(), present.next()) {
                (None, _) if !set.iter().any(|key| excused(key)) => self.problems.push(
                    Problem::new(
                        Code::Missing,
                        place.span,
                        format!("`{}` lacks {words}", place.name),
                    )
                    .label(format!("{words} is missing here"))
                    .help("add one of them"),
                ),
                (Some((first, ..)), Some((second, span, _))) => self.problems.push(
                    Problem::new(
                        Code::OneOf,
                        *span,
                        format!("`{first}` and `{second}` stand here together"),
                    )
                    .label("one too many")
                    .help(format!("keep exactly one of {words}")),
                ),
                _ => {}
            }
        }
    }
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(chars).collect()
    })
}
