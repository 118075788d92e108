//! What the tests of this crate share: a generator of JSON as senders write it, and worse.

use proptest::prelude::*;

/// JSON text with white space, escapes, big numbers, keys that stand twice, and deep nesting.
pub(crate) fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("-0".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,5})?([eE][+-]?[0-9]{1,3})?",
        string(),
    ];
    scalar.prop_recursive(6, 60, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6)
                .prop_map(|items| format!("[ {} ]", items.join(" ,"))),
            proptest::collection::vec((key(), inner.clone()), 0..6).prop_map(|members| {
                let members: Vec<_> = members.iter().map(|(k, v)| format!("{k} :\n{v}")).collect();
                format!("{{{}}}", members.join(", "))
            }),
            inner.prop_map(|v| format!("{}{v}{}", "[".repeat(20), "]".repeat(20))),
        ]
    })
}

fn string() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            "[a-z 0-9éß中😀\u{7f}]".prop_map(|s: String| s),
            Just("\\n".to_owned()),
            Just("\\\"".to_owned()),
            Just("\\/".to_owned()),
            Just("\\u0041".to_owned()),
            Just("\\u007f".to_owned()),
            Just("\\ud83d\\ude00".to_owned()),
            Just("\\ud83d".to_owned()),
        ],
        0..6,
    )
    .prop_map(|parts| format!("\"{}\"", parts.concat()))
}

/// Few keys, so that they repeat and so that expressions find them; one is spelled in two ways.
pub(crate) fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("\"a\"".to_owned()),
        Just("\"\\u0061\"".to_owned()),
        Just("\"b\"".to_owned()),
        Just("\"c\"".to_owned()),
        Just("\"a b\"".to_owned()),
        Just("\"é\"".to_owned()),
    ]
}
