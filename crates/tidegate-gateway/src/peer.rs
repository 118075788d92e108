//! The link between regions: giving the own log to the others, and following theirs.
//!
//! Each region asks each other one for the frames behind what it has ([`PATH`], a long poll over HTTP/2),
//! checks them, and keeps them as they are ([`tidegate_hub::mirrors`]). What to ask and what to make of
//! an answer is decided by [`tidegate_core::mirror`].
//!
//! - *Who may*: both sides show a certificate of the authorities in `listen.peer.tls.client-ca`. It must
//!   be for the host in the `peer` address of the region that asks, or is asked. So a certificate of
//!   one region opens nothing in the name of another one.
//! - *What*: frames that are synced, and nothing else.
//! - *How much*: a few questions of each region at a time, and each names its bytes. One question at a
//!   time is under way towards each origin, and the next one leaves when its frames are on disk here.

mod asked;
mod client;
mod door;
mod driver;
pub mod rejoin;
mod settings;
mod told;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidegate_hub::hub::Hub;
use tidegate_hub::mirrors::MirrorError;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use self::client::AddressError;
pub use self::settings::{PeerIdentityFiles, PeerRegion, PeerSettings};

use self::client::Link;
use self::door::Door;
use self::driver::Driver;
use crate::http::{ListenError, Listener, Server, TlsError};

/// Where frames are asked for.
pub const PATH: &str = "/peer/v1/log";

/// The link of this region to all others: its listener, and a task for each of them.
#[derive(Debug)]
pub struct Peers {
    address: Option<SocketAddr>,
    server: Mutex<Option<Server>>,
    going_down: watch::Sender<bool>,
    drivers: Mutex<Vec<JoinHandle<()>>>,
}

/// The link between regions could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// Its listener could not be opened.
    #[error("the listener for other regions cannot be opened")]
    Listen(#[source] Box<ListenError>),
    /// The address of a region cannot be used.
    #[error("the region {region} cannot be followed")]
    Address {
        /// Which.
        region: String,
        /// Why.
        source: AddressError,
    },
    /// The mirror of a region cannot be kept.
    #[error("the mirror of {region} cannot be kept")]
    Mirror {
        /// Which.
        region: String,
        /// Why.
        source: Box<MirrorError>,
    },
}

impl Peers {
    /// Opens the listener and begins to follow every other region. To be called on a runtime.
    ///
    /// # Errors
    /// See [`PeerError`]. A region that cannot be reached is no error: it is tried again.
    pub async fn start(settings: PeerSettings, hub: &Arc<Hub>) -> Result<Self, PeerError> {
        let (going_down, stopped) = watch::channel(false);
        let mut peers = Self {
            address: None,
            server: Mutex::default(),
            going_down,
            drivers: Mutex::default(),
        };
        let mut drivers = Vec::with_capacity(settings.regions.len());
        for region in &settings.regions {
            drivers.push(driver(&settings, region, hub)?);
        }
        if let Some(listener) = settings.listener.clone() {
            let secured = listener.tls.is_some();
            let bound = Listener::bind(listener).await;
            let listener = bound.map_err(|error| PeerError::Listen(Box::new(error)))?;
            peers.address = Some(listener.address());
            let door = Door::new(&settings, secured, Arc::clone(hub), stopped.clone());
            let server = listener.serve(Arc::new(door));
            *peers
                .server
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner) = Some(server);
        }
        let tasks = drivers
            .into_iter()
            .map(|driver| tokio::spawn(driver.run(stopped.clone())));
        *peers
            .drivers
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner) = tasks.collect();
        Ok(peers)
    }

    /// The address of the listener, with the port the system chose if it was left open.
    #[must_use]
    pub const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Loads the certificates of the listener again. Those that are shown to others are read anew for each
    /// connection.
    ///
    /// # Errors
    /// See [`TlsError`]; then the old certificates stay.
    pub fn reload_certificates(&self) -> Result<(), TlsError> {
        let server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        server.as_ref().map_or(Ok(()), Server::reload_certificates)
    }

    /// Follows nobody any more and answers nobody; what is being stored is finished. Waits at most
    /// `within`. Nothing to do the second time.
    pub async fn stop(&self, within: Duration) {
        self.going_down.send_replace(true);
        let (server, drivers) = {
            let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
            let mut drivers = self.drivers.lock().unwrap_or_else(PoisonError::into_inner);
            (server.take(), std::mem::take(&mut *drivers))
        };
        let deadline = Instant::now() + within;
        let drained = async {
            if let Some(server) = server {
                server.drain(deadline).await;
            }
        };
        let ended = async {
            for driver in drivers {
                if driver.await.is_err() {
                    tracing::error!("a task that follows another region ended by a panic");
                }
            }
        };
        let both = async { tokio::join!(drained, ended) };
        if tokio::time::timeout(within, both).await.is_err() {
            tracing::warn!("a mirror was still being written when the node went down");
        }
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        self.going_down.send_replace(true);
    }
}

fn driver(
    settings: &PeerSettings,
    region: &PeerRegion,
    hub: &Arc<Hub>,
) -> Result<Driver, PeerError> {
    let failed = |source| PeerError::Address {
        region: region.name.clone(),
        source,
    };
    let link = Link::new(region, settings).map_err(failed)?;
    let writer = hub.mirrors().writer(&region.name);
    let writer = writer.map_err(|source| PeerError::Mirror {
        region: region.name.clone(),
        source: Box::new(source),
    })?;
    let busy = || AddressError::Twice {
        region: region.name.clone(),
    };
    let writer = writer.ok_or_else(busy).map_err(failed)?;
    Ok(Driver::new(Arc::clone(hub), settings.mirror, link, writer))
}
