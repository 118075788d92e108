//! TLS, client certificates, and new certificates under open connections.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tidegate_gateway::http::{
    Client, ClientAuth, ClientError, ClientSettings, ListenError, Listener, ListenerSettings,
    Server, TlsSettings, TlsStore, TrustAnchors,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{Habits, Raw, http2, post, raw, serve, settings, timely, until_stats};

/// An authority and files it has issued certificates into.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// The PEM files of one certificate.
#[derive(Clone)]
struct Pair {
    certificates: PathBuf,
    key: PathBuf,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Issues a certificate for `name` into files of that name.
    fn issue(&self, name: &str) -> Pair {
        let pair = Pair {
            certificates: self.folder.path().join(format!("{name}.pem")),
            key: self.folder.path().join(format!("{name}.key")),
        };
        self.issue_into(name, &pair);
        pair
    }

    fn issue_into(&self, name: &str, pair: &Pair) {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(&pair.certificates, certificate.pem()).unwrap();
        std::fs::write(&pair.key, key.serialize_pem()).unwrap();
    }
}

fn tls(pair: &Pair, client: ClientAuth) -> ListenerSettings {
    let Pair { certificates, key } = pair.clone();
    ListenerSettings {
        tls: Some(TlsSettings {
            certificates,
            key,
            client,
        }),
        ..settings()
    }
}

fn connector(authority: &Authority, identity: Option<&Pair>, alpn: &[&[u8]]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(authority.issuer.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let chain = CertificateDer::pem_file_iter(&pair.certificates).unwrap();
            let chain = chain.collect::<Result<_, _>>().unwrap();
            let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

async fn connect(server: &Server, connector: &TlsConnector) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    timely(connector.connect(name, stream)).await.unwrap()
}

/// The common name of the certificate a new connection is shown, as the DER has it in clear text.
async fn shown(server: &Server, authority: &Authority) -> Vec<u8> {
    let stream = connect(server, &connector(authority, None, &[])).await;
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn both_protocols_are_chosen_in_the_handshake() {
    let authority = Authority::new();
    let server = serve(
        tls(&authority.issue("localhost"), ClientAuth::None),
        &Habits::new(),
    )
    .await;

    let stream = connect(&server, &connector(&authority, None, &[b"h2", b"http/1.1"])).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (status, body) = post(&mut http2(stream).await, "/", "over h2")
        .await
        .unwrap();
    assert_eq!((status, &body[..]), (StatusCode::OK, &b"over h2"[..]));

    for alpn in [&[&b"http/1.1"[..]][..], &[]] {
        let mut raw = Raw::new(connect(&server, &connector(&authority, None, alpn)).await);
        raw.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\nh1.1")
            .await;
        raw.until("\r\n\r\nh1.1").await;
    }
}

#[tokio::test]
async fn our_client_believes_the_given_authority_only() {
    let authority = Authority::new();
    let server = serve(
        tls(&authority.issue("localhost"), ClientAuth::None),
        &Habits::new(),
    )
    .await;
    let base = format!("https://localhost:{}", server.address().port());
    let with = |trust| {
        Client::new(
            &base,
            ClientSettings {
                trust,
                ..ClientSettings::default()
            },
        )
    };
    let client = with(TrustAnchors::File(authority.file())).unwrap();
    assert_eq!(
        timely(client.get("/stream")).await.unwrap().body,
        "one two three"
    );
    for trust in [
        TrustAnchors::Web,
        TrustAnchors::File(Authority::new().file()),
    ] {
        let Ok(client) = with(trust) else { continue };
        let error = timely(client.get("/")).await.unwrap_err();
        assert!(matches!(error, ClientError::Connect { .. }), "{error:?}");
    }
    until_stats(&server, |stats| stats.tls_failed >= 1).await;
}

#[tokio::test]
async fn a_required_client_certificate_is_required() {
    let authority = Authority::new();
    let auth = ClientAuth::Required(authority.file());
    let server = serve(tls(&authority.issue("localhost"), auth), &Habits::new()).await;

    let checkout = authority.issue("checkout");
    let mut known = Raw::new(connect(&server, &connector(&authority, Some(&checkout), &[])).await);
    known.get("/who").await;
    known.until("\r\n\r\nCN=checkout").await;

    let elsewhere = Authority::new();
    let stranger = elsewhere.issue("checkout");
    for identity in [None, Some(&stranger)] {
        // In TLS 1.3 the client ends the handshake first and reads of the refusal afterwards.
        let stream = connect(&server, &connector(&authority, identity, &[])).await;
        let mut client = http2(stream).await;
        post(&mut client, "/who", "").await.unwrap_err();
    }
    let stats = until_stats(&server, |stats| stats.tls_failed == 2).await;
    assert_eq!(stats.requests, 1);
}

#[tokio::test]
async fn an_optional_client_certificate_is_optional_and_has_to_be_good() {
    let authority = Authority::new();
    let auth = ClientAuth::Optional(authority.file());
    let server = serve(tls(&authority.issue("localhost"), auth), &Habits::new()).await;
    let checkout = authority.issue("checkout");
    for (identity, subject) in [(None, ""), (Some(&checkout), "CN=checkout")] {
        let stream = connect(&server, &connector(&authority, identity, &[b"h2"])).await;
        let (_, body) = post(&mut http2(stream).await, "/who", "").await.unwrap();
        assert_eq!(body, subject);
    }
    let elsewhere = Authority::new();
    let stranger = elsewhere.issue("checkout");
    let stream = connect(&server, &connector(&authority, Some(&stranger), &[b"h2"])).await;
    post(&mut http2(stream).await, "/who", "")
        .await
        .unwrap_err();
    until_stats(&server, |stats| stats.tls_failed == 1).await;
}

#[tokio::test]
async fn new_certificates_serve_new_connections_and_old_connections_stay() {
    let authority = Authority::new();
    let pair = authority.issue("localhost");
    let server = serve(tls(&pair, ClientAuth::None), &Habits::new()).await;
    let first = shown(&server, &authority).await;
    let mut open = Raw::new(connect(&server, &connector(&authority, None, &[])).await);
    open.get("/stream").await;
    open.until("0\r\n\r\n").await;

    authority.issue_into("localhost", &pair);
    assert!(
        shown(&server, &authority).await == first,
        "nobody has asked for a reload"
    );
    server.reload_certificates().unwrap();
    let second = shown(&server, &authority).await;
    assert!(second != first, "the new certificate is not shown");

    // A key that does not fit keeps what there is.
    authority.issue("other");
    std::fs::copy(pair.key.with_file_name("other.key"), &pair.key).unwrap();
    let error = server.reload_certificates().unwrap_err();
    assert!(error.to_string().contains("localhost.key"), "{error}");
    std::fs::write(&pair.certificates, "no certificate").unwrap();
    server.reload_certificates().unwrap_err();
    assert!(
        shown(&server, &authority).await == second,
        "the last good certificate is gone"
    );

    open.get("/stream").await;
    open.until("0\r\n\r\n").await;
    assert_eq!(server.stats().tls_failed, 0);
}

#[test]
fn files_are_loaded_again_when_one_changes() {
    let authority = Authority::new();
    let pair = authority.issue("localhost");
    let touch = |path: &Path, seconds: u64| {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        File::options()
            .append(true)
            .open(path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    };
    touch(&pair.key, 1);
    let Pair { certificates, key } = pair.clone();
    let client = ClientAuth::Required(authority.file());
    let store = TlsStore::load(TlsSettings {
        certificates,
        key,
        client,
    })
    .unwrap();
    assert!(!store.reload_if_changed().unwrap());
    for path in [&pair.key, &pair.certificates, &authority.file()] {
        touch(path, 2);
        assert!(store.reload_if_changed().unwrap(), "{}", path.display());
        assert!(!store.reload_if_changed().unwrap());
    }
    // A bad file is tried again each time, until it is good.
    let good = std::fs::read(&pair.key).unwrap();
    std::fs::write(&pair.key, "no key").unwrap();
    touch(&pair.key, 3);
    store.reload_if_changed().unwrap_err();
    store.reload_if_changed().unwrap_err();
    std::fs::write(&pair.key, good).unwrap();
    touch(&pair.key, 3);
    assert!(store.reload_if_changed().unwrap());
}

#[tokio::test]
async fn a_handshake_that_does_not_come_is_cut_off_and_holds_up_nobody() {
    let authority = Authority::new();
    let settings = tls(&authority.issue("localhost"), ClientAuth::None);
    let brief = ListenerSettings {
        handshake_timeout: Duration::from_millis(200),
        ..settings
    };
    let server = serve(brief, &Habits::new()).await;
    let mut silent = raw(&server).await;
    shown(&server, &authority).await;
    assert_eq!(silent.rest().await, "");
    until_stats(&server, |stats| stats.tls_failed == 1).await;
}

#[tokio::test]
async fn files_that_cannot_be_used_are_named() {
    let authority = Authority::new();
    let good = authority.issue("localhost");
    let refuse = async |settings| match Listener::bind(settings).await {
        Err(ListenError::Tls { source, .. }) => source.to_string(),
        other => panic!("{other:?}"),
    };
    let missing = Pair {
        certificates: Path::new("/nonexistent/a.pem").into(),
        ..good.clone()
    };
    let error = refuse(tls(&missing, ClientAuth::None)).await;
    assert_eq!(error, "/nonexistent/a.pem cannot be read");
    let empty = Pair {
        certificates: good.key.clone(),
        ..good.clone()
    };
    let error = refuse(tls(&empty, ClientAuth::None)).await;
    assert!(
        error.ends_with("localhost.key holds no PEM certificate"),
        "{error}"
    );
    let error = refuse(tls(&good, ClientAuth::Required(good.key.clone()))).await;
    assert!(
        error.ends_with("localhost.key holds no PEM certificate"),
        "{error}"
    );
}
