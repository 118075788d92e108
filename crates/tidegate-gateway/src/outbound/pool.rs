//! Connections kept between requests.
//!
//! A request in flight holds a permit, and takes a kept connection of its endpoint before it opens
//! one. So an endpoint never has more connections than permits, and only the sum over all
//! endpoints has to be watched: at its limit the connection that lay idle longest is closed.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::http1::SendRequest;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::dial::Dialled;
use super::exchange::Outgoing;
use super::meter::Traffic;

/// Which endpoint a connection belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct EndpointId(u64);

impl EndpointId {
    /// One that no other endpoint of this process has.
    pub(super) fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Relaxed))
    }
}

/// An open connection. Dropping it closes it, whatever is under way on it.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) sender: SendRequest<Outgoing>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) remote: SocketAddr,
    driver: AbortHandle,
    opened: Instant,
    idle_since: Instant,
    open: Arc<AtomicUsize>,
}

/// The figures of a transport's connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Open now.
    pub open: usize,
    /// Of them, without a request.
    pub idle: usize,
    /// Opened so far.
    pub opened: u64,
    /// Requests that went over a kept connection.
    pub reused: u64,
}

/// How long connections are kept, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    pub(super) idle: Duration,
    pub(super) lifetime: Duration,
    pub(super) connections_max: usize,
}

/// The kept connections of all endpoints.
#[derive(Debug)]
pub(super) struct Pool {
    keep: Keep,
    idle: Mutex<Idle>,
    open: Arc<AtomicUsize>,
    opened: AtomicU64,
    reused: AtomicU64,
}

#[derive(Debug, Default)]
struct Idle {
    /// The one that was put back last stands last.
    of: HashMap<EndpointId, VecDeque<Connection>>,
    /// Whether a task looks after them.
    is_swept: bool,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
        self.open.fetch_sub(1, Relaxed);
    }
}

impl Pool {
    pub(super) fn new(keep: Keep) -> Arc<Self> {
        Arc::new(Self {
            keep,
            idle: Mutex::default(),
            open: Arc::default(),
            opened: AtomicU64::new(0),
            reused: AtomicU64::new(0),
        })
    }

    /// The kept connection that was used last, if one is fresh.
    pub(super) fn take(&self, endpoint: EndpointId) -> Option<Connection> {
        let mut idle = self.lock();
        let kept = idle.of.get_mut(&endpoint)?;
        let mut found = None;
        while let Some(connection) = kept.pop_back() {
            if self.is_fresh(&connection) {
                found = Some(connection);
                break;
            }
        }
        if kept.is_empty() {
            idle.of.remove(&endpoint);
        }
        found
    }

    /// Counts a request that goes over a kept connection.
    pub(super) fn count_reuse(&self) {
        self.reused.fetch_add(1, Relaxed);
    }

    /// Makes a new connection one of the pool's, and room for it.
    pub(super) fn admit(&self, new: Dialled) -> Connection {
        while self.open.load(Relaxed) >= self.keep.connections_max && self.close_oldest() {}
        self.open.fetch_add(1, Relaxed);
        self.opened.fetch_add(1, Relaxed);
        let now = Instant::now();
        Connection {
            sender: new.sender,
            traffic: new.traffic,
            remote: new.remote,
            driver: new.driver,
            opened: now,
            idle_since: now,
            open: Arc::clone(&self.open),
        }
    }

    /// Keeps a connection whose exchange ended well.
    pub(super) fn put(self: &Arc<Self>, endpoint: EndpointId, mut connection: Connection) {
        connection.idle_since = Instant::now();
        if !self.is_fresh(&connection) {
            return;
        }
        let mut idle = self.lock();
        idle.of.entry(endpoint).or_default().push_back(connection);
        if !idle.is_swept {
            idle.is_swept = true;
            tokio::spawn(sweep(Arc::downgrade(self), self.keep.idle));
        }
    }

    pub(super) fn stats(&self) -> PoolStats {
        let idle = self.lock().of.values().map(VecDeque::len).sum();
        PoolStats {
            open: self.open.load(Relaxed),
            idle,
            opened: self.opened.load(Relaxed),
            reused: self.reused.load(Relaxed),
        }
    }

    fn is_fresh(&self, connection: &Connection) -> bool {
        !connection.sender.is_closed()
            && connection.idle_since.elapsed() < self.keep.idle
            && connection.opened.elapsed() < self.keep.lifetime
    }

    fn close_oldest(&self) -> bool {
        let mut idle = self.lock();
        let fronts = idle
            .of
            .iter()
            .filter_map(|(id, kept)| Some((*id, kept.front()?.idle_since)));
        let Some((id, _)) = fronts.min_by_key(|(_, since)| *since) else {
            return false;
        };
        let kept = idle.of.get_mut(&id);
        kept.and_then(VecDeque::pop_front).is_some()
    }

    /// Closes what is no longer fresh; tells whether anything is left.
    fn sweep(&self) -> bool {
        let mut idle = self.lock();
        idle.of.retain(|_, kept| {
            kept.retain(|connection| self.is_fresh(connection));
            !kept.is_empty()
        });
        idle.is_swept = !idle.of.is_empty();
        idle.is_swept
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs as long as anything is kept.
async fn sweep(pool: Weak<Pool>, idle: Duration) {
    let mut ticks = tokio::time::interval(idle / 2);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if !pool.upgrade().is_some_and(|pool| pool.sweep()) {
            return;
        }
    }
}
