//! Reading the configuration again, by command and by signal.

use crate::node::{OPEN_FLOW, Place, documents, text};

const SECOND_FLOW: &str = "  second:
    system: partner
    receive: { path: /in/second, verify: none }
    event: { id: .body.id, type: '\"second\"' }
";

#[test]
fn a_valid_file_is_applied_and_an_invalid_one_changes_nothing() {
    let place = Place::new(OPEN_FLOW);
    let node = place.start();
    node.sends(&["open", "--data", r#"{"id":"1","kind":"a"}"#], "kept");

    place.write(&format!("{OPEN_FLOW}{SECOND_FLOW}"));
    let reloaded = &node.json(&["reload"])[0];
    assert_eq!(reloaded["changes"][0]["part"], "flows.second");
    assert_eq!(reloaded["changes"][0]["change"], "added");
    node.sends(&["second", "--data", r#"{"id":"1"}"#], "kept");

    place.write("flows: { open: { sistem: partner } }\n");
    let refused = node.command(&["reload", "--json"]);
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused.stderr));
    let told: serde_json::Value = serde_json::from_slice(&refused.stderr).unwrap();
    assert_eq!(told["code"], "TG-0609");
    let line = node.line("the configuration was not applied");
    assert!(
        line["problems"]
            .as_str()
            .is_some_and(|it| it.contains("TG-01")),
        "{line}"
    );

    // `send` needs a file that can be read; the node goes on with the one before.
    place.write(&format!("{OPEN_FLOW}{SECOND_FLOW}"));
    node.sends(&["second", "--data", r#"{"id":"2"}"#], "kept");
    node.sends(&["open", "--data", r#"{"id":"1","kind":"a"}"#], "repeat");
}

#[test]
fn a_signal_reloads_too() {
    let place = Place::new(OPEN_FLOW);
    let node = place.start();
    place.write("flows: 7\n");
    node.signal("HUP");
    node.line("the configuration was not applied");
    place.write(&format!("{OPEN_FLOW}{SECOND_FLOW}"));
    node.signal("HUP");
    let line = node.line("the configuration was read again and is in force");
    assert_eq!(line["changes"], "flows.second added");
    node.sends(&["second", "--data", r#"{"id":"1"}"#], "kept");
    let timeline = documents(&node.command(&["timeline", "--json"]));
    assert_eq!(timeline[0][0]["kind"], "configuration-changed");
    assert_eq!(timeline[0][1]["kind"], "configuration-refused");
}
