//! The original of an event: byte for byte, without what would let a reader pose as the sender.

use crate::call::{Call, assert_status};
use crate::limits::gzip;
use crate::site::Site;

const FLOWS: &str = r#"
systems: { partner: {} }
flows:
  plain:
    system: partner
    receive: { path: /in/plain, verify: none }
    event: { id: none, type: '"t"', data: '{ query: .query, header: .headers["x-one"] }' }
  key-header:
    system: partner
    receive: { path: /in/key-header, verify: { scheme: api-key, header: x-api-key, key: "${env:KEY}" } }
    event: { id: none, type: '"t"', data: '{ headers: .headers, query: .query }' }
  key-query:
    system: partner
    receive: { path: /in/key-query, verify: { scheme: api-key, query: "api key", key: "${env:KEY}" } }
    event: { id: none, type: '"t"', data: '{ headers: .headers, query: .query }' }
  bearer:
    system: partner
    receive: { path: /in/bearer, verify: { scheme: bearer, token: "${env:KEY}" } }
    event: { id: none, type: '"t"', data: '{ headers: .headers, query: .query }' }
  basic:
    system: partner
    receive: { path: /in/basic, verify: { scheme: basic, user: u, password: "${env:KEY}" } }
    event: { id: none, type: '"t"', data: '{ headers: .headers, query: .query }' }
"#;

const KEY: &str = "KEY-0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn a_body_of_any_bytes_is_kept_as_it_came() {
    let site = Site::start(FLOWS).await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let bodies = [
        Vec::new(),
        every_byte,
        b" {\"a\" : 1.0e0 , \"a\":2}\r\n".to_vec(),
        vec![0; 100_000],
    ];
    for body in bodies {
        let call = Call::new(
            "/in/plain",
            &[("content-type", "application/octet-stream")],
            body.clone(),
        );
        assert_status(&site.send(&call).await, 200);
        assert_eq!(site.events().pop().unwrap().event.raw.unwrap().body, body);
    }
}

#[tokio::test]
async fn a_compressed_body_is_kept_compressed_and_mapped_decoded() {
    let site = Site::start(&FLOWS.replace(
        r#"type: '"t"', data: '{ query: .query, header: .headers["x-one"] }'"#,
        "type: .body.kind",
    ))
    .await;
    let body = gzip(br#"{"kind":"k"}"#);
    let headers = [
        ("content-type", "application/json"),
        ("content-encoding", "gzip"),
    ];
    assert_status(
        &site
            .send(&Call::new("/in/plain", &headers, body.clone()))
            .await,
        200,
    );
    let event = site.events().pop().unwrap().event;
    assert_eq!(
        (event.kind.as_str(), &event.data[..]),
        ("k", &br#"{"kind":"k"}"#[..])
    );
    let raw = event.raw.unwrap();
    assert_eq!(raw.body, body);
    assert!(
        raw.headers
            .contains(&("content-encoding".to_owned(), "gzip".to_owned()))
    );
}

#[tokio::test]
async fn headers_and_query_are_kept_in_their_order() {
    let site = Site::start(FLOWS).await;
    let headers = [("x-one", "1"), ("x-two", "\"zwei\""), ("X-Three", "")];
    assert_status(
        &site
            .send(&Call::new("/in/plain?b=2&a=%31&a=&&c", &headers, "x"))
            .await,
        200,
    );
    let event = site.events().pop().unwrap().event;
    assert_eq!(
        &event.data[..],
        br#"{"query":{"b":"2","a":["1",""],"c":""},"header":"1"}"#
    );
    let raw = event.raw.unwrap();
    assert_eq!(raw.query, "b=2&a=%31&a=&&c");
    let own: Vec<_> = raw
        .headers
        .iter()
        .filter(|(name, _)| name.starts_with("x-"))
        .collect();
    let expected = [("x-one", "1"), ("x-two", "\"zwei\""), ("x-three", "")];
    let expected: Vec<_> = expected
        .iter()
        .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
        .collect();
    assert_eq!(own, expected.iter().collect::<Vec<_>>());
}

/// However it is spelled, nothing of a credential stands in the log: not in the original, and not in
/// what a mapping makes of it.
#[tokio::test]
async fn credentials_are_not_kept() {
    let site = Site::start(FLOWS).await;
    let basic = "Basic dTpLRVktMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    let bearer = format!("Bearer {KEY}");
    let calls = [
        Call::new("/in/key-header?a=1", &[("x-api-key", KEY)], "{}"),
        Call::new(
            "/in/bearer",
            &[
                ("authorization", bearer.as_str()),
                ("cookie", KEY),
                ("proxy-authorization", KEY),
            ],
            "{}",
        ),
        Call::new("/in/basic", &[("authorization", basic)], "{}"),
        Call::new(&format!("/in/key-query?a=1&api+key={KEY}&b=2"), &[], "{}"),
        Call::new(&format!("/in/key-query?a=1&api%20key={KEY}"), &[], "{}"),
        Call::new(&format!("/in/key-query?%61pi%20key={KEY}&a=1"), &[], "{}"),
        Call::new(
            &format!("/in/key-query?api+key={}&a=1", KEY.replace('-', "%2D")),
            &[],
            "{}",
        ),
    ];
    for call in calls {
        assert_status(&site.send(&call).await, 200);
        let entry = site.events().pop().unwrap();
        let raw = entry.event.raw.clone().unwrap();
        assert!(raw.query.is_empty() || raw.query.contains("a=1"), "{raw:?}");
        let all = format!("{raw:?} {:?}", entry.event.data);
        for secret in [KEY, "0123456789abcdef", "dTpLRVkt"] {
            assert!(!all.contains(secret), "{call:?}: {all}");
        }
    }
    // A key that comes twice could be verified in one place and stripped in another.
    let twice = Call::new(
        &format!("/in/key-query?api+key={KEY}&api%20key={KEY}"),
        &[],
        "{}",
    );
    assert_status(&site.send(&twice).await, 401);
}
