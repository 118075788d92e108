//! Connections kept, dead, old, too many, and not to be had.

use std::sync::Arc;
use std::time::Duration;

use tidegate_core::log::entry::Blame;
use tidegate_gateway::outbound::{
    Endpoint, FailureKind, Request, Sent, Transport, TransportSettings,
};
use tokio::net::TcpListener;

use crate::support::{
    Act, Names, OK, Server, endpoint, post, send, settings, transport, until, with_names,
};

fn ok() -> Act {
    Act::Write(OK.as_bytes().to_vec())
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let server = Server::always(OK).await;
    let endpoint = endpoint(&server.url());
    let transport = transport();
    for _ in 0..5 {
        send(&transport, &endpoint, &post(&endpoint, "{}"))
            .await
            .unwrap();
    }
    let stats = transport.stats();
    assert_eq!(
        (stats.opened, stats.reused, stats.open, stats.idle),
        (1, 4, 1, 1)
    );
}

#[tokio::test]
async fn endpoints_do_not_share_connections() {
    let server = Server::always(OK).await;
    let transport = transport();
    for _ in 0..2 {
        let endpoint = endpoint(&server.url());
        send(&transport, &endpoint, &post(&endpoint, "{}"))
            .await
            .unwrap();
    }
    assert_eq!(transport.stats().opened, 2);
}

#[tokio::test]
async fn a_connection_that_was_closed_in_the_meantime_is_replaced() {
    // The first connection ends after its answer, without having said so.
    let server = Server::new(vec![
        vec![Act::Read, ok()],
        vec![Act::Read, ok(), Act::Hang],
    ])
    .await;
    let endpoint = endpoint(&server.url());
    let transport = transport();
    send(&transport, &endpoint, &post(&endpoint, "1"))
        .await
        .unwrap();
    send(&transport, &endpoint, &post(&endpoint, "2"))
        .await
        .unwrap();
    assert_eq!((server.seen().len(), transport.stats().opened), (2, 2));
}

#[tokio::test]
async fn what_was_sent_over_a_kept_connection_is_not_sent_again() {
    let server = Server::new(vec![
        vec![Act::Read, ok(), Act::Read, Act::Reset],
        vec![Act::Read, ok()],
    ])
    .await;
    let endpoint = endpoint(&server.url());
    let transport = transport();
    send(&transport, &endpoint, &post(&endpoint, "1"))
        .await
        .unwrap();
    let failure = send(&transport, &endpoint, &post(&endpoint, "2"))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.kind, failure.sent),
        (FailureKind::Closed, Sent::Something)
    );
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_ends_the_connection() {
    let early = vec![ok(), Act::Hang];
    let server = Server::new(vec![early, vec![Act::Read, ok(), Act::Hang]]).await;
    let endpoint = endpoint(&server.url());
    let transport = transport();
    // More than socket buffers take.
    let large = "x".repeat(12 << 20);
    let request = Request {
        timeout: Duration::from_secs(2),
        ..post(&endpoint, &large)
    };
    // Whatever it is taken for, it must not spoil the next request.
    send(&transport, &endpoint, &request).await.ok();
    let answer = send(&transport, &endpoint, &post(&endpoint, "2"))
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    assert!(server.seen().last().unwrap().ends_with("\r\n\r\n2"));
}

#[tokio::test]
async fn kept_connections_are_closed_in_time() {
    let server = Server::always(OK).await;
    let endpoint = endpoint(&server.url());
    let transport = Transport::new(TransportSettings {
        idle_timeout: Duration::from_millis(50),
        ..TransportSettings::default()
    });
    send(&transport, &endpoint, &post(&endpoint, "{}"))
        .await
        .unwrap();
    until(|| transport.stats().open == 0).await;
}

#[tokio::test]
async fn an_old_connection_is_not_used_and_the_name_is_looked_up_again() {
    let server = Server::always(OK).await;
    let names = Names::new(&[&["127.0.0.1"]]);
    let transport = Transport::new(TransportSettings {
        lifetime_max: Duration::ZERO,
        resolver: names.clone(),
        ..TransportSettings::default()
    });
    let endpoint = endpoint(&format!("http://moved.example:{}", server.address.port()));
    for _ in 0..2 {
        send(&transport, &endpoint, &post(&endpoint, "{}"))
            .await
            .unwrap();
    }
    assert_eq!(
        (
            names.lookups(),
            transport.stats().opened,
            transport.stats().idle
        ),
        (2, 2, 0)
    );
}

#[tokio::test]
async fn an_endpoint_has_no_more_connections_than_it_may() {
    let server = Server::new(vec![vec![Act::Read, Act::Hang]]).await;
    let mut settings = settings(&server.url());
    settings.connections_max = 2;
    let endpoint = Endpoint::new(&settings).unwrap();
    let transport = Arc::new(transport());
    let request = Request {
        timeout: Duration::from_millis(500),
        ..post(&endpoint, "{}")
    };
    let kinds = futures(&transport, &endpoint, &request, 4).await;
    let count = |kind| kinds.iter().filter(|one| **one == kind).count();
    assert_eq!(count(FailureKind::AnswerTimeout), 2, "{kinds:?}");
    assert_eq!(count(FailureKind::Saturated), 2, "{kinds:?}");
    assert_eq!(FailureKind::Saturated.blame(), Blame::Us);
    assert_eq!(transport.stats().opened, 2);
    until(|| transport.stats().open == 0).await;
}

/// The failures of `count` requests at once.
async fn futures(
    transport: &Arc<Transport>,
    endpoint: &Arc<Endpoint>,
    request: &Request,
    count: usize,
) -> Vec<FailureKind> {
    let tasks: Vec<_> = (0..count)
        .map(|_| {
            let (transport, endpoint, request) =
                (transport.clone(), endpoint.clone(), request.clone());
            tokio::spawn(async move { send(&transport, &endpoint, &request).await })
        })
        .collect();
    let mut kinds = Vec::new();
    for task in tasks {
        kinds.push(task.await.unwrap().unwrap_err().kind);
    }
    kinds
}

#[tokio::test]
async fn at_the_limit_of_all_the_oldest_idle_connection_makes_room() {
    let server = Server::always(OK).await;
    let transport = Transport::new(TransportSettings {
        connections_max: 2,
        ..TransportSettings::default()
    });
    for _ in 0..4 {
        let endpoint = endpoint(&server.url());
        send(&transport, &endpoint, &post(&endpoint, "{}"))
            .await
            .unwrap();
        assert!(transport.stats().open <= 2);
    }
    assert_eq!(transport.stats().opened, 4);
}

#[tokio::test]
async fn a_closed_port_and_a_name_without_address_are_the_paths_fault() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let closed = endpoint(&format!("http://127.0.0.1:{port}"));
    let failure = send(&transport(), &closed, &post(&closed, "{}"))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.kind, failure.sent),
        (FailureKind::ConnectRefused, Sent::Nothing)
    );
    assert_eq!(failure.blame(), Blame::Path);

    let unknown = endpoint("http://unknown.example");
    let names = Names::new(&[]);
    let failure = send(&with_names(&names), &unknown, &post(&unknown, "{}"))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.kind, failure.blame()),
        (FailureKind::Resolve, Blame::Path)
    );
}

#[tokio::test]
async fn the_next_address_is_tried() {
    let server = Server::always(OK).await;
    // Nothing listens at that port of the second loopback address.
    let names = Names::new(&[&["127.0.0.2", "127.0.0.1"]]);
    let endpoint = endpoint(&format!("http://two.example:{}", server.address.port()));
    send(&with_names(&names), &endpoint, &post(&endpoint, "{}"))
        .await
        .unwrap();
}
