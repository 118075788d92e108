//! What is written is read back, and nothing hostile panics.

use proptest::option;
use proptest::prelude::*;

use super::*;

/// Text the type system allows, not empty.
fn text() -> impl Strategy<Value = String> {
    "[ -~äß€😀]{1,20}"
}

fn data() -> impl Strategy<Value = (Option<String>, Bytes)> {
    let json = prop_oneof![
        Just("{\"a\" : [1.50, \"\\u00e4\", null]}"),
        Just("\"text\""),
        Just("null"),
        Just("{not json"),
        Just("0"),
    ];
    let json_types = prop_oneof![
        Just("application/json"),
        Just("application/vnd.x+json; charset=utf-8")
    ];
    let plain = prop::collection::vec(any::<u8>(), 1..40);
    let types = prop_oneof![
        Just("text/plain"),
        Just("application/xml"),
        Just("application/octet-stream")
    ];
    prop_oneof![
        (json_types, json).prop_map(|(kind, data)| (Some(kind.to_owned()), Bytes::from(data))),
        (types.clone(), plain).prop_map(|(kind, data)| (Some(kind.to_owned()), Bytes::from(data))),
        (types, text()).prop_map(|(kind, data)| (Some(kind.to_owned()), Bytes::from(data))),
        Just((None, Bytes::new())),
    ]
}

fn events() -> impl Strategy<Value = CloudEvent> {
    let extensions = prop::collection::btree_map("x[a-z0-9]{0,8}", text(), 0..4);
    let optional = (
        option::of(text()),
        option::of((0_u64..253_402_300_799_000).prop_map(UnixMillis)),
        option::of("[a-z]{1,5}:[a-z/]{0,10}"),
    );
    (text(), "/[a-z]{0,9}", text(), optional, extensions, data()).prop_map(
        |(id, source, kind, (subject, time, dataschema), extensions, (datacontenttype, data))| {
            CloudEvent {
                id,
                source,
                kind,
                subject,
                time,
                datacontenttype,
                dataschema,
                extensions: extensions.into_iter().collect(),
                data,
            }
        },
    )
}

/// Header maps do not keep the order of different names.
fn sorted(mut event: CloudEvent) -> CloudEvent {
    event.extensions.sort();
    event
}

proptest! {
    #[test]
    fn structured_round_trips(event in events()) {
        let headers = headers(&[("content-type", STRUCTURED_JSON)]);
        let body = Bytes::from(encode_structured(&event));
        prop_assert_eq!(decode(&headers, &body, Limits::default()).unwrap(), [event]);
    }

    #[test]
    fn batches_round_trip(events in prop::collection::vec(events(), 0..5)) {
        let headers = headers(&[("content-type", BATCH_JSON)]);
        let body = Bytes::from(encode_batch(&events));
        prop_assert_eq!(decode(&headers, &body, Limits::default()).unwrap(), events);
    }

    #[test]
    fn binary_round_trips(event in events()) {
        let (headers, body) = encode_binary(&event).unwrap();
        let read = decode(&headers, &body, Limits::default()).unwrap();
        prop_assert_eq!(read.into_iter().map(sorted).collect::<Vec<_>>(), [sorted(event)]);
    }

    #[test]
    fn any_body_is_read_or_refused(
        body in "[\\[\\]{}\":, a-z0-9\\\\é]{0,60}",
        before in prop::sample::select(vec!["", "[", "{\"id\":", "[{\"data\":"]),
    ) {
        for content_type in [STRUCTURED_JSON, BATCH_JSON, "text/plain"] {
            let headers = headers(&[("content-type", content_type), ("ce-id", "1")]);
            let body = Bytes::from(format!("{before}{body}"));
            if let Ok(events) = decode(&headers, &body, Limits::default()) {
                prop_assert!(events.iter().all(|event| !event.id.is_empty()));
            }
        }
    }

    #[test]
    fn any_header_is_read_or_refused(
        value in prop::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff, Just(b'%'), Just(b'"')], 0..40),
        name in prop::sample::select(vec!["ce-id", "ce-time", "ce-ext", "ce-source", "content-type"]),
    ) {
        let mut headers = headers(&[("ce-specversion", "1.0"), ("ce-source", "/s"), ("ce-type", "t")]);
        headers.insert(name, HeaderValue::from_bytes(&value).unwrap());
        if let Ok(events) = decode(&headers, &Bytes::new(), Limits::default()) {
            let (again, body) = encode_binary(&events[0]).unwrap();
            let read = decode(&again, &body, Limits::default()).unwrap();
            prop_assert_eq!(read, events);
        }
    }
}
