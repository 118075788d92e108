//! The extractor against the interpreter: the same expressions over generated documents.

use bytes::Bytes;
use proptest::prelude::*;

use crate::code::{Code, Subject};
use crate::direct::plan::Root;
use crate::direct::walk::Trie;
use crate::error::{Failure, Field, MapErrorKind};
use crate::jq::program::Program;
use crate::jq::syntax;
use crate::json::tree;
use crate::testing;

const BYTES_MAX: usize = 1 << 20;

fn directly(text: &str, json: &str) -> Result<Option<Bytes>, Failure> {
    let mut trie = Trie::default();
    let code = Code::compile(Field::Filter, text, Root::Document, &mut trie).unwrap();
    assert!(code.is_direct(), "{text}");
    let found = trie.walk(json).unwrap();
    code.run_to_json(&Subject {
        found: &found,
        input: None,
        tree: None,
        body_bytes: json.len(),
        bytes_max: BYTES_MAX,
    })
}

fn by_jq(text: &str, json: &str) -> Result<Option<Bytes>, Failure> {
    let code = Code::Jq(Program::compile(syntax::parse(Field::Filter, text).unwrap()).unwrap());
    let value = tree::read(json).unwrap();
    let found = Trie::default().walk(json).unwrap();
    code.run_to_json(&Subject {
        found: &found,
        input: None,
        tree: Some(&value),
        body_bytes: json.len(),
        bytes_max: BYTES_MAX,
    })
}

/// Equal outputs, or an error of the same kind from both.
#[track_caller]
fn agree(text: &str, json: &str) -> Result<Option<Bytes>, MapErrorKind> {
    let direct = directly(text, json).map_err(|failure| failure.kind);
    let interpreted = by_jq(text, json).map_err(|failure| failure.kind);
    assert_eq!(direct, interpreted, "{text}\n{json}");
    direct
}

#[test]
fn gives_what_the_interpreter_gives() {
    #[track_caller]
    fn check(text: &str, json: &str, expected: &str) {
        assert_eq!(
            agree(text, json),
            Ok(Some(Bytes::from(expected.to_owned()))),
            "{text}\n{json}"
        );
    }
    check(".a.b", r#"{"a":{"b":[1, 2]}}"#, "[1,2]");
    check(".a.b", "null", "null");
    check(".a.b", r#"{"a":null}"#, "null");
    check(".a[1]", r#"{"a":["x","y"]}"#, r#""y""#);
    check(".a[7]", r#"{"a":["x","y"]}"#, "null");
    check(".a[0]", r#"{"a":{"b":1}}"#, "null");
    check(".a", r#"{"a":1,"a":2}"#, "2");
    check(".a.b", r#"{"a":{"b":1},"a":{}}"#, "null");
    check(".a", r#"{"\u0061":1}"#, "1");
    check(r#".["a b"].c"#, r#"{"a b":{"c":true}}"#, "true");
    check(
        r#"{ a, "b c": .b, d: { e: .a }, f: [.a, .b] }"#,
        r#"{"a":1,"b":2}"#,
        r#"{"a":1,"b c":2,"d":{"e":1},"f":[1,2]}"#,
    );
    check(".a // .b // 3", r#"{"a":false,"b":null}"#, "3");
    check(r#""github." + .a"#, r#"{"a":"push"}"#, r#""github.push""#);
    check(r#""x" + .a"#, r#"{"a":null}"#, r#""x""#);
    check(".a + .b", r#"{"a":1,"b":2.5}"#, "3.5");
    check(".a + .b", r#"{"a":[1],"b":[2]}"#, "[1,2]");
    check(
        ".a + .b",
        r#"{"a":{"x":1,"y":1},"b":{"y":2}}"#,
        r#"{"x":1,"y":2}"#,
    );
    check(
        r#""n=\(.a) \(.b)""#,
        r#"{"a":1e2,"b":{"c":"\u00e9"}}"#,
        r#""n=1e2 {\"c\":\"é\"}""#,
    );
    check(".a | tostring", r#"{"a": [1,  2]}"#, r#""[1,2]""#);
    check(
        ".a | { b, c: .d.e }",
        r#"{"a":{"b":1,"d":{"e":2}}}"#,
        r#"{"b":1,"c":2}"#,
    );
    check("[.a?, .b]", r#"{"b":1}"#, "[null,1]");
    check("[.a.x?, .b]", r#"{"a":"s","b":1}"#, "[1]");
    check(
        ".a == \"x\" and (.b > 1 | not)",
        r#"{"a":"x","b":1}"#,
        "true",
    );
    check(
        "\"\\([.a + .b])\"",
        r#"{"a":1e999,"b":1}"#,
        r#""[Infinity]""#,
    );
    check(".", r#"{ "z":1, "a":-0, "z":[ ] }"#, r#"{"z":[],"a":0}"#);
    check("(.a.b.c)? // \"none\"", r#"{"a":{"b":7}}"#, r#""none""#);
}

#[test]
fn gives_nothing_where_the_interpreter_gives_nothing() {
    for (text, json) in [
        (".a.b?", r#"{"a":1}"#),
        ("{ x: .a.b?, y: .c }", r#"{"a":1,"c":{}}"#),
        // One member fails and a later one has no output: no object, and no error.
        ("{ x: .a.b, y: .a.b? }", r#"{"a":1}"#),
        (r#""\(.a.b)\(.a.b?)""#, r#"{"a":1}"#),
        ("(.a.b)?", r#"{"a":[]}"#),
        (".a.b? | 1", r#"{"a":1}"#),
    ] {
        assert_eq!(agree(text, json), Ok(None), "{text}");
    }
}

#[test]
fn fails_where_the_interpreter_fails() {
    for (text, json) in [
        (".a.b", r#"{"a":"s"}"#),
        (".a.b", r#"{"a":[]}"#),
        (".a[0]", r#"{"a":"s"}"#),
        (".a.b | 1", r#"{"a":true}"#),
        (".a + .b", r#"{"a":"s","b":1}"#),
        (".a.b // 1", r#"{"a":1}"#),
        ("{ x: .a.b, y: 1 }", r#"{"a":1}"#),
        ("[.a.b]", r#"{"a":1}"#),
    ] {
        assert_eq!(agree(text, json), Err(MapErrorKind::Raised), "{text}");
    }
    assert_eq!(
        agree("[.a + .a]", r#"{"a":1e999}"#),
        Err(MapErrorKind::Unsuitable)
    );
}

#[test]
fn leaves_the_rest_to_the_interpreter() {
    for text in [
        ".[]",
        ".a[]",
        "..",
        ".a[1:]",
        ".a[-1]",
        ".a | length",
        "if .a then 1 else 2 end",
        ".a as $x | $x",
        "{(.a): 1}",
        "{a: 1, a: 2}",
        "(1, 2)",
        "1 - 1",
        "empty",
        "@base64 \"\\(.a)\"",
        "reduce .a as $x (0; 1)",
        ".a = 1",
        "-.a",
        "try .a catch 1",
        "{a: (1, 2)}",
        ".a.b[.c]",
        "01.5",
    ] {
        let mut trie = Trie::default();
        let code = Code::compile(Field::Filter, text, Root::Document, &mut trie).unwrap();
        assert!(!code.is_direct(), "{text}");
    }
}

#[test]
fn output_is_limited() {
    let member = format!(r#"{{"a":"{}"}}"#, "x".repeat(BYTES_MAX / 2));
    for text in [
        "[.a, .a, .a]",
        "{x: .a, y: .a, z: .a}",
        ".a + .a + .a",
        "\"\\(.a)\\(.a)\\(.a)\"",
    ] {
        assert_eq!(
            directly(text, &member).unwrap_err().kind,
            MapErrorKind::TooLarge,
            "{text}"
        );
    }
}

/// Expressions that the extractor takes.
fn expression() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just(".a"),
        Just(".b"),
        Just(".c"),
        Just(".[\"a b\"]"),
        Just(".[\"é\"]"),
        Just(".[0]"),
        Just(".[1]")
    ];
    let step = (name, prop_oneof![4 => Just(""), 1 => Just("?")])
        .prop_map(|(name, opt)| format!("{name}{opt}"));
    let path = proptest::collection::vec(step, 1..4).prop_map(|steps| {
        steps
            .iter()
            .enumerate()
            .map(|(i, step)| {
                // `.a.["b"]` is written `.a["b"]`.
                if i > 0 && step.starts_with(".[") {
                    step.chars().skip(1).collect()
                } else {
                    step.clone()
                }
            })
            .collect::<String>()
    });
    let leaf = prop_oneof![
        6 => path,
        1 => Just(".".to_owned()),
        1 => Just("\"lit\\n\"".to_owned()),
        1 => Just("17".to_owned()),
        1 => Just("1.50".to_owned()),
        1 => Just("null".to_owned()),
        1 => Just("false".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let pair = (inner.clone(), inner.clone());
        let op = prop_oneof![
            Just("+"),
            Just("//"),
            Just("=="),
            Just("!="),
            Just("<"),
            Just(">="),
            Just("and"),
            Just("or")
        ];
        prop_oneof![
            (pair.clone(), op).prop_map(|((l, r), op)| format!("({l} {op} {r})")),
            pair.clone()
                .prop_map(|(l, r)| format!("{{x: {l}, \"y z\": {r}, a}}")),
            pair.clone().prop_map(|(l, r)| format!("[{l}, {r}]")),
            pair.prop_map(|(l, r)| format!("\"<\\({l})-\\({r})>\"")),
            inner.clone().prop_map(|x| format!("({x} | tostring)")),
            inner.clone().prop_map(|x| format!("({x} | not)")),
            inner.clone().prop_map(|x| format!("({x})?")),
            inner.prop_map(|x| format!("(.a.b | {x})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn agrees_with_the_interpreter(text in expression(), json in testing::json()) {
        let _outcome = agree(&text, &json);
    }

    /// Generated documents seldom have what an expression wants; these are all objects with its keys.
    #[test]
    fn agrees_over_documents_that_fit(text in expression(), a in testing::json(), b in testing::json(), deep in testing::json()) {
        let json = format!(r#"{{"b": {b}, "a": {{"b": {deep}, "a": {a}, "é": "\u00e9"}}, "c": [{a}, {b}], "a b": {deep}}}"#);
        let _outcome = agree(&text, &json);
    }
}
