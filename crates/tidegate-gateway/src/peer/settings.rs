//! What the link between regions is told.

use std::path::PathBuf;

use tidegate_core::mirror::MirrorSettings;

use crate::http::ListenerSettings;

/// What the link is told at its start.
#[derive(Clone, Debug)]
pub struct PeerSettings {
    /// This region.
    pub region: String,
    /// The listener for the others; `None` if nobody follows this region.
    pub listener: Option<ListenerSettings>,
    /// The other regions.
    pub regions: Vec<PeerRegion>,
    /// How this region proves itself to the others; `None` towards plain addresses.
    pub identity: Option<PeerIdentityFiles>,
    /// How mirrors behave.
    pub mirror: MirrorSettings,
}

/// Another region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerRegion {
    /// Its name.
    pub name: String,
    /// Where it gives its log, such as `https://tidegate.us-east-1.example:7402`. The host is also the
    /// name its certificates must be for.
    pub url: String,
}

/// The files with which a region proves itself and by which it believes others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerIdentityFiles {
    /// The certificate chain in PEM, the own certificate first.
    pub certificates: PathBuf,
    /// Its private key in PEM, unencrypted.
    pub key: PathBuf,
    /// The authorities in PEM that issue the certificates of all regions.
    pub authorities: PathBuf,
}
