//! What is measured, and how it is shown: Prometheus text with the node's tags on every series.
//!
//! The label values are closed: flows and systems of the configuration, and outcomes and reasons
//! from enums. `docs/src/metrics.md` lists every series.

mod collect;
pub(crate) mod deliver;
pub(crate) mod feeds;
pub(crate) mod polls;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tidegate_core::receive::intake::{Answer, Refusal};
use tidegate_core::receive::page::PageOutcome;
use tidegate_types::tags::NodeTags;
use tidegate_types::time::UnixMillis;
use tidegate_wire::signature::Refusal as Unverified;

pub(crate) use collect::{Samples, Scrape};

use crate::answer::Outcome;

/// Upper bounds of `tidegate_receive_seconds`.
const RECEIVE_BUCKETS: [f64; 10] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5,
];

/// All series of the gateway.
pub(crate) struct Metrics {
    registry: Mutex<Registry>,
    events: Family<EventLabels, Counter>,
    refused: Family<ReasonLabels, Counter>,
    unverified: Family<ReasonLabels, Counter>,
    unread: Family<FlowLabels, Counter>,
    seconds: Family<FlowLabels, Histogram, fn() -> Histogram>,
    /// When the last event of each flow came: no series, but it goes on over reloads as they do.
    last_events: Mutex<HashMap<FlowLabels, Arc<AtomicU64>>>,
    reloads: Family<ResultLabels, Counter>,
    feeds: feeds::FeedFamilies,
    deliver: deliver::DeliverFamilies,
    polls: polls::PollFamilies,
    /// Requests to a path where nothing is received.
    pub(crate) unknown_path: Counter,
    /// Requests below `/v1/` without the token of a service.
    pub(crate) unknown_service: Counter,
    /// Requests turned away because too many were under way.
    pub(crate) shed: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FlowLabels {
    flow: String,
    system: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    flow: String,
    system: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    flow: String,
    system: String,
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

/// The series of one flow, looked up once, so that a request only adds.
#[derive(Debug)]
pub(crate) struct FlowMetrics {
    kept: Counter,
    repeats: Counter,
    faults: Counter,
    /// Events the flow's `when` leaves out.
    pub(crate) filtered: Counter,
    /// Requests whose body could not be read or decoded.
    pub(crate) unread: Counter,
    refused: Vec<(&'static str, Counter)>,
    unverified: Vec<(&'static str, Counter)>,
    seconds: Histogram,
    last_event: Arc<AtomicU64>,
}

/// What a flow has counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FlowCounts {
    pub(crate) kept: u64,
    pub(crate) repeats: u64,
    pub(crate) faults: u64,
    pub(crate) filtered: u64,
    pub(crate) refused: u64,
    pub(crate) unverified: u64,
    pub(crate) last_event: Option<UnixMillis>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

fn receive_histogram() -> Histogram {
    Histogram::new(RECEIVE_BUCKETS)
}

impl Metrics {
    pub(crate) fn new(tags: &NodeTags) -> Self {
        let labels = tags
            .pairs()
            .map(|(name, value)| (name.into(), value.to_owned().into()));
        let mut registry = Registry::with_prefix_and_labels("tidegate", labels);
        let metrics = Self {
            registry: Mutex::default(),
            events: Family::default(),
            refused: Family::default(),
            unverified: Family::default(),
            unread: Family::default(),
            seconds: Family::new_with_constructor(receive_histogram as fn() -> Histogram),
            last_events: Mutex::default(),
            reloads: Family::default(),
            feeds: feeds::FeedFamilies::default(),
            deliver: deliver::DeliverFamilies::default(),
            polls: polls::PollFamilies::default(),
            unknown_path: Counter::default(),
            unknown_service: Counter::default(),
            shed: Counter::default(),
        };
        metrics.register(&mut registry);
        Self {
            registry: Mutex::new(registry),
            ..metrics
        }
    }

    fn register(&self, to: &mut Registry) {
        to.register(
            "events",
            "Events offered, by what became of them: kept, repeat, fault or filtered",
            self.events.clone(),
        );
        to.register(
            "events_refused",
            "Events not taken for want of room or a failing disk, by reason",
            self.refused.clone(),
        );
        to.register(
            "requests_unverified",
            "Requests refused because they could not be verified, by reason",
            self.unverified.clone(),
        );
        to.register(
            "requests_unread",
            "Requests whose body was too large, too slow or could not be decoded",
            self.unread.clone(),
        );
        to.register(
            "receive_seconds",
            "From the head of a request to its answer, for events that were offered",
            self.seconds.clone(),
        );
        to.register(
            "config_reloads",
            "Configurations loaded while running, by result: applied or refused",
            self.reloads.clone(),
        );
        to.register(
            "requests_unknown_path",
            "Requests to a path where nothing is received",
            self.unknown_path.clone(),
        );
        to.register(
            "requests_unknown_service",
            "Requests below /v1/ without the token of a service",
            self.unknown_service.clone(),
        );
        to.register(
            "requests_shed",
            "Requests turned away because limits.in-flight-max were under way",
            self.shed.clone(),
        );
        self.feeds.register(to);
        self.deliver.register(to);
        self.polls.register(to);
    }

    /// Has `scrape` called at each exposition.
    pub(crate) fn collect(&self, scrape: Scrape) {
        self.registry().register_collector(Box::new(scrape));
    }

    /// The series of a flow, which go on over reloads.
    pub(crate) fn flow(&self, flow: &str, system: &str) -> FlowMetrics {
        let (flow, system) = (flow.to_owned(), system.to_owned());
        let labels = FlowLabels {
            flow: flow.clone(),
            system: system.clone(),
        };
        let event = |outcome| {
            let labels = EventLabels {
                flow: flow.clone(),
                system: system.clone(),
                outcome,
            };
            self.events.get_or_create_owned(&labels)
        };
        let reason = |family: &Family<ReasonLabels, Counter>, reason| {
            let labels = ReasonLabels {
                flow: flow.clone(),
                system: system.clone(),
                reason,
            };
            (reason, family.get_or_create_owned(&labels))
        };
        FlowMetrics {
            kept: event("kept"),
            repeats: event("repeat"),
            faults: event("fault"),
            filtered: event("filtered"),
            unread: self.unread.get_or_create_owned(&labels),
            refused: Refusal::ALL
                .iter()
                .map(|it| reason(&self.refused, it.name()))
                .collect(),
            unverified: Unverified::CODES
                .iter()
                .map(|it| reason(&self.unverified, it))
                .collect(),
            seconds: self.seconds.get_or_create_owned(&labels),
            last_event: self.last_event(labels),
        }
    }

    fn last_event(&self, flow: FlowLabels) -> Arc<AtomicU64> {
        let mut last_events = self
            .last_events
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(last_events.entry(flow).or_default())
    }

    /// Counts a reload.
    pub(crate) fn reloaded(&self, applied: bool) {
        let result = if applied { "applied" } else { "refused" };
        self.reloads
            .get_or_create_owned(&ResultLabels { result })
            .inc();
    }

    /// The exposition in the OpenMetrics text format 1.0.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        if encode(&mut text, &self.registry()).is_err() {
            text.clear();
        }
        text
    }

    fn registry(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FlowMetrics {
    /// Counts what became of an event.
    pub(crate) fn answered(&self, answer: &Answer, received: UnixMillis) {
        match answer {
            Answer::Kept { .. } => self.kept.inc(),
            Answer::Repeat { .. } | Answer::SetAside { repeat: true, .. } => self.repeats.inc(),
            Answer::SetAside { .. } => self.faults.inc(),
            Answer::Refused(refusal) => return count(&self.refused, refusal.name()),
            Answer::Noted | Answer::Page(_) => return,
        };
        self.last_event.fetch_max(received.0, Ordering::Relaxed);
    }

    /// Counts what became of the events of a page.
    pub(crate) fn page(&self, outcome: PageOutcome, received: UnixMillis) {
        self.kept.inc_by(outcome.kept.into());
        self.repeats.inc_by(outcome.repeats.into());
        self.faults.inc_by(outcome.set_aside.into());
        if outcome != PageOutcome::default() {
            self.last_event.fetch_max(received.0, Ordering::Relaxed);
        }
    }

    /// Counts what became of the events of a request.
    pub(crate) fn answered_all(&self, outcomes: &[Outcome], received: UnixMillis) {
        for outcome in outcomes {
            match outcome {
                Outcome::Answered(answer) => self.answered(answer, received),
                Outcome::Filtered => {
                    self.filtered.inc();
                }
            }
        }
    }

    /// Records how long a request took.
    pub(crate) fn took(&self, time: Duration) {
        self.seconds.observe(time.as_secs_f64());
    }

    /// Counts a request that could not be verified.
    pub(crate) fn unverified(&self, code: &str) {
        count(&self.unverified, code);
    }

    pub(crate) fn counts(&self) -> FlowCounts {
        let sum = |counters: &[(&str, Counter)]| counters.iter().map(|(_, it)| it.get()).sum();
        let last = self.last_event.load(Ordering::Relaxed);
        FlowCounts {
            kept: self.kept.get(),
            repeats: self.repeats.get(),
            faults: self.faults.get(),
            filtered: self.filtered.get(),
            refused: sum(&self.refused),
            unverified: sum(&self.unverified),
            last_event: (last > 0).then_some(UnixMillis(last)),
        }
    }
}

fn count(counters: &[(&'static str, Counter)], name: &str) {
    if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == name) {
        counter.inc();
    }
}

#[cfg(test)]
mod tests;
