//! Who is at the other end.

use std::net::SocketAddr;

use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;

use self::name::distinguished_name;

mod name;

/// The other end of a connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address, as the socket tells it.
    pub address: SocketAddr,
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// Who it proved to be, if it showed a client certificate that an accepted authority issued.
    pub identity: Option<PeerIdentity>,
}

/// What a verified client certificate says about its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The subject as in RFC 4514 ("CN=checkout,O=Acme"), most specific first; may be empty.
    pub subject: String,
    /// The DNS names among the subject's alternative names.
    pub dns_names: Vec<String>,
    /// The URIs among them, such as a SPIFFE id.
    pub uris: Vec<String>,
    /// SHA-256 of the public key (DER of SubjectPublicKeyInfo): stays when a certificate is renewed for the same key.
    pub spki_sha256: [u8; 32],
}

impl PeerIdentity {
    /// Reads a certificate the TLS layer has verified; `None` if it cannot be read.
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
        let key = certificate.subject_public_key_info();
        Some(Self {
            subject: distinguished_name(certificate.subject()),
            dns_names: certificate.valid_dns_names().map(str::to_owned).collect(),
            uris: certificate.valid_uri_names().map(str::to_owned).collect(),
            spki_sha256: digest(&SHA256, &key).as_ref().try_into().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    #[test]
    fn a_certificate_tells_subject_names_and_key() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["checkout.example".to_owned()]).unwrap();
        params
            .distinguished_name
            .push(DnType::OrganizationName, "Acme, Inc.");
        params
            .distinguished_name
            .push(DnType::CommonName, "checkout");
        let uri = "spiffe://acme/checkout".to_owned();
        params
            .subject_alt_names
            .push(SanType::URI(uri.clone().try_into().unwrap()));
        let certificate = params.self_signed(&key).unwrap();
        let identity = PeerIdentity::of(certificate.der()).unwrap();
        assert!(
            identity.subject.contains("CN=checkout"),
            "{}",
            identity.subject
        );
        assert!(
            identity.subject.contains(r"O=Acme\, Inc."),
            "{}",
            identity.subject
        );
        assert_eq!(identity.dns_names, ["checkout.example"]);
        assert_eq!(identity.uris, [uri]);

        let renewed = CertificateParams::new(Vec::new())
            .unwrap()
            .self_signed(&key)
            .unwrap();
        let again = PeerIdentity::of(renewed.der()).unwrap();
        assert_eq!(identity.spki_sha256, again.spki_sha256);
        let other = CertificateParams::new(Vec::new())
            .unwrap()
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap();
        assert_ne!(
            PeerIdentity::of(other.der()).unwrap().spki_sha256,
            again.spki_sha256
        );
    }

    #[test]
    fn rubbish_is_nobody() {
        assert_eq!(
            PeerIdentity::of(&CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])),
            None
        );
    }
}
