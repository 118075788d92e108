//! Feeds, as an operator sees them.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::node::Place;

/// The answer to a request with this target and these headers.
fn asked(address: &str, target: &str, headers: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head =
        format!("GET {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn no_token_of_a_reader_is_logged() {
    let place = Place::new(
        "logging: { level: trace }
systems: { shop: {} }
flows:
  stock:
    system: shop
    serve: { path: /out/stock, on: [\"*\"], consumers: { web: { token: \"${env:TEST_SECRET}\" } } }
",
    );
    let node = place.start();
    let secret = "demo-only-secret-of-the-tests";
    let wrong = "somebody-elses-secret-0123456789";
    for (target, headers, status) in [
        (
            "/out/stock",
            format!("authorization: Bearer {secret}\r\n"),
            "200",
        ),
        (
            "/out/stock",
            format!("authorization: Bearer {wrong}\r\n"),
            "401",
        ),
        ("/out/stock", format!("authorization: {wrong}\r\n"), "401"),
        (&format!("/out/stock?token={secret}"), String::new(), "401"),
        (
            &format!("/out/stock?token={wrong}"),
            format!("authorization: Bearer {secret}\r\n"),
            "400",
        ),
        (
            &format!("/out/stock?cursor={wrong}"),
            format!("authorization: Bearer {secret}\r\n"),
            "400",
        ),
        (&format!("/out/{wrong}"), String::new(), "404"),
    ] {
        let answer = asked(node.public(), target, &headers);
        assert_eq!(answer.split(' ').nth(1), Some(status), "{target} {headers}");
    }
    let admin = node.admin();
    let metrics = asked(admin.trim_start_matches("http://"), "/metrics", "");
    assert!(metrics.contains("tidegate_feed_requests_refused_total"));
    node.signal("TERM");
    let (status, log) = node.wait_with_log();
    assert!(status.success());
    assert!(log.contains("ready"), "{log}");
    for text in [&log, &metrics] {
        assert!(!text.contains(secret) && !text.contains(wrong), "{text}");
    }
}
