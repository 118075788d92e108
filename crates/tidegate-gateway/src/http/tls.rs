//! Certificates: loaded from PEM files, and again without dropping a connection.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

/// The files of a TLS listener.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// The certificate chain in PEM, the server's own certificate first.
    pub certificates: PathBuf,
    /// Its private key in PEM (PKCS #8, PKCS #1 or SEC 1), unencrypted.
    pub key: PathBuf,
    /// What clients have to show.
    pub client: ClientAuth,
}

/// Whether clients show certificates, and the PEM file of the authorities that may issue them.
#[derive(Clone, Debug)]
pub enum ClientAuth {
    /// They are not asked.
    None,
    /// They may. One that is shown must be good.
    Optional(PathBuf),
    /// They must.
    Required(PathBuf),
}

/// Why certificates could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read, or is no PEM.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// A file has no certificate in it.
    #[error("{} holds no PEM certificate", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key are unusable or do not belong together.
    #[error("the certificate {} and the key {} cannot be used together", certificates.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificates: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// An authority's certificate is unusable.
    #[error("{} holds a certificate that cannot be an authority", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The set of authorities is unusable.
    #[error("the authorities in {} cannot be used to verify clients", path.display())]
    Verifier {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: VerifierBuilderError,
    },
    /// The library could not be set up.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

/// The certificates a listener uses now. New connections take what is current; open ones keep theirs.
#[derive(Debug)]
pub struct TlsStore {
    settings: TlsSettings,
    current: RwLock<Arc<ServerConfig>>,
    /// The files' modification times when `current` was loaded.
    loaded: Mutex<Vec<Option<SystemTime>>>,
}

impl TlsStore {
    /// Loads the files.
    ///
    /// # Errors
    ///
    /// See [`TlsError`].
    pub fn load(settings: TlsSettings) -> Result<Self, TlsError> {
        let loaded = Mutex::new(modified(&settings));
        let current = RwLock::new(Arc::new(server_config(&settings)?));
        Ok(Self {
            settings,
            current,
            loaded,
        })
    }

    /// Loads the files again, for connections from now on.
    ///
    /// # Errors
    ///
    /// See [`TlsError`]; then nothing changes.
    pub fn reload(&self) -> Result<(), TlsError> {
        // Looked at before they are read: a change in between is seen the next time.
        let modified = modified(&self.settings);
        let config = Arc::new(server_config(&self.settings)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
        *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) = modified;
        Ok(())
    }

    /// Loads the files again if one has another modification time than when it was loaded; tells
    /// whether it did. Files that were bad are tried again at each call.
    ///
    /// # Errors
    ///
    /// See [`TlsError`]; then nothing changes.
    pub fn reload_if_changed(&self) -> Result<bool, TlsError> {
        let changed =
            *self.loaded.lock().unwrap_or_else(PoisonError::into_inner) != modified(&self.settings);
        if changed {
            self.reload()?;
        }
        Ok(changed)
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl TlsSettings {
    fn files(&self) -> impl Iterator<Item = &Path> {
        let authorities = match &self.client {
            ClientAuth::None => None,
            ClientAuth::Optional(path) | ClientAuth::Required(path) => Some(path.as_path()),
        };
        [self.certificates.as_path(), self.key.as_path()]
            .into_iter()
            .chain(authorities)
    }
}

fn modified(settings: &TlsSettings) -> Vec<Option<SystemTime>> {
    let of = |path: &Path| -> io::Result<SystemTime> { std::fs::metadata(path)?.modified() };
    settings.files().map(|path| of(path).ok()).collect()
}

fn server_config(settings: &TlsSettings) -> Result<ServerConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?;
    let verifier = |path: &PathBuf, required: bool| {
        let roots = Arc::new(authorities(path)?);
        let mut verifier =
            WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
        if !required {
            verifier = verifier.allow_unauthenticated();
        }
        verifier.build().map_err(|source| TlsError::Verifier {
            path: path.clone(),
            source,
        })
    };
    let builder = match &settings.client {
        ClientAuth::None => builder.with_no_client_auth(),
        ClientAuth::Optional(path) => builder.with_client_cert_verifier(verifier(path, false)?),
        ClientAuth::Required(path) => builder.with_client_cert_verifier(verifier(path, true)?),
    };
    let chain = certificates(&settings.certificates)?;
    let key = PrivateKeyDer::from_pem_file(&settings.key).map_err(|source| TlsError::Read {
        path: settings.key.clone(),
        source,
    })?;
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(|source| TlsError::Pair {
            certificates: settings.certificates.clone(),
            key: settings.key.clone(),
            source,
        })?;
    config.alpn_protocols = vec![ALPN_HTTP2.to_vec(), b"http/1.1".to_vec()];
    // Tickets end with the configuration that issued them, so a client whose authority was taken
    // out of the file cannot resume past the change.
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(TlsError::Setup)?;
    Ok(config)
}

/// The certificates of a PEM file, at least one.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let chain = CertificateDer::pem_file_iter(path)
        .map_err(read)?
        .collect::<Result<Vec<_>, _>>()
        .map_err(read)?;
    if chain.is_empty() {
        return Err(TlsError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(chain)
}

/// The authorities of a PEM file.
pub(crate) fn authorities(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|source| TlsError::Authority {
                path: path.to_owned(),
                source,
            })?;
    }
    Ok(roots)
}

/// The name of HTTP/2 in ALPN (RFC 9113, section 3.2).
pub(super) const ALPN_HTTP2: &[u8] = b"h2";
