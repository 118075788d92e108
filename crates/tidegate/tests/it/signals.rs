//! How a node ends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::node::{OPEN_FLOW, Place};

/// A request whose body is half sent.
fn half_sent(address: &str, body: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let (first, rest) = body.split_at(body.len() / 2);
    let head = format!(
        "POST /in/open HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(first.as_bytes()).unwrap();
    (stream, rest.to_owned())
}

/// The number at the end of a metric's line.
fn in_flight(node: &crate::node::Node<'_>) -> bool {
    let address = node.admin().replace("http://", "");
    let mut stream = TcpStream::connect(&address).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let mut lines = text
        .lines()
        .filter(|it| it.starts_with("tidegate_http_requests_in_flight"));
    lines.any(|line| !line.ends_with(" 0"))
}

#[test]
fn sigterm_answers_what_is_in_flight_and_loses_nothing() {
    let place = Place::new(OPEN_FLOW);
    let node = place.start();
    let (mut stream, rest) = half_sent(node.public(), r#"{"id":"in flight","kind":"a"}"#);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !in_flight(&node) {
        assert!(
            std::time::Instant::now() < deadline,
            "the request is not seen"
        );
    }
    node.signal("TERM");
    node.line("draining; a second signal ends at once");
    stream.write_all(rest.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(node.wait().code(), Some(0));

    let node = place.start();
    node.sends(
        &["open", "--data", r#"{"id":"in flight","kind":"a"}"#],
        "repeat",
    );
}

#[test]
fn a_second_signal_ends_at_once() {
    let place = Place::new(OPEN_FLOW);
    let node = place.start();
    let (_stream, _rest) = half_sent(node.public(), r#"{"id":"never sent whole","kind":"a"}"#);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !in_flight(&node) {
        assert!(
            std::time::Instant::now() < deadline,
            "the request is not seen"
        );
    }
    node.signal("INT");
    node.line("draining; a second signal ends at once");
    node.signal("TERM");
    assert_eq!(node.wait().code(), Some(1));
}

#[test]
fn the_drain_ends_at_its_limit() {
    let place = Place::new(&format!("limits: {{ drain-timeout: 1s }}\n{OPEN_FLOW}"));
    let node = place.start();
    let (_stream, _rest) = half_sent(node.public(), r#"{"id":"never sent whole","kind":"a"}"#);
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !in_flight(&node) {
        assert!(
            std::time::Instant::now() < deadline,
            "the request is not seen"
        );
    }
    node.signal("TERM");
    node.line("the drain ended before everything was answered; the senders will send again");
    assert_eq!(node.wait().code(), Some(0));
}
