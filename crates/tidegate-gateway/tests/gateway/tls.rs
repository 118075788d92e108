//! TLS, client certificates and HTTP/2, as the configuration asks for them.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tidegate_gateway::http::{Client, ClientSettings, TrustAnchors};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::call::{Call, assert_status};
use crate::site::Site;

const FLOWS: &str = r#"
systems: { partner: {} }
flows:
  orders:
    system: partner
    receive: { path: /in/orders, verify: none }
    event: { id: none, type: '"order.created"' }
"#;

const TLS: &str = "listen: { public: { address: 127.0.0.1:0, tls: { cert: localhost.pem, key: localhost.key } }, admin: 127.0.0.1:0 }";
const MUTUAL: &str = "listen: { public: { address: 127.0.0.1:0, tls: { cert: localhost.pem, key: localhost.key, client-ca: ca.pem } }, admin: 127.0.0.1:0 }";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn key() -> KeyPair {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap()
}

/// An authority with `ca.pem` in the folder, and a certificate of the server.
fn authority(folder: &Path) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key()).unwrap();
    std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
    issue(&authority, folder, "localhost");
    authority
}

fn issue(authority: &Authority, folder: &Path, name: &str) {
    let key = key();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

/// Connects with these protocols, and with the certificate `identity` of the folder if one is named.
async fn connect(site: &Site, protocols: &[&[u8]], identity: Option<&str>) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(site.folder().join("ca.pem")).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let chain = CertificateDer::from_pem_file(site.folder().join(format!("{name}.pem")));
            let key = PrivateKeyDer::from_pem_file(site.folder().join(format!("{name}.key")));
            builder
                .with_client_auth_cert(vec![chain.unwrap()], key.unwrap())
                .unwrap()
        }
    };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(site.gateway().address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap()
}

fn order() -> Request<Full<Bytes>> {
    Request::post("https://localhost/in/orders")
        .body(Full::from("{}"))
        .unwrap()
}

#[tokio::test]
async fn events_come_in_over_http_2() {
    let folder = TempDir::new().unwrap();
    authority(folder.path());
    let site = Site::start_in(folder, &format!("{TLS}{FLOWS}")).await;
    let stream = connect(&site, &[b"h2", b"http/1.1"], None).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let answers: Vec<_> = (0..50).map(|_| sender.send_request(order())).collect();
    for answer in answers {
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert!(body.starts_with(b"{\"id\":"), "{body:?}");
    }
    assert_eq!(site.events().len(), 50);
}

/// Without encryption a client that knows speaks HTTP/2 at once.
#[tokio::test]
async fn http_2_needs_no_encryption() {
    let site = Site::start(FLOWS).await;
    let stream = TcpStream::connect(site.gateway().address()).await.unwrap();
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    assert_eq!(
        sender.send_request(order()).await.unwrap().status(),
        StatusCode::OK
    );
    assert_eq!(site.events().len(), 1);
}

#[tokio::test]
async fn only_known_certificates_get_in() {
    let folder = TempDir::new().unwrap();
    let authority_of_theirs = authority(folder.path());
    issue(&authority_of_theirs, folder.path(), "partner");
    let stranger = TempDir::new().unwrap();
    issue(&authority(stranger.path()), folder.path(), "stranger");
    let site = Site::start_in(folder, &format!("{MUTUAL}{FLOWS}")).await;
    for (identity, welcome) in [
        (Some("partner"), true),
        (Some("stranger"), false),
        (None, false),
    ] {
        let stream = connect(&site, &[b"http/1.1"], identity).await;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let answer = sender.send_request(order()).await;
        assert_eq!(answer.is_ok(), welcome, "{identity:?} {answer:?}");
        connection.abort();
    }
    assert_eq!(site.events().len(), 1);
    let failures = site.metric("tidegate_http_tls_failures_total", &[]);
    assert!((failures - 2.0).abs() < 0.1, "{failures}");
}

/// A reload reads the certificates again; one that cannot be read changes nothing.
#[tokio::test]
async fn certificates_are_renewed_by_a_reload() {
    let folder = TempDir::new().unwrap();
    let authority = authority(folder.path());
    let config = format!("{TLS}{FLOWS}");
    let mut site = Site::start_in(folder, &config).await;
    let shown = async |site: &Site| {
        let stream = connect(site, &[], None).await;
        stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let first = shown(&site).await;
    std::fs::write(site.folder().join("localhost.pem"), "no certificate").unwrap();
    assert!(
        site.reload(&config.replace("order.created", "changed"))
            .is_err()
    );
    assert_eq!(shown(&site).await, first);
    issue(&authority, site.folder(), "localhost");
    site.reload(&config).unwrap();
    assert_ne!(shown(&site).await, first);
    let settings = ClientSettings {
        trust: TrustAnchors::File(site.folder().join("ca.pem")),
        ..ClientSettings::default()
    };
    let base = format!("https://localhost:{}", site.gateway().address().port());
    let client = Client::new(&base, settings).unwrap();
    assert_status(&Call::new("/in/orders", &[], "{}").send(&client).await, 200);
    assert_eq!(site.events().pop().unwrap().event.kind, "order.created");
}
