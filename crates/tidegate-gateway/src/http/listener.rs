//! Accepting connections, and the handle of a running listener.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;

use super::answer::Handler;
use super::connection::Common;
use super::registry::{Presence, Registry};
use super::settings::{BACKLOG, CLOSE_TIMEOUT, ListenerSettings};
use super::stats::HttpStats;
use super::tls::{TlsError, TlsStore};
use super::watch::Limits;
use super::workers::Workers;

/// A socket that listens; connections wait in its backlog until [`Listener::serve`].
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    settings: ListenerSettings,
    tls: Option<Arc<TlsStore>>,
}

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, not ours, or not allowed.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificates cannot be used.
    #[error("cannot speak TLS on {address}")]
    Tls {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: TlsError,
    },
}

/// A listener that runs. Dropping it begins what [`Server::drain`] does, and waits for nothing.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    registry: Arc<Registry>,
    tls: Option<Arc<TlsStore>>,
    permits: Arc<Semaphore>,
    connections_max: u32,
    stop: watch::Sender<bool>,
}

/// The figures of a listener, to be asked for at any time.
#[derive(Debug)]
pub struct Figures(Arc<Registry>);

impl Figures {
    /// The figures now.
    #[must_use]
    pub fn stats(&self) -> HttpStats {
        self.0.stats()
    }
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut at the deadline.
    pub connections_cut: u64,
    /// Requests these had in flight.
    pub requests_cut: u64,
}

impl Listener {
    /// Loads the certificates and opens the socket.
    ///
    /// # Errors
    ///
    /// See [`ListenError`].
    #[expect(
        clippy::unused_async,
        reason = "opening the socket needs a runtime; `async` says so"
    )]
    pub async fn bind(settings: ListenerSettings) -> Result<Self, ListenError> {
        let address = settings.address;
        let tls = settings.tls.clone().map(TlsStore::load).transpose();
        let tls = tls
            .map_err(|source| ListenError::Tls { address, source })?
            .map(Arc::new);
        let open = || {
            let socket = if address.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }?;
            // So that a restart need not wait for old connections to time out.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let socket = socket.listen(BACKLOG)?;
            Ok((socket.local_addr()?, socket))
        };
        let (address, socket) = open().map_err(|source| ListenError::Bind { address, source })?;
        Ok(Self {
            socket,
            address,
            settings,
            tls,
        })
    }

    /// The address it listens on, with the port the system chose if the settings left it open.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts connections from now on and has `handler` answer their requests, on this runtime.
    pub fn serve<H: Handler>(self, handler: Arc<H>) -> Server {
        self.run(handler, Vec::new())
    }

    /// As [`Listener::serve`], with connections dealt out in turn to `workers`.
    ///
    /// For many small requests: they cost less CPU than on one runtime with as many threads.
    pub fn serve_on<H: Handler>(self, handler: Arc<H>, workers: &Workers) -> Server {
        self.run(handler, workers.handles())
    }

    fn run<H: Handler>(self, handler: Arc<H>, workers: Vec<Handle>) -> Server {
        let Self {
            socket,
            address,
            settings,
            tls,
        } = self;
        let connections_max = settings.connections_max.clamp(1, CONNECTIONS_MAX);
        let permits = Arc::new(Semaphore::new(connections_max as usize));
        let limits = Limits::of(&settings);
        let registry = Arc::new(Registry::new(limits));
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(sweep(Arc::downgrade(&registry), limits.interval()));
        if let Some(store) = &tls {
            tokio::spawn(watch_certificates(Arc::downgrade(store), address));
        }
        let common = Common::new(handler, settings, tls.clone(), Arc::clone(&registry));
        let accept = Accept {
            socket,
            permits: Arc::clone(&permits),
            common: Arc::new(common),
            workers,
        };
        tokio::spawn(accept.run(stopped));
        Server {
            address,
            registry,
            tls,
            permits,
            connections_max,
            stop,
        }
    }
}

impl Server {
    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The figures now.
    #[must_use]
    pub fn stats(&self) -> HttpStats {
        self.registry.stats()
    }

    /// A way to ask for the figures from elsewhere, also after the listener is gone.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures(Arc::clone(&self.registry))
    }

    /// Loads the certificates again; nothing to do without TLS. Open connections go on.
    ///
    /// # Errors
    ///
    /// See [`TlsError`]; then the old certificates stay.
    pub fn reload_certificates(&self) -> Result<(), TlsError> {
        self.tls.as_ref().map_or(Ok(()), |store| store.reload())
    }

    /// Stops accepting, answers what is in flight and closes; cuts what is left at `deadline`.
    ///
    /// HTTP/1.1 peers read `Connection: close` with the answer in flight, HTTP/2 peers GOAWAY; idle
    /// connections are closed at once.
    pub async fn drain(self, deadline: Instant) -> Drained {
        self.stop_accepting();
        let deadline = tokio::time::Instant::from_std(deadline);
        let all_gone = self.permits.acquire_many(self.connections_max);
        if tokio::time::timeout_at(deadline, all_gone).await.is_ok() {
            return Drained {
                connections_cut: 0,
                requests_cut: 0,
            };
        }
        let (connections_cut, requests_cut) = self.registry.cut_all();
        // A cut takes one turn of each task; a handler that blocks its thread is not waited for.
        let all_gone = self.permits.acquire_many(self.connections_max);
        tokio::time::timeout(CLOSE_TIMEOUT, all_gone).await.ok();
        Drained {
            connections_cut,
            requests_cut,
        }
    }

    fn stop_accepting(&self) {
        self.stop.send_replace(true);
        self.registry.close_all();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop_accepting();
    }
}

struct Accept<H> {
    socket: TcpListener,
    permits: Arc<Semaphore>,
    common: Arc<Common<H>>,
    workers: Vec<Handle>,
}

impl<H: Handler> Accept<H> {
    /// Accepts until it is told to stop.
    async fn run(self, mut stopped: watch::Receiver<bool>) {
        tokio::select! {
            // An error means that the server is gone, which is the same.
            _ = stopped.wait_for(|stop| *stop) => {}
            () = self.accept_all() => {}
        }
    }

    async fn accept_all(&self) {
        let mut failures = 0;
        let mut workers = self.workers.iter().cycle();
        while let Some(permit) = self.permit().await {
            match self.socket.accept().await {
                Ok((stream, address)) => {
                    failures = 0;
                    let presence = self.common.registry.enter(permit);
                    let common = Arc::clone(&self.common);
                    match workers.next() {
                        None => drop(tokio::spawn(common.run(stream, address, presence))),
                        Some(worker) => hand_over(worker, common, stream, address, presence),
                    }
                }
                Err(error) => {
                    failures += 1;
                    self.common.registry.count(|stats| stats.accept_errors += 1);
                    if let Some(pause) = pause_after(&error, failures) {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            pause_ms = pause.as_millis(),
                            "no connection can be accepted; raise the limit of open files if it is that"
                        );
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }
    }

    /// Leave to accept one more; waits while `connections_max` are open.
    async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(permit);
        }
        self.common.registry.count(|stats| stats.limit_reached += 1);
        tracing::warn!("the limit of open connections is reached; newcomers wait");
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }
}

/// Moves a connection to another runtime, where its readiness is reported from now on.
fn hand_over<H: Handler>(
    worker: &Handle,
    common: Arc<Common<H>>,
    stream: TcpStream,
    address: SocketAddr,
    presence: Presence,
) {
    // A socket that cannot be registered anew is given up, as if it had not been accepted.
    let Ok(stream) = stream.into_std() else {
        return;
    };
    worker.spawn(async move {
        if let Ok(stream) = TcpStream::from_std(stream) {
            common.run(stream, address, presence).await;
        }
    });
}

/// How long to pause after the `failures`th failed accept in a row; `None` if it was about one peer only.
fn pause_after(error: &io::Error, failures: u32) -> Option<Duration> {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    ) {
        return None;
    }
    let doubled = ACCEPT_PAUSE_MIN * 2_u32.pow(failures.saturating_sub(1).min(10));
    Some(doubled.min(ACCEPT_PAUSE_MAX))
}

async fn sweep(registry: Weak<Registry>, every: Duration) {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(registry) = registry.upgrade() else {
            return;
        };
        registry.sweep(Instant::now());
    }
}

async fn watch_certificates(store: Weak<TlsStore>, address: SocketAddr) {
    // They were read a moment ago.
    let start = tokio::time::Instant::now() + CERTIFICATES_INTERVAL;
    let mut interval = tokio::time::interval_at(start, CERTIFICATES_INTERVAL);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(store) = store.upgrade() else { return };
        match tokio::task::spawn_blocking(move || store.reload_if_changed()).await {
            Ok(Ok(true)) => tracing::info!(listener.address = %address, "certificates reloaded"),
            Ok(Err(error)) => tracing::error!(
                listener.address = %address,
                error = &error as &dyn std::error::Error,
                "new certificates cannot be used; the old ones stay"
            ),
            Ok(Ok(false)) | Err(_) => {}
        }
    }
}

/// Far beyond what one process can open; the semaphore's arithmetic stays within `u32`.
const CONNECTIONS_MAX: u32 = 1_000_000;
/// How often the files of certificates are looked at: issuers renew days ahead.
const CERTIFICATES_INTERVAL: Duration = Duration::from_secs(30);
const ACCEPT_PAUSE_MIN: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepting_pauses_for_us_and_not_for_a_peer() {
        let too_many_files = io::Error::from_raw_os_error(24);
        let aborted = io::Error::from(io::ErrorKind::ConnectionAborted);
        assert_eq!(pause_after(&aborted, 1), None);
        assert_eq!(
            pause_after(&too_many_files, 1),
            Some(Duration::from_millis(10))
        );
        assert_eq!(
            pause_after(&too_many_files, 4),
            Some(Duration::from_millis(80))
        );
        assert_eq!(
            pause_after(&too_many_files, u32::MAX),
            Some(ACCEPT_PAUSE_MAX)
        );
    }
}
