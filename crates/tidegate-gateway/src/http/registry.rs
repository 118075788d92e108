//! All connections of a listener: who is there, what they count, who has waited too long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::OwnedSemaphorePermit;

use super::link::Link;
use super::stats::HttpStats;
use super::watch::{Limits, Verdict, Waiting, Watch};

/// The connections of one listener. Bounded by the listener's permits.
#[derive(Debug)]
pub(super) struct Registry {
    limits: Limits,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    connections: HashMap<u64, (Arc<Link>, Watch)>,
    next: u64,
    closing: bool,
    /// The figures of the listener itself and of connections that are gone.
    past: HttpStats,
}

/// A connection's place in the registry; dropping it leaves, and gives its permit back.
#[derive(Debug)]
pub(super) struct Presence {
    registry: Arc<Registry>,
    id: u64,
    pub(super) link: Arc<Link>,
    _permit: OwnedSemaphorePermit,
}

impl Registry {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here panics half-way through a change.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection that was accepted.
    pub(super) fn enter(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> Presence {
        let link = Arc::new(Link::default());
        let mut inner = self.lock();
        let id = inner.next;
        inner.next += 1;
        inner.past.accepted += 1;
        if inner.closing {
            link.close();
        }
        let watch = Watch::new(Instant::now(), link.glimpse());
        inner.connections.insert(id, (Arc::clone(&link), watch));
        drop(inner);
        Presence {
            registry: Arc::clone(self),
            id,
            link,
            _permit: permit,
        }
    }

    /// Changes the figures that are not a connection's own.
    pub(super) fn count(&self, change: impl FnOnce(&mut HttpStats)) {
        change(&mut self.lock().past);
    }

    /// The figures now.
    pub(super) fn stats(&self) -> HttpStats {
        let inner = self.lock();
        let mut stats = inner.past;
        stats.open = inner.connections.len() as u64;
        for (link, _) in inner.connections.values() {
            link.tally.add_to(&mut stats);
        }
        stats
    }

    /// Looks at every connection and ends those that wait too long.
    pub(super) fn sweep(&self, now: Instant) {
        let mut inner = self.lock();
        let Inner {
            connections, past, ..
        } = &mut *inner;
        for (link, watch) in connections.values_mut() {
            match watch.look(now, link.glimpse(), &self.limits) {
                Verdict::Leave => {}
                Verdict::Expire => link.expire(),
                Verdict::Close => {
                    past.idle_closed += 1;
                    link.close();
                }
                Verdict::Cut(waiting) => {
                    match waiting {
                        Waiting::Handshake => past.tls_failed += 1,
                        Waiting::Head => past.head_timeouts += 1,
                        Waiting::Write => past.write_timeouts += 1,
                        Waiting::Handler | Waiting::Idle | Waiting::Stream | Waiting::Close => {}
                    }
                    link.cut();
                }
            }
        }
    }

    /// Ends every connection, and those to come, once what is in flight is answered.
    pub(super) fn close_all(&self) {
        let mut inner = self.lock();
        inner.closing = true;
        for (link, _) in inner.connections.values() {
            link.close();
        }
    }

    /// Ends every connection at once; tells how many were there and how many requests they had in flight.
    pub(super) fn cut_all(&self) -> (u64, u64) {
        let inner = self.lock();
        let mut stats = HttpStats::default();
        for (link, _) in inner.connections.values() {
            link.tally.add_to(&mut stats);
            link.cut();
        }
        (inner.connections.len() as u64, stats.in_flight)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut inner = self.registry.lock();
        inner.connections.remove(&self.id);
        // With the connection went whatever it had in flight.
        let in_flight = inner.past.in_flight;
        self.link.tally.add_to(&mut inner.past);
        inner.past.in_flight = in_flight;
    }
}
