//! Every fixture goes through the decoder and the JSON Schema.

use std::path::{Path, PathBuf};
use std::{env, fs};

use jsonschema::Validator;

use super::load_fixed;
use crate::diagnostic::{PROBLEMS_MAX, Problems};
use crate::{Loaded, Severity, marked, schema};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

fn fixtures(name: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder(name)).expect("the folder is there") {
        let path = entry.expect("it can be listed").path();
        let stem = path.file_stem().expect("files have names");
        let text = fs::read_to_string(&path).expect("fixtures are text");
        found.push((stem.to_string_lossy().into_owned(), text));
    }
    found.sort();
    assert!(found.len() > 3, "{name}: {found:?}");
    found
}

/// The codes the fixture says it has, sorted.
fn expected(text: &str) -> Vec<&str> {
    let line = text.lines().find_map(|line| line.strip_prefix("# codes: "));
    line.map(|codes| codes.split(' ').collect())
        .unwrap_or_default()
}

fn codes(loaded: &Loaded) -> Vec<&'static str> {
    let mut codes: Vec<_> = loaded
        .report
        .problems()
        .iter()
        .map(|problem| problem.code.id())
        .collect();
    codes.sort_unstable();
    codes
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).expect("the schema is one")
}

fn as_json(text: &str) -> serde_json::Value {
    let mut ignored = Problems::default();
    marked::parse(text, &mut ignored).map_or(serde_json::Value::Null, |node| node.to_json())
}

pub(super) fn plain(loaded: &Loaded) -> String {
    loaded.report.render(false)
}

#[test]
fn good_fixtures_pass_decoder_and_schema() {
    let validator = validator();
    for (name, text) in fixtures("good") {
        let loaded = load_fixed(&name, &text);
        assert!(loaded.config.is_some(), "{}", plain(&loaded));
        assert_eq!(codes(&loaded), expected(&text), "{}", plain(&loaded));
        let told: Vec<String> = validator
            .iter_errors(&as_json(&text))
            .map(|error| error.to_string())
            .collect();
        assert!(told.is_empty(), "{name}: {told:?}");
    }
}

#[test]
fn bad_fixtures_fail_with_what_they_say() {
    let validator = validator();
    for (name, text) in fixtures("bad") {
        let loaded = load_fixed(&name, &text);
        assert!(loaded.config.is_none(), "{name}");
        assert_eq!(codes(&loaded), expected(&text), "{}", plain(&loaded));
        if text.contains("# unreadable") {
            continue;
        }
        // What is wrong with the structure the schema finds too; the rest it cannot.
        let structural = text.contains("# structural");
        assert_eq!(!validator.is_valid(&as_json(&text)), structural, "{name}");
    }
}

#[test]
fn problems_are_shown_as_recorded() {
    for (name, text) in fixtures("bad") {
        let shown = plain(&load_fixed(&format!("{name}.yaml"), &text));
        same_as_file(&folder("rendered").join(format!("{name}.txt")), &shown);
    }
}

/// Compares with a recorded file; with `UPDATE` in the environment, records.
pub(super) fn same_as_file(path: &Path, content: &str) {
    if env::var_os("UPDATE").is_some() {
        fs::write(path, content).expect("the file can be written");
    }
    let recorded = fs::read_to_string(path).unwrap_or_default();
    assert_eq!(content, recorded, "{}: UPDATE=1 records", path.display());
}

#[test]
fn twelve_defects_are_twelve_problems() {
    let text = fs::read_to_string(folder("bad/twelve.yaml")).expect("it is there");
    let loaded = load_fixed("twelve.yaml", &text);
    let report = &loaded.report;
    assert_eq!(report.errors(), 12, "{}", plain(&loaded));
    assert_eq!(report.warnings(), 0, "{}", plain(&loaded));
    // Each stands on the line that the comments number.
    let numbered: Vec<usize> = (1..)
        .zip(text.lines())
        .filter(|(_, line)| line.contains("# ") && line.contains(": ") && !line.starts_with('#'))
        .map(|(number, _)| number)
        .collect();
    let places: Vec<usize> = report
        .problems()
        .iter()
        .map(|problem| report.place(problem).0)
        .collect();
    assert_eq!(places, numbered);
    assert!(
        report
            .problems()
            .iter()
            .all(|problem| { problem.severity() == Severity::Error && !problem.help.is_empty() })
    );
}

#[test]
fn problems_are_told_to_programs_and_in_colour_too() {
    let loaded = load_fixed("t.yaml", "subsystem: orders\nlogging: { levl: info }\n");
    assert_eq!(
        loaded.report.to_json(),
        serde_json::json!([{
            "code": "TG-0105",
            "severity": "error",
            "message": "unknown key `levl` in `logging`",
            "file": "t.yaml",
            "line": 2,
            "column": 12,
            "label": "unknown key",
            "help": "did you mean `level`?",
        }])
    );
    assert!(loaded.report.render(true).contains("\u{1b}["));
    assert!(!plain(&loaded).contains('\u{1b}'));
}

#[test]
fn more_problems_than_anybody_reads_are_counted() {
    let keys: String = (0..300).map(|n| format!("k{n}: 1\n")).collect();
    let loaded = load_fixed("t.yaml", &format!("subsystem: orders\n{keys}"));
    assert_eq!(loaded.report.errors(), 300);
    assert_eq!(loaded.report.problems().len(), PROBLEMS_MAX);
    assert!(plain(&loaded).ends_with("t.yaml: 300 errors (100 of them not shown)\n"));
}

#[test]
fn literal_secrets_are_shown_nowhere() {
    for name in ["twelve", "secrets", "syntax"] {
        let path = folder("bad").join(format!("{name}.yaml"));
        let text = fs::read_to_string(path).expect("it is there");
        let loaded = load_fixed(name, &text);
        let shown = format!("{} {} {loaded:?}", plain(&loaded), loaded.report.to_json());
        for secret in [
            "my-literal-secret",
            "literal-admin-token",
            "of-two-lines",
            "4711",
            "top-secret-token",
        ] {
            assert!(!shown.contains(secret), "{name}: {secret}\n{shown}");
        }
    }
}
