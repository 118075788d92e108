//! What the link between regions is told by a configuration.

use std::path::Path;
use std::time::Duration;

use tidegate_config::Config;
use tidegate_core::mirror::MirrorSettings;

use super::listener_settings;
use crate::http::ListenerSettings;
use crate::peer::{PeerIdentityFiles, PeerRegion, PeerSettings};

/// Connections of the listener for other regions: each has one, and a second one while it reconnects.
const CONNECTIONS_MAX: u32 = 64;

/// Longer than the longest wait of a question and what its answer takes to be read.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The settings of the link between regions; `None` if this region neither gives its log nor follows
/// others. `folder` is the one that file names are relative to.
#[must_use]
pub fn peer_settings(config: &Config, folder: &Path) -> Option<PeerSettings> {
    let listener = config.listen.peer.as_ref()?;
    let others = config.regions.iter().filter(|it| it.name != config.region);
    let regions = others.filter_map(|region| {
        Some(PeerRegion {
            name: region.name.clone(),
            url: region.peer.clone()?,
        })
    });
    let tls = listener.tls.as_ref();
    let identity = tls.and_then(|tls| {
        Some(PeerIdentityFiles {
            certificates: folder.join(&tls.cert),
            key: folder.join(&tls.key),
            authorities: folder.join(tls.client_ca.as_ref()?),
        })
    });
    Some(PeerSettings {
        region: config.region.clone(),
        listener: Some(ListenerSettings {
            connections_max: CONNECTIONS_MAX,
            request_timeout: REQUEST_TIMEOUT,
            ..listener_settings(config, listener, folder)
        }),
        regions: regions.collect(),
        identity,
        mirror: MirrorSettings::default(),
    })
}
