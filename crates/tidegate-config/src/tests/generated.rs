//! Documents that are made from the shape, and files that must stay in step with it.

use std::fs;
use std::path::{Path, PathBuf};

use super::fixtures::{plain, same_as_file};
use super::load_fixed;
use crate::diagnostic::Problems;
use crate::shape::file::ROOT;
use crate::shape::{Field, Map, Presence, Shape, check};
use crate::{STARTER, marked, reference, schema};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_committed_schema_is_the_generated_one() {
    let path = root().join("schema/tidegate.schema.json");
    let generated = serde_json::to_string_pretty(&schema()).expect("it is JSON") + "\n";
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, &generated).expect("it can be written");
    }
    // Compared as values: the order of keys is not part of it.
    let text = fs::read_to_string(&path).expect("it is there");
    let committed: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    assert!(committed == schema(), "UPDATE=1 records");
}

#[test]
fn the_committed_reference_is_the_generated_one() {
    let path = root().join("docs/src/reference/configuration.md");
    same_as_file(&path, &reference());
}

#[test]
fn the_starter_passes_as_it_stands() {
    let loaded = load_fixed("tidegate.yaml", STARTER);
    assert!(loaded.config.is_some(), "{}", plain(&loaded));
    assert_eq!(plain(&loaded), "");
}

#[test]
fn the_quickstart_passes_with_the_secret_beside_it() {
    struct Beside(PathBuf);
    impl crate::SecretSource for Beside {
        fn env(&self, _: &str) -> Option<String> {
            None
        }
        fn file(&self, path: &str) -> std::io::Result<Vec<u8>> {
            fs::read(self.0.join(path))
        }
    }
    let folder = root().join("examples/quickstart");
    let text = fs::read_to_string(folder.join("tidegate.yaml")).expect("it is there");
    let loaded = crate::load("tidegate.yaml", &text, None, &Beside(folder));
    assert!(loaded.config.is_some(), "{}", plain(&loaded));
    assert_eq!(plain(&loaded), "");
}

/// Calls `visit` with every field of the shape.
fn walk(shape: &'static Shape, visit: &mut dyn FnMut(&'static Field)) {
    let mut map = |map: &'static Map| {
        for field in map.fields {
            visit(field);
            if field.presence != Presence::NotYet {
                walk(field.shape, visit);
            }
        }
    };
    match shape {
        Shape::Map(fields) => map(fields),
        Shape::Tagged(tagged) => tagged.variants.iter().for_each(|variant| map(&variant.map)),
        Shape::Named(named) => walk(named.value, visit),
        Shape::List(list) => walk(list.item, visit),
        Shape::Scalar(_) => {}
    }
}

#[test]
fn defaults_and_examples_fit_their_own_shape() {
    let mut seen = 0;
    walk(&ROOT, &mut |field| {
        let default = match field.presence {
            Presence::Default(text) => Some(text),
            _ => None,
        };
        for text in default.into_iter().chain(field.example) {
            let mut problems = Problems::default();
            let node = marked::parse(text, &mut problems).expect(text);
            check(&node, field.shape, &mut problems);
            assert!(problems.usable(), "{}: {text}: {problems:?}", field.name);
            seen += 1;
        }
    });
    assert!(seen > 60, "{seen}");
}

#[test]
fn every_field_says_what_it_is() {
    walk(&ROOT, &mut |field| {
        assert!(
            field.doc.len() >= 8 && field.doc.ends_with('.'),
            "{}",
            field.name
        );
    });
}
