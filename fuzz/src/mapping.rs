//! jq expressions of anybody over requests of anybody. A run ends within its limits, and the same
//! request gives the same result.

use bytes::Bytes;
use tidegate_map::{EventSpec, Filter, Input, Mapping};

use crate::input::piece;

/// Bodies up to here keep a run short; nothing in the code depends on it.
const BODY_BYTES_MAX: usize = 4096;

/// `type, key and data expression, each ended by a zero byte, then the body`.
pub fn run(data: &[u8]) {
    let (kind, rest) = piece(data, 0);
    let (key, rest) = piece(rest, 0);
    let (payload, body) = piece(rest, 0);
    let text = |bytes: &[u8]| std::str::from_utf8(bytes).ok().map(str::to_owned);
    let (Some(kind), Some(key), Some(payload)) = (text(kind), text(key), text(payload)) else {
        return;
    };
    let body = Bytes::copy_from_slice(body.get(..BODY_BYTES_MAX).unwrap_or(body));
    if let Ok(filter) = Filter::compile(&payload) {
        let _verdict = filter.matches(&body);
    }
    let optional = |text: String| (!text.is_empty()).then_some(text);
    let spec = EventSpec {
        kind,
        key: optional(key),
        data: optional(payload),
        ..EventSpec::default()
    };
    let Ok(mapping) = Mapping::compile(&spec) else {
        return;
    };
    let headers = [("x-event".to_owned(), "push".to_owned())];
    let inputs = ["application/json", "application/x-www-form-urlencoded", ""];
    for content_type in inputs {
        let input = Input {
            headers: &headers,
            query: "a=1&a=2&b",
            content_type,
            body: &body,
        };
        let first = format!("{:?}", mapping.run(&input));
        assert_eq!(
            first,
            format!("{:?}", mapping.run(&input)),
            "a mapping gives two results"
        );
    }
}

/// Expressions of both engines over bodies of several types.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let seed = |parts: [&str; 4]| parts.join("\0").into_bytes();
    vec![
        seed([
            ".body.type",
            ".body.key",
            "{ a: .body.a, b: .body.b[0] }",
            "{\"type\":\"t\",\"key\":\"k\",\"a\":1.50,\"b\":[1,2]}",
        ]),
        seed([
            "\"x.\" + .headers[\"x-event\"]",
            ".query.a[1]",
            ".body | to_entries | map(select(.value > 1)) | from_entries",
            "{\"a\":1,\"b\":2}",
        ]),
        seed([
            "\"t\"",
            ".body.a // \"none\"",
            "[.body.list[] | { n: ., m: (. * 2) }] | sort_by(.m) | group_by(.n)",
            "{\"list\":[3,1,2]}",
        ]),
        seed([
            "\"t\"",
            "(.body.text | split(\",\") | .[0] | ascii_downcase)",
            ".body.text | gsub(\"[a-z]+\"; \"x\") | @base64",
            "{\"text\":\"A,b\"}",
        ]),
        seed([
            "\"t\"",
            ".body.a",
            "reduce range(0; 10) as $i (.body; .n += $i) | tojson",
            "a=1&n=2",
        ]),
    ]
}
