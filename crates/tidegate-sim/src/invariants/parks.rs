//! What must hold of parks: what a flow needs is in the log, in its park, or was said to be given up.

use tidegate_core::log::entry::{GivenUp, PassedRun};
use tidegate_core::park::ParkReader;
use tidegate_types::position::{FrameNumber, Place};

use super::deliveries::{Deliveries, Truth};
use crate::context::Context;
use crate::item::fingerprint_of;
use crate::node::parks::Store;
use crate::report::Rule;

/// What a park may take beyond its quota, besides marks and what is not wanted: what fills its last
/// segment, and one more that is begun for a mark.
const BEYOND_QUOTA: u64 = 2 * (64 << 10);

impl Deliveries {
    /// The frames before `first` are gone.
    pub(super) fn trimmed(&mut self, cx: &mut Context, first: FrameNumber, parks: &[Store]) {
        for (truth, store) in self.0.iter_mut().zip(parks) {
            if let Err(detail) = truth.gone(first, store) {
                return cx.violate(Rule::Trim, detail);
            }
            let disk_bytes = store
                .park
                .as_ref()
                .map_or(0, |park| park.status().disk_bytes);
            if disk_bytes > store.quota + BEYOND_QUOTA + store.beyond {
                let name = truth.flow.name;
                let detail = format!("the park of {name} takes {disk_bytes} of {}", store.quota);
                return cx.violate(Rule::Limits, detail);
            }
        }
    }

    /// The node has opened its log, which begins at `first`, and its parks.
    pub(super) fn restarted(&mut self, cx: &mut Context, first: FrameNumber, parks: &[Store]) {
        for (truth, store) in self.0.iter_mut().zip(parks) {
            // All of them are looked up again.
            truth.parked.clear();
            if let Err(detail) = truth.gone(first, store) {
                return cx.violate(Rule::Parked, detail);
            }
        }
    }

    /// The log says what a park had no room for.
    pub(super) fn given_up(&mut self, entry: &GivenUp) {
        if let Some(truth) = self.named(&entry.flow) {
            let events = entry.runs.iter().flat_map(PassedRun::events);
            truth.told.extend(events.map(|(place, _)| place));
        }
    }

    /// Whether the event at this place was said to be given up.
    pub(super) fn is_told(&self, flow: &str, place: Place) -> bool {
        let truth = self.0.iter().find(|truth| truth.flow.name == flow);
        truth.is_some_and(|truth| truth.told.contains(&place))
    }

    /// Whether anything of the flow was given up.
    pub(super) fn gives_up(&self, flow: &str) -> bool {
        let mut flows = self.0.iter();
        flows.any(|truth| truth.flow.name == flow && !truth.given_up.is_empty())
    }
}

impl Truth {
    /// Every event before `first` that is not settled is in the park as it was, or is among what was
    /// said to be given up.
    fn gone(&mut self, first: FrameNumber, store: &Store) -> Result<(), String> {
        let begin = |place: &&Place| place.frame < first;
        let open = self.open.iter().take_while(begin).copied();
        let unseen: Vec<Place> = open.filter(|place| !self.parked.contains(place)).collect();
        let reader = store.reader();
        for place in unseen {
            let name = self.flow.name;
            if self.is_parked(place, reader.as_ref())? {
                self.parked.insert(place);
            } else if self.told.contains(&place) {
                self.give_up(place);
            } else {
                return Err(format!(
                    "{name} has not settled {place:?}, {first} is the first frame, and it is not parked"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn give_up(&mut self, place: Place) {
        self.open.remove(&place);
        self.given_up.insert(place);
    }

    fn is_parked(&self, place: Place, reader: Option<&ParkReader>) -> Result<bool, String> {
        let Some(reader) = reader else {
            return Ok(false);
        };
        let found = reader.event(place).map_err(|error| error.to_string())?;
        let (Some(parked), Some((id, key))) = (found, self.events.get(&place)) else {
            return Ok(false);
        };
        let entry = &parked.event;
        let same = entry.event.id == *id
            && entry.event.key == *key
            && fingerprint_of(&entry.event) == entry.fingerprint;
        if same {
            Ok(true)
        } else {
            Err(format!("{place:?} is parked as something else"))
        }
    }

    /// Events that were given up and were not settled from memory before.
    pub(super) fn lost_for_good(&self) -> impl Iterator<Item = &Place> {
        let given_up = self.given_up.iter();
        given_up.filter(|place| !self.outcomes.contains_key(place))
    }
}
