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
    /// It is settled, and is sent again.
    pub(super) again: Option<Again>,
}

impl<B> Item<B> {
    /// An event that is sent again: in a request of its own, since it says nothing of others.
    pub(super) fn again(
        (id, lane): (EventId, LaneKey),
        (bytes, body): (usize, B),
        now: UnixMillis,
        again: Again,
    ) -> Self {
        Self {
            id,
            lane,
            seq: 0,
            bytes,
            body: Some(body),
            state: ItemState::Behind,
            attempts: 0,
            sent: 0,
            uncounted: 0,
            probes_failed: 0,
            delivered_then: 0,
            since: None,
            next: now,
            alone: true,
            recorded: false,
            again: Some(again),
        }
    }

    pub(super) const fn is_replay(&self) -> bool {
        matches!(self.again, Some(Again::Replayed { .. }))
    }
}

/// Why an event is sent that is settled.
#[derive(Clone, Debug)]
pub(super) enum Again {
    /// It was set aside, and its fault is to be closed.
    Resubmitted(Resubmitted),
    /// An operator wants it; nothing is written of it.
    Replayed {
        /// When the operator asked, if it is to have a new idempotency key; else 0.
        renewed: u64,
    },
}

impl Again {
    /// The fault it was set aside as.
    pub(super) const fn fault(&self) -> Option<EventId> {
        match self {
            Self::Resubmitted(again) => Some(again.fault),
            Self::Replayed { .. } => None,
        }
    }

    pub(super) const fn renewed(&self) -> u64 {
        match self {
            Self::Resubmitted(again) => again.renewed,
            Self::Replayed { renewed } => *renewed,
        }
    }
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
