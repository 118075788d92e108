//! Every exit code, with what is told beside it.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::node::{OPEN_FLOW, Place, text, tidegate};

#[track_caller]
fn check(output: &Output, code: i32, told: &str) {
    let errors = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{errors}");
    assert!(errors.contains(told), "{told:?} is not in {errors}");
}

#[test]
fn each_failure_has_its_code() {
    let place = Place::new(OPEN_FLOW);
    check(&tidegate(&["--version"]).output().unwrap(), 0, "");
    check(&place.command(&["nonsense"]), 2, "unrecognized subcommand");
    check(&place.command(&["send"]), 2, "required arguments");
    check(
        &place.command(&["status"]),
        2,
        "leaves the port to the system",
    );
    check(
        &place.command(&["status", "--admin", "not an address"]),
        2,
        "cannot reach the node",
    );
    check(
        &place.command(&[
            "status",
            "--admin",
            "http://127.0.0.1:1",
            "--token-env",
            "NOT_SET",
        ]),
        2,
        "NOT_SET",
    );
    check(
        &place.command(&["status", "--admin", "http://127.0.0.1:1"]),
        4,
        "tidegate run",
    );
    check(
        &place.command(&["send", "open", "--to", "http://127.0.0.1:1"]),
        4,
        "cannot reach the gateway",
    );
    check(&place.command(&["send", "closed"]), 5, "one of: open");
    check(&place.command(&["check"]), 0, "");
    check(
        &tidegate(&["check", "no/such/file.yaml"]).output().unwrap(),
        2,
        "tidegate init",
    );

    let node = place.start();
    let unknown = "575e3057-2fde-5998-8fc9-771348a07783";
    check(&node.command(&["events", "get", unknown]), 5, "TG-0604");
    check(&node.command(&["events", "get", "x"]), 2, "TG-0603");
    check(
        &node.command(&["events", "search", "--since", "yesterday"]),
        2,
        "15m",
    );
    check(&node.command(&["faults", "show", unknown]), 5, "TG-0604");

    // The data belongs to the node that runs.
    let config = place.config();
    let second = tidegate(&["run", "--config", config.to_str().unwrap()])
        .output()
        .unwrap();
    check(&second, 1, "the node cannot run");

    place.write("flows: { a: {} }\n");
    check(&place.command(&["check"]), 3, "TG-0106");
    check(&place.command(&["run"]), 3, "TG-0106");
}

#[test]
fn a_token_is_asked_for_and_never_shown() {
    let place = Place::new("");
    let guarded = "subsystem: orders\nlisten: { public: '127.0.0.1:0', admin: { address: '127.0.0.1:0', token: '${env:TEST_SECRET}' } }\n";
    let data = format!(
        "data: {}\n",
        place.config().with_file_name("data").display()
    );
    fs::write(place.config(), format!("{guarded}{data}")).unwrap();
    let node = place.start();
    let refused = node.command(&["status"]);
    check(&refused, 6, "TG-0601");
    let answered = node.command(&["status", "--token-env", "TEST_SECRET", "--json"]);
    check(&answered, 0, "");
    let all = [
        text(&refused.stderr),
        text(&answered.stdout),
        text(&answered.stderr),
    ]
    .concat();
    assert!(!all.contains("demo-only-secret"), "{all}");
}

#[test]
fn failures_are_json_where_programs_read() {
    let place = Place::new(OPEN_FLOW);
    let output = place.command(&["status", "--json", "--admin", "http://127.0.0.1:1"]);
    let told: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(told["exit"], 4);
    assert!(
        told["causes"]
            .as_array()
            .is_some_and(|causes| !causes.is_empty()),
        "{told}"
    );
    place.write("flows: { a: {} }\n");
    let output = place.command(&["check", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told[0]["valid"], false);
    assert!(told[0]["problems"][0]["line"].is_u64(), "{told}");
}

#[test]
fn init_writes_a_configuration_that_checks_and_never_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.yaml");
    let file = file.to_str().unwrap();
    check(&tidegate(&["init", file]).output().unwrap(), 0, "");
    check(&tidegate(&["check", file]).output().unwrap(), 0, "");
    let written = fs::read_to_string(file).unwrap();
    check(
        &tidegate(&["init", file]).output().unwrap(),
        1,
        "is there already",
    );
    assert_eq!(fs::read_to_string(file).unwrap(), written);
}
