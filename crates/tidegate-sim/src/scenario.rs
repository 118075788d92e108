//! What is played: how long, how much, how bad, and what is broken on purpose.

use std::time::Duration;

use tidegate_core::deliver::{
    Batch, BreakerSettings, OnFault, Order, Rate, Schedule, Settings as FlowSettings, Window,
};
use tidegate_core::log::embedded::OpenOptions;
use tidegate_core::log::engine::TrimPolicy;
use tidegate_core::receive::intake::IntakeLimits;

use crate::random::Random;

/// One world to play. The same scenario and seed give the same run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Virtual time in which external systems send and faults strike.
    pub duration: Duration,
    /// Virtual time after it in which everything must come to rest: all that was sent is
    /// acknowledged, all that was acknowledged is read. The longest seen in 300 seeds
    /// is 52 s, so twice that and some: a world that gets nowhere is told from a slow one.
    pub settle_max: Duration,
    /// External systems, each with a flow of its own.
    pub senders: usize,
    /// Mean time between two requests of one external system.
    pub send_every: Duration,
    /// Mean time between two faults.
    pub fault_every: Duration,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
}

impl Scenario {
    /// External systems that send to one node, and subscribers that read what it kept.
    #[must_use]
    pub const fn receive() -> Self {
        Self {
            duration: Duration::from_secs(30),
            settle_max: Duration::from_secs(120),
            senders: 3,
            send_every: Duration::from_millis(200),
            fault_every: Duration::from_millis(1500),
            sabotage: None,
        }
    }

    /// The same with a defect, which a run of a few hundred seeds must notice.
    #[must_use]
    pub const fn sabotaged(mut self, sabotage: Sabotage) -> Self {
        self.sabotage = Some(sabotage);
        self
    }
}

/// A defect made on purpose, to see that it is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sabotage {
    /// The answers go out while the sync is still on its way.
    AcknowledgeBeforeSync,
    /// No sync does anything.
    SkipSync,
    /// Identities leave the window as soon as they are written, before the ledger has them.
    WindowForgotten,
    /// The ledger commits its position without the changes it stands for.
    PositionApart,
    /// Old segments go whether everything in them was read or not.
    TrimIgnoresLowWater,
    /// A series of chunks that broke off is taken for the whole entry.
    BrokenSeriesBelieved,
    /// Recovery does not check what stands behind a tear.
    TornTailBelieved,
    /// A repeat is answered while its first copy is still being written.
    RepeatNotWaiting,
    /// An identity with other content is taken for a repeat.
    ContentIgnored,
    /// A checkpoint leaves the open faults of removed segments behind.
    FaultsLeftBehind,
    /// The cursor of a page of a feed is where the search for it ended, not where the page did.
    FeedCursorPastPage,
    /// A page of a feed without events has no cursor.
    FeedEmptyNoCursor,
    /// The cursor of a feed does not tell what the feed gave when it was made.
    FeedFilterUnnoticed,
    /// A consumer whose unread events are gone is given what is left, without a word.
    FeedGoneUntold,
    /// The cursor of a source goes to the log before the events it covers.
    PollCursorFirst,
    /// A page of a source that cannot be read is passed over.
    PollPassesUnreadable,
    /// A checkpoint leaves the cursor of a source behind.
    PollCursorLeftBehind,
    /// A flow is told that its receipts are durable as soon as they are offered.
    DeliverReceiptUnsynced,
    /// The keys of events are not told to the flow, so that successors leave early.
    DeliverKeyIgnored,
    /// An endpoint that cannot be reached is taken for an answer about the event.
    DeliverOutageCounted,
    /// A restart forgets the attempts that were made.
    DeliverRetryForgotten,
    /// A restart forgets the receipts at and behind `low`.
    DeliverDoneForgotten,
    /// `low` is moved past events that are not settled.
    DeliverLowPast,
    /// What was set aside may overtake although nobody said so.
    DeliverSupersededUnchecked,
    /// An event that is set aside does not become a fault.
    DeliverFaultUnwritten,
    /// Old segments go whatever flows still need of them.
    DeliverTrimIgnores,
    /// Nothing of the log is ever let go of.
    TrimNever,
    /// What is parked and its mark are not synced before the frames go.
    ParkUnsynced,
    /// A flow reads the log alone, and goes on where that begins.
    ParkUnread,
    /// Of held keys and of what waits for another attempt nothing is parked.
    ParkForgetsHeld,
    /// What has no room in a park is given up without a word.
    ParkDiscardUntold,
    /// A park lets go of what is before its last mark, delivered or not.
    ParkLetsGoEarly,
    /// Views that are rebuilt do not begin with what the parks say.
    ParkMarkUnread,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 33] = [
        Self::AcknowledgeBeforeSync,
        Self::SkipSync,
        Self::WindowForgotten,
        Self::PositionApart,
        Self::TrimIgnoresLowWater,
        Self::BrokenSeriesBelieved,
        Self::TornTailBelieved,
        Self::RepeatNotWaiting,
        Self::ContentIgnored,
        Self::FaultsLeftBehind,
        Self::FeedCursorPastPage,
        Self::FeedEmptyNoCursor,
        Self::FeedFilterUnnoticed,
        Self::FeedGoneUntold,
        Self::PollCursorFirst,
        Self::PollPassesUnreadable,
        Self::PollCursorLeftBehind,
        Self::DeliverReceiptUnsynced,
        Self::DeliverKeyIgnored,
        Self::DeliverOutageCounted,
        Self::DeliverRetryForgotten,
        Self::DeliverDoneForgotten,
        Self::DeliverLowPast,
        Self::DeliverSupersededUnchecked,
        Self::DeliverFaultUnwritten,
        Self::DeliverTrimIgnores,
        Self::TrimNever,
        Self::ParkUnsynced,
        Self::ParkUnread,
        Self::ParkForgetsHeld,
        Self::ParkDiscardUntold,
        Self::ParkLetsGoEarly,
        Self::ParkMarkUnread,
    ];

    /// Its name on a command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AcknowledgeBeforeSync => "acknowledge-before-sync",
            Self::SkipSync => "skip-sync",
            Self::WindowForgotten => "window-forgotten",
            Self::PositionApart => "position-apart",
            Self::TrimIgnoresLowWater => "trim-ignores-low-water",
            Self::BrokenSeriesBelieved => "broken-series-believed",
            Self::TornTailBelieved => "torn-tail-believed",
            Self::RepeatNotWaiting => "repeat-not-waiting",
            Self::ContentIgnored => "content-ignored",
            Self::FaultsLeftBehind => "faults-left-behind",
            Self::FeedCursorPastPage => "feed-cursor-past-page",
            Self::FeedEmptyNoCursor => "feed-empty-no-cursor",
            Self::FeedFilterUnnoticed => "feed-filter-unnoticed",
            Self::FeedGoneUntold => "feed-gone-untold",
            Self::PollCursorFirst => "poll-cursor-first",
            Self::PollPassesUnreadable => "poll-passes-unreadable",
            Self::PollCursorLeftBehind => "poll-cursor-left-behind",
            Self::DeliverReceiptUnsynced => "deliver-receipt-unsynced",
            Self::DeliverKeyIgnored => "deliver-key-ignored",
            Self::DeliverOutageCounted => "deliver-outage-counted",
            Self::DeliverRetryForgotten => "deliver-retry-forgotten",
            Self::DeliverDoneForgotten => "deliver-done-forgotten",
            Self::DeliverLowPast => "deliver-low-past",
            Self::DeliverSupersededUnchecked => "deliver-superseded-unchecked",
            Self::DeliverFaultUnwritten => "deliver-fault-unwritten",
            Self::DeliverTrimIgnores => "deliver-trim-ignores",
            Self::TrimNever => "trim-never",
            Self::ParkUnsynced => "park-unsynced",
            Self::ParkUnread => "park-unread",
            Self::ParkForgetsHeld => "park-forgets-held",
            Self::ParkDiscardUntold => "park-discard-untold",
            Self::ParkLetsGoEarly => "park-lets-go-early",
            Self::ParkMarkUnread => "park-mark-unread",
        }
    }
}

/// The region whose node it is.
pub(crate) const ORIGIN: &str = "us-east-1";

/// A subscription, and what of it the seed does not change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscription {
    pub(crate) name: &'static str,
    /// Types of events it gets.
    pub(crate) on: &'static str,
    /// Past this age its unread events do not hold the log.
    pub(crate) lag_max: Option<Duration>,
}

/// Two that hold the log until they have read it, and one that it may pass.
pub(crate) const SUBSCRIPTIONS: [Subscription; 3] = [
    Subscription {
        name: "audit",
        on: "*",
        lag_max: None,
    },
    Subscription {
        name: "fulfilment",
        on: "order.*",
        lag_max: None,
    },
    Subscription {
        name: "ledger",
        on: "payment.*",
        lag_max: Some(Duration::from_secs(6)),
    },
];

/// A feed and its consumer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Consumption {
    pub(crate) name: &'static str,
    /// Types of events the feed gives, one at a time where there are several.
    pub(crate) on: &'static [&'static str],
    /// How far back it reaches; as far as the log if there is none.
    pub(crate) retention: Option<Duration>,
}

/// What a feed may give; an event of the history has a bit for each.
pub(crate) const FEED_TYPES: [&str; 4] = ["*", "order.*", "stock.*", "refund.*"];

/// One that gets all, one with little time whose feed changes, one for which there is never anything.
pub(crate) const CONSUMERS: [Consumption; 3] = [
    Consumption {
        name: "shop",
        on: &["*"],
        retention: None,
    },
    Consumption {
        name: "partner",
        on: &["order.*", "stock.*"],
        retention: Some(Duration::from_secs(3)),
    },
    Consumption {
        name: "bank",
        on: &["refund.*"],
        retention: Some(Duration::from_secs(6)),
    },
];

/// A flow that delivers, and what of it the seed does not change.
#[derive(Debug)]
pub(crate) struct Delivering {
    pub(crate) name: &'static str,
    /// Types of events it delivers.
    pub(crate) on: &'static str,
    pub(crate) order: Order,
    pub(crate) on_fault: OnFault,
    pub(crate) batch: Option<Batch>,
    pub(crate) window: Window,
}

/// So small that flows read again what they could not keep.
const NARROW: Window = Window {
    events_max: 24,
    bytes_max: 16 << 10,
    per_key_max: 3,
    span_max: 64,
    retrying_max: 4,
    held_max: 5,
};

/// One whose bad keys wait, one that goes on in batches, one where all wait for all, one in any order.
pub(crate) const FLOWS: [Delivering; 4] = [
    Delivering {
        name: "to-crm",
        on: "order.*",
        order: Order::PerKey,
        on_fault: OnFault::BlockKey,
        batch: None,
        window: NARROW,
    },
    Delivering {
        name: "to-erp",
        on: "*",
        order: Order::PerKey,
        on_fault: OnFault::Skip,
        batch: Some(Batch {
            events_max: 5,
            bytes_max: 4096,
            wait: Duration::from_millis(40),
        }),
        window: NARROW,
    },
    Delivering {
        name: "to-books",
        on: "payment.*",
        order: Order::Total,
        on_fault: OnFault::BlockKey,
        batch: None,
        window: NARROW,
    },
    Delivering {
        name: "to-search",
        on: "stock.*",
        order: Order::None,
        on_fault: OnFault::Skip,
        batch: None,
        window: NARROW,
    },
];

/// How a flow delivers: as a real one, with hours made seconds.
pub(crate) fn delivery_settings(flow: &Delivering, random: &mut Random) -> FlowSettings {
    let delays = [0, 60, 200, 700, 2000].map(Duration::from_millis);
    let rate = Rate {
        every: Duration::from_millis(5 + random.below(20)),
        burst: 1 + u32::try_from(random.below(8)).unwrap_or_default(),
    };
    FlowSettings {
        order: flow.order,
        on_fault: flow.on_fault,
        schedule: Schedule::new(delays.to_vec()).unwrap_or_default(),
        breaker: BreakerSettings {
            open_min: Duration::from_millis(200),
            open_max: Duration::from_secs(2),
            ..BreakerSettings::default()
        },
        concurrency: 1 + u32::try_from(random.below(6)).unwrap_or_default(),
        rate: random.chance(300).then_some(rate),
        batch: flow.batch,
        retry_after_max: Duration::from_secs(3),
        window: flow.window,
        ..FlowSettings::new(flow.name, "endpoint")
    }
}

/// What becomes of what has no room in a park.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFull {
    /// It holds the log.
    Hold,
    /// It is given up, and that is said.
    Discard,
}

/// How a flow parks: so little that parks are full now and then, in units of their smallest segment.
pub(crate) fn park_settings(random: &mut Random) -> (u64, OnFull) {
    let quota = (1 + random.below(4)) * (64 << 10);
    let on_full = if random.chance(400) {
        OnFull::Discard
    } else {
        OnFull::Hold
    };
    (quota, on_full)
}

/// How one seed's node is configured.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) segment_bytes: u64,
    /// Bytes of the log past which no event is taken.
    pub(crate) size_max: u64,
    pub(crate) policy: TrimPolicy,
    pub(crate) limits: IntakeLimits,
    /// Entries larger than a frame that each external system sends.
    pub(crate) large_per_sender: u32,
}

impl Settings {
    pub(crate) fn drawn(random: &mut Random) -> Self {
        // Large entries need room for segments of their own, and so much is slow to play.
        let large_per_sender = u32::from(random.chance(250));
        let segment_bytes = (4 * 1024) << random.below(4);
        let size_max = if large_per_sender > 0 {
            12 << 20
        } else {
            48 * segment_bytes
        };
        Self {
            segment_bytes,
            size_max,
            policy: TrimPolicy {
                keep: Duration::from_secs(4 + random.below(12)),
                size_max: size_max / 2,
            },
            limits: IntakeLimits {
                queue_bytes_max: 96 * 1024,
                queue_offers_max: 24,
                window_max: 48,
            },
            large_per_sender,
        }
    }

    /// How the log is opened. Its own limit lies above [`Settings::size_max`] by all that may be
    /// waiting when that is reached, so that a checkpoint is always possible.
    pub(crate) fn options(&self) -> OpenOptions {
        OpenOptions {
            segment_bytes: self.segment_bytes,
            size_max: self.size_max + 4 * self.segment_bytes + (8 << 20),
            ..OpenOptions::new(ORIGIN)
        }
    }
}
