//! What flows that deliver count.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tidegate_core::log::entry::FaultCause;

use super::{FlowLabels, Metrics, ReasonLabels};

/// Upper bounds of `tidegate_deliver_attempt_seconds`.
const ATTEMPT_BUCKETS: [f64; 10] = [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0];

/// All series of flows that deliver.
#[derive(Debug)]
pub(super) struct DeliverFamilies {
    delivered: Family<FlowLabels, Counter>,
    attempts: Family<AttemptLabels, Counter>,
    retries: Family<FlowLabels, Counter>,
    set_aside: Family<ReasonLabels, Counter>,
    replays: Family<ReplayLabels, Counter>,
    seconds: Family<FlowLabels, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabels {
    flow: String,
    system: String,
    outcome: &'static str,
    blame: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReplayLabels {
    flow: String,
    system: String,
    outcome: &'static str,
}

/// The series of one flow.
#[derive(Clone, Debug)]
pub(crate) struct DeliverMetrics {
    flow: String,
    system: String,
    /// Events that were delivered.
    pub(crate) delivered: Counter,
    attempts: Family<AttemptLabels, Counter>,
    retries: Counter,
    causes: Family<ReasonLabels, Counter>,
    /// Events that were set aside, for whatever cause; no series of its own.
    pub(crate) set_aside: Counter,
    /// Replays that were taken, and those that were not.
    replays: [Counter; 2],
    seconds: Histogram,
}

fn attempt_histogram() -> Histogram {
    Histogram::new(ATTEMPT_BUCKETS)
}

impl Default for DeliverFamilies {
    fn default() -> Self {
        Self {
            delivered: Family::default(),
            attempts: Family::default(),
            retries: Family::default(),
            set_aside: Family::default(),
            replays: Family::default(),
            seconds: Family::new_with_constructor(attempt_histogram as fn() -> Histogram),
        }
    }
}

impl DeliverFamilies {
    pub(super) fn register(&self, to: &mut Registry) {
        to.register(
            "deliver_events",
            "Events an endpoint has taken",
            self.delivered.clone(),
        );
        to.register(
            "deliver_attempts",
            "Requests made, by what their end meant and whose a failure was",
            self.attempts.clone(),
        );
        to.register(
            "deliver_retries",
            "Failed attempts that counted, whose event will be sent again",
            self.retries.clone(),
        );
        to.register(
            "deliver_set_aside",
            "Events set aside as faults, by cause",
            self.set_aside.clone(),
        );
        to.register(
            "deliver_replays",
            "Settled events that were sent once more by an operator, by how that ended",
            self.replays.clone(),
        );
        to.register(
            "deliver_attempt_seconds",
            "From the lookup of the name to the last byte of the answer",
            self.seconds.clone(),
        );
    }
}

impl Metrics {
    /// The series of a flow that delivers, which go on over reloads.
    pub(crate) fn deliver(&self, flow: &str, system: &str) -> DeliverMetrics {
        let labels = FlowLabels {
            flow: flow.to_owned(),
            system: system.to_owned(),
        };
        let families = &self.deliver;
        let replays = ["delivered", "failed"].map(|outcome| {
            families.replays.get_or_create_owned(&ReplayLabels {
                flow: flow.to_owned(),
                system: system.to_owned(),
                outcome,
            })
        });
        let metrics = DeliverMetrics {
            flow: flow.to_owned(),
            system: system.to_owned(),
            delivered: families.delivered.get_or_create_owned(&labels),
            attempts: families.attempts.clone(),
            retries: families.retries.get_or_create_owned(&labels),
            causes: families.set_aside.clone(),
            set_aside: Counter::default(),
            replays,
            seconds: families.seconds.get_or_create_owned(&labels),
        };
        // So that they are shown from the start.
        metrics.attempts_of("delivered", "none");
        for cause in [
            FaultCause::Exhausted,
            FaultCause::Rejected,
            FaultCause::Gone,
        ] {
            metrics.set_aside_for(cause.name());
        }
        metrics
    }
}

impl DeliverMetrics {
    /// Counts an attempt that has ended.
    pub(crate) fn attempted(&self, outcome: &'static str, blame: &'static str, took: Duration) {
        self.attempts_of(outcome, blame).inc();
        if !took.is_zero() {
            self.seconds.observe(took.as_secs_f64());
        }
    }

    /// Counts a replay that has ended.
    pub(crate) fn replayed(&self, taken: bool) {
        let [delivered, failed] = &self.replays;
        if taken { delivered } else { failed }.inc();
    }

    /// Counts an event that is set aside.
    pub(crate) fn set_aside(&self, reason: &'static str) {
        self.set_aside_for(reason).inc();
        self.set_aside.inc();
    }

    fn attempts_of(&self, outcome: &'static str, blame: &'static str) -> Counter {
        self.attempts.get_or_create_owned(&AttemptLabels {
            flow: self.flow.clone(),
            system: self.system.clone(),
            outcome,
            blame,
        })
    }

    fn set_aside_for(&self, reason: &'static str) -> Counter {
        self.causes.get_or_create_owned(&ReasonLabels {
            flow: self.flow.clone(),
            system: self.system.clone(),
            reason,
        })
    }

    /// Counts events that will be sent again.
    pub(crate) fn retried(&self, count: usize) {
        self.retries.inc_by(count as u64);
    }
}
