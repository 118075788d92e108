//! What is not settled yet, found by looking at the events again.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_types::id::EventId;
use tidegate_types::position::Place;

use super::tally::{Hour, Tally};
use crate::deliver::Restored;

/// Goes through the events of a log from [`Pending::begin`] on and says which of them each flow has not settled.
#[derive(Debug)]
pub struct Pending {
    flows: BTreeMap<String, Unsettled>,
}

/// One flow.
#[derive(Debug)]
struct Unsettled {
    low: Place,
    done: BTreeSet<Place>,
    /// Where the events of a key are unsettled from, by key; the empty key stands for all.
    held: BTreeMap<String, Place>,
    /// Events before `low` that wait for another attempt, apart from those of held keys.
    retrying: Vec<(Place, EventId)>,
    rows: BTreeMap<Hour, Tally>,
    /// From this place on it was not looked.
    unseen_from: Option<Place>,
}

impl Pending {
    /// Of flows that stand so.
    #[must_use]
    pub fn new(flows: Vec<(String, Restored)>) -> Self {
        let unsettled = |restored: Restored| {
            let low = restored.low;
            let held: BTreeMap<String, Place> = restored
                .held
                .into_iter()
                .map(|lane| (lane.key, lane.from))
                .collect();
            let lanes = &held;
            let apart = |key: &str| !lanes.contains_key(key) && !lanes.contains_key("");
            let retrying = restored
                .retrying
                .iter()
                .filter(|entry| entry.place < low && apart(&entry.key))
                .map(|entry| (entry.place, entry.id))
                .collect();
            Unsettled {
                low,
                done: restored.done,
                held,
                retrying,
                rows: BTreeMap::new(),
                unseen_from: None,
            }
        };
        let flows = flows
            .into_iter()
            .map(|(flow, restored)| (flow, unsettled(restored)))
            .collect();
        Self { flows }
    }

    /// The first place to look at; `None` if there are no flows.
    #[must_use]
    pub fn begin(&self) -> Option<Place> {
        let first = |flow: &Unsettled| {
            let held = flow.held.values().copied().min();
            held.map_or(flow.low, |held| held.min(flow.low))
        };
        self.flows.values().map(first).min()
    }

    /// Looks at an event. `wanted` says whether a flow, by its name, wants it; it is asked only where that matters.
    pub fn take(
        &mut self,
        hour: Hour,
        place: Place,
        (id, key): (&EventId, &str),
        mut wanted: impl FnMut(&str) -> bool,
    ) {
        for (name, flow) in &mut self.flows {
            if flow.done.contains(&place) {
                continue;
            }
            // What is not wanted is counted as passed over once `low` is behind it.
            if place >= flow.low || (flow.is_held(key, place) && wanted(name)) {
                flow.rows.entry(hour).or_default().add(Tally::of(id));
            }
        }
    }

    /// Nothing from `place` on will be looked at.
    pub fn stop(&mut self, place: Place) {
        for flow in self.flows.values_mut() {
            flow.unseen_from = Some(place);
        }
    }

    /// What is pending of a flow and hour.
    pub(super) fn of(
        &self,
        flow: &str,
        hour: Hour,
        hour_of: impl Fn(Place) -> Option<Hour>,
    ) -> Found {
        let Some(flow) = self.flows.get(flow) else {
            return Found::Unknown;
        };
        if let Some(unseen) = flow.unseen_from
            && hour_of(unseen).is_some_and(|unseen| unseen <= hour)
        {
            return Found::Unknown;
        }
        let mut tally = flow.rows.get(&hour).copied().unwrap_or_default();
        for (place, id) in &flow.retrying {
            if hour_of(*place) == Some(hour) {
                tally.add(Tally::of(id));
            }
        }
        Found::Events(tally)
    }
}

/// What is known of the events that are pending.
pub(super) enum Found {
    /// These are.
    Events(Tally),
    /// Nobody looked.
    Unknown,
}

impl Unsettled {
    fn is_held(&self, key: &str, place: Place) -> bool {
        let from = |key: &str| self.held.get(key).is_some_and(|from| *from <= place);
        from(key) || from("")
    }
}
