//! TLS towards an endpoint: whose certificates are believed, and ours.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::outcome::{FailureKind, cause};
use crate::http::{TlsError, TrustAnchors, authorities, certificates};

/// The certificate we show, for mTLS.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// The chain in PEM, our own certificate first.
    pub certificates: PathBuf,
    /// Its private key in PEM, unencrypted.
    pub key: PathBuf,
}

/// Loads the files.
pub(super) fn connector(
    trust: &TrustAnchors,
    identity: Option<&ClientIdentity>,
) -> Result<TlsConnector, TlsError> {
    let roots = match trust {
        TrustAnchors::Web => {
            RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned())
        }
        TrustAnchors::File(path) => authorities(path)?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = certificates(&identity.certificates)?;
            let key =
                PrivateKeyDer::from_pem_file(&identity.key).map_err(|source| TlsError::Read {
                    path: identity.key.clone(),
                    source,
                })?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|source| TlsError::Pair {
                    certificates: identity.certificates.clone(),
                    key: identity.key.clone(),
                    source,
                })?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What a TLS error means, if `error` has one among its causes.
pub(super) fn kind_of(error: &(dyn std::error::Error + 'static)) -> Option<FailureKind> {
    cause::<rustls::Error>(error).map(kind)
}

fn kind(error: &rustls::Error) -> FailureKind {
    use rustls::AlertDescription as Alert;
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            FailureKind::Certificate
        }
        // In TLS 1.3 a server looks at our certificate after we think the handshake is done, so these
        // may come in place of an answer.
        rustls::Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            // Our certificate's signature fits no authority of theirs with the issuer's name.
            | Alert::DecryptError
            | Alert::AccessDenied,
        ) => FailureKind::ClientCertificate,
        _ => FailureKind::Handshake,
    }
}
