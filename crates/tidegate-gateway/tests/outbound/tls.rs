//! Certificates: theirs, not believed for four reasons; ours, wanted and refused; and a tunnel with TLS in it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tempfile::TempDir;
use tidegate_core::log::entry::Blame;
use tidegate_gateway::http::TrustAnchors;
use tidegate_gateway::outbound::{
    Answer, ClientIdentity, Endpoint, EndpointSettings, Failure, FailureKind, ProxySettings, Sent,
    Transport, TransportSettings,
};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::{
    Act, Names, OK, Server, post, read_request, send, settings, splice, with_names,
};

/// An authority with a folder of PEM files.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
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

    fn issue(&self, name: &str, year_of_end: i32) -> ClientIdentity {
        self.issue_for(&[name.to_owned()], year_of_end)
    }

    fn issue_for(&self, names: &[String], year_of_end: i32) -> ClientIdentity {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::new(names.to_vec()).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year_of_end, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let name = &names[0];
        let pair = ClientIdentity {
            certificates: self.folder.path().join(format!("{name}.pem")),
            key: self.folder.path().join(format!("{name}.key")),
        };
        std::fs::write(&pair.certificates, certificate.pem()).unwrap();
        std::fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    }

    /// A server that shows `pair`, and asks for certificates of this authority if `asks`.
    async fn serve(&self, pair: &ClientIdentity, asks: bool) -> SocketAddr {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if asks {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let chain = CertificateDer::pem_file_iter(&pair.certificates).unwrap();
        let key = PrivateKeyDer::from_pem_file(&pair.key).unwrap();
        let config = builder
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    while read_request(&mut stream).await.is_some() {
                        stream.write_all(OK.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        address
    }
}

fn towards(address: SocketAddr, trusted: &Authority) -> EndpointSettings {
    let mut settings = settings(&format!("https://partner.example:{}", address.port()));
    settings.trust = TrustAnchors::File(trusted.file());
    settings
}

async fn send_to(settings: &EndpointSettings) -> Result<Answer, Failure> {
    let endpoint = Endpoint::new(settings).unwrap();
    let names = Names::new(&[&["127.0.0.1"]]);
    send(&with_names(&names), &endpoint, &post(&endpoint, "{}")).await
}

#[tokio::test]
async fn a_good_certificate_and_four_bad_ones() {
    let (ours, other) = (Authority::new(), Authority::new());
    let good = ours
        .serve(&ours.issue("partner.example", 2090), false)
        .await;
    assert_eq!(send_to(&towards(good, &ours)).await.unwrap().status, 200);

    let expired = ours
        .serve(&ours.issue("partner.example", 2001), false)
        .await;
    let misnamed = ours.serve(&ours.issue("other.example", 2090), false).await;
    let unknown = other
        .serve(&other.issue("partner.example", 2090), false)
        .await;
    for bad in [expired, misnamed, unknown] {
        let failure = send_to(&towards(bad, &ours)).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.sent),
            (FailureKind::Certificate, Sent::Nothing),
            "{failure}"
        );
        assert_eq!(failure.blame(), Blame::Them);
    }
    // The authorities of the public web do not know ours.
    let mut settings = towards(good, &ours);
    settings.trust = TrustAnchors::Web;
    assert_eq!(
        send_to(&settings).await.unwrap_err().kind,
        FailureKind::Certificate
    );
}

#[tokio::test]
async fn our_certificate_is_shown_and_its_refusal_is_our_fault() {
    let (ours, other) = (Authority::new(), Authority::new());
    let asking = ours.serve(&ours.issue("partner.example", 2090), true).await;
    let mut settings = towards(asking, &ours);
    settings.identity = Some(ours.issue("tidegate.example", 2090));
    assert_eq!(send_to(&settings).await.unwrap().status, 200);

    for identity in [None, Some(other.issue("tidegate.example", 2090))] {
        settings.identity = identity;
        let failure = send_to(&settings).await.unwrap_err();
        assert_eq!(
            (failure.kind, failure.blame()),
            (FailureKind::ClientCertificate, Blame::Us),
            "{failure}"
        );
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told_at_once() {
    let ours = Authority::new();
    let mut settings = EndpointSettings::new("https://partner.example");
    settings.trust = TrustAnchors::File(ours.folder.path().join("missing.pem"));
    assert!(Endpoint::new(&settings).is_err());
    settings.trust = TrustAnchors::Web;
    let (one, two) = (
        ours.issue("one.example", 2090),
        ours.issue("two.example", 2090),
    );
    settings.identity = Some(ClientIdentity {
        certificates: one.certificates,
        key: two.key,
    });
    assert!(Endpoint::new(&settings).is_err());
}

#[tokio::test]
async fn a_server_without_tls() {
    // It does not wait for the end of what it takes for a request.
    let answer = Act::Write(OK.as_bytes().to_vec());
    let plain = Server::new(vec![vec![answer]]).await;
    let failure = send_to(&towards(plain.address, &Authority::new()))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.kind, failure.sent),
        (FailureKind::Handshake, Sent::Nothing)
    );
}

#[tokio::test]
async fn through_a_tunnel_the_certificate_is_the_targets() {
    let ours = Authority::new();
    let target = ours
        .serve(&ours.issue("partner.example", 2090), false)
        .await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let proxy = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut inward, _) = listener.accept().await.unwrap();
        let asked = read_request(&mut inward).await.unwrap();
        assert!(asked.starts_with("connect partner.example:"), "{asked}");
        inward
            .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
            .await
            .unwrap();
        let mut outward = TcpStream::connect(target).await.unwrap();
        splice(&mut inward, &mut outward).await;
    });
    let mut settings = towards(target, &ours);
    settings.proxy = Some(ProxySettings {
        url: format!("http://{proxy}"),
        credentials: None,
    });
    let answer = send_to(&settings).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.remote), (200, proxy));
}

#[tokio::test]
async fn a_certificate_with_a_thousand_names_makes_no_long_failure() {
    let authority = Authority::new();
    let names: Vec<String> = (0..1000)
        .map(|number| format!("name-{number}.example"))
        .collect();
    let address = authority
        .serve(&authority.issue_for(&names, 2090), false)
        .await;
    let failure = send_to(&towards(address, &authority)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Certificate);
    assert!(failure.detail.len() <= 512, "{}", failure.detail.len());
}

#[tokio::test]
async fn handshakes_that_do_not_end() {
    let authority = Authority::new();
    // A record that is announced and does not come, and records without content over and over.
    let begun = Act::Write(vec![0x16, 3, 3, 0x40, 0]);
    let empty = Act::Flood(vec![0x16, 3, 3, 0, 0]);
    for script in [vec![Act::Hang], vec![begun, Act::Hang], vec![empty]] {
        let server = Server::new(vec![script]).await;
        let endpoint = Endpoint::new(&towards(server.address, &authority)).unwrap();
        let transport = Transport::new(TransportSettings {
            connect_timeout: Duration::from_millis(500),
            resolver: Names::new(&[&["127.0.0.1"]]),
            ..TransportSettings::default()
        });
        let failure = send(&transport, &endpoint, &post(&endpoint, "{}"))
            .await
            .unwrap_err();
        let kinds = [FailureKind::ConnectTimeout, FailureKind::Handshake];
        assert!(kinds.contains(&failure.kind), "{failure}");
        assert_eq!(failure.sent, Sent::Nothing);
    }
}
