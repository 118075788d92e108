//! Requests and answers over HTTP/1.1 and HTTP/2, and our own client.

use http::{HeaderMap, StatusCode};
use tidegate_gateway::http::{Client, ClientError, ClientSettings};

use crate::support::{BODY_MAX, http2_to, post, raw, serve_default, timely, until_stats};

#[tokio::test]
async fn http1_keeps_the_connection() {
    let server = serve_default().await;
    let mut raw = raw(&server).await;
    for _ in 0..2 {
        raw.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nhello")
            .await;
        let answer = raw.until("hello").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("content-length: 5\r\n"), "{answer}");
    }
    let stats = until_stats(&server, |stats| stats.in_flight == 0).await;
    assert_eq!(
        (stats.accepted, stats.requests, stats.answers[2]),
        (1, 2, 2)
    );
    assert!(
        stats.bytes_read >= 2 * 50 && stats.bytes_written >= 2 * 50,
        "{stats:?}"
    );
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = serve_default().await;
    let mut raw = raw(&server).await;
    let request =
        |n: usize| format!("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\n{n:03}");
    raw.send((0..100).map(request).collect::<String>()).await;
    for n in 0..100 {
        raw.until(&format!("\r\n\r\n{n:03}")).await;
    }
}

#[tokio::test]
async fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
    let server = serve_default().await;
    let mut raw = raw(&server).await;
    raw.send("GET /who HTTP/1.1\r\nHost: t\r\n\r\nGET /str")
        .await;
    raw.until("content-length: 0\r\n").await;
    raw.send("eam HTTP/1.1\r\nHost: t\r\n\r\n").await;
    raw.until("0\r\n\r\n").await;
}

#[tokio::test]
async fn a_chunked_body_arrives_whole() {
    let server = serve_default().await;
    let mut raw = raw(&server).await;
    raw.send("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    raw.send("3\r\nabc\r\n").await;
    raw.send("5\r\ndefgh\r\n0\r\nDigest: x\r\n\r\n").await;
    raw.until("\r\n\r\nabcdefgh").await;
}

#[tokio::test]
async fn http2_without_tls_by_prior_knowledge() {
    let server = serve_default().await;
    let mut client = http2_to(&server).await;
    let large = vec![b'z'; BODY_MAX];
    let mut again = client.clone();
    let both = tokio::join!(
        post(&mut again, "/", "one"),
        post(&mut client, "/", large.clone())
    );
    assert_eq!(both.0.unwrap(), (StatusCode::OK, "one".into()));
    assert_eq!(both.1.unwrap(), (StatusCode::OK, large.into()));
    let stats = until_stats(&server, |stats| stats.in_flight == 0).await;
    assert_eq!((stats.accepted, stats.answers[2]), (1, 2));
}

#[tokio::test]
async fn a_preface_in_pieces_is_recognised() {
    let server = serve_default().await;
    let mut raw = raw(&server).await;
    raw.send("PRI * HT").await;
    raw.send("TP/2.0\r\n\r\nSM\r\n\r\n").await;
    // An empty SETTINGS frame; the server's own begins with its length, type 4 and stream 0.
    raw.send([0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
    raw.until("\u{4}\0\0\0\0\0").await;
}

#[tokio::test]
async fn a_panic_is_answered_and_counted() {
    let server = serve_default().await;
    let mut raw = raw(&server).await;
    raw.get("/panic").await;
    let answer = raw.until("internal error\n").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    // The connection goes on.
    raw.get("/who").await;
    raw.until("content-length: 0\r\n").await;

    let mut client = http2_to(&server).await;
    let (status, _) = post(&mut client, "/panic", "").await.unwrap();
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    let (status, _) = post(&mut client, "/", "").await.unwrap();
    assert_eq!(status, StatusCode::OK);
    let stats = until_stats(&server, |stats| stats.in_flight == 0).await;
    assert_eq!(
        (stats.panics, stats.answers[5], stats.answers[2]),
        (2, 2, 2)
    );
}

#[tokio::test]
async fn a_stream_comes_in_parts_and_a_broken_one_is_no_whole() {
    let server = serve_default().await;
    let mut raw = raw(&server).await;
    raw.get("/stream").await;
    let answer = raw.until("0\r\n\r\n").await;
    assert!(
        answer.contains("4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n"),
        "{answer}"
    );
    raw.get("/broken").await;
    let answer = raw.rest().await;
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");

    let mut client = http2_to(&server).await;
    let (_, body) = post(&mut client, "/stream", "").await.unwrap();
    assert_eq!(body, "one two three");
    post(&mut client, "/broken", "").await.unwrap_err();
    until_stats(&server, |stats| stats.in_flight == 0).await;
}

#[tokio::test]
async fn rubbish_is_refused_and_counted() {
    let server = serve_default().await;
    let mut raw = raw(&server).await;
    raw.send("\u{1}\u{2}\u{3}\r\n\r\n").await;
    let answer = raw.rest().await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    drop(raw);
    until_stats(&server, |stats| stats.malformed == 1 && stats.open == 0).await;
}

#[tokio::test]
async fn our_client_keeps_one_connection_and_bounds_the_answer() {
    let server = serve_default().await;
    let base = format!("http://{}", server.address());
    let settings = ClientSettings {
        answer_bytes_max: BODY_MAX,
        ..ClientSettings::default()
    };
    let client = Client::new(&base, settings).unwrap();
    for _ in 0..3 {
        let answer = timely(client.post("/", HeaderMap::new(), "hello"))
            .await
            .unwrap();
        assert_eq!(
            (answer.status, &answer.body[..]),
            (StatusCode::OK, &b"hello"[..])
        );
    }
    assert_eq!(server.stats().accepted, 1);
    let error = timely(client.get("/large")).await.unwrap_err();
    assert!(matches!(error, ClientError::Body(_)), "{error:?}");
    let answer = timely(client.get("/panic")).await.unwrap();
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn our_client_connects_anew_after_the_server_closed() {
    let server = serve_default().await;
    let base = format!("http://{}", server.address());
    let client = Client::new(&base, ClientSettings::default()).unwrap();
    for path in ["/stream", "/broken", "/stream"] {
        let answer = timely(client.get(path)).await;
        assert_eq!(answer.is_ok(), path == "/stream", "{answer:?}");
    }
    assert_eq!(server.stats().accepted, 2);
}
