//! What is refused, and how it is said.

use super::*;

#[track_caller]
fn faults(result: Result<CloudEvent, DecodeError>) -> Vec<(String, Fault)> {
    match result.expect_err("the event is wrong") {
        DecodeError::Invalid(Problems(problems)) => problems
            .into_iter()
            .map(|one| (one.attribute, one.fault))
            .collect(),
        other => panic!("{other}"),
    }
}

/// The faults of an event that is right but for these members.
#[track_caller]
fn with(members: &str) -> Vec<(String, Fault)> {
    let right = r#""specversion":"1.0","id":"1","source":"/s","type":"t""#;
    faults(decode_json(&format!("{{{right},{members}}}")))
}

#[track_caller]
fn check(members: &str, attribute: &str, fault: Fault) {
    assert_eq!(with(members), [(attribute.to_owned(), fault)], "{members}");
}

#[test]
fn all_problems_of_an_event_are_told_at_once() {
    let error = decode_json(
        r#"{"specversion":"0.3","id":"","source":"a b","time":"yesterday","Bad-Name":"x","n":1.5}"#,
    )
    .unwrap_err();
    assert_eq!(error.code(), "invalid-event");
    let text = error.to_string();
    for part in [
        r#"event 0: "specversion" is not 1.0"#,
        r#""id" is empty"#,
        r#""source" is not a URI reference"#,
        r#""time" is not a time of RFC 3339"#,
        r#""Bad-Name" is no attribute name"#,
        r#""n" has a JSON type"#,
        r#""type" is required and missing"#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn the_events_of_a_batch_are_told_apart() {
    let headers = headers(&[("content-type", BATCH_JSON)]);
    let body = r#"[{"specversion":"1.0","id":"1","source":"/s","type":"t"},{"id":"2"},{}]"#;
    let error = decode(&headers, &Bytes::from(body), Limits::default()).unwrap_err();
    let DecodeError::Invalid(Problems(problems)) = error else {
        panic!("{error}")
    };
    let places: Vec<(usize, &str)> = problems
        .iter()
        .map(|one| (one.event, one.attribute.as_str()))
        .collect();
    let expected = [(1, "specversion"), (1, "source"), (1, "type")];
    assert_eq!(places[..3], expected);
    assert_eq!(places[3], (2, "specversion"));
    let many = format!("[{}]", vec!["{}"; 100].join(","));
    let error = decode(&headers, &Bytes::from(many), Limits::default()).unwrap_err();
    let DecodeError::Invalid(Problems(problems)) = error else {
        panic!("{error}")
    };
    assert_eq!(problems.len(), PROBLEMS_MAX);
}

#[test]
fn attributes_are_strict() {
    check(r#""subject":"""#, "subject", Fault::Empty);
    check(r#""subject":7"#, "subject", Fault::Type);
    check(r#""id":"2""#, "id", Fault::Repeated);
    check(r#""specversion":"1.0""#, "specversion", Fault::Repeated);
    check(r#""my_ext":"x""#, "my_ext", Fault::Name);
    check(r#""ext":"a\u0007""#, "ext", Fault::Characters);
    check(r#""ext":"\ud800""#, "ext", Fault::Characters);
    check(r#""ext":"\ufffe""#, "ext", Fault::Characters);
    check(r#""ext":{}"#, "ext", Fault::Type);
    check(r#""ext":[1]"#, "ext", Fault::Type);
    check(r#""ext":2147483648"#, "ext", Fault::Type);
    check(r#""dataschema":"no-scheme""#, "dataschema", Fault::Uri);
    check(
        r#""datacontenttype":"json""#,
        "datacontenttype",
        Fault::MediaType,
    );
    check(
        &format!(r#""ext":"{}""#, "x".repeat(ATTRIBUTE_BYTES_MAX + 1)),
        "ext",
        Fault::TooLong,
    );
    let many: Vec<String> = (0..=EXTENSIONS_MAX)
        .map(|n| format!(r#""e{n}":"x""#))
        .collect();
    check(&many.join(","), "e64", Fault::TooManyExtensions);
}

#[test]
fn data_is_strict() {
    check(
        r#""data":{},"data_base64":"AA==""#,
        "data_base64",
        Fault::BothData,
    );
    check(r#""data_base64":"A""#, "data_base64", Fault::Base64);
    check(r#""data_base64":7"#, "data_base64", Fault::Base64);
    check(r#""data":{},"data":{}"#, "data", Fault::Repeated);
    check(
        r#""datacontenttype":"text/plain","data":{}"#,
        "data",
        Fault::DataNotText,
    );
}

#[test]
fn extensions_keep_their_text() {
    let event = decode_json(
        r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","b":true,"n":-7,"u":null,"data":null}"#,
    )
    .unwrap();
    let expected = [("b", "true"), ("n", "-7")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    assert_eq!(event.extensions, expected);
    assert_eq!(event.data, "null");
}

#[test]
fn times_are_those_of_rfc_3339() {
    // The examples of RFC 3339, section 5.8, that are after 1970, and variants.
    for (text, millis) in [
        ("1996-12-19T16:39:57-08:00", Some(851_042_397_000)),
        ("1990-12-31T15:59:59.5Z", Some(662_659_199_500)),
        (
            "2026-11-21t10:00:00.1234567890123z",
            Some(1_795_255_200_123),
        ),
        ("2026-11-21 10:00:00Z", None),
        ("2026-11-21T10:00:00", None),
        ("2026-11-21T10:00:00.Z", None),
        ("2026-11-21T10:00:00+0100", None),
        ("2026-11-21T10:00:00Z[UTC]", None),
        ("2026-11-31T10:00:00Z", None),
        ("20261121T100000Z", None),
        ("2026-11-21T10:00Z", None),
        ("1969-12-31T23:59:59Z", None),
        ("2026-11-21T10:00:00é", None),
    ] {
        assert_eq!(syntax::time(text), millis.map(UnixMillis), "{text}");
    }
}

#[test]
fn binary_headers_are_strict() {
    let right = [
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/s"),
        ("ce-type", "t"),
    ];
    let with = |more: &[(&str, &str)]| {
        let headers = headers(&[&right[..], more].concat());
        decode(&headers, &Bytes::new(), Limits::default()).map(|mut events| events.remove(0))
    };
    assert!(with(&[]).is_ok());
    let check = |more: &[(&str, &str)], attribute: &str, fault| {
        assert_eq!(
            faults(with(more)),
            [(attribute.to_owned(), fault)],
            "{more:?}"
        );
    };
    check(&[("ce-ext", "%C0%A0")], "ext", Fault::Characters);
    check(&[("ce-ext", "%07")], "ext", Fault::Characters);
    check(&[("ce-my-ext", "x")], "my-ext", Fault::Name);
    check(&[("ce-data", "x")], "data", Fault::Name);
    check(&[("ce-ext", "a"), ("ce-ext", "b")], "ext", Fault::Repeated);
    check(&[("ce-id", "2")], "id", Fault::Repeated);
    check(
        &[("ce-datacontenttype", "text/plain")],
        "datacontenttype",
        Fault::Forbidden,
    );
    check(
        &[("content-type", "json")],
        "datacontenttype",
        Fault::MediaType,
    );
    let many: Vec<String> = (0..90).map(|n| format!("ce-bad-{n}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "x")).collect();
    assert_eq!(faults(with(&many)).len(), PROBLEMS_MAX);
    let half = headers(&[("ce-id", "1")]);
    let lacking =
        faults(decode(&half, &Bytes::new(), Limits::default()).map(|mut one| one.remove(0)));
    let missing = |name: &str| (name.to_owned(), Fault::Missing);
    assert_eq!(
        lacking,
        [missing("specversion"), missing("source"), missing("type")]
    );
}

#[test]
fn other_formats_are_told_from_damaged_ones() {
    let code = |content_type: &str, body: &'static str| {
        let headers = headers(&[("content-type", content_type)]);
        decode(&headers, &Bytes::from(body), Limits::default())
            .unwrap_err()
            .code()
    };
    assert_eq!(code("application/json", "{}"), "not-cloudevents");
    assert_eq!(
        code("application/cloudevents+avro", "{}"),
        "unsupported-format"
    );
    assert_eq!(code("application/cloudevents", "{}"), "unsupported-format");
    assert_eq!(
        code("application/cloudevents+json; charset=latin1", "{}"),
        "unsupported-format"
    );
    assert_eq!(
        code("Application/CloudEvents+JSON; charset=\"utf-8\"", "{"),
        "malformed-json"
    );
    assert_eq!(code(STRUCTURED_JSON, "[]"), "malformed-json");
    assert_eq!(code(STRUCTURED_JSON, "{} {}"), "malformed-json");
    assert_eq!(code(BATCH_JSON, "{}"), "malformed-json");
    assert_eq!(code(BATCH_JSON, "[] x"), "malformed-json");
    assert_eq!(code(BATCH_JSON, "[1]"), "malformed-json");
}
