//! How a flow delivers: order, pace, patience. Values that exist are usable.

use std::time::Duration;

use super::classify::Classification;

/// The most attempts a schedule may hold; more would only hide that nobody looks.
const ATTEMPTS_MAX: usize = 32;

/// What one flow does. Changed as a whole with [`super::Delivery::handle_settings`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the flow, as it stands in receipts.
    pub flow: String,
    /// Which of its shards; 0 if it has one.
    pub shard: u16,
    /// Name of the endpoint, as it stands in receipts.
    pub endpoint: String,
    /// What waits for what.
    pub order: Order,
    /// What happens to the successors of an event that is set aside.
    pub on_fault: OnFault,
    /// When a failed event is sent again.
    pub schedule: Schedule,
    /// What answers mean.
    pub classification: Classification,
    /// When the endpoint is left alone.
    pub breaker: BreakerSettings,
    /// Requests under way at most. Default 10.
    pub concurrency: u32,
    /// Requests per time at most.
    pub rate: Option<Rate>,
    /// Several events in one request.
    pub batch: Option<Batch>,
    /// A longer `Retry-After` is cut to this, so that one answer cannot stop a flow for good. Default 1 h.
    pub retry_after_max: Duration,
    /// What is held in memory.
    pub window: Window,
}

impl Settings {
    /// The defaults for a flow and its endpoint.
    #[must_use]
    pub fn new(flow: &str, endpoint: &str) -> Self {
        Self {
            flow: flow.to_owned(),
            shard: 0,
            endpoint: endpoint.to_owned(),
            order: Order::PerKey,
            on_fault: OnFault::BlockKey,
            schedule: Schedule::default(),
            classification: Classification::default(),
            breaker: BreakerSettings::default(),
            concurrency: 10,
            rate: None,
            batch: None,
            retry_after_max: Duration::from_secs(3600),
            window: Window::default(),
        }
    }
}

/// What waits for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// An event leaves after the receipts of all earlier ones of its key are durable.
    /// Events without a key wait for nothing.
    #[default]
    PerKey,
    /// Nothing waits.
    None,
    /// An event leaves after the receipts of all earlier ones are durable.
    Total,
}

/// What happens to the successors of an event that is set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFault {
    /// They wait until it is resubmitted or discarded.
    #[default]
    BlockKey,
    /// They go on.
    Skip,
}

/// How long before each attempt: the first entry before the first one, and so on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Vec<Duration>);

impl Schedule {
    /// A schedule with these delays.
    ///
    /// # Errors
    /// It is empty or longer than 32 attempts.
    pub fn new(delays: Vec<Duration>) -> Result<Self, InvalidSchedule> {
        if delays.is_empty() || delays.len() > ATTEMPTS_MAX {
            return Err(InvalidSchedule);
        }
        Ok(Self(delays))
    }

    /// The delay before the attempt that follows on `attempts` counted ones; `None` if that was all.
    #[must_use]
    pub fn delay_after(&self, attempts: u32) -> Option<Duration> {
        let index = usize::try_from(attempts).ok()?;
        self.0.get(index).copied()
    }

    /// How many attempts there are.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// From the first attempt to the last.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.0
            .iter()
            .fold(Duration::ZERO, |sum, delay| sum.saturating_add(*delay))
    }
}

impl Default for Schedule {
    /// 0, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: 75 h 35 min in all.
    /// Standard Webhooks, "Deliverability and reliability", recommended retry schedule.
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const HOUR: u64 = 60 * MINUTE;
        let seconds = [
            0,
            5,
            5 * MINUTE,
            30 * MINUTE,
            2 * HOUR,
            5 * HOUR,
            10 * HOUR,
            14 * HOUR,
            20 * HOUR,
            24 * HOUR,
        ];
        Self(seconds.map(Duration::from_secs).to_vec())
    }
}

/// The list of delays cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a retry schedule has 1 to 32 delays, for example [0s, 5s, 5m]")]
pub struct InvalidSchedule;

/// Requests per time: a bucket that holds `burst` and gains one every `every`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Time in which one request is allowed. Below 1 µs it means 1 µs.
    pub every: Duration,
    /// Requests that may go at once after a pause; at least 1.
    pub burst: u32,
}

/// Several events in one request: as soon as there are `events_max`, or `wait` after the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Events in one request at most; at least 1.
    pub events_max: usize,
    /// Bytes of bodies in one request at most; a single event may be larger.
    pub bytes_max: usize,
    /// How long the first event waits for more.
    pub wait: Duration,
}

/// When the endpoint is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// So many failures in a row open it. Default 5: with ten requests at once a dead endpoint is
    /// seen within one round, while a single lost connection is not taken for an outage.
    pub failures_in_a_row: u32,
    /// With at least this many answers within `window` … Default 20.
    pub answers_min: u32,
    /// … this share of failures, in per cent, opens it. Default 70: what still works for a third of
    /// the events is better retried one by one.
    pub failures_percent: u32,
    /// Default 30 s.
    pub window: Duration,
    /// How long it stays open the first time; doubled after each failed probe. Default 5 s.
    pub open_min: Duration,
    /// How long it stays open at most. Default 60 s: one request a minute burdens nobody, and a
    /// recovered endpoint is noticed within a minute.
    pub open_max: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            failures_in_a_row: 5,
            answers_min: 20,
            failures_percent: 70,
            window: Duration::from_secs(30),
            open_min: Duration::from_secs(5),
            open_max: Duration::from_secs(60),
        }
    }
}

/// What is held in memory, and how far reading may run ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Events in memory at most. Default 4096: some seconds of work for a fast endpoint.
    pub events_max: usize,
    /// Bytes of bodies in memory at most. Default 16 MiB.
    pub bytes_max: usize,
    /// Events of one key in memory at most; the rest is read again later. Default 64.
    pub per_key_max: usize,
    /// Events between the first unsettled one and the last that was read. Default 131,072, so that
    /// one request that takes its 15 s does not hold up 8,700 events/s. After a restart the places
    /// of so many receipts are in memory (24 bytes each).
    pub span_max: u64,
    /// Events that wait for another attempt at most; their bodies are not in memory. Default 10,000.
    pub retrying_max: usize,
    /// Keys that are held at most. Default 10,000.
    pub held_max: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            events_max: 4096,
            bytes_max: 16 << 20,
            per_key_max: 64,
            span_max: 1 << 17,
            retrying_max: 10_000,
            held_max: 10_000,
        }
    }
}
