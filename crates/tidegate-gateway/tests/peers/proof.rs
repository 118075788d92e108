//! Who a region is: certificates, and what is not believed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair,
    PKCS_ECDSA_P256_SHA256,
};
use tempfile::TempDir;
use tidegate_core::mirror::{MirrorSettings, MirrorState};
use tidegate_gateway::http::{ClientAuth, ListenerSettings, TlsSettings};
use tidegate_gateway::peer::{PeerError, PeerIdentityFiles, PeerRegion, PeerSettings, Peers};
use tidegate_hub::hub::Hub;

use crate::region::{PATIENCE, open, until};

/// An authority, and files it has issued certificates into.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "regions");
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    /// Issues a certificate for `host`.
    fn issue(&self, host: &str) -> PeerIdentityFiles {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| -> PathBuf { self.folder.path().join(format!("{host}.{end}")) };
        std::fs::write(path("pem"), certificate.pem()).unwrap();
        std::fs::write(path("key"), key.serialize_pem()).unwrap();
        PeerIdentityFiles {
            certificates: path("pem"),
            key: path("key"),
            authorities: self.folder.path().join("ca.pem"),
        }
    }
}

/// A region `east` whose log `west` may have, if it shows a certificate for `west.localhost`.
struct East {
    hub: Arc<Hub>,
    peers: Peers,
    _folder: TempDir,
}

fn listener(files: &PeerIdentityFiles) -> ListenerSettings {
    ListenerSettings {
        tls: Some(TlsSettings {
            certificates: files.certificates.clone(),
            key: files.key.clone(),
            client: ClientAuth::Required(files.authorities.clone()),
        }),
        ..ListenerSettings::new("127.0.0.1:0".parse().unwrap())
    }
}

async fn east(files: &PeerIdentityFiles) -> East {
    let folder = TempDir::new().unwrap();
    let hub = Arc::new(open("east", &folder.path().join("data")));
    let settings = PeerSettings {
        region: "east".to_owned(),
        listener: Some(listener(files)),
        regions: vec![PeerRegion {
            name: "west".to_owned(),
            // Nobody listens there: this side only gives.
            url: "https://west.localhost:1".to_owned(),
        }],
        identity: Some(files.clone()),
        mirror: MirrorSettings::default(),
    };
    let peers = Peers::start(settings, &hub).await.unwrap();
    hub.record("test", "something to copy", &[]);
    East {
        hub,
        peers,
        _folder: folder,
    }
}

/// Follows `east` as `name` with these files, and gives the state that comes of it.
async fn follow(east: &East, name: &str, files: &PeerIdentityFiles, host: &str) -> MirrorState {
    let folder = TempDir::new().unwrap();
    let hub = Arc::new(open(name, &folder.path().join("data")));
    let port = east.peers.address().unwrap().port();
    let settings = PeerSettings {
        region: name.to_owned(),
        listener: None,
        regions: vec![PeerRegion {
            name: "east".to_owned(),
            url: format!("https://{host}:{port}"),
        }],
        identity: Some(files.clone()),
        mirror: MirrorSettings::default(),
    };
    let peers = Peers::start(settings, &hub).await.unwrap();
    let state = until("the mirror gets into a state", || {
        let report = hub.mirrors().of("east")?.report()?;
        let state = report.status().state;
        let has_something = report.status().copied.is_some();
        if state == MirrorState::Following {
            assert!(has_something);
        }
        (state != MirrorState::Starting).then_some(state)
    })
    .await;
    if state != MirrorState::Following {
        assert!(hub.mirrors().of("east").unwrap().spans().is_empty());
    }
    peers.stop(PATIENCE).await;
    state
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_proves_itself_is_given_frames_and_nobody_else() {
    let authority = Authority::new();
    let east = east(&authority.issue("localhost")).await;
    let west = authority.issue("west.localhost");
    let state = follow(&east, "west", &west, "localhost").await;
    assert_eq!(state, MirrorState::Following);

    // A good certificate of another region does not speak for this one.
    let north = authority.issue("north.localhost");
    let state = follow(&east, "west", &north, "localhost").await;
    assert_eq!(state, MirrorState::Refused);

    // A region that is not in the configuration.
    let state = follow(&east, "north", &north, "localhost").await;
    assert_eq!(state, MirrorState::Refused);

    // A certificate of another authority, for the right name: each side refuses the other.
    let stranger = Authority::new();
    let mut forged = stranger.issue("west.localhost");
    let state = follow(&east, "west", &forged, "localhost").await;
    assert_eq!(state, MirrorState::Refused);
    // Now it believes east, and east does not believe it.
    forged.authorities = west.authorities.clone();
    let state = follow(&east, "west", &forged, "localhost").await;
    assert_eq!(state, MirrorState::Refused);
    // Whoever was refused has confirmed nothing.
    assert!(east.hub.remote().peers().keys().all(|it| it == "west"));
    east.peers.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_whose_certificate_is_for_another_host_is_not_followed() {
    let authority = Authority::new();
    // It answers at localhost, and its certificate is for somebody else.
    let east = east(&authority.issue("north.localhost")).await;
    let west = authority.issue("west.localhost");
    let state = follow(&east, "west", &west, "localhost").await;
    assert_eq!(state, MirrorState::Refused);
    east.peers.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_encrypted_address_needs_something_to_prove_ourselves_with() {
    let folder = TempDir::new().unwrap();
    let hub = Arc::new(open("west", &folder.path().join("data")));
    for (url, wrong) in [
        ("https://localhost:1", "listen.peer.tls"),
        ("ftp://localhost:1", "no address such as"),
        ("https://localhost:1/path", "no address such as"),
        ("not a url", "no URL"),
    ] {
        let settings = PeerSettings {
            region: "west".to_owned(),
            listener: None,
            regions: vec![PeerRegion {
                name: "east".to_owned(),
                url: url.to_owned(),
            }],
            identity: None,
            mirror: MirrorSettings::default(),
        };
        match Peers::start(settings, &hub).await {
            Err(PeerError::Address { source, .. }) => {
                assert!(source.to_string().contains(wrong), "{source}");
            }
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_proves_itself_sends_nothing_in_the_clear() {
    let authority = Authority::new();
    let folder = TempDir::new().unwrap();
    let hub = Arc::new(open("west", &folder.path().join("data")));
    let settings = PeerSettings {
        region: "west".to_owned(),
        listener: None,
        regions: vec![PeerRegion {
            name: "east".to_owned(),
            url: "http://localhost:1".to_owned(),
        }],
        identity: Some(authority.issue("west.localhost")),
        mirror: MirrorSettings::default(),
    };
    match Peers::start(settings, &hub).await {
        Err(PeerError::Address { source, .. }) => {
            assert!(source.to_string().contains("not encrypted"), "{source}");
        }
        other => panic!("{other:?}"),
    }
}
