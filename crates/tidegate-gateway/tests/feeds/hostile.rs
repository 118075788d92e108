//! Readers who try to get at what is not theirs, or to keep the others from reading.

use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::site::{PATIENCE, Site, cursor, ids, next, problem};

const TWO: &str = "flows:
  stock:
    system: shop
    serve:
      path: /out/stock
      on: [stock.*]
      consumers: { north: { token: \"${env:NORTH}\" }, south: { token: \"${env:SOUTH}\" } }
";

const NORTH: &[(&str, &str)] = &[("authorization", "Bearer NORTH-0123456789abcdef")];
const SOUTH: &[(&str, &str)] = &[("authorization", "Bearer SOUTH-0123456789abcdef")];

/// Pages, and streams, that one consumer may have at once: a quarter of 256.
const OF_ONE: usize = 64;

/// A request of the consumer `north` whose answer nobody reads.
async fn unread(site: &Site, path: &str, accept: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    // The less the kernel takes for the reader, the more the gateway must keep.
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(site.gateway().address()).await.unwrap();
    let token = NORTH[0].1;
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nauthorization: {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// Asks until the answer has this status, and gives its body.
async fn until(site: &Site, (path, accept): (&str, &str), status: &str) -> String {
    let begun = Instant::now();
    loop {
        let mut stream = unread(site, path, accept).await;
        let mut read = vec![0; 1024];
        let count = stream.read(&mut read).await.unwrap();
        let head = String::from_utf8_lossy(&read[..count]).into_owned();
        if head.starts_with(&format!("HTTP/1.1 {status}")) {
            return head;
        }
        assert!(begun.elapsed() < PATIENCE, "no {status}: {head}");
    }
}

#[tokio::test]
async fn long_polls_of_one_consumer_do_not_keep_others_out() {
    let site = Site::start(TWO).await;
    let end = cursor(&site.get_with("/out/stock", NORTH).await);
    let wait = format!("/out/stock?wait=30&cursor={end}");
    let mut waiting = Vec::new();
    for _ in 0..OF_ONE {
        waiting.push(unread(&site, &wait, "*/*").await);
    }
    let refused = until(&site, ("/out/stock", "*/*"), "503").await;
    assert!(refused.contains("retry-after: 2"), "{refused}");
    assert!(refused.contains("\"code\":\"overload\""), "{refused}");
    assert_eq!(site.get_with("/out/stock", SOUTH).await.body, "[]");
    // Once they are answered, there is room again.
    site.publish("stock.changed", "1").await;
    let mut refused = 0;
    for mut stream in waiting {
        let mut status = [0; 12];
        stream.read_exact(&mut status).await.unwrap();
        match &status {
            b"HTTP/1.1 200" => {}
            b"HTTP/1.1 503" => refused += 1,
            other => panic!("{:?}", String::from_utf8_lossy(other)),
        }
    }
    // The question that found no room may have had the place of one that came late.
    assert!(refused <= 1, "{refused} of {OF_ONE} were refused");
    until(&site, ("/out/stock", "*/*"), "200").await;
}

#[tokio::test]
async fn pages_that_are_not_taken_are_bounded() {
    let site = Site::start(TWO).await;
    let large = "x".repeat(900 << 10);
    for number in 0..4 {
        let event = format!(
            r#"{{"specversion":"1.0","id":"{number}","source":"/w","type":"stock.large","data":{{"id":"{large}"}}}}"#
        );
        site.publish_as_it_is(event).await;
    }
    let mut unread_pages = Vec::new();
    for _ in 0..OF_ONE {
        unread_pages.push(unread(&site, "/out/stock", "*/*").await);
    }
    until(&site, ("/out/stock?limit=1", "*/*"), "503").await;
    let other = site.get_with("/out/stock?limit=1", SOUTH).await;
    assert_eq!(ids(&other), [large]);
    drop(unread_pages);
    until(&site, ("/out/stock?limit=1", "*/*"), "200").await;
}

#[tokio::test]
async fn streams_of_one_consumer_do_not_keep_others_out() {
    let site = Site::start(TWO).await;
    let stream = ("/out/stock", "text/event-stream");
    let mut open = Vec::new();
    for _ in 0..OF_ONE {
        open.push(unread(&site, stream.0, stream.1).await);
    }
    until(&site, stream, "503").await;
    let other = [SOUTH[0], ("accept", "text/event-stream")];
    // It is a page that shows whether there is room: a stream would not end.
    assert_eq!(site.get_with("/out/stock", &other[..1]).await.body, "[]");
    drop(open);
    until(&site, stream, "200").await;
}

#[tokio::test]
async fn a_cursor_beyond_all_bounds_is_none_and_a_token_in_the_address_opens_nothing() {
    let site = Site::start(TWO).await;
    site.publish("stock.changed", "1").await;
    let page = site.get_with("/out/stock", NORTH).await;
    let long = format!("/out/stock?cursor={}{}", cursor(&page), "A".repeat(7000));
    problem(&site.get_with(&long, NORTH).await, 400, "cursor-malformed");
    for name in ["token", "access_token", "authorization"] {
        let path = format!("/out/stock?{name}=NORTH-0123456789abcdef");
        problem(&site.get(&path).await, 401, "unknown-consumer");
        let answer = site.get_with(&path, NORTH).await;
        problem(&answer, 400, "invalid-parameter");
        let body = String::from_utf8_lossy(&answer.body);
        assert!(!body.contains("NORTH-0123456789abcdef"), "{body}");
    }
}

#[tokio::test]
async fn a_token_that_was_taken_away_opens_nothing_more_and_its_cursor_works_with_the_new_one() {
    let mut site = Site::start(TWO).await;
    site.publish("stock.changed", "1").await;
    let page = site.get_with("/out/stock", NORTH).await;
    site.publish("stock.changed", "2").await;
    site.reload(&TWO.replace("env:NORTH", "env:NORTH_NEW"), |_| {});
    let refused = site.get_with(&next(&page), NORTH).await;
    problem(&refused, 401, "unknown-consumer");
    let new = [("authorization", "Bearer NORTH_NEW-0123456789abcdef")];
    assert_eq!(ids(&site.get_with(&next(&page), &new).await), ["2"]);
}

#[tokio::test]
async fn data_of_a_sender_ends_no_message_of_a_stream() {
    let site = Site::start(TWO).await;
    // Line breaks between the tokens of JSON, which are kept as they came.
    let event = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/w\",\"type\":\"stock.changed\",\"data\":{\r\n\r\n\"id\":\n\n\"id: forged\"\r\r}}";
    site.publish_as_it_is(event.to_owned()).await;
    site.publish("stock.changed", "2").await;
    let mut stream = unread(&site, "/out/stock", "text/event-stream").await;
    let mut text = String::new();
    while !text.contains("\"id\":\"2\"") {
        let mut part = vec![0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        assert!(count > 0, "{text}");
        text.push_str(&String::from_utf8_lossy(&part[..count]));
    }
    let lines: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("id: "))
        .collect();
    let identities = lines.iter().filter(|line| line.starts_with("id: "));
    assert_eq!(identities.count(), 2, "{text}");
    // Between the two identities there is nothing but data and one blank line.
    let first = lines[1..].iter().take_while(|line| !line.is_empty());
    let data: String = first
        .map(|line| line.strip_prefix("data: ").expect("only data"))
        .collect();
    let event: serde_json::Value = serde_json::from_str(&data).unwrap();
    assert_eq!(event["data"]["id"], "id: forged");
}
