//! What readers have seen of the log so far: the truth that must stay.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use tidegate_core::log::FrameHash;
use tidegate_core::log::entry::{FaultCause, Fingerprint};
use tidegate_core::log::frame::{Frame, genesis};
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use crate::scenario::{FEED_TYPES, ORIGIN};

/// An event or a fault that stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) id: EventId,
    pub(super) fingerprint: Fingerprint,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// An event, with one bit for each subscription and one for each type of feed that gets it.
    Event { subscriptions: u8, feeds: u8 },
    /// A fault of that cause, about that event.
    Fault { cause: FaultCause, of: EventId },
}

impl Standing {
    /// Whether the subscription with this number gets it.
    pub(super) const fn matches(&self, subscription: usize) -> bool {
        matches!(self.what, What::Event { subscriptions, .. } if subscriptions >> subscription & 1 == 1)
    }
}

impl Standing {
    /// Whether a feed of these types of events gives it.
    pub(super) fn is_fed(&self, on: &str) -> bool {
        let bit = FEED_TYPES.iter().position(|known| *known == on);
        matches!((self.what, bit), (What::Event { feeds, .. }, Some(bit)) if feeds >> bit & 1 == 1)
    }
}

/// Frames and entries that were once seen. Nothing is ever taken out.
#[derive(Debug, Default)]
pub(super) struct History {
    frames: BTreeMap<FrameNumber, (FrameHash, UnixMillis)>,
    entries: BTreeMap<Place, Standing>,
    /// Where the last copy of each identity stands.
    latest: BTreeMap<EventId, Place>,
    open_faults: BTreeSet<EventId>,
}

impl History {
    /// The last frame that was seen.
    pub(super) fn head(&self) -> FrameNumber {
        self.frames
            .last_key_value()
            .map_or(FrameNumber(0), |(number, _)| *number)
    }

    /// Takes in the next frame; tells what is wrong with it.
    pub(super) fn take(&mut self, frame: &Frame) -> Result<(), String> {
        let header = frame.header();
        let (number, hash, time) = match self.frames.last_key_value() {
            Some((number, (hash, time))) => (number.next(), *hash, *time),
            None => (
                FrameNumber(1),
                genesis(ORIGIN, header.incarnation),
                UnixMillis(0),
            ),
        };
        if header.number != number {
            return Err(format!(
                "frame {} stands where {number} should",
                header.number
            ));
        }
        if header.prev != hash {
            return Err(format!("frame {number} does not name the one before"));
        }
        if header.time < time {
            return Err(format!("frame {number} is older than the one before"));
        }
        self.frames.insert(number, (frame.hash(), header.time));
        Ok(())
    }

    /// Whether the frame is the one that was seen under its number.
    pub(super) fn agrees(&self, frame: &Frame) -> bool {
        let seen = self.frames.get(&frame.number());
        seen.is_none_or(|(hash, _)| *hash == frame.hash())
    }

    pub(super) fn time(&self, frame: FrameNumber) -> UnixMillis {
        self.frames
            .get(&frame)
            .map_or(UnixMillis(0), |(_, time)| *time)
    }

    pub(super) fn put(&mut self, place: Place, standing: Standing) {
        if matches!(standing.what, What::Fault { .. }) {
            self.open_faults.insert(standing.id);
        }
        self.entries.insert(place, standing);
        self.latest.insert(standing.id, place);
    }

    /// A fault is open no longer.
    pub(super) fn close(&mut self, fault: &EventId) {
        self.open_faults.remove(fault);
    }

    pub(super) fn at(&self, place: Place) -> Option<&Standing> {
        self.entries.get(&place)
    }

    /// Where the last copy of an identity stands.
    pub(super) fn latest(&self, id: &EventId) -> Option<Place> {
        self.latest.get(id).copied()
    }

    /// Entries after `after` up to and including `to`, in order.
    pub(super) fn between(
        &self,
        after: Bound<Place>,
        to: Place,
    ) -> impl Iterator<Item = (Place, &Standing)> {
        let behind = match after {
            Bound::Excluded(after) | Bound::Included(after) => after > to,
            Bound::Unbounded => false,
        };
        let range = (!behind).then(|| self.entries.range((after, Bound::Included(to))));
        range
            .into_iter()
            .flatten()
            .map(|(place, standing)| (*place, standing))
    }

    /// The last event that a subscription gets.
    pub(super) fn last_for(&self, subscription: usize) -> Option<Place> {
        let mut entries = self.entries.iter().rev();
        entries
            .find(|(_, standing)| standing.matches(subscription))
            .map(|(place, _)| *place)
    }

    /// Events that a feed of these types gives, in order.
    pub(super) fn fed(&self, on: &str) -> impl DoubleEndedIterator<Item = Place> {
        let entries = self.entries.iter();
        entries
            .filter(move |(_, standing)| standing.is_fed(on))
            .map(|(place, _)| *place)
    }

    /// The last of them.
    pub(super) fn last_fed(&self, on: &str) -> Option<Place> {
        self.fed(on).next_back()
    }

    /// An open fault whose last copy stands before `first`.
    pub(super) fn fault_before(&self, first: FrameNumber) -> Option<EventId> {
        let mut open = self.open_faults.iter();
        open.find(|id| self.latest(id).is_some_and(|place| place.frame < first))
            .copied()
    }

    /// Whether an event ever stood under this identity with other content.
    pub(super) fn other_content(&self, id: &EventId, fingerprint: &Fingerprint) -> bool {
        let mut entries = self.entries.values();
        entries.any(|standing| standing.id == *id && standing.fingerprint != *fingerprint)
    }

    /// Events that stood in the log.
    pub(super) fn events(&self) -> u64 {
        let events = self.entries.values();
        events
            .filter(|standing| matches!(standing.what, What::Event { .. }))
            .count() as u64
    }
}
