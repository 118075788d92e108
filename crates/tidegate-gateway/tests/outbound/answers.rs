//! Servers that are slow, half-open, wrong or excessive.

use std::time::Duration;

use http::{Method, StatusCode};
use tidegate_core::log::entry::Blame;
use tidegate_gateway::outbound::{BodyEnd, FailureKind, Request, Sent};

use crate::support::{Act, OK, Server, endpoint, post, post_to, send, transport};

fn answering(text: &str) -> Vec<Act> {
    vec![Act::Read, Act::Write(text.as_bytes().to_vec())]
}

async fn check_failure(script: Vec<Act>, kind: FailureKind, sent: Sent) {
    let server = Server::new(vec![script]).await;
    let endpoint = endpoint(&server.url());
    let request = Request {
        timeout: Duration::from_millis(500),
        ..post(&endpoint, "{}")
    };
    let failure = send(&transport(), &endpoint, &request).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (kind, sent), "{failure}");
    assert_eq!(failure.blame(), Blame::Them);
}

#[tokio::test]
async fn an_answer_and_what_was_asked() {
    let server = Server::always(OK).await;
    let answer = post_to(&server).await.unwrap();
    assert_eq!(
        (answer.status, &answer.body[..]),
        (StatusCode::OK, &b"ok"[..])
    );
    assert_eq!(answer.body_end, BodyEnd::Whole);
    assert_eq!(answer.remote, server.address);
    let seen = server.seen().remove(0);
    assert!(seen.starts_with("post /hook http/1.1\r\n"), "{seen}");
    assert!(
        seen.contains(&format!("host: {}\r\n", server.address)),
        "{seen}"
    );
    assert!(seen.contains("accept-encoding: identity\r\n") && seen.ends_with("\r\n\r\n{}"));
}

#[tokio::test]
async fn redirects_are_answers() {
    let inside = Server::always(OK).await;
    let text = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {}/\r\nContent-Length: 0\r\n\r\n",
        inside.url()
    );
    let server = Server::always(&text).await;
    assert_eq!(
        post_to(&server).await.unwrap().status,
        StatusCode::TEMPORARY_REDIRECT
    );
    assert_eq!(inside.seen().len(), 0);
}

#[tokio::test]
async fn no_answer_in_time() {
    check_failure(vec![Act::Hang], FailureKind::AnswerTimeout, Sent::Something).await;
    check_failure(
        vec![Act::Read, Act::Hang],
        FailureKind::AnswerTimeout,
        Sent::Something,
    )
    .await;
}

#[tokio::test]
async fn heads_beyond_the_limits() {
    let start = Act::Write(b"HTTP/1.1 200 OK\r\n".to_vec());
    for flood in [b"x: y\r\n".to_vec(), vec![b'x'; 1000]] {
        let script = vec![Act::Read, start.clone(), Act::Flood(flood)];
        check_failure(script, FailureKind::Malformed, Sent::Something).await;
    }
}

#[tokio::test]
async fn what_is_not_http() {
    for garbage in [
        "SSH-2.0-OpenSSH_9\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 abc\r\n\r\n",
        "\0\0\0\0\0\0\0\0\r\n\r\n",
    ] {
        check_failure(answering(garbage), FailureKind::Malformed, Sent::Something).await;
    }
    for framing in [
        "Content-Length: -1",
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: x",
    ] {
        let text = format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n");
        check_failure(answering(&text), FailureKind::Malformed, Sent::Something).await;
    }
}

#[tokio::test]
async fn a_connection_that_ends_after_the_request() {
    check_failure(vec![Act::Read], FailureKind::Closed, Sent::Something).await;
    check_failure(
        vec![Act::Read, Act::Reset],
        FailureKind::Closed,
        Sent::Something,
    )
    .await;
    check_failure(
        answering("HTTP/1.1 200 OK\r\nContent-"),
        FailureKind::Closed,
        Sent::Something,
    )
    .await;
}

#[tokio::test]
async fn a_status_stands_though_its_body_breaks_off() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf";
    for end in [Act::Reset, Act::Hang] {
        let server = Server::new(vec![[answering(head), vec![end]].concat()]).await;
        let endpoint = endpoint(&server.url());
        let request = Request {
            timeout: Duration::from_millis(500),
            ..post(&endpoint, "{}")
        };
        let answer = send(&transport(), &endpoint, &request).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.body_end, BodyEnd::BrokenOff);
    }
}

#[tokio::test]
async fn of_an_endless_body_the_first_bytes_are_kept() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let flood = Act::Flood([b"1000\r\n".as_slice(), &[b'x'; 4096], b"\r\n"].concat());
    let server = Server::new(vec![[answering(head), vec![flood]].concat()]).await;
    let answer = post_to(&server).await.unwrap();
    assert_eq!(
        (answer.body.len(), answer.body_end),
        (16 * 1024, BodyEnd::Cut)
    );
}

#[tokio::test]
async fn more_is_kept_if_it_is_asked_for() {
    let text = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{}",
        "x".repeat(100_000)
    );
    let server = Server::always(&text).await;
    let endpoint = endpoint(&server.url());
    let request = Request {
        answer_bytes_max: 1 << 20,
        ..Request::new(Method::GET, endpoint.locate("/", "").unwrap())
    };
    let answer = send(&transport(), &endpoint, &request).await.unwrap();
    assert_eq!(
        (answer.body.len(), answer.body_end),
        (100_000, BodyEnd::Whole)
    );
    assert!(!server.seen()[0].contains("content-length"));
}

#[tokio::test]
async fn two_answers_to_one_request_do_not_become_the_answer_to_the_next() {
    let twice = format!("{OK}HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    let server = Server::new(vec![answering(&twice), answering(OK)]).await;
    let endpoint = endpoint(&server.url());
    let transport = transport();
    for _ in 0..2 {
        let answer = send(&transport, &endpoint, &post(&endpoint, "{}"))
            .await
            .unwrap();
        assert_eq!(answer.status, StatusCode::OK);
    }
    assert_eq!(transport.stats().opened, 2);
}

#[tokio::test]
async fn what_must_not_be_sent_is_not() {
    let server = Server::always(OK).await;
    let endpoint = endpoint(&server.url());
    let mut smuggling = post(&endpoint, "{}");
    smuggling
        .headers
        .insert("transfer-encoding", "chunked".parse().unwrap());
    let mut moved = post(&endpoint, "{}");
    moved
        .headers
        .insert("host", "other.example".parse().unwrap());
    let tunnel = Request {
        method: Method::CONNECT,
        ..post(&endpoint, "")
    };
    for request in [smuggling, moved, tunnel] {
        let failure = send(&transport(), &endpoint, &request).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.sent),
            (FailureKind::Request, Sent::Nothing)
        );
        assert_eq!(failure.blame(), Blame::Us);
    }
    assert_eq!(server.seen().len(), 0);
}
