//! What bounds a connection. Limits are short here and waits are on what they cause.

use std::time::Duration;

use http::StatusCode;
use tidegate_gateway::http::ListenerSettings;
use tokio::net::TcpStream;

use crate::support::{
    BODY_MAX, Habits, Raw, http2_to, post, raw, serve, serve_default, settings, until_stats,
};

const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn an_announced_body_that_is_too_large_is_refused_unread() {
    let server = serve_default().await;
    let mut raw = raw(&server).await;
    let length = BODY_MAX + 1;
    raw.send(format!(
        "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n"
    ))
    .await;
    raw.send("Expect: 100-continue\r\n\r\n").await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_client_that_sends_regardless_still_reads_its_413() {
    let server = serve_default().await;
    let mut raw = raw(&server).await;
    let length = 4 * 1024 * 1024;
    raw.send(format!(
        "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: {length}\r\n\r\n"
    ))
    .await;
    // More than sockets buffer: this is only taken if the server goes on reading.
    raw.send(vec![b'x'; length]).await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_chunked_body_is_stopped_at_the_limit() {
    let server = serve_default().await;
    let mut raw = raw(&server).await;
    raw.send("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    let chunk = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    raw.send(chunk.repeat(BODY_MAX / 0x4000 + 1)).await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

    let mut client = http2_to(&server).await;
    let (status, _) = post(&mut client, "/", vec![0; BODY_MAX + 1]).await.unwrap();
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, _) = post(&mut client, "/", vec![0; BODY_MAX]).await.unwrap();
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_to_continue() {
    let server = serve_default().await;
    let mut raw = raw(&server).await;
    raw.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        .await;
    raw.until("HTTP/1.1 100 Continue\r\n\r\n").await;
    raw.send("ok").await;
    let answer = raw.until("\r\n\r\nok").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_408() {
    let server = serve(settings(), &Habits::with_body_within(SHORT)).await;
    let mut raw = raw(&server).await;
    raw.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhel")
        .await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_come_is_cut_off() {
    let slow = ListenerSettings {
        header_read_timeout: SHORT,
        ..settings()
    };
    let server = serve(slow, &Habits::new()).await;
    // One says nothing, one half a head, one half a head after a whole request, one drips.
    let mut silent = raw(&server).await;
    let mut half = raw(&server).await;
    half.send("GET / HT").await;
    let mut second = raw(&server).await;
    second.get("/who").await;
    second.until("\r\n\r\n").await;
    second.send("GET /").await;
    let mut dripping = raw(&server).await;
    dripping.send("GET / HTTP/1.1\r\nX: ").await;
    let dripped = dripping.drip_until_refused(b"y").await;
    assert!(dripped > 1, "{dripped}");
    assert_eq!(silent.rest().await, "");
    assert_eq!(half.rest().await, "");
    assert_eq!(second.rest().await, "");
    let stats = until_stats(&server, |stats| stats.open == 0).await;
    assert_eq!((stats.head_timeouts, stats.malformed), (4, 0));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let brief = ListenerSettings {
        idle_timeout: SHORT,
        ..settings()
    };
    let server = serve(brief, &Habits::new()).await;
    let mut raw = raw(&server).await;
    raw.get("/who").await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut client = http2_to(&server).await;
    post(&mut client, "/", "").await.unwrap();
    drop(raw);
    let stats = until_stats(&server, |stats| stats.open == 0).await;
    assert_eq!(stats.idle_closed, 2);
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_answered_for() {
    let brief = ListenerSettings {
        request_timeout: SHORT,
        ..settings()
    };
    let server = serve(brief, &Habits::new()).await;
    let mut raw = raw(&server).await;
    raw.get("/forever").await;
    let answer = raw.until("too long\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    raw.get("/who").await;
    raw.until("\r\n\r\n").await;
    assert!(answer.contains("retry-after: 5\r\n"), "{answer}");
    let mut client = http2_to(&server).await;
    let (status, _) = post(&mut client, "/forever", "").await.unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    let (status, _) = post(&mut client, "/", "").await.unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(server.stats().request_timeouts, 2);
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_cut_off() {
    let brief = ListenerSettings {
        write_timeout: SHORT,
        ..settings()
    };
    let server = serve(brief, &Habits::new()).await;
    let mut raw = raw(&server).await;
    raw.get("/large").await;
    let stats = until_stats(&server, |stats| stats.accepted == 1 && stats.open == 0).await;
    assert_eq!((stats.write_timeouts, stats.in_flight), (1, 0));
}

#[tokio::test]
async fn a_head_that_is_too_large_is_431() {
    let server = serve_default().await;
    let mut large = raw(&server).await;
    large
        .send(format!(
            "GET / HTTP/1.1\r\nX: {}\r\n\r\n",
            "y".repeat(64 * 1024)
        ))
        .await;
    let answer = large.rest().await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    let mut many = raw(&server).await;
    many.send(format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(101)))
        .await;
    let answer = many.rest().await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    drop((large, many));
    until_stats(&server, |stats| stats.malformed == 2 && stats.open == 0).await;
}

#[tokio::test]
async fn at_the_limit_newcomers_wait_for_a_place() {
    let two = ListenerSettings {
        connections_max: 2,
        ..settings()
    };
    let server = serve(two, &Habits::new()).await;
    let mut first = raw(&server).await;
    first.get("/who").await;
    first.until("\r\n\r\n").await;
    let _second = raw(&server).await;
    let mut third = Raw::new(TcpStream::connect(server.address()).await.unwrap());
    third.get("/who").await;
    let stats = until_stats(&server, |stats| stats.limit_reached > 0).await;
    assert_eq!((stats.accepted, stats.open, stats.requests), (2, 2, 1));
    drop(first);
    third.until("\r\n\r\n").await;
    assert_eq!(server.stats().accepted, 3);
}
