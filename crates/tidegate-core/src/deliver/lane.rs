//! The events a flow has in hand, and the lanes they wait in.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use tidegate_types::id::EventId;
use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;

use super::output::AttemptId;
use super::settings::Order;
use crate::log::entry::ReceiptOutcome;

/// A longer key is replaced by its digest, so that keys cost bounded memory and bounded entries.
const KEY_BYTES_MAX: usize = 256;

/// What waits for one another, in the order of the log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum LaneKey {
    /// All events of the flow.
    Whole,
    /// Those of a key.
    Key(Arc<str>),
    /// One event alone.
    One(Place),
}

impl LaneKey {
    pub(super) fn of(order: Order, key: &str, place: Place) -> Self {
        match order {
            Order::Total => Self::Whole,
            Order::None => Self::One(place),
            Order::PerKey if key.is_empty() => Self::One(place),
            Order::PerKey => Self::key(key),
        }
    }

    /// The lane that stands in the log under this text.
    pub(crate) fn read(text: &str) -> Self {
        if text.is_empty() {
            Self::Whole
        } else {
            Self::Key(Arc::from(text))
        }
    }

    /// How it stands in the log. A lane of one event has no text, and is never held.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Whole | Self::One(_) => String::new(),
            Self::Key(key) => key.to_string(),
        }
    }

    pub(crate) fn key(key: &str) -> Self {
        if key.len() <= KEY_BYTES_MAX {
            return Self::Key(Arc::from(key));
        }
        let digest = ring::digest::digest(&ring::digest::SHA256, key.as_bytes());
        let mut text = String::from("sha256:");
        for byte in digest.as_ref() {
            // Writing to a string cannot fail.
            let _infallible = write!(text, "{byte:02x}");
        }
        Self::Key(Arc::from(text))
    }
}

/// Events that wait for one another.
#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Those in memory, in their order; the first is the one that may move.
    pub(super) queue: VecDeque<Place>,
    /// The first that is not in memory, or a place before it; those behind are not either.
    pub(super) more: Option<Place>,
    /// The fault it waits for.
    pub(super) blocked: Option<EventId>,
    /// A record in the log says from where on it is not settled, so its events do not keep `low` back.
    pub(super) held: bool,
    /// An append that was refused may have left a record of it.
    pub(super) doubtful: bool,
    /// Where the last durable record of it begins.
    pub(super) recorded: Option<Place>,
}

impl Lane {
    /// Whether nothing is known of it any more.
    pub(super) fn is_empty(&self) -> bool {
        let known = self.held || self.doubtful;
        self.queue.is_empty() && self.more.is_none() && self.blocked.is_none() && !known
    }
}

/// An event in hand.
#[derive(Debug)]
pub(super) struct Item<B> {
    pub(super) id: EventId,
    pub(super) lane: LaneKey,
    /// Counts the events that were read, to measure how far reading is ahead.
    pub(super) seq: u64,
    pub(super) bytes: usize,
    /// `None` while it waits for long, and after it was delivered.
    pub(super) body: Option<B>,
    pub(super) state: ItemState,
    /// Attempts that count.
    pub(super) attempts: u32,
    /// How often it was sent.
    pub(super) sent: u32,
    /// Failures in a row that do not count.
    pub(super) uncounted: u32,
    pub(super) probes_failed: u32,
    /// Deliveries of the flow at the time of its first failed probe.
    pub(super) delivered_then: u64,
    /// When the first attempt failed.
    pub(super) since: Option<UnixMillis>,
    /// Not before then.
    pub(super) next: UnixMillis,
    /// Goes in a request of its own, since one with others failed.
    pub(super) alone: bool,
    /// Its last counted failure is in the log.
    pub(super) recorded: bool,
    /// It was set aside before, and is sent again.
    pub(super) again: Option<Resubmitted>,
}

/// What is known of an event that was set aside before.
#[derive(Clone, Debug)]
pub(super) struct Resubmitted {
    pub(super) fault: EventId,
    pub(super) set_aside: UnixMillis,
    pub(super) superseded: bool,
    pub(super) renewed: u64,
    pub(super) by: String,
}

/// What an event in hand is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ItemState {
    /// Others of its lane are before it.
    Behind,
    /// Its time has not come.
    Waiting,
    /// Its content is being read again.
    Fetching,
    /// It can be sent.
    Ready,
    /// It is on its way.
    UnderWay(AttemptId),
    /// It is about to become a fault; its receipt follows when that is durable.
    SettingAside,
    /// What became of it is known, and not durable yet.
    Settling(ReceiptOutcome),
}
