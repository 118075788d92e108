//! What is turned away before it is an event, and with which status.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use http::{HeaderMap, Method};

use crate::call::{Call, assert_problem, assert_status, raw};
use crate::site::Site;

const FLOWS: &str = r#"
systems: { partner: {} }
flows:
  small:
    system: partner
    receive: { path: /in/small, verify: none, body-max: 1KiB, methods: [POST, PUT] }
    event: { id: content, type: '"t"' }
  default:
    system: partner
    receive: { path: /in/default, verify: none }
    event: { id: content, type: '"t"' }
"#;

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn encoded(path: &str, encoding: &str, body: Vec<u8>) -> Call {
    Call::new(
        path,
        &[
            ("content-encoding", encoding),
            ("content-type", "text/plain"),
        ],
        body,
    )
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_flow_says() {
    let site = Site::start(FLOWS).await;
    for (path, max) in [("/in/small", 1024), ("/in/default", 1 << 20)] {
        let body =
            |bytes: usize| Call::new(path, &[("content-type", "text/plain")], vec![b'x'; bytes]);
        assert_status(&site.send(&body(max)).await, 200);
        let head = site.head();
        assert_problem(&site.send(&body(max + 1)).await, 413, "body");
        assert_eq!(site.head(), head);
    }
    assert_eq!(site.events().len(), 2);
}

/// An announced length is refused before a byte of the body is sent; a chunked body when it is too long.
#[tokio::test]
async fn the_length_is_not_taken_on_trust() {
    let site = Site::start(FLOWS).await;
    let address = site.gateway().address();
    let announced = raw(address, "POST /in/small HTTP/1.1\r\nhost: t\r\ncontent-length: 1025\r\nexpect: 100-continue\r\n\r\n").await;
    assert!(announced.starts_with("HTTP/1.1 413 "), "{announced}");
    assert!(!announced.contains("100 Continue"), "{announced}");
    let chunk = format!("201\r\n{}\r\n", "x".repeat(0x201));
    let chunked = format!(
        "POST /in/small HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n{chunk}{chunk}0\r\n\r\n"
    );
    let answer = raw(address, chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(site.events(), []);
    assert!(
        (site.metric("tidegate_requests_unread_total", &[("flow", "small")]) - 2.0).abs() < 0.1
    );
}

#[tokio::test]
async fn encodings_are_decoded_up_to_the_limit() {
    let site = Site::start(FLOWS).await;
    for (n, (encoding, encode)) in [
        ("gzip", gzip as fn(&[u8]) -> Vec<u8>),
        ("GZip", gzip),
        ("deflate", zlib),
        ("deflate", deflate),
        ("identity", <[u8]>::to_vec),
    ]
    .into_iter()
    .enumerate()
    {
        let text = format!("text {n}");
        assert_status(
            &site
                .send(&encoded("/in/small", encoding, encode(text.as_bytes())))
                .await,
            200,
        );
        assert_eq!(site.events().pop().unwrap().event.data, text);
    }
    let head = site.head();
    // A kilobyte that becomes a megabyte, and a megabyte that would become a gigabyte.
    for (path, encoding, bomb) in [
        ("/in/small", "gzip", gzip(&vec![0; 1 << 19])),
        ("/in/small", "deflate", zlib(&vec![0; 1 << 19])),
        ("/in/default", "gzip", gzip(&vec![0; 32 << 20])),
    ] {
        assert!(bomb.len() <= if path == "/in/small" { 1024 } else { 1 << 20 });
        assert_problem(
            &site.send(&encoded(path, encoding, bomb)).await,
            413,
            "content-encoding",
        );
    }
    assert_problem(
        &site
            .send(&encoded("/in/small", "gzip", b"no gzip".to_vec()))
            .await,
        400,
        "content-encoding",
    );
    assert_eq!(site.head(), head);
}

#[tokio::test]
async fn other_encodings_are_not_taken_for_none() {
    let site = Site::start(FLOWS).await;
    for encoding in ["br", "zstd", "gzip, gzip", "gzip, br"] {
        let answer = site.send(&encoded("/in/small", encoding, gzip(b"x"))).await;
        assert_problem(&answer, 415, "content-encoding");
        assert_eq!(answer.headers["accept-encoding"], "gzip, deflate");
    }
    // In two fields, which are one list (RFC 9110, section 5.3), and in bytes that are no text.
    let mut twice = encoded("/in/small", "identity", gzip(b"x"));
    twice
        .headers
        .append("content-encoding", http::HeaderValue::from_static("br"));
    assert_problem(&site.send(&twice).await, 415, "content-encoding");
    let mut bytes = encoded("/in/small", "identity", gzip(b"x"));
    let odd = http::HeaderValue::from_bytes(b"gzip\xff").unwrap();
    bytes.headers.insert("content-encoding", odd);
    assert_problem(&site.send(&bytes).await, 415, "content-encoding");
    assert_eq!(site.events(), []);
}

#[tokio::test]
async fn methods_and_paths_that_are_not_taken() {
    let site = Site::start(FLOWS).await;
    for method in [
        Method::GET,
        Method::HEAD,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
        Method::TRACE,
    ] {
        let answer = site
            .request(method.clone(), "/in/small", HeaderMap::new(), "")
            .await;
        assert_status(&answer, 405);
        assert_eq!(answer.headers["allow"], "POST, PUT", "{method}");
    }
    assert_status(
        &site
            .request(Method::PUT, "/in/small", HeaderMap::new(), "x")
            .await,
        200,
    );
    for path in [
        "/",
        "/in",
        "/in/",
        "/in/other",
        "/v1",
        "/in/small/",
        "/in/small/x",
        "//in/small",
        "/in//small",
        "/IN/small",
        "/in/smal%6c",
        "/in/./small",
        "/in/x/../small",
        "/in/small%00",
        "/in/small;a=b",
    ] {
        assert_problem(
            &site.send(&Call::new(path, &[], "x")).await,
            404,
            "unknown-path",
        );
    }
    assert_eq!(site.events().len(), 1);
}

/// A large body is not read from whoever shows nothing that could make it genuine.
#[tokio::test]
async fn strangers_do_not_get_large_bodies_read() {
    let site = Site::start(
        r#"
systems: { partner: {} }
flows:
  signed:
    system: partner
    receive: { path: /in/signed, verify: { scheme: standard-webhooks, secret: "${env:WHSEC_NEW}" } }
    event: { type: '"t"' }
  bearer:
    system: partner
    receive: { path: /in/bearer, verify: { scheme: bearer, token: "${env:READER}" } }
    event: { id: none, type: '"t"' }
"#,
    )
    .await;
    for path in ["/in/signed", "/in/bearer"] {
        for length in ["content-length: 1000000", "transfer-encoding: chunked"] {
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: t\r\n{length}\r\nexpect: 100-continue\r\n\r\n"
            );
            let answer = raw(site.gateway().address(), head).await;
            assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
            assert!(!answer.contains("100 Continue"), "{answer}");
        }
    }
}
