//! A feed and its consumers, compiled.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use subtle::ConstantTimeEq as _;
use tidegate_config::Config;
use tidegate_config::config::{Consumer, Feed};
use tidegate_core::feed::cursor::{CursorKeys, FilterHash};
use tidegate_core::log::entry::Entry;
use tidegate_map::Filter;
use tidegate_types::name::kind_matches;
use tidegate_types::position::{Incarnation, Place};
use tidegate_types::secret::Secret;

use super::key::KeyFile;
use super::seat::Seats;
use crate::document::document;
use crate::generation::CompileFailure;
use crate::horizon::Horizon;
use crate::metrics::Metrics;
use crate::metrics::feeds::{ConsumerMetrics, FeedMetrics};

/// The consumer of a feed that asks for no token.
const ANYONE: &str = "anyone";

/// A feed.
#[derive(Debug)]
pub(crate) struct FeedDoor {
    pub(crate) feed: Feed,
    pub(super) keys: CursorKeys,
    pub(crate) consumers: Vec<Arc<ConsumerDoor>>,
    pub(super) metrics: FeedMetrics,
    /// The first frame within its retention.
    pub(super) horizon: Horizon,
    retention: Option<Duration>,
    /// The same for the logs of other regions, by origin and life.
    horizons: Mutex<Horizons>,
}

type Horizons = BTreeMap<(String, Incarnation), Arc<Horizon>>;

/// Horizons kept at most: as many as there can be lives of origins in a vector and more.
const HORIZONS_MAX: usize = 1024;

/// A consumer of a feed.
#[derive(Debug)]
pub(crate) struct ConsumerDoor {
    pub(crate) name: String,
    tokens: Vec<Secret>,
    /// Lists of patterns; an event must match one of each list.
    patterns: Vec<Vec<String>>,
    /// Conditions; an event must meet all.
    filters: Vec<Filter>,
    pub(super) hash: FilterHash,
    pub(crate) metrics: ConsumerMetrics,
    pub(super) seats: Seats,
    idle: Mutex<Option<Idle>>,
}

/// A stretch that holds nothing for a consumer, remembered for clients that cannot be told to move on.
#[derive(Clone, Copy, Debug)]
struct Idle {
    after: Place,
    through: Place,
}

impl FeedDoor {
    pub(crate) fn compile(
        config: &Config,
        feed: &Feed,
        metrics: &Metrics,
        key: &KeyFile,
    ) -> Result<Self, CompileFailure> {
        let made;
        let secrets = if feed.cursor_keys.is_empty() {
            made = [key.load().map_err(CompileFailure::CursorKey)?];
            &made
        } else {
            feed.cursor_keys.as_slice()
        };
        let keys = CursorKeys::new(&feed.name, secrets)
            .ok_or(CompileFailure::CursorKey(super::KeyError::Random))?;
        let mut consumers = Vec::with_capacity(feed.consumers.len().max(1));
        for consumer in &feed.consumers {
            consumers.push(ConsumerDoor::compile(feed, Some(consumer), metrics)?);
        }
        if consumers.is_empty() {
            consumers.push(ConsumerDoor::compile(feed, None, metrics)?);
        }
        let retention = (feed.retention < config.log.keep).then_some(feed.retention);
        Ok(Self {
            keys,
            consumers: consumers.into_iter().map(Arc::new).collect(),
            metrics: metrics.feed(&feed.name, &feed.system),
            horizon: Horizon::new(retention),
            retention,
            horizons: Mutex::default(),
            feed: feed.clone(),
        })
    }

    /// The first frame within the feed's retention of a life of another region's log.
    pub(super) fn horizon_of(&self, origin: &str, life: Incarnation) -> Arc<Horizon> {
        let mut horizons = self.horizons.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (origin.to_owned(), life);
        if horizons.len() >= HORIZONS_MAX && !horizons.contains_key(&key) {
            // They are looked up again when they are needed.
            horizons.clear();
        }
        let horizon = horizons.entry(key);
        let horizon = horizon.or_insert_with(|| Arc::new(Horizon::new(self.retention)));
        Arc::clone(horizon)
    }

    /// The only consumer of a feed that asks for no token.
    pub(super) fn anyone(&self) -> Option<&Arc<ConsumerDoor>> {
        self.consumers.first().filter(|it| it.tokens.is_empty())
    }

    /// The consumer with this token. Every token is compared, each in constant time.
    pub(super) fn consumer_with(&self, token: &[u8]) -> Option<&Arc<ConsumerDoor>> {
        let mut found = None;
        for consumer in &self.consumers {
            for known in &consumer.tokens {
                if known.expose().ct_eq(token).into() {
                    found = Some(consumer);
                }
            }
        }
        found
    }
}

impl ConsumerDoor {
    fn compile(
        feed: &Feed,
        consumer: Option<&Consumer>,
        metrics: &Metrics,
    ) -> Result<Self, CompileFailure> {
        let name = consumer.map_or(ANYONE, |it| it.name.as_str());
        let conditions = [
            feed.when.as_deref(),
            consumer.and_then(|it| it.when.as_deref()),
        ];
        let mut filters = Vec::new();
        for condition in conditions.into_iter().flatten() {
            let filter = Filter::compile(condition);
            filters.push(filter.map_err(|problems| CompileFailure::Expression {
                place: format!("feed {}, consumer {name}, when", feed.name),
                problems,
            })?);
        }
        let own = consumer.map(|it| it.on.clone()).unwrap_or_default();
        let patterns = vec![feed.on.clone(), own];
        Ok(Self {
            hash: hash(&patterns, conditions),
            tokens: consumer.map(|it| it.tokens.clone()).unwrap_or_default(),
            patterns: patterns.into_iter().filter(|it| !it.is_empty()).collect(),
            filters,
            metrics: metrics.consumer(&feed.name, &feed.system, name),
            name: name.to_owned(),
            seats: Seats::new(consumer.is_some()),
            idle: Mutex::new(None),
        })
    }

    /// Whether the consumer gets an entry. An event that a condition fails on is not given: it is
    /// for somebody outside, who may not be meant to have it. It is counted.
    pub(super) fn wants(&self, entry: &Entry, subsystem: &str) -> bool {
        let Entry::Event(entry) = entry else {
            return false;
        };
        let event = &entry.event;
        let kind = |patterns: &Vec<String>| {
            let matches = |pattern: &String| kind_matches(pattern, &event.kind);
            patterns.iter().any(matches)
        };
        if !self.patterns.iter().all(kind) {
            return false;
        }
        if self.filters.is_empty() {
            return true;
        }
        let json = document(event, subsystem);
        self.filters.iter().all(|filter| {
            filter.matches(&json).unwrap_or_else(|_| {
                self.metrics.unjudged.inc();
                false
            })
        })
    }

    /// The end of the stretch behind `after` that is known to hold nothing.
    pub(super) fn skip(&self, after: Place) -> Place {
        let idle = *self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.filter(|idle| idle.after == after)
            .map_or(after, |idle| idle.through)
    }

    /// Remembers that nothing between `after` and `through` is wanted.
    pub(super) fn is_idle(&self, after: Place, through: Place) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        *idle = Some(Idle { after, through });
    }
}

fn hash(patterns: &[Vec<String>], conditions: [Option<&str>; 2]) -> FilterHash {
    // Patterns hold no blanks, so that the joined lists cannot be taken for one another.
    let lists = patterns.iter().map(|list| list.join(" "));
    let conditions = conditions
        .into_iter()
        .map(|it| it.map_or_else(String::new, |text| format!("when {text}")));
    let parts: Vec<String> = lists.chain(conditions).collect();
    FilterHash::of(parts.iter().map(String::as_str))
}
