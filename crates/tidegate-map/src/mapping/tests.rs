use super::*;

fn headers() -> Vec<(String, String)> {
    [
        ("x-github-event", "push"),
        ("x-github-delivery", "d-1"),
        ("via", "a"),
        ("via", "b"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn run(spec: &EventSpec, content_type: &str, body: &[u8]) -> Result<Option<Mapped>, MapError> {
    let headers = headers();
    let body = Bytes::copy_from_slice(body);
    let mapping = Mapping::compile(spec).unwrap();
    mapping.run(&Input {
        headers: &headers,
        query: "topic=a+b&n=1&n=2",
        content_type,
        body: &body,
    })
}

/// What one expression makes of a body, as `data`, when extracted directly and when interpreted.
#[track_caller]
fn data(expression: &str, content_type: &str, body: &[u8]) -> String {
    let mut results = Vec::new();
    // `first(…)` hands on its one output, but is not direct.
    for text in [expression.to_owned(), format!("first({expression})")] {
        let spec = EventSpec {
            kind: "\"t\"".to_owned(),
            data: Some(text),
            ..EventSpec::default()
        };
        results.push(run(&spec, content_type, body).unwrap().unwrap().data);
    }
    assert_eq!(results[0], results[1], "{expression}");
    String::from_utf8(results[0].to_vec()).unwrap()
}

#[test]
fn maps_a_github_event_directly() {
    let spec = EventSpec {
        id: Some(".headers[\"x-github-delivery\"]".to_owned()),
        kind: "\"github.\" + .headers[\"x-github-event\"]".to_owned(),
        key: Some(".body.repository.full_name".to_owned()),
        time: Some(".body.repository.updated_at".to_owned()),
        data: Some("{ repository: .body.repository.full_name, action: .body.action }".to_owned()),
        when: Some(".body.action != \"deleted\"".to_owned()),
    };
    assert!(Mapping::compile(&spec).unwrap().is_direct());
    let body = br#"{"action":"opened","repository":{"full_name":"a/b","updated_at":"2026-11-21T10:00:00Z"}}"#;
    let expected = Mapped {
        external_id: Some("d-1".to_owned()),
        kind: "github.push".to_owned(),
        key: "a/b".to_owned(),
        time: Some(UnixMillis(1_795_255_200_000)),
        data: Bytes::from_static(br#"{"repository":"a/b","action":"opened"}"#),
    };
    assert_eq!(
        run(&spec, "application/json", body),
        Ok(Some(expected.clone()))
    );
    let interpreted = EventSpec {
        key: Some("first(.body.repository.full_name)".to_owned()),
        ..spec.clone()
    };
    assert!(!Mapping::compile(&interpreted).unwrap().is_direct());
    assert_eq!(
        run(&interpreted, "application/json", body),
        Ok(Some(expected))
    );
    assert_eq!(
        run(&spec, "application/json", br#"{"action":"deleted"}"#),
        Ok(None)
    );
}

#[test]
fn reads_bodies_by_their_type() {
    assert_eq!(
        data(
            ".body.a",
            "application/json; charset=utf-8",
            b" {\"a\": [1, 2] } "
        ),
        "[1,2]"
    );
    assert_eq!(data(".body.a", "application/vnd.x+json", b"{\"a\":1}"), "1");
    assert_eq!(data(".body.a", "", b"{\"a\":1}"), "1");
    assert_eq!(data(".body", "", b"{\"a\""), "null");
    assert_eq!(data(".body", "application/json", b""), "null");
    assert_eq!(
        data(
            ".body.a",
            "application/x-www-form-urlencoded",
            b"a=1&b=x%20y&a=2"
        ),
        r#"["1","2"]"#
    );
    assert_eq!(
        data(".body", "text/plain", "hé\"llo".as_bytes()),
        r#""hé\"llo""#
    );
    assert_eq!(data(".body", "text/plain", b""), r#""""#);
    assert_eq!(data(".body", "image/png", b"\x89PNG"), "null");
    assert_eq!(
        data("[.body_base64][0]", "image/png", b"\x89PNG"),
        r#""iVBORw==""#
    );
    assert_eq!(data("[.body_base64][0]", "application/json", b"1"), "null");
}

#[test]
fn reads_headers_and_query() {
    assert_eq!(data(".headers.via", "", b""), r#""a, b""#);
    assert_eq!(data(".headers.absent", "", b""), "null");
    assert_eq!(data(".query", "", b""), r#"{"topic":"a b","n":["1","2"]}"#);
    assert_eq!(data(".query.topic", "", b""), r#""a b""#);
    assert_eq!(data(".query.n", "", b""), r#"["1","2"]"#);
    assert_eq!(data(".query.absent", "", b""), "null");
    assert_eq!(data("[.headers | keys[]][0]", "", b""), r#""via""#);
}

#[test]
fn a_body_that_is_not_what_it_says_is_an_error() {
    let spec = EventSpec {
        kind: "\"t\"".to_owned(),
        ..EventSpec::default()
    };
    for (content_type, body) in [
        ("application/json", &b"{"[..]),
        ("application/json", b"{\"a\":\"\xff\"}"),
        ("application/json", b"1 2"),
        ("application/x-www-form-urlencoded", b"a=\xff"),
    ] {
        let error = run(&spec, content_type, body).unwrap_err();
        assert_eq!(
            (error.field, error.kind),
            (Field::Body, MapErrorKind::InvalidBody)
        );
    }
    let error = run(&spec, "application/json", b"{\"a\":}").unwrap_err();
    assert_eq!(
        error.to_string(),
        "body: the body is not JSON: byte 5: a value is expected"
    );
    let fields = "a=1&".repeat(1001);
    assert_eq!(
        run(
            &spec,
            "application/x-www-form-urlencoded",
            fields.as_bytes()
        )
        .unwrap_err()
        .kind,
        MapErrorKind::InvalidBody
    );
}

#[test]
fn without_an_expression_the_body_stays_as_it_is() {
    let spec = EventSpec {
        kind: "\"t\"".to_owned(),
        ..EventSpec::default()
    };
    let body = b"{ \"b\":1,\n \"a\":1, \"b\":2 }";
    assert_eq!(
        run(&spec, "application/json", body).unwrap().unwrap().data,
        &body[..]
    );
    assert_eq!(
        run(&spec, "image/png", b"\x89PNG").unwrap().unwrap().data,
        &b"\x89PNG"[..]
    );
}

#[test]
fn fields_take_scalars() {
    for interpreted in [false, true] {
        let wrap = |text: &str| {
            if interpreted {
                format!("first({text})")
            } else {
                text.to_owned()
            }
        };
        let id = |text: &str| {
            let spec = EventSpec {
                kind: "\"t\"".to_owned(),
                id: Some(wrap(text)),
                ..EventSpec::default()
            };
            run(
                &spec,
                "application/json",
                br#"{"n":12345678901234567890,"d":1.50,"s":"x","b":true,"o":{},"a":[]}"#,
            )
            .map(|mapped| mapped.unwrap().external_id)
            .map_err(|error| (error.field, error.kind))
        };
        let some = |text: &str| Ok(Some(text.to_owned()));
        assert_eq!(id(".body.n"), some("12345678901234567890"));
        assert_eq!(id(".body.d"), some("1.50"));
        assert_eq!(id(".body.s"), some("x"));
        assert_eq!(id(".body.b"), some("true"));
        assert_eq!(id(".body.absent"), Ok(None));
        assert_eq!(id(".body.s.x?"), Ok(None));
        assert_eq!(id(".body.o"), Err((Field::Id, MapErrorKind::Unsuitable)));
        assert_eq!(id(".body.a"), Err((Field::Id, MapErrorKind::Unsuitable)));
        assert_eq!(id(".body.s.x"), Err((Field::Id, MapErrorKind::Raised)));
    }
}

#[test]
fn what_is_needed_and_what_is_too_long_is_told() {
    let kind = |text: &str| {
        run(
            &EventSpec {
                kind: text.to_owned(),
                ..EventSpec::default()
            },
            "",
            b"",
        )
        .unwrap_err()
        .kind
    };
    assert_eq!(kind("null"), MapErrorKind::Missing);
    assert_eq!(kind("empty"), MapErrorKind::Missing);
    assert_eq!(kind("\"\""), MapErrorKind::Missing);
    assert_eq!(kind("\"a\", \"b\""), MapErrorKind::Several);
    assert_eq!(kind("\"a\" * 1025"), MapErrorKind::TooLarge);
    let data = |text: &str| {
        let spec = EventSpec {
            kind: "\"t\"".to_owned(),
            data: Some(text.to_owned()),
            ..EventSpec::default()
        };
        run(
            &spec,
            "application/json",
            format!("\"{}\"", "x".repeat(600_000)).as_bytes(),
        )
        .map_err(|error| error.kind)
    };
    assert_eq!(data("empty"), Err(MapErrorKind::Missing));
    assert_eq!(data("1, 2"), Err(MapErrorKind::Several));
    assert_eq!(data("[.body, .body]"), Err(MapErrorKind::TooLarge));
    assert_eq!(
        data("[.body, .body] | first(.)"),
        Err(MapErrorKind::TooLarge)
    );
    assert_eq!(data("0 / 0"), Err(MapErrorKind::Unsuitable));
    assert_eq!(data("\"a\" | tobytes"), Err(MapErrorKind::Unsuitable));
    assert_eq!(data("{(1 | .): 2}"), Err(MapErrorKind::Unsuitable));
}

#[test]
fn reads_times() {
    let time = |json: &str| {
        let spec = EventSpec {
            kind: "\"t\"".to_owned(),
            time: Some(".body".to_owned()),
            ..EventSpec::default()
        };
        run(&spec, "application/json", json.as_bytes())
            .map(|mapped| mapped.unwrap().time)
            .map_err(|error| error.kind)
    };
    let at = |ms| Ok(Some(UnixMillis(ms)));
    assert_eq!(
        time("\"2026-11-21T11:00:00.123+01:00\""),
        at(1_795_255_200_123)
    );
    assert_eq!(time("1795255200"), at(1_795_255_200_000));
    assert_eq!(time("1795255200.123"), at(1_795_255_200_123));
    assert_eq!(time("1795255200123"), at(1_795_255_200_123));
    assert_eq!(time("\"1795255200\""), at(1_795_255_200_000));
    assert_eq!(time("0"), at(0));
    assert_eq!(time("null"), Ok(None));
    for bad in [
        "\"yesterday\"",
        "-1",
        "true",
        "{}",
        "1e300",
        "\"NaN\"",
        "\"inf\"",
        "253402300800000",
    ] {
        assert_eq!(time(bad), Err(MapErrorKind::Unsuitable), "{bad}");
    }
}

#[test]
fn errors_are_short() {
    let spec = EventSpec {
        kind: "error(.body)".to_owned(),
        ..EventSpec::default()
    };
    let error = run(&spec, "text/plain", "é".repeat(5000).as_bytes()).unwrap_err();
    assert!(error.text.len() <= crate::limits::ERROR_BYTES_MAX + '…'.len_utf8());
}
