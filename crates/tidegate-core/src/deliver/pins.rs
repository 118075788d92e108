//! What keeps `low` back.

use std::collections::BTreeMap;

use tidegate_types::position::Place;

use super::lane::LaneKey;

/// A place that `low` does not pass: of an event in memory, or from which on a lane is read again.
/// The latter may be any place, also that of another lane's event.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pin {
    place: Place,
    more_of: Option<LaneKey>,
}

/// All of them, each with the count of events that were read before it.
#[derive(Debug, Default)]
pub(super) struct Pins(BTreeMap<Pin, u64>);

impl Pins {
    /// The first place and its count.
    pub(super) fn first(&self) -> Option<(Place, u64)> {
        let (pin, seq) = self.0.first_key_value()?;
        Some((pin.place, *seq))
    }

    pub(super) fn add_event(&mut self, place: Place, seq: u64) {
        self.0.insert(event(place), seq);
    }

    pub(super) fn add_more(&mut self, key: &LaneKey, place: Place, seq: u64) {
        self.0.insert(more(key, place), seq);
    }

    /// Gives the count, if there was one.
    pub(super) fn remove_event(&mut self, place: Place) -> Option<u64> {
        self.0.remove(&event(place))
    }

    /// Gives the count, if there was one.
    pub(super) fn remove_more(&mut self, key: &LaneKey, place: Place) -> Option<u64> {
        self.0.remove(&more(key, place))
    }
}

const fn event(place: Place) -> Pin {
    Pin {
        place,
        more_of: None,
    }
}

fn more(key: &LaneKey, place: Place) -> Pin {
    Pin {
        place,
        more_of: Some(key.clone()),
    }
}
