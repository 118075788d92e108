//! Forward proxies, good and bad.

use tidegate_core::log::entry::Blame;
use tidegate_gateway::outbound::{Endpoint, EndpointSettings, FailureKind, ProxySettings, Sent};
use tidegate_types::secret::Secret;

use crate::support::{Act, Names, OK, Server, post, send, transport, with_names};

fn through(proxy: &Server, url: &str) -> EndpointSettings {
    let mut settings = EndpointSettings::new(url);
    settings.proxy = Some(ProxySettings {
        url: proxy.url(),
        credentials: Some(("user".to_owned(), Secret::new("proxy-s3cr3t"))),
    });
    settings
}

#[tokio::test]
async fn plain_requests_carry_the_whole_address() {
    let proxy = Server::always(OK).await;
    let endpoint = Endpoint::new(&through(&proxy, "http://partner.example:8080/v1")).unwrap();
    let names = Names::new(&[]);
    send(&with_names(&names), &endpoint, &post(&endpoint, "{}"))
        .await
        .unwrap();
    let seen = proxy.seen().remove(0);
    assert!(
        seen.starts_with("post http://partner.example:8080/v1/hook http/1.1\r\n"),
        "{seen}"
    );
    assert!(seen.contains("host: partner.example:8080\r\n"), "{seen}");
    assert!(
        seen.contains("proxy-authorization: basic dxnlcjpwcm94es1zm2nym3q=\r\n"),
        "{seen}"
    );
}

#[tokio::test]
async fn our_password_does_not_come_back_from_the_proxy() {
    let echo = "HTTP/1.1 502 X\r\nX-Asked: proxy-authorization: Basic dXNlcjpwcm94eS1zM2NyM3Q=\r\n\
                Content-Length: 20\r\n\r\nuser: proxy-s3cr3t !";
    let proxy = Server::always(echo).await;
    let endpoint = Endpoint::new(&through(&proxy, "http://partner.example")).unwrap();
    let names = Names::new(&[]);
    let answer = send(&with_names(&names), &endpoint, &post(&endpoint, "{}"))
        .await
        .unwrap();
    assert_eq!(
        answer.headers["x-asked"],
        "proxy-authorization: Basic [credential]"
    );
    assert_eq!(&answer.body[..], b"user: [credential] !");
}

/// What becomes of a request to an `https` endpoint when the proxy answers `CONNECT` like this.
async fn tunnelled(script: Vec<Act>) -> (FailureKind, Blame, String) {
    let proxy = Server::new(vec![script]).await;
    let endpoint = Endpoint::new(&through(&proxy, "https://partner.example")).unwrap();
    let names = Names::new(&[]);
    let failure = send(&with_names(&names), &endpoint, &post(&endpoint, "the-body"))
        .await
        .unwrap_err();
    assert_eq!(failure.sent, Sent::Nothing, "{failure}");
    assert!(!failure.to_string().contains("s3cr3t"));
    let seen = proxy.seen().join("");
    assert!(!seen.contains("the-body"), "{seen}");
    (failure.kind, failure.blame(), seen)
}

fn answering(text: &str) -> Vec<Act> {
    vec![Act::Read, Act::Write(text.as_bytes().to_vec())]
}

#[tokio::test]
async fn whose_fault_a_tunnel_is() {
    let (kind, blame, seen) = tunnelled(answering("HTTP/1.1 407 X\r\n\r\n")).await;
    assert_eq!(
        (kind, blame),
        (FailureKind::ProxyAuthentication, Blame::Proxy)
    );
    assert!(
        seen.starts_with("connect partner.example:443 http/1.1\r\nhost: partner.example:443\r\n"),
        "{seen}"
    );
    for (answer, kind, blame) in [
        (
            "HTTP/1.1 403 X\r\n\r\n",
            FailureKind::ProxyRefused,
            Blame::Proxy,
        ),
        (
            "HTTP/1.1 502 X\r\n\r\n",
            FailureKind::ProxyUpstream,
            Blame::Path,
        ),
        (
            "HTTP/1.1 504 X\r\n\r\n",
            FailureKind::ProxyUpstream,
            Blame::Path,
        ),
        (
            "SSH-2.0-x\r\n\r\n",
            FailureKind::ProxyMalformed,
            Blame::Proxy,
        ),
        ("HTTP/1.1 2", FailureKind::ProxyUnreachable, Blame::Proxy),
        (
            "HTTP/1.1 200 X\r\n\r\nnot TLS, whatever it is",
            FailureKind::TunnelTls,
            Blame::Path,
        ),
    ] {
        let found = tunnelled(answering(answer)).await;
        assert_eq!((found.0, found.1), (kind, blame), "{answer}");
    }
    let flood = vec![Act::Read, Act::Flood(vec![b'x'; 1024])];
    assert_eq!(tunnelled(flood).await.0, FailureKind::ProxyMalformed);
}

#[tokio::test]
async fn a_407_in_place_of_an_answer_is_the_proxys() {
    let proxy = Server::always("HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n").await;
    let endpoint = Endpoint::new(&through(&proxy, "http://partner.example")).unwrap();
    let names = Names::new(&[]);
    let failure = send(&with_names(&names), &endpoint, &post(&endpoint, "{}"))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.kind, failure.blame()),
        (FailureKind::ProxyAuthentication, Blame::Proxy)
    );
}

#[tokio::test]
async fn a_proxy_that_is_not_there() {
    let proxy = Server::always(OK).await;
    let mut settings = through(&proxy, "https://partner.example");
    drop(proxy);
    // A port that nobody has: reserved, and never listened on.
    settings.proxy.as_mut().unwrap().url = "http://127.0.0.1:1".to_owned();
    let endpoint = Endpoint::new(&settings).unwrap();
    let failure = send(
        &with_names(&Names::new(&[])),
        &endpoint,
        &post(&endpoint, ""),
    )
    .await
    .unwrap_err();
    assert_eq!(
        (failure.kind, failure.blame()),
        (FailureKind::ProxyUnreachable, Blame::Proxy)
    );
}

#[tokio::test]
async fn the_guard_stands_before_the_proxy() {
    let proxy = Server::always(OK).await;
    for url in [
        "http://169.254.169.254",
        "https://10.0.0.1",
        "http://localhost",
        "http://127.1",
    ] {
        assert!(Endpoint::new(&through(&proxy, url)).is_err(), "{url}");
    }
    let endpoint = Endpoint::new(&through(&proxy, "http://partner.example")).unwrap();
    let names = Names::new(&[&["10.0.0.1"]]);
    let failure = send(&with_names(&names), &endpoint, &post(&endpoint, ""))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Guard);
    assert_eq!(proxy.seen().len(), 0);
}

#[test]
fn proxies_that_cannot_be_used() {
    for url in [
        "",
        "https://proxy.example",
        "socks5://proxy.example",
        "http://user@proxy.example",
    ] {
        let mut settings = EndpointSettings::new("https://partner.example");
        settings.proxy = Some(ProxySettings {
            url: url.to_owned(),
            credentials: None,
        });
        assert!(Endpoint::new(&settings).is_err(), "{url}");
    }
    drop(transport());
}
