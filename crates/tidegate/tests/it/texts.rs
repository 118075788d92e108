//! What is printed for people, against committed texts. `UPDATE=1` writes them.

use std::fs;
use std::path::PathBuf;

use crate::node::{text, tidegate};

#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "the switch of the one who runs the tests"
)]
pub(crate) fn check(name: &str, printed: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/texts")
        .join(name);
    if std::env::var("UPDATE").is_ok() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, printed).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        printed, committed,
        "{name}: if it is meant so, run the test again with UPDATE=1"
    );
}

#[track_caller]
fn printed(arguments: &[&str]) -> String {
    let output = tidegate(arguments).env("COLUMNS", "100").output().unwrap();
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

#[test]
fn help_of_every_command() {
    check("help.txt", &printed(&["--help"]));
    for command in ["run", "check", "plan", "send", "timeline"] {
        check(
            &format!("help-{command}.txt"),
            &printed(&[command, "--help"]),
        );
    }
    for command in ["tail", "search"] {
        check(
            &format!("help-events-{command}.txt"),
            &printed(&["events", command, "--help"]),
        );
    }
}

#[test]
fn what_is_made_of_the_program_is_what_the_crates_say() {
    assert_eq!(printed(&["openapi"]), tidegate_console::openapi_json());
    assert_eq!(
        printed(&["config", "reference"]),
        tidegate_config::reference()
    );
    let schema: serde_json::Value = serde_json::from_str(&printed(&["config", "schema"])).unwrap();
    assert_eq!(schema, tidegate_config::schema());
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            printed(&["completions", shell]).contains("tidegate"),
            "{shell}"
        );
    }
}
