//! The configuration reference as Markdown, from the shape of the file.

use std::fmt::Write as _;

use crate::shape::file::ROOT;
use crate::shape::{Field, Map, Presence, Scalar, Shape, Tagged};

/// The chapter `docs/src/reference/configuration.md`.
#[must_use]
pub fn reference() -> String {
    let mut page = Page {
        out: INTRODUCTION.to_owned(),
    };
    page.sections("", &ROOT);
    page.out
}

const INTRODUCTION: &str = "# Configuration

<!-- Generated from the shape of the file; `UPDATE=1 cargo test -p tidegate-config` writes it anew. -->

One YAML file, by default `tidegate.yaml`, holds the configuration of all regions of a subsystem;
`--region` says which of them a process is. `tidegate init` writes a commented starter, and
`tidegate check` tells all problems of a file at once.

- Durations and sizes carry their unit: `250ms`, `30s`, `7d`; `512B`, `64MiB`, `10GiB`.
- Names are lower-case letters, digits and inner hyphens, at most 63 characters.
- Secrets are only taken by reference: `\"${env:NAME}\"` from an environment variable,
  `\"${file:PATH}\"` from a file (line breaks at
  its end are dropped).
- Relative paths of certificates and secrets start at the folder of the configuration file, those of
  `data` at the folder the process is started in.
- Unknown keys are errors. Anchors, aliases, tags and merge keys of YAML are not accepted.
- `schema/tidegate.schema.json` is the JSON Schema of the file; an editor that speaks the YAML language
  server completes and checks with `# yaml-language-server: $schema=PATH` in the first line.
- `NAME` in a heading stands for a name that you choose.
";

struct Page {
    out: String,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// The section of a mapping, then those of the mappings in it.
    fn sections(&mut self, path: &str, shape: &'static Shape) {
        match shape {
            Shape::Map(map) => self.mapping(path, map),
            Shape::Tagged(tagged) => self.variants(path, tagged),
            Shape::Named(named) => self.sections(&format!("{path}.NAME"), named.value),
            Shape::List(list) => self.sections(path, list.item),
            Shape::Scalar(_) => {}
        }
    }

    fn heading(&mut self, path: &str) {
        let title = if path.is_empty() {
            "Top level".to_owned()
        } else {
            format!("`{path}`")
        };
        self.line(&format!("\n## {title}\n"));
    }

    fn mapping(&mut self, path: &str, map: &'static Map) {
        self.heading(path);
        self.keys(path, map);
        for field in map.fields.iter().filter(|field| is_available(field)) {
            self.sections(&below(path, field.name), field.shape);
        }
    }

    fn keys(&mut self, path: &str, map: &'static Map) {
        if let Some(short) = map.short {
            self.line(&format!("What is no mapping here is taken as `{short}`.\n"));
        }
        for set in map.one_of {
            let keys: Vec<String> = set.iter().map(|key| format!("`{key}`")).collect();
            self.line(&format!(
                "Exactly one of {} is required.\n",
                keys.join(", ")
            ));
        }
        for field in map.fields.iter().filter(|field| is_available(field)) {
            self.field(path, field);
        }
    }

    fn field(&mut self, path: &str, field: &'static Field) {
        let presence = match field.presence {
            Presence::Required => "required".to_owned(),
            Presence::Default(text) => format!("default `{text}`"),
            Presence::Optional | Presence::Empty | Presence::NotYet => "optional".to_owned(),
        };
        let kind = kind(&below(path, field.name), field.shape);
        self.line(&format!(
            "- **`{}`** ({kind}; {presence}; since {}). {}",
            field.name, field.since, field.doc
        ));
        if let Some(example) = field.example {
            self.line(&format!("  Example: `{}: {example}`", field.name));
        }
        for (word, doc) in words(field.shape) {
            let colon = if doc.is_empty() { "" } else { ": " };
            self.line(&format!("  - `{word}`{colon}{doc}"));
        }
    }

    fn variants(&mut self, path: &str, tagged: &'static Tagged) {
        self.heading(path);
        self.line(tagged.doc);
        for variant in tagged.variants {
            self.line(&format!("\n### `{}: {}`\n", tagged.tag, variant.word));
            self.line(&format!("{}\n", variant.doc));
            self.keys(path, &variant.map);
        }
    }
}

fn is_available(field: &Field) -> bool {
    field.presence != Presence::NotYet
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// What a field holds, with a link to the section of a mapping.
fn kind(path: &str, shape: &Shape) -> String {
    match shape {
        Shape::Scalar(scalar) => scalar.kind(),
        Shape::Map(_) | Shape::Tagged(_) => format!("[mapping](#{})", anchor(path)),
        Shape::Named(named) => {
            let mut text = format!("names of {}s", named.what);
            let value = format!("{path}.NAME");
            // Writing to a string cannot fail.
            write!(text, ", each a {}", kind(&value, named.value)).unwrap_or_default();
            text
        }
        Shape::List(list) => format!("list, each {}", kind(path, list.item)),
    }
}

/// The anchor that mdBook gives a heading: letters and digits in lower case, blanks as hyphens.
fn anchor(path: &str) -> String {
    path.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        .flat_map(char::to_lowercase)
        .collect()
}

fn words(shape: &'static Shape) -> Vec<(&'static str, &'static str)> {
    match shape {
        Shape::Scalar(Scalar::Word(words)) if words.iter().any(|word| !word.doc.is_empty()) => {
            words
                .iter()
                .filter(|word| !word.not_yet)
                .map(|word| (word.word, word.doc))
                .collect()
        }
        _ => Vec::new(),
    }
}
