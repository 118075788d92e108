use proptest::prelude::*;

use super::*;
use crate::diagnostic::{Problems, Report};

fn read(text: &str) -> (Option<Node>, Vec<String>) {
    let mut problems = Problems::default();
    let node = parse(text, &mut problems);
    let report = Report::new("t.yaml", text, problems);
    let told = report.problems().iter().map(|problem| {
        let (line, column) = report.place(problem);
        format!("{} {line}:{column} {}", problem.code.id(), problem.message)
    });
    (node, told.collect())
}

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    assert_eq!(read(text).1, expected, "{text}");
}

#[test]
fn keys_and_values_know_their_place() {
    let text = "größe: 1\nlist:\n  - 'a b'\n  - { x: \"y\" }\n";
    let (node, told) = read(text);
    assert!(told.is_empty(), "{told:?}");
    let node = node.unwrap();
    let at = |span: Span| text.get(span.start..span.end).unwrap();
    let Value::Map(entries) = &node.value else {
        panic!("{node:?}")
    };
    assert_eq!(at(entries[0].key_span), "größe");
    assert_eq!(at(entries[0].value.span), "1");
    let Value::List(items) = &entries[1].value.value else {
        panic!("{node:?}")
    };
    assert_eq!(at(items[0].span), "'a b'");
    assert_eq!(at(items[1].span), "{ x: \"y\" }");
    assert_eq!(
        node.to_json(),
        serde_json::json!({ "größe": 1, "list": ["a b", { "x": "y" }] })
    );
}

#[test]
fn scalars_resolve_by_the_core_schema() {
    let plain = |text: &str| Scalar {
        text: text.to_owned(),
        style: Style::Plain,
    };
    for (text, expected) in [
        ("", Resolved::Null),
        ("~", Resolved::Null),
        ("true", Resolved::Bool(true)),
        ("yes", Resolved::Text),
        ("on", Resolved::Text),
        ("12", Resolved::Integer(12)),
        ("0x1f", Resolved::Integer(31)),
        ("-3", Resolved::Integer(-3)),
        ("1e3", Resolved::Number),
        (".5", Resolved::Number),
        (".nan", Resolved::Number),
        ("infinity", Resolved::Text),
        ("7d", Resolved::Text),
        ("1.2.3", Resolved::Text),
    ] {
        assert_eq!(plain(text).resolved(), expected, "{text}");
    }
    let quoted = Scalar {
        text: "1".to_owned(),
        style: Style::SingleQuoted,
    };
    assert_eq!(quoted.resolved(), Resolved::Text);
}

#[test]
fn what_is_not_taken_is_told_with_its_place() {
    refused("", &["TG-0106 1:1 the configuration is empty"]);
    refused(
        "# only words\n",
        &["TG-0106 1:1 the configuration is empty"],
    );
    refused(
        "a: 1\nb: 2\na: 3\n",
        &["TG-0104 3:1 the key `a` stands here a second time"],
    );
    refused(
        "a: &x 1\nb: *x\n",
        &[
            "TG-0103 1:4 an anchor is not accepted",
            "TG-0103 2:4 an alias is not accepted",
        ],
    );
    refused("a: !!str 1\n", &["TG-0103 1:4 a tag is not accepted"]);
    refused(
        "a: { <<: { b: 1 } }\n",
        &["TG-0103 1:6 a merge key is not accepted"],
    );
    refused(
        "? [a]\n: 1\n",
        &["TG-0103 1:3 a key that is no plain word is not accepted"],
    );
    refused(
        "a: 1\n---\nb: 1\n",
        &["TG-0103 2:1 a second document in the file is not accepted"],
    );
}

#[test]
fn text_that_is_not_yaml_is_told_with_a_cure() {
    let mut problems = Problems::default();
    assert!(parse("a:\n\tb: 1\n", &mut problems).is_none());
    let report = Report::new("t.yaml", "a:\n\tb: 1\n", problems);
    let [problem] = report.problems() else {
        panic!("{report:?}")
    };
    assert_eq!(problem.code.id(), "TG-0101");
    assert_eq!(report.place(problem).0, 2);
    assert!(problem.help.contains("tabs"), "{}", problem.help);
}

#[test]
fn size_depth_and_keys_are_bounded() {
    let deep = "[".repeat(DEPTH_MAX + 1);
    refused(&deep, &["TG-0102 1:33 nesting is deeper than 32 levels"]);
    let block: String = (0..=DEPTH_MAX)
        .map(|n| format!("{}a:\n", " ".repeat(n)))
        .collect();
    assert!(
        read(&block).1[0].starts_with("TG-0102"),
        "{:?}",
        read(&block).1
    );
    let long = format!("a: {}", "x".repeat(FILE_BYTES_MAX));
    assert!(read(&long).1[0].starts_with("TG-0102 1:1"));
    let wide: String = (0..=KEYS_MAX).map(|n| format!("k{n}: 1\n")).collect();
    refused(&wide, &["TG-0102 2001:1 a mapping has more than 2000 keys"]);
}

#[test]
fn bombs_of_aliases_do_not_unfold() {
    let mut bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 0..100 {
        let line = format!("b{n}: &b{n} [*a, *a, *a, *a, *a, *a, *a, *a, *a]\n");
        bomb.push_str(&line);
    }
    let (_, told) = read(&bomb);
    assert!(told.iter().all(|problem| problem.starts_with("TG-0103")));
}

/// The character of the file that stands for the one at `offset` of the value of `a`.
#[track_caller]
fn inside(text: &str, offset: usize) -> &str {
    let (node, told) = read(text);
    assert!(told.is_empty(), "{told:?}");
    let node = node.unwrap();
    let Value::Map(entries) = &node.value else {
        panic!("{node:?}")
    };
    let value = &entries[0].value;
    let Value::Scalar(scalar) = &value.value else {
        panic!("{node:?}")
    };
    text.get(source_offset(text, value.span, scalar, offset)..)
        .unwrap()
}

#[test]
fn places_inside_of_scalars_are_found() {
    assert!(inside("a: .body.x\n", 6).starts_with("x\n"));
    assert!(inside("a: 'it''s x'\n", 5).starts_with("x'"));
    assert!(inside("a: \"q\\\" \\u0041x\"\n", 4).starts_with("x\""));
    assert!(inside("a: |\n    first\n      second\n", 8).starts_with("second"));
    assert!(inside("a: |\n    first\n    second\n", 6).starts_with("second"));
    assert!(inside("a: >\n    first\n    second\n", 6).starts_with("second"));
    assert!(inside("a: first\n    second\n", 6).starts_with("second"));
    assert!(inside("a: \"first\n    second\"\n", 6).starts_with("second"));
    assert!(inside("a: |\r\n    é\r\n    x\r\n", 3).starts_with("x\r"));
    assert_eq!(inside("a: .b", 2), "");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Arbitrary text, and text made of what YAML finds meaningful.
    #[test]
    fn any_text_is_read_or_refused_with_a_place(
        text in prop_oneof![".{0,200}", "[a-b:,\\[\\]{}&*!|>'\"%@`#?\\-\\n\\r\\t ~<é\u{feff}]{0,80}"],
        offset in 0_usize..40,
    ) {
        let mut problems = Problems::default();
        let node = parse(&text, &mut problems);
        prop_assert!(node.is_some() || !problems.usable());
        if let Some(node) = node {
            places_hold(&node, &text, offset)?;
        }
        let report = Report::new("t.yaml", &text, problems);
        for problem in report.problems() {
            prop_assert!(problem.span.end <= text.len());
        }
    }
}

fn places_hold(node: &Node, text: &str, offset: usize) -> Result<(), TestCaseError> {
    prop_assert!(text.get(node.span.start..node.span.end).is_some());
    match &node.value {
        Value::Scalar(scalar) => {
            let at = source_offset(text, node.span, scalar, offset);
            prop_assert!(node.span.start <= at && at <= node.span.end);
            prop_assert!(text.is_char_boundary(at));
            Ok(())
        }
        Value::List(items) => items
            .iter()
            .try_for_each(|item| places_hold(item, text, offset)),
        Value::Map(entries) => entries
            .iter()
            .try_for_each(|entry| places_hold(&entry.value, text, offset)),
        Value::Broken => Ok(()),
    }
}
