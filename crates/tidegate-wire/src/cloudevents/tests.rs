//! The examples of the specification, what is refused, and properties of both directions.

mod handshakes;
mod properties;
mod refusals;

use http::{HeaderName, HeaderValue};

use super::*;

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(
            name.parse::<HeaderName>().unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    map
}

fn decode_json(body: &str) -> Result<CloudEvent, DecodeError> {
    let headers = headers(&[(
        "content-type",
        "application/cloudevents+json; charset=UTF-8",
    )]);
    decode(&headers, &Bytes::from(body.to_owned()), Limits::default())
        .map(|events| events.into_iter().next().expect("one event"))
}

fn example(id: &str, content_type: &str, data: &str) -> CloudEvent {
    CloudEvent {
        id: id.to_owned(),
        source: "/mycontext".to_owned(),
        kind: "com.example.someevent".to_owned(),
        time: "2018-04-05T17:31:00Z".parse().ok(),
        datacontenttype: Some(content_type.to_owned()),
        extensions: vec![
            ("comexampleextension1".to_owned(), "value".to_owned()),
            ("comexampleothervalue".to_owned(), "5".to_owned()),
        ],
        data: Bytes::from(data.to_owned()),
        ..CloudEvent::default()
    }
}

/// JSON event format, section 3.2.
#[test]
fn structured_examples_of_the_specification() {
    let event = |id: &str, rest: &str| {
        let start =
            r#""specversion" : "1.0", "type" : "com.example.someevent", "source" : "/mycontext""#;
        let more = r#""time" : "2018-04-05T17:31:00Z", "comexampleextension1" : "value", "comexampleothervalue" : 5"#;
        decode_json(&format!(r#"{{ {start}, "id" : "{id}", {more}, {rest} }}"#)).unwrap()
    };
    let binary = event(
        "A234",
        r#""datacontenttype" : "application/vnd.apache.thrift.binary", "data_base64" : "AAEC""#,
    );
    assert_eq!(
        binary,
        example(
            "A234",
            "application/vnd.apache.thrift.binary",
            "\0\u{1}\u{2}"
        )
    );
    let xml = event(
        "B234",
        r#""unsetextension": null, "datacontenttype" : "application/xml", "data" : "<much wow=\"xml\"/>""#,
    );
    assert_eq!(
        xml,
        example("B234", "application/xml", r#"<much wow="xml"/>"#)
    );
    let object = event(
        "C234",
        r#""subject": null, "datacontenttype" : "application/json", "data" : { "appinfoA" : "abc", "n": 1.50 }"#,
    );
    assert_eq!(
        object,
        example(
            "C234",
            "application/json",
            r#"{ "appinfoA" : "abc", "n": 1.50 }"#
        )
    );
    let implied = event("D234", r#""subject": null, "data" : "I'm just a string""#);
    assert_eq!(
        implied,
        example("D234", "application/json", r#""I'm just a string""#)
    );
}

/// HTTP protocol binding, sections 3.1.3.2 and 3.1.4.
#[test]
fn binary_example_of_the_specification() {
    let headers = headers(&[
        ("ce-specversion", "1.0"),
        ("ce-type", "com.example.someevent"),
        ("ce-time", "2018-04-05T17:31:00Z"),
        ("ce-id", "1234-1234-1234"),
        ("ce-source", "/mycontext"),
        ("ce-comexampleextension1", "Euro%20%E2%82%AC%20%f0%9f%98%80"),
        ("ce-comexampleothervalue", r#""a \"quoted\" b" c"#),
        ("content-type", "application/json; charset=utf-8"),
    ]);
    let body = Bytes::from_static(b"{\n  \"a\" : 1\n}");
    let events = decode(&headers, &body, Limits::default()).unwrap();
    let mut expected = example(
        "1234-1234-1234",
        "application/json; charset=utf-8",
        "{\n  \"a\" : 1\n}",
    );
    expected.extensions[0].1 = "Euro € 😀".to_owned();
    expected.extensions[1].1 = r#"a "quoted" b c"#.to_owned();
    assert_eq!(events, [expected.clone()]);
    let (again, _) = encode_binary(&expected).unwrap();
    assert_eq!(
        again["ce-comexampleextension1"],
        "Euro%20%E2%82%AC%20%F0%9F%98%80"
    );
    assert_eq!(again["ce-comexampleothervalue"], "a%20%22quoted%22%20b%20c");
}

#[test]
fn batches_may_be_empty_and_are_bounded() {
    let headers = headers(&[("content-type", "application/cloudevents-batch+json")]);
    let limits = Limits {
        batch_events_max: 3,
    };
    let batch = |count: usize| {
        let one = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{}}"#;
        let body = Bytes::from(format!("[{}]", vec![one; count].join(",")));
        decode(&headers, &body, limits)
    };
    assert_eq!(batch(0).unwrap(), []);
    assert_eq!(batch(3).unwrap().len(), 3);
    assert!(matches!(batch(4), Err(DecodeError::TooMany { max: 3 })));
    assert!(matches!(batch(9), Err(DecodeError::TooMany { max: 3 })));
}

#[test]
fn json_data_is_cut_out_without_a_copy() {
    let body = Bytes::from_static(
        br#"{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"n":12345678901234567890.0e-1}}"#,
    );
    let headers = headers(&[("content-type", STRUCTURED_JSON)]);
    let events = decode(&headers, &body, Limits::default()).unwrap();
    assert_eq!(events[0].data, r#"{"n":12345678901234567890.0e-1}"#);
    assert!(body.as_ptr_range().contains(&events[0].data.as_ptr()));
}

#[test]
fn events_of_the_hub_become_cloudevents() {
    let event = tidegate_types::event::Event {
        id: tidegate_types::id::EventId::from_bytes([7; 16]),
        flow: "github-events".to_owned(),
        external_id: "x".to_owned(),
        kind: "github.push".to_owned(),
        time: UnixMillis(1_614_265_330_000),
        received: UnixMillis(1_614_265_331_000),
        key: "octo/repo".to_owned(),
        content_type: "application/json".to_owned(),
        data: Bytes::from_static(b"{\"a\": 1.0}"),
        attributes: [
            ("subject", "s"),
            ("traceparent", "00-1"),
            ("Not A Name", "x"),
            ("id", "x"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        raw: None,
    };
    let out = CloudEvent::of(&event, "/flows/github-events");
    assert_eq!(
        str::from_utf8(&encode_structured(&out)).unwrap(),
        concat!(
            r#"{"specversion":"1.0","id":"07070707-0707-0707-0707-070707070707","source":"/flows/github-events","#,
            r#""type":"github.push","time":"2021-02-25T15:02:10.000Z","subject":"s","datacontenttype":"application/json","#,
            r#""traceparent":"00-1","partitionkey":"octo/repo","data":{"a": 1.0}}"#
        )
    );
    assert_eq!(out.extension(PARTITION_KEY), Some("octo/repo"));
}

#[test]
fn payloads_that_would_break_the_document_are_encoded() {
    let mut event = example("1", "application/json", "{\"open\":");
    let written = String::from_utf8(encode_structured(&event)).unwrap();
    assert!(
        written.ends_with(r#""data_base64":"eyJvcGVuIjo="}"#),
        "{written}"
    );
    event.data = Bytes::from_static(b"{},\"id\":\"forged\"");
    assert_eq!(
        decode_json(&String::from_utf8(encode_structured(&event)).unwrap()).unwrap(),
        event
    );
    event.time = Some(UnixMillis(u64::MAX));
    assert!(
        !String::from_utf8(encode_structured(&event))
            .unwrap()
            .contains("\"time\"")
    );
}
