//! Parks: what a held flow still needs of the log moves into a log of its own, so that it never
//! fills the log for others.
//!
//! A flow whose endpoint is dead, that is paused, or a key of which waits for a fault, keeps the
//! log from being trimmed. When the retention wants frames removed that a flow holds, what the flow
//! [needs](Need) of them is written into its [`Park`] in the order of the places, then a
//! [mark](ParkMark) that says up to where, and how the flow stands. Only when the mark is synced may
//! the frames go. A crash between the two parks some events twice; they are told apart by place.
//!
//! A reader of the flow gets places that the log holds no longer from the [`ParkReader`] and all
//! others from the log, so that the machine of the flow ([`crate::deliver`]) does not notice.
//!
//! The log and the parks together are what the views are rebuilt from: see [`ParkMark::as_of`].
//!
//! Invariants:
//! - What is before the mark's `through` and was needed when it was written stands in the park, until
//!   the flow says that it needs it no more.
//! - What was needed once and is needed no more does no harm: the machine knows what is settled.
//! - A park holds no more than its quota, but for marks, for what tells of events that the flow does not
//!   want, and what fills its last segment.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod index;
mod reader;
mod store;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use crate::deliver::{LaneKey, Restored};
use crate::log::entry::ParkMark;

pub use reader::{Met, ParkReader};
pub use store::{Offered, Park, ParkError, ParkOptions, ParkStatus, Room, Taken};

/// Which events a flow still needs, as it stood at one moment. Later it needs no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    low: Place,
    done: BTreeSet<Place>,
    retrying: BTreeSet<Place>,
    /// Lanes that are held by their text, each with the place from which on.
    held: BTreeMap<String, Place>,
}

impl Need {
    /// What a flow that stands so needs.
    #[must_use]
    pub fn of(state: &Restored) -> Self {
        let held = state.held.iter();
        Self {
            low: state.low,
            done: state.done.clone(),
            retrying: state.retrying.iter().map(|entry| entry.place).collect(),
            held: held.map(|lane| (lane.key.clone(), lane.from)).collect(),
        }
    }

    /// No event before this place is needed.
    #[must_use]
    pub fn first(&self) -> Place {
        let retrying = self.retrying.first().into_iter();
        let others = retrying.chain(self.held.values());
        others.fold(self.low, |first, place| first.min(*place))
    }

    /// Whether the event with this key at this place is needed, if the flow wants it at all.
    #[must_use]
    pub fn holds(&self, place: Place, key: &str) -> bool {
        if self.done.contains(&place) {
            return false;
        }
        let from = |lane: &str| self.held.get(lane).is_some_and(|from| *from <= place);
        let lane_waits = || !key.is_empty() && from(&LaneKey::key(key).text());
        place >= self.low || self.retrying.contains(&place) || from("") || lane_waits()
    }

    /// Whether an event that the flow does not want was not counted yet.
    #[must_use]
    pub fn counts(&self, place: Place) -> bool {
        place >= self.low
    }
}

impl ParkMark {
    /// A mark: what the flow, which stands so, needs of the log before `through` is parked.
    /// `as_of`: a frame that `state` is at least as new as.
    #[must_use]
    pub fn new(
        (flow, shard): (&str, u16),
        through: Place,
        as_of: FrameNumber,
        state: Restored,
        time: UnixMillis,
    ) -> Self {
        Self {
            flow: flow.to_owned(),
            shard,
            time,
            through,
            as_of,
            low: state.low,
            done: state.done.into_iter().collect(),
            set_aside: state.set_aside.into_iter().collect(),
            held: state.held,
            retrying: state.retrying,
        }
    }

    /// How the flow stood.
    #[must_use]
    pub fn state(&self) -> Restored {
        Restored {
            begun: true,
            low: self.low,
            done: self.done.iter().copied().collect(),
            retrying: self.retrying.clone(),
            held: self.held.clone(),
            set_aside: self.set_aside.iter().copied().collect(),
        }
    }
}
