//! Answers made to exhaust or to confuse whoever reads them.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Method, StatusCode};
use tidegate_gateway::outbound::{Answer, BodyEnd, Failure, FailureKind, Request, Sent};

use crate::support::{Act, OK, Server, endpoint, post, post_to, send, transport, until};

fn write(text: &str) -> Act {
    Act::Write(text.as_bytes().to_vec())
}

/// Posts to a server that reads the request and then does this, with half a second of time.
async fn hurried(acts: &[Act]) -> Result<Answer, Failure> {
    let server = Server::new(vec![[&[Act::Read], acts].concat()]).await;
    let endpoint = endpoint(&server.url());
    let request = Request {
        timeout: Duration::from_millis(500),
        ..post(&endpoint, "{}")
    };
    send(&transport(), &endpoint, &request).await
}

/// Posts to a server that reads the request and then does this, with all the time there is.
async fn patient(acts: &[Act]) -> Result<Answer, Failure> {
    post_to(&Server::new(vec![[&[Act::Read], acts].concat()]).await).await
}

#[tokio::test]
async fn interim_answers_are_passed_over_and_a_storm_of_them_is_ended() {
    let few = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    let answer = patient(&[write(few), write(OK)]).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!answer.headers.contains_key("link"));
    // Not by the time, which would be fifteen seconds of work, but by their bytes.
    for storm in [
        "HTTP/1.1 102 Processing\r\n\r\n".to_owned(),
        format!("HTTP/1.1 103 X\r\nLink: {}\r\n\r\n", "x".repeat(30_000)),
    ] {
        let failure = patient(&[Act::Flood(storm.into_bytes())])
            .await
            .unwrap_err();
        assert_eq!(
            (failure.kind, failure.sent),
            (FailureKind::Malformed, Sent::Something),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn a_change_of_protocol_is_an_answer_and_the_end_of_the_connection() {
    let text = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n";
    let turn = vec![Act::Read, write(text), Act::Flood(b"x".to_vec())];
    let server = Server::new(vec![turn, vec![Act::Read, write(OK)]]).await;
    let (endpoint, transport) = (endpoint(&server.url()), transport());
    let answer = send(&transport, &endpoint, &post(&endpoint, "{}"))
        .await
        .unwrap();
    assert_eq!(answer.status, StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(answer.body.len(), 0);
    let answer = send(&transport, &endpoint, &post(&endpoint, "{}"))
        .await
        .unwrap();
    assert_eq!(
        (answer.status, transport.stats().opened),
        (StatusCode::OK, 2)
    );
}

#[tokio::test]
async fn framing_that_does_not_end() {
    let head = write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (start, flood, kept) in [
        // An extension of a chunk; extensions of every chunk; a size; trailers.
        ("4;", "x".repeat(1000), 0),
        ("", "1;x=yyyyyyyy\r\nb\r\n".to_owned(), 1),
        ("", "0".repeat(1000), 0),
        ("0\r\n", "x: y\r\n".repeat(100), 0),
    ] {
        let acts = [head.clone(), write(start), Act::Flood(flood.into_bytes())];
        let answer = patient(&acts).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        assert_ne!(answer.body_end, BodyEnd::Whole);
        assert!(answer.body.len() >= kept && answer.body.len() < 16 * 1024);
    }
    // The smallest chunks there are do no harm.
    let acts = [head, Act::Flood(b"1\r\nx\r\n".to_vec())];
    let answer = patient(&acts).await.unwrap();
    assert_eq!(
        (answer.body.len(), answer.body_end),
        (16 * 1024, BodyEnd::Cut)
    );
}

#[tokio::test]
async fn headers_that_are_none() {
    for head in [
        "x: a\r\n b\r\n",
        "x: a\0b\r\n",
        "x y: a\r\n",
        ": a\r\n",
        "\r\r\n",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{head}Content-Length: 0\r\n\r\n");
        let failure = patient(&[write(&text)]).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Malformed, "{head:?}");
    }
    let both =
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let turn = vec![Act::Read, write(both), Act::Hang];
    let server = Server::new(vec![turn, vec![Act::Read, write(OK)]]).await;
    let (endpoint, transport) = (endpoint(&server.url()), transport());
    // Whichever length is meant, the connection is not used again.
    for _ in 0..2 {
        let answer = send(&transport, &endpoint, &post(&endpoint, "{}"))
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::OK);
    }
    assert_eq!(transport.stats().opened, 2);
}

#[tokio::test]
async fn compressed_answers_are_kept_as_they_are() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&vec![0; 8 * 1024 * 1024]).unwrap();
    let bomb = bomb.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        bomb.len()
    );
    assert!(bomb.len() < 16 * 1024);
    let answer = patient(&[write(&head), Act::Write(bomb.clone())])
        .await
        .unwrap();
    assert_eq!(
        (answer.body, answer.body_end),
        (bomb.into(), BodyEnd::Whole)
    );
}

#[tokio::test]
async fn an_answer_in_drops_ends_with_the_time() {
    let drops = Act::Drip(b"HTTP/1.1 200 OK\r\nX-Slow: yes\r\n".repeat(100));
    let failure = hurried(&[drops]).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::AnswerTimeout);
    let head = write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    let answer = hurried(&[head, Act::Drip(vec![b'x'; 1000])]).await.unwrap();
    assert_eq!(
        (answer.status, answer.body_end),
        (StatusCode::OK, BodyEnd::BrokenOff)
    );
}

#[tokio::test]
async fn what_comes_without_being_asked_for_ends_the_connection() {
    let unasked = Act::Flood(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n".to_vec());
    let turn = vec![Act::Read, write(OK), unasked];
    let server = Server::new(vec![turn, vec![Act::Read, write(OK)]]).await;
    let (endpoint, transport) = (endpoint(&server.url()), transport());
    for _ in 0..2 {
        let answer = send(&transport, &endpoint, &post(&endpoint, "{}"))
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::OK);
    }
    assert_eq!((transport.stats().opened, server.seen().len()), (2, 2));
}

#[tokio::test]
async fn cookies_are_not_kept() {
    let text = "HTTP/1.1 200 OK\r\nSet-Cookie: session=theirs; Path=/\r\nContent-Length: 0\r\n\r\n";
    let server = Server::always(text).await;
    let (endpoint, transport) = (endpoint(&server.url()), transport());
    for _ in 0..2 {
        send(&transport, &endpoint, &post(&endpoint, "{}"))
            .await
            .unwrap();
    }
    assert!(server.seen().iter().all(|seen| !seen.contains("cookie")));
}

#[tokio::test]
async fn times_and_sizes_beyond_all_bounds_are_cut() {
    let server = Server::always(OK).await;
    let endpoint = endpoint(&server.url());
    let request = Request {
        timeout: Duration::MAX,
        answer_bytes_max: usize::MAX,
        ..Request::new(Method::GET, endpoint.locate("/", "").unwrap())
    };
    let transport =
        tidegate_gateway::outbound::Transport::new(tidegate_gateway::outbound::TransportSettings {
            connect_timeout: Duration::MAX,
            idle_timeout: Duration::MAX,
            lifetime_max: Duration::MAX,
            connections_max: usize::MAX,
            ..Default::default()
        });
    for _ in 0..2 {
        send(&transport, &endpoint, &request).await.unwrap();
    }
    until(|| transport.stats().idle == 1).await;
}
