//! Looking at what a node has.

use serde_json::Value;

use crate::node::{OPEN_FLOW, Place, documents, text};

fn body(id: &str, kind: &str, key: &str) -> String {
    format!(r#"{{"id":"{id}","kind":"{kind}","key":"{key}"}}"#)
}

fn ids(documents: &[Value]) -> Vec<&str> {
    documents
        .iter()
        .filter_map(|it| it["external_id"].as_str())
        .collect()
}

#[test]
fn events_are_tailed_found_and_shown() {
    let place = Place::new(OPEN_FLOW);
    let node = place.start();
    let kept = node.sends(&["open", "--data", &body("1", "a", "north")], "kept");
    node.sends(&["open", "--data", &body("2", "b", "south")], "kept");
    node.sends(&["open", "--data", &body("3", "b", "north")], "kept");

    assert_eq!(
        ids(&node.json(&["events", "tail", "--once"])),
        ["1", "2", "3"]
    );
    assert_eq!(
        ids(&node.json(&["events", "tail", "--once", "--last", "1"])),
        ["3"]
    );
    assert_eq!(
        ids(&node.json(&["events", "tail", "--count", "2", "--type", "test.b"])),
        ["2", "3"]
    );
    let found = &node.json(&["events", "search", "--key", "north"])[0];
    assert_eq!(ids(found.as_array().unwrap()), ["3", "1"]);
    let found = &node.json(&[
        "events", "search", "--text", "south", "--since", "1h", "--oldest",
    ])[0];
    assert_eq!(ids(found.as_array().unwrap()), ["2"]);
    let found = &node.json(&["events", "search", "--limit", "1"])[0];
    assert_eq!(ids(found.as_array().unwrap()), ["3"]);

    let event = &node.json(&["events", "get", &kept])[0];
    assert_eq!(event["raw"]["body"], body("1", "a", "north"));
    let shown = node.command(&["events", "get", &kept]);
    assert!(
        text(&shown.stdout).contains("\"key\": \"north\""),
        "{}",
        text(&shown.stdout)
    );
    let table = node.command(&["events", "search"]);
    let table = text(&table.stdout);
    assert!(table.starts_with("RECEIVED"), "{table}");
    assert!(
        !table.contains('\u{1b}'),
        "no colours where nobody looks at a terminal"
    );
}

#[test]
fn a_tail_waits_for_what_comes() {
    let place = Place::new(OPEN_FLOW);
    let node = place.start();
    let tailed = std::thread::scope(|scope| {
        let tail = scope.spawn(|| node.json(&["events", "tail", "--last", "1000", "--count", "2"]));
        node.sends(&["open", "--data", &body("1", "a", "")], "kept");
        node.sends(&["open", "--data", &body("2", "a", "")], "kept");
        tail.join().unwrap()
    });
    assert_eq!(ids(&tailed), ["1", "2"]);
}

#[test]
fn faults_are_listed_and_shown() {
    let place = Place::new(OPEN_FLOW);
    let node = place.start();
    let fault = node.sends(&["open", "--data", r#"{"id":"1","kind":7}"#], "fault");
    let listed = &node.json(&["faults", "list", "--flow", "open"])[0];
    assert_eq!(listed[0]["id"], fault.as_str());
    assert_eq!(listed[0]["cause"], "mapping");
    let shown = &node.json(&["faults", "show", &fault])[0];
    assert_eq!(shown["raw"]["body"], r#"{"id":"1","kind":7}"#);
    let none = &node.json(&["faults", "list", "--cause", "identity"])[0];
    assert_eq!(none.as_array().map(Vec::len), Some(0));
    let text = text(&node.command(&["faults", "list"]).stdout);
    assert!(text.contains("mapping"), "{text}");
}

#[test]
fn the_timeline_survives_a_restart() {
    let place = Place::new(OPEN_FLOW);
    let node = place.start();
    let kept = node.sends(&["open", "--data", &body("1", "a", "")], "kept");
    node.signal("TERM");
    assert!(node.wait().success());

    let node = place.start();
    let timeline = &node.json(&["timeline"])[0];
    let kinds: Vec<&str> = timeline
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["started", "stopped", "started"]);
    assert_eq!(
        node.sends(&["open", "--data", &body("1", "a", "")], "repeat"),
        kept
    );
    let lines = documents(&node.command(&["events", "search", "--json"]));
    assert_eq!(lines[0].as_array().map(Vec::len), Some(1));
}
