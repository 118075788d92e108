//! Draining: what is in flight is finished, nobody is accepted, the deadline holds.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::StatusCode;
use tidegate_gateway::http::{Drained, Listener, Workers};
use tokio::net::TcpStream;

use crate::support::{
    Habits, PATIENCE, http2_to, post, raw, serve, settings, timely, until_stats, until_waiting,
};

const NOTHING_CUT: Drained = Drained {
    connections_cut: 0,
    requests_cut: 0,
};

#[tokio::test]
async fn what_is_in_flight_is_finished() {
    let habits = Habits::new();
    let server = serve(settings(), &habits).await;
    let address = server.address();
    let mut idle = raw(&server).await;
    idle.get("/who").await;
    idle.until("\r\n\r\n").await;
    let mut silent = raw(&server).await;
    let mut busy = Vec::new();
    for _ in 0..20 {
        let mut raw = raw(&server).await;
        raw.get("/wait").await;
        busy.push(raw);
    }
    let mut client = http2_to(&server).await;
    let stream = tokio::spawn(async move { (post(&mut client, "/wait", "").await, client) });
    until_waiting(&habits, 21).await;

    let drain = tokio::spawn(server.drain(Instant::now() + PATIENCE));
    // Those without a request are told at once, while the others still wait.
    assert_eq!(idle.rest().await, "");
    assert_eq!(silent.rest().await, "");
    assert!(
        TcpStream::connect(address).await.is_err(),
        "it still accepts"
    );
    drop((idle, silent));
    habits.gate.add_permits(21);
    for mut raw in busy {
        let answer = raw.rest().await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.ends_with("waited"), "{answer}");
    }
    let (answer, mut client) = timely(stream).await.unwrap();
    assert_eq!(answer.unwrap(), (StatusCode::OK, "waited".into()));
    post(&mut client, "/", "").await.unwrap_err();
    assert_eq!(timely(drain).await.unwrap(), NOTHING_CUT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_request_that_was_taken_is_answered() {
    let habits = Habits::new();
    let server = serve(settings(), &habits).await;
    let mut loads = Vec::new();
    for _ in 0..16 {
        let mut raw = raw(&server).await;
        loads.push(tokio::spawn(async move {
            // Until the server says goodbye; every answer must be whole.
            loop {
                raw.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 2\r\n\r\nok")
                    .await;
                let answer = raw.until("\r\n\r\nok").await;
                if answer.contains("connection: close\r\n") {
                    return;
                }
            }
        }));
    }
    until_stats(&server, |stats| stats.answers[2] > 2_000).await;
    let drained = timely(server.drain(Instant::now() + PATIENCE)).await;
    assert_eq!(drained, NOTHING_CUT);
    // A connection that was between two requests was closed without an answer, which its client
    // sees as the end of the connection before the first byte of one: nothing taken is lost.
    for load in loads {
        if let Err(error) = timely(load).await {
            let text = *error.into_panic().downcast::<String>().unwrap();
            let unanswered = text.ends_with("after \"\"") || text.contains("Broken pipe");
            assert!(unanswered, "{text}");
        }
    }
}

#[tokio::test]
async fn the_deadline_cuts_what_is_left() {
    let habits = Habits::new();
    let server = serve(settings(), &habits).await;
    let mut raw = raw(&server).await;
    raw.get("/wait").await;
    let mut client = http2_to(&server).await;
    let stream = tokio::spawn(async move { post(&mut client, "/wait", "").await });
    until_waiting(&habits, 2).await;
    let drained = timely(server.drain(Instant::now() + Duration::from_millis(20))).await;
    assert_eq!(
        drained,
        Drained {
            connections_cut: 2,
            requests_cut: 2
        }
    );
    assert_eq!(raw.rest().await, "");
    timely(stream).await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_server_that_is_dropped_stops() {
    let server = serve(settings(), &Arc::clone(&Habits::new())).await;
    let address = server.address();
    let mut raw = raw(&server).await;
    raw.get("/who").await;
    raw.until("\r\n\r\n").await;
    drop(server);
    assert_eq!(raw.rest().await, "");
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn workers_serve_in_turn_and_drain() {
    let habits = Habits::new();
    let workers = Workers::start(NonZeroUsize::new(2).unwrap()).unwrap();
    let listener = Listener::bind(settings()).await.unwrap();
    let server = listener.serve_on(Arc::clone(&habits), &workers);
    let mut connections = Vec::new();
    for n in 0..4 {
        let mut raw = raw(&server).await;
        raw.get("/thread").await;
        raw.until(&format!("\r\n\r\nhttp-{}", n % 2)).await;
        raw.get("/wait").await;
        connections.push(raw);
    }
    until_waiting(&habits, 4).await;
    let drain = tokio::spawn(server.drain(Instant::now() + PATIENCE));
    habits.gate.add_permits(4);
    for mut raw in connections {
        assert!(raw.rest().await.ends_with("waited"));
    }
    assert_eq!(timely(drain).await.unwrap(), NOTHING_CUT);
}
