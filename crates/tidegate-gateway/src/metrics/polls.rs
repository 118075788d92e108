//! What flows that poll count.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tidegate_core::log::entry::{Blame, Polled};
use tidegate_core::poll::Fetched;

use super::{FlowLabels, Metrics};
use crate::outbound::aws::SourceError;

/// Upper bounds of `tidegate_poll_seconds`: sources are slower than senders.
const POLL_BUCKETS: [f64; 10] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// All series of polls.
#[derive(Debug)]
pub(super) struct PollFamilies {
    requests: Family<RequestLabels, Counter>,
    items: Family<FlowLabels, Counter>,
    seconds: Family<FlowLabels, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    flow: String,
    system: String,
    outcome: &'static str,
    blame: &'static str,
}

/// The series of one flow.
#[derive(Debug)]
pub(crate) struct PollMetrics {
    flow: FlowLabels,
    requests: Family<RequestLabels, Counter>,
    pub(crate) items: Counter,
    seconds: Histogram,
}

fn histogram() -> Histogram {
    Histogram::new(POLL_BUCKETS)
}

impl Default for PollFamilies {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            items: Family::default(),
            seconds: Family::new_with_constructor(histogram as fn() -> Histogram),
        }
    }
}

impl PollFamilies {
    pub(super) fn register(&self, to: &mut Registry) {
        to.register(
            "polls",
            "Requests to a source, by outcome (page, not-modified or failed) and whose a failure is",
            self.requests.clone(),
        );
        to.register(
            "poll_items",
            "Items of pages that went to the log, those left out and those that were there included",
            self.items.clone(),
        );
        to.register(
            "poll_seconds",
            "From the lookup of a source's name to the last byte of its answer",
            self.seconds.clone(),
        );
    }
}

impl Metrics {
    /// The series of a flow that polls, which go on over reloads.
    pub(crate) fn poll(&self, flow: &str, system: &str) -> PollMetrics {
        let labels = FlowLabels {
            flow: flow.to_owned(),
            system: system.to_owned(),
        };
        let metrics = PollMetrics {
            requests: self.polls.requests.clone(),
            items: self.polls.items.get_or_create_owned(&labels),
            seconds: self.polls.seconds.get_or_create_owned(&labels),
            flow: labels,
        };
        // Shown before the first of them.
        metrics.counter("page", "none");
        metrics
    }
}

impl PollMetrics {
    fn counter(&self, outcome: &'static str, blame: &'static str) -> Counter {
        let labels = RequestLabels {
            flow: self.flow.flow.clone(),
            system: self.flow.system.clone(),
            outcome,
            blame,
        };
        self.requests.get_or_create_owned(&labels)
    }

    /// Counts how a request ended.
    pub(crate) fn polled<B>(&self, fetched: &Fetched<B>) {
        let (outcome, blame) = match fetched {
            Fetched::Page(_) => ("page", "none"),
            Fetched::NotModified { .. } => ("not-modified", "none"),
            Fetched::Failed(failed) => ("failed", failed.blame.name()),
        };
        self.counter(outcome, blame).inc();
    }

    /// Counts a turn of a queue.
    pub(crate) fn queue(&self, error: Option<&SourceError>) {
        let (outcome, blame) = match error {
            None => ("page", "none"),
            Some(SourceError::Call(_)) => ("failed", Blame::Us.name()),
            Some(_) => ("failed", Blame::Them.name()),
        };
        self.counter(outcome, blame).inc();
    }

    /// Counts the items of a page.
    pub(crate) fn counted(&self, polled: &Polled) {
        self.items.inc_by(polled.items.into());
    }

    /// Takes down how long a request took.
    pub(crate) fn took(&self, duration: Duration) {
        self.seconds.observe(duration.as_secs_f64());
    }
}
