//! The guard at connect time: what a name points to is what counts, at every connection anew.

use std::sync::Arc;

use tidegate_core::log::entry::Blame;
use tidegate_gateway::outbound::{Endpoint, EndpointSettings, FailureKind, Sent};

use crate::support::{Names, OK, Server, endpoint, post, send, settings, with_names};

/// Sends to a name with these addresses, nothing opened; the server must see nothing.
async fn check_refused(answer: &[&str]) {
    let server = Server::always(OK).await;
    let url = format!("http://partner.example:{}", server.address.port());
    let endpoint = Endpoint::new(&EndpointSettings::new(url)).unwrap();
    let names = Names::new(&[answer]);
    let transport = with_names(&names);
    let failure = send(&transport, &endpoint, &post(&endpoint, "{}"))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.kind, failure.sent),
        (FailureKind::Guard, Sent::Nothing),
        "{answer:?}"
    );
    assert_eq!(failure.blame(), Blame::Us);
    assert_eq!((server.seen().len(), transport.stats().opened), (0, 0));
}

#[tokio::test]
async fn names_that_point_inside() {
    for address in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "fd00:ec2::254",
        "fe80::1",
        "2002:7f00:1::",
        "100.64.0.1",
    ] {
        check_refused(&[address]).await;
    }
}

#[tokio::test]
async fn a_name_that_points_inside_and_outside() {
    check_refused(&["1.1.1.1", "127.0.0.1"]).await;
    check_refused(&["127.0.0.1", "1.1.1.1"]).await;
}

#[tokio::test]
async fn a_name_that_changes_between_connections_is_checked_again() {
    let server =
        Server::always("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    let names = Names::new(&[&["127.0.0.1"], &["10.0.0.1"]]);
    let transport = with_names(&names);
    let endpoint = endpoint(&format!("http://partner.example:{}", server.address.port()));
    send(&transport, &endpoint, &post(&endpoint, "1"))
        .await
        .unwrap();
    let failure = send(&transport, &endpoint, &post(&endpoint, "2"))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Guard);
}

#[tokio::test]
async fn one_lookup_serves_check_and_connection() {
    let server = Server::always(OK).await;
    // A second lookup would be answered with another address.
    let names = Names::new(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let transport = with_names(&names);
    let endpoint = endpoint(&format!(
        "http://rebinding.example:{}",
        server.address.port()
    ));
    let answer = send(&transport, &endpoint, &post(&endpoint, "{}"))
        .await
        .unwrap();
    assert_eq!((answer.remote, names.lookups()), (server.address, 1));
}

#[tokio::test]
async fn an_exception_of_one_endpoint_opens_nothing_for_another() {
    let server = Server::always(OK).await;
    let names = Names::new(&[&["127.0.0.1"]]);
    let transport = with_names(&names);
    let url = format!("http://partner.example:{}", server.address.port());
    let opened = Endpoint::new(&settings(&url)).unwrap();
    send(&transport, &opened, &post(&opened, "{}"))
        .await
        .unwrap();
    let closed: Arc<Endpoint> = Endpoint::new(&EndpointSettings::new(&url)).unwrap();
    let failure = send(&transport, &closed, &post(&closed, "{}"))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Guard);
}

#[test]
fn literal_addresses_are_refused_before_anything_is_sent() {
    for url in [
        "http://127.0.0.1:8080",
        "http://[::1]:8080",
        "http://169.254.169.254/latest",
        "http://2130706433",
        "http://0x7f.1",
        "http://localhost:8080",
        "http://user@1.1.1.1",
        "http://[::ffff:10.0.0.1]",
        "http://1.1.1.1:22",
    ] {
        assert!(Endpoint::new(&EndpointSettings::new(url)).is_err(), "{url}");
    }
}
