//! What the book says is true: its examples load, and the tests it names exist.

use std::path::{Path, PathBuf};

use crate::site::config;

pub(crate) fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/src")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    let blocks = page.split(fence.as_str()).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

#[test]
fn the_examples_load() {
    for (name, least) in [
        ("receive.md", 13),
        ("publish-subscribe.md", 1),
        ("serve.md", 1),
    ] {
        let page = page(name);
        let examples = blocks(&page, "yaml");
        assert!(examples.len() >= least, "{name}: {}", examples.len());
        for example in examples {
            config(&format!("subsystem: orders\n{example}"));
        }
    }
}

#[test]
fn every_scheme_has_an_example() {
    let page = page("receive.md");
    let examples = blocks(&page, "yaml").into_iter();
    let examples = examples.map(|example| config(&format!("subsystem: orders\n{example}")));
    let shown: Vec<_> = examples
        .flat_map(|it| it.flows)
        .map(|flow| flow.verify.scheme())
        .collect();
    for scheme in [
        "standard-webhooks",
        "svix",
        "github",
        "stripe",
        "shopify",
        "slack",
        "hmac",
        "basic",
        "bearer",
        "api-key",
        "none",
    ] {
        assert!(shown.contains(&scheme), "{scheme}");
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// In the table of guarantees a test is written `crate: path::of::test`.
#[test]
fn the_tests_of_the_guarantees_exist() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = page("guarantees.md");
    let code = page
        .lines()
        .filter(|line| line.starts_with("| "))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let named = code.filter_map(|text| text.split_once(": "));
    let named: Vec<_> = named
        .filter(|(package, _)| package.starts_with("tidegate-"))
        .collect();
    assert!(named.len() > 10, "{named:?}");
    for (package, test) in named {
        let mut files = Vec::new();
        sources(&crates.join(package), &mut files);
        let function = format!("fn {}(", test.rsplit("::").next().unwrap());
        let exists = files
            .iter()
            .any(|file| std::fs::read_to_string(file).unwrap().contains(&function));
        assert!(exists, "{package} has no test {test}");
    }
}
