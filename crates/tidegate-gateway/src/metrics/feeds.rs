//! What feeds count.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::{Metrics, count};

/// All series of feeds.
#[derive(Debug, Default)]
pub(super) struct FeedFamilies {
    events: Family<ConsumerLabels, Counter>,
    pages: Family<ConsumerLabels, Counter>,
    unjudged: Family<ConsumerLabels, Counter>,
    refused: Family<RefusedLabels, Counter>,
    /// Not shown as it is: the distance from the head is, which grows while a consumer stays away.
    positions: Family<ConsumerLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConsumerLabels {
    flow: String,
    system: String,
    consumer: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusedLabels {
    flow: String,
    system: String,
    reason: &'static str,
}

/// The series of one consumer.
#[derive(Debug)]
pub(crate) struct ConsumerMetrics {
    events: Counter,
    pages: Counter,
    /// Events left out because a condition failed on them.
    pub(crate) unjudged: Counter,
    /// The frame of this region's log up to which the consumer has said to have read.
    pub(crate) position: Gauge,
}

/// The series of one feed.
#[derive(Debug)]
pub(crate) struct FeedMetrics {
    refused: Vec<(&'static str, Counter)>,
}

impl FeedFamilies {
    pub(super) fn register(&self, to: &mut Registry) {
        to.register(
            "feed_events",
            "Events given to consumers of a feed, repeats included",
            self.events.clone(),
        );
        to.register(
            "feed_pages",
            "Pages of a feed and parts of its streams, empty ones included",
            self.pages.clone(),
        );
        to.register(
            "feed_events_unjudged",
            "Looks at events that were left out because a condition failed on them",
            self.unjudged.clone(),
        );
        to.register(
            "feed_requests_refused",
            "Requests to a feed that were not served, by reason",
            self.refused.clone(),
        );
    }
}

impl Metrics {
    /// The series of a feed, which go on over reloads.
    pub(crate) fn feed(&self, flow: &str, system: &str) -> FeedMetrics {
        let reasons = crate::feeds::REASONS.iter().map(|reason| {
            let labels = RefusedLabels {
                flow: flow.to_owned(),
                system: system.to_owned(),
                reason,
            };
            (*reason, self.feeds.refused.get_or_create_owned(&labels))
        });
        FeedMetrics {
            refused: reasons.collect(),
        }
    }

    /// The series of a consumer, which go on over reloads.
    pub(crate) fn consumer(&self, flow: &str, system: &str, consumer: &str) -> ConsumerMetrics {
        let labels = ConsumerLabels {
            flow: flow.to_owned(),
            system: system.to_owned(),
            consumer: consumer.to_owned(),
        };
        let feeds = &self.feeds;
        ConsumerMetrics {
            events: feeds.events.get_or_create_owned(&labels),
            pages: feeds.pages.get_or_create_owned(&labels),
            unjudged: feeds.unjudged.get_or_create_owned(&labels),
            position: feeds.positions.get_or_create_owned(&labels),
        }
    }
}

impl FeedMetrics {
    /// Counts a request that was not served.
    pub(crate) fn refused(&self, reason: &str) {
        count(&self.refused, reason);
    }
}

impl ConsumerMetrics {
    /// Counts a page.
    pub(crate) fn gave(&self, events: usize) {
        self.pages.inc();
        self.events.inc_by(events as u64);
    }

    /// Pages and events given since the start.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.pages.get(), self.events.get())
    }

    /// Frames between the last position that was presented and `head`.
    pub(crate) fn lag(&self, head: u64) -> u64 {
        head.saturating_sub(u64::try_from(self.position.get()).unwrap_or(0))
    }
}
