//! `plan`, and what `check` and `run` make of several regions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::node::{OPEN_FLOW, Place, text, tidegate};
use crate::texts::check as check_text;

fn example() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join("examples/every-topology/tidegate.yaml")
}

/// A command on the example.
fn on_example(arguments: &[&str]) -> Output {
    let config = example();
    let mut all = arguments.to_vec();
    all.extend(["--config", config.to_str().unwrap()]);
    tidegate(&all).output().unwrap()
}

#[track_caller]
fn printed(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn tables_are_for_people_and_arrays_for_programs() {
    let flows = [
        "plan",
        "--flow",
        "deliver-standby-other",
        "--flow",
        "serve-single-same",
    ];
    check_text("plan.txt", &printed(&on_example(&flows)));

    let rows: Value = serde_json::from_str(&printed(&on_example(&["plan", "--json"]))).unwrap();
    let rows = rows.as_array().unwrap();
    let keys = [
        "flow",
        "shard",
        "disruption",
        "actors",
        "action",
        "guarantees",
        "risks",
    ];
    for row in rows {
        assert!(keys.iter().all(|key| !row[key].is_null()), "{row}");
    }
    let one = rows
        .iter()
        .find(|row| row["flow"] == "poll-single-other" && row["disruption"] == "region:us-east-1");
    let one = one.unwrap();
    assert_eq!(
        one["actors"],
        serde_json::json!([{ "region": "us-west-2", "endpoint": "east" }])
    );
    assert_eq!(one["guarantees"]["duplicates"], "Dt");
}

#[test]
fn a_partner_gets_a_page() {
    let page = printed(&on_example(&["plan", "--as", "shared-other"]));
    assert!(page.starts_with("# `shared-other`"), "{page}");
    for wanted in [
        "203.0.113.16/28",
        "https://east.shared-other.example",
        "/in/shared-other",
    ] {
        assert!(page.contains(wanted), "{wanted} is not in {page}");
    }
    let unknown = on_example(&["plan", "--as", "nobody"]);
    assert_eq!(unknown.status.code(), Some(5));
    assert!(
        text(&unknown.stderr).contains("single-other"),
        "{}",
        text(&unknown.stderr)
    );
    let unknown = on_example(&["plan", "--flow", "nobody"]);
    assert_eq!(unknown.status.code(), Some(5));
    assert_eq!(
        on_example(&["plan", "--as", "x", "--json"]).status.code(),
        Some(2)
    );
}

#[test]
fn a_change_that_weakens_has_an_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets");
    fs::create_dir(&secrets).unwrap();
    for file in ["webhooks.txt", "cursors.txt", "reader.txt"] {
        let from = example().with_file_name("secrets").join(file);
        fs::copy(from, secrets.join(file)).unwrap();
    }
    let before = fs::read_to_string(example()).unwrap();
    let after = before.replacen("idempotency: { ttl: 30d, scope: global }", "start: now", 1);
    assert_ne!(before, after);
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (old, new) = (file("old.yaml", &before), file("new.yaml", &after));

    let weaker = tidegate(&["plan", "--diff", &old, &new]).output().unwrap();
    assert_eq!(weaker.status.code(), Some(8), "{}", text(&weaker.stderr));
    let told = text(&weaker.stdout);
    assert!(
        told.contains("weaker") && told.contains("deliver-single-other"),
        "{told}"
    );

    let stronger = tidegate(&["plan", "--diff", &new, &old, "--json"])
        .output()
        .unwrap();
    let told: Value = serde_json::from_str(&printed(&stronger)).unwrap();
    assert_eq!(told["weaker"], serde_json::json!([]));
    assert_eq!(told["stronger"][0]["what"], "risk");

    let same = tidegate(&["plan", "--diff", &old, &old]).output().unwrap();
    assert_eq!(printed(&same), "nothing differs in what holds\n");
}

#[test]
fn what_can_be_planned_and_not_run_is_refused_with_its_place() {
    let checked = on_example(&["check"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    assert!(
        text(&checked.stderr).contains("TG-0161"),
        "{}",
        text(&checked.stderr)
    );

    let refused = on_example(&["run", "--region", "us-east-1"]);
    assert_eq!(refused.status.code(), Some(3));
    let told = text(&refused.stderr);
    assert!(
        told.contains("`run` refuses this file: which of 2 regions"),
        "{told}"
    );
    assert!(told.contains("tidegate.yaml:"), "{told}");
}

#[test]
fn a_reload_refuses_it_too() {
    let place = Place::new(OPEN_FLOW);
    let node = place.start();
    let systems = "systems:\n  partner: { topology: active-active, endpoints: { a: 'https://a.example', b: 'https://b.example' } }\n";
    let more = "  out: { system: partner, deliver: { on: ['*'], idempotency: natural } }\n";
    let text_of = format!(
        "{}{more}",
        OPEN_FLOW.replace("systems: { partner: {} }\n", systems)
    );
    assert!(text_of.contains("active-active"), "{text_of}");
    place.write(&text_of);
    let refused = node.command(&["reload", "--json"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused.stderr));
    assert!(
        text(&refused.stderr).contains("TG-0609"),
        "{}",
        text(&refused.stderr)
    );
    node.line("the configuration was not applied");
}
