//! What an attacker, or a sender out of its mind, may try.

use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;
use tidegate_core::log::entry::FaultCause;

use crate::call::{Call, assert_problem, assert_status, header_map, raw};
use crate::site::Site;

const CONFIG: &str = r#"
systems: { partner: {} }
flows:
  direct:
    system: partner
    receive: { path: /in/direct, verify: none }
    event: { id: .body.id, type: .body.type, key: .body.key, data: .body }
  jq:
    system: partner
    receive: { path: /in/jq, verify: none }
    event: { id: '.body | .id', type: '.body | [.type] | .[0]', key: '.body | .key', data: '.body | .' }
  signed:
    system: partner
    receive: { path: /in/signed, verify: { scheme: standard-webhooks, secret: "${env:WHSEC_NEW}" } }
    event: { type: '"t"' }
  events:
    system: partner
    receive: { path: /in/events, format: cloudevents, verify: none }
  headers:
    system: partner
    receive: { path: /in/headers, verify: none }
    event: { id: '.headers["x-id"]', type: '"t"', data: '{ query: .query, headers: .headers }' }
services:
  reader: { token: "${env:READER}", subscribe: { all: ["*"] } }
"#;

const FLOWS: [&str; 2] = ["direct", "jq"];

fn json(path: &str, body: impl Into<bytes::Bytes>) -> Call {
    Call::new(path, &[("content-type", "application/json")], body)
}

async fn everything(site: &Site) -> Vec<Value> {
    let headers = header_map(&[(
        "authorization",
        "Bearer READER-0123456789abcdef0123456789abcdef",
    )]);
    let answer = site
        .request(Method::GET, "/v1/subscriptions/all?limit=1000", headers, "")
        .await;
    assert_status(&answer, 200);
    serde_json::from_slice(&answer.body).unwrap()
}

/// Texts of the sender stand in ids, types, keys and data, never in a header of ours; and a reader
/// gets them whole.
#[tokio::test]
async fn texts_of_any_kind_go_through_and_break_nothing() {
    let site = Site::start(CONFIG).await;
    let texts = [
        "a\r\nset-cookie: x=1\r\n\r\n",
        "\u{0}\u{1}\u{7f}",
        "\"}],\"x\":[{\"",
        "\u{2028}\u{202e}\u{feff}",
        "👩‍👩‍👧",
        "{{7*7}}${env:HOME}",
        "../../etc/passwd",
        "*",
        " ",
        "a\\",
    ];
    for flow in FLOWS {
        for text in texts {
            let body = serde_json::json!({"id": text, "type": text, "key": text}).to_string();
            let answer = site.send(&json(&site.path(flow), body)).await;
            assert_status(&answer, 200);
            let names: Vec<_> = answer
                .headers
                .keys()
                .map(http::HeaderName::as_str)
                .collect();
            assert_eq!(
                names,
                [
                    "content-type",
                    "tidegate-event-id",
                    "content-length",
                    "date"
                ],
                "{text:?}"
            );
        }
    }
    let events = everything(&site).await;
    assert_eq!(events.len(), texts.len() * FLOWS.len());
    for (event, text) in events.iter().zip(texts.iter().chain(&texts)) {
        assert_eq!(
            (&event["type"], &event["partitionkey"], &event["data"]["id"]),
            (
                &Value::from(*text),
                &Value::from(*text),
                &Value::from(*text)
            )
        );
    }
    // Types are no labels: whoever chooses them cannot make series.
    assert!(!site.gateway().metrics_text().contains("passwd"));
}

#[tokio::test]
async fn what_is_too_long_is_set_aside() {
    let site = Site::start(CONFIG).await;
    let long = "x".repeat(900_000);
    for flow in FLOWS {
        for field in ["id", "type", "key"] {
            let mut body = serde_json::json!({"id": "1", "type": "t", "key": "k"});
            body[field] = long.clone().into();
            assert_status(
                &site.send(&json(&site.path(flow), body.to_string())).await,
                202,
            );
            let fault = site.faults().pop().unwrap();
            assert_eq!(fault.cause, FaultCause::Mapping, "{flow} {field}");
            assert!(
                fault.external_id.len() <= 1024 && fault.message.len() <= 1024,
                "{fault:?}"
            );
        }
    }
    let header = "x".repeat(20_000);
    assert_status(
        &site
            .send(&Call::new("/in/headers", &[("x-id", &header)], ""))
            .await,
        202,
    );
    let event = Call::new(
        "/in/events",
        &[
            ("ce-specversion", "1.0"),
            ("ce-id", &header),
            ("ce-source", "/s"),
            ("ce-type", "t"),
        ],
        "",
    );
    assert_status(&site.send(&event).await, 202);
    // A signed id this long cannot have been signed by anybody we know.
    let mut signed = Call::genuine(&site, "signed", "1");
    signed.headers.insert(
        "webhook-id",
        HeaderValue::try_from("x".repeat(513)).unwrap(),
    );
    assert_problem(&site.send(&signed).await, 401, "unverified");
    assert_eq!(site.events(), []);
}

#[tokio::test]
async fn json_made_to_hurt_is_kept_and_no_more() {
    let site = Site::start(CONFIG).await;
    let deep = |open: &str, close: &str, levels: usize| {
        format!("{}1{}", open.repeat(levels), close.repeat(levels))
    };
    let bodies = [
        deep("[", "]", 100_000),
        deep(r#"{"a":"#, "}", 100_000),
        format!(r#"{{"id":"1","type":"t","x":{}}}"#, deep("[", "]", 200)),
        "[".repeat(500_000),
        format!(r#"{{"id":{},"type":"t"}}"#, "9".repeat(100_000)),
        "nul".to_owned(),
        "{\"id\":\"1\",\"type\":\"t\"}{\"id\":\"2\"}".to_owned(),
    ];
    for flow in FLOWS {
        for body in &bodies {
            let answer = site.send(&json(&site.path(flow), body.clone())).await;
            assert_status(&answer, 202);
            assert_eq!(site.faults().pop().unwrap().raw.body, body.as_bytes());
        }
        // Names that repeat: the last one counts, whichever engine looks.
        let twice = r#"{"id":"a","id":"b","type":"t","type":"u"}"#;
        assert_status(&site.send(&json(&site.path(flow), twice)).await, 200);
        let event = site.events().pop().unwrap().event;
        assert_eq!(
            (event.external_id.as_str(), event.kind.as_str()),
            ("b", "u"),
            "{flow}"
        );
        // Half of a surrogate pair is no character; jq has U+FFFD for it, and so have we.
        let half = r#"{"id":"half \ud800","type":"t"}"#;
        assert_status(&site.send(&json(&site.path(flow), half)).await, 200);
        let event = site.events().pop().unwrap().event;
        assert_eq!(event.external_id, "half \u{fffd}", "{flow}");
        // As deep as is allowed: it is mapped, and a reader gets it.
        let allowed = format!(r#"{{"id":"deep","type":"t","x":{}}}"#, deep("[", "]", 100));
        assert_status(&site.send(&json(&site.path(flow), allowed)).await, 200);
    }
    assert_eq!(everything(&site).await.len(), 6);
    let pairs = "a=1&".repeat(100_000);
    let form = Call::new(
        "/in/direct",
        &[("content-type", "application/x-www-form-urlencoded")],
        pairs,
    );
    assert_status(&site.send(&form).await, 202);
    let query = format!("/in/headers?{}", "a&".repeat(5_000));
    assert_status(
        &site.send(&Call::new(&query, &[("x-id", "1")], "")).await,
        202,
    );
}

#[tokio::test]
async fn headers_of_any_bytes_are_survived() {
    let site = Site::start(CONFIG).await;
    let mut call = Call::new(
        "/in/headers",
        &[("x-id", "1"), ("x-twice", "a"), ("x-twice", "b")],
        "",
    );
    call.headers.insert(
        "x-odd",
        HeaderValue::from_bytes(b"\xff\xfe caf\xe9").unwrap(),
    );
    assert_status(&site.send(&call).await, 200);
    let event = site.events().pop().unwrap().event;
    let data: Value = serde_json::from_slice(&event.data).unwrap();
    assert_eq!(data["headers"]["x-twice"], "a, b");
    assert!(
        data["headers"]["x-odd"]
            .as_str()
            .unwrap()
            .ends_with(" caf\u{fffd}")
    );
    // Two ids are one that nobody meant.
    let twice = Call::new("/in/headers", &[("x-id", "1"), ("x-id", "2")], "");
    assert_status(&site.send(&twice).await, 200);
    assert_eq!(site.events().pop().unwrap().event.external_id, "1, 2");
}

#[tokio::test]
async fn requests_that_two_parties_could_read_differently_are_refused() {
    let site = Site::start(CONFIG).await;
    let address = site.gateway().address();
    let post = "POST /in/headers HTTP/1.1\r\nhost: t\r\nx-id: 1\r\nconnection: close\r\n";
    let smuggled = "0\r\n\r\nPOST /in/headers HTTP/1.1\r\nhost: t\r\nx-id: smuggled\r\n\r\n";
    for head in [
        format!("{post}content-length: 1\r\ncontent-length: 2\r\n\r\nab"),
        format!("{post}content-length: -1\r\n\r\n"),
        format!("{post}content-length: 99999999999999999999\r\n\r\n"),
        format!("{post}transfer-encoding: xchunked\r\n\r\n{smuggled}"),
        format!("{post}transfer-encoding: chunked, identity\r\n\r\n{smuggled}"),
        format!("{post}x-bad: a\0b\r\n\r\n"),
        format!("{post}x bad: a\r\n\r\n"),
        format!("{post}{}\r\n", "x-many: 1\r\n".repeat(2_000)),
        format!("{post}x-long: {}\r\n\r\n", "x".repeat(40_000)),
        "POST /in/headers HTTP/9.9\r\n\r\n".to_owned(),
        "POST in/headers HTTP/1.1\r\nhost: t\r\n\r\n".to_owned(),
    ] {
        let answer = raw(address, &head).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{head:?} {answer:?}"
        );
        assert_eq!(
            answer.matches("HTTP/1.1 ").count(),
            usize::from(!answer.is_empty()),
            "{answer:?}"
        );
    }
    assert_eq!(site.events(), []);
    // The path counts, whatever host is named before it.
    let absolute = "POST http://other.example/in/headers?a=1 HTTP/1.1\r\nhost: t\r\nx-id: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    assert!(raw(address, absolute).await.starts_with("HTTP/1.1 200 "));
    for line in [
        "OPTIONS * HTTP/1.1",
        "CONNECT other.example:443 HTTP/1.1",
        "GET http://other.example HTTP/1.1",
    ] {
        let answer = raw(
            address,
            format!("{line}\r\nhost: t\r\nconnection: close\r\n\r\n"),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{line} {answer:?}");
    }
}

/// Nothing is remembered of strangers: neither their paths nor their tokens.
#[tokio::test]
async fn ten_thousand_unknown_paths_leave_one_count() {
    let site = Site::start(CONFIG).await;
    site.request(Method::POST, "/x", HeaderMap::new(), "").await;
    let names = |site: &Site| {
        site.gateway()
            .metrics_text()
            .lines()
            .map(|line| line.split(' ').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    site.close_books().await;
    let (before, head) = (names(&site), site.head());
    for n in 0..10_000 {
        let answer = site
            .request(Method::POST, &format!("/in/{n}"), HeaderMap::new(), "")
            .await;
        assert_eq!(answer.status, 404);
    }
    assert_eq!(names(&site), before);
    assert_eq!(site.head(), head);
    assert!((site.metric("tidegate_requests_unknown_path_total", &[]) - 10_001.0).abs() < 0.1);
}
