//! The public listener's handler: routes a request and bounds how many are under way.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use tidegate_core::log::engine::LogReader;
use tidegate_core::receive::intake::Refusal;
use tidegate_hub::hub::Hub;
use tokio::sync::{Semaphore, watch};

use crate::answer;
use crate::books::Office;
use crate::deliver::Deliveries;
use crate::feeds;
use crate::generation::Generation;
use crate::http::{Handler, Peer, ReplyBody};
use crate::metrics::Metrics;
use crate::offer::Unique;
use crate::receive::receive;
use crate::sample::Sampler;
use crate::services;

/// What the requests of the public listener share.
pub(crate) struct Public {
    pub(crate) generation: ArcSwap<Generation>,
    pub(crate) deliveries: Deliveries,
    pub(crate) hub: Arc<Hub>,
    pub(crate) reader: Arc<dyn LogReader>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) unique: Unique,
    pub(crate) unverified: Sampler,
    /// Whether the node is going down: then everybody is sent away at once.
    pub(crate) draining: watch::Sender<bool>,
    pub(crate) books: Office,
    pub(crate) in_flight: AtomicUsize,
    /// Requests that read a subscription.
    pub(crate) readers: AtomicUsize,
    /// Pages of feeds that may still be asked for.
    pub(crate) feed_readers: Arc<Semaphore>,
    /// Streams of feeds that may still begin.
    pub(crate) streams: Arc<Semaphore>,
    /// What searches of the log for feeds take.
    pub(crate) searches: Arc<Semaphore>,
}

impl fmt::Debug for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Public").finish_non_exhaustive()
    }
}

impl Public {
    /// How long a body may take to arrive.
    pub(crate) fn request_timeout(&self) -> Duration {
        self.generation.load().config.limits.request_timeout
    }
}

/// Counts one more of something, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    /// `None` if there are `max` already.
    pub(crate) fn take(counter: &'a AtomicUsize, max: usize) -> Option<Self> {
        // The guard takes the count back on every way out, this one included.
        let counted = Self(counter);
        (counter.fetch_add(1, Ordering::Relaxed) < max).then_some(counted)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Handler for Public {
    async fn call(&self, request: Request<Incoming>, _peer: &Peer) -> Response<ReplyBody> {
        let generation = self.generation.load_full();
        let max = generation.config.limits.in_flight_max;
        let Some(_counted) = Counted::take(&self.in_flight, max) else {
            self.metrics.shed.inc();
            return answer::overload();
        };
        if *self.draining.borrow() {
            return answer::refused(Refusal::Closing);
        }
        let (parts, body) = request.into_parts();
        if let Some(flow) = generation.flow_at(parts.uri.path()) {
            return receive(self, flow, parts, body).await;
        }
        if parts.uri.path().starts_with(services::PREFIX) {
            return services::call(self, &generation, &parts, body).await;
        }
        if let Some(found) = generation.feed_at(parts.uri.path()) {
            return feeds::call(self, &generation, &found, &parts).await;
        }
        self.metrics.unknown_path.inc();
        answer::problem(
            StatusCode::NOT_FOUND,
            "unknown-path",
            "no flow receives or serves at this path",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_given_back() {
        let counter = AtomicUsize::new(0);
        let first = Counted::take(&counter, 1);
        assert!(first.is_some());
        assert!(Counted::take(&counter, 1).is_none());
        drop(first);
        assert!(Counted::take(&counter, 1).is_some());
        assert_eq!(counter.load(Ordering::Relaxed), 0);
    }
}
