//! What is not settled yet, found by looking at the events again.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_types::id::EventId;
use tidegate_types::position::Place;

use super::given_up::Spans;
use super::tally::{Hour, HourTally, Tally};
use crate::deliver::{LaneKey, Restored};

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
    /// What was given up, and is pending all the same: its frames are there yet, or it was on its way.
    given_up: Spans,
    still: BTreeMap<Hour, Tally>,
    /// What it needs of the log before this place is in its park.
    parked: Place,
    /// From this place on it was not looked.
    unseen_from: Option<Place>,
}

impl Pending {
    /// Of flows that stand so, which have given up what `given_up` says.
    pub(super) fn new(flows: Vec<(String, Restored)>, given_up: &BTreeMap<String, Spans>) -> Self {
        let unsettled = |flow: &str, restored: Restored| {
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
                given_up: given_up.get(flow).cloned().unwrap_or_default(),
                still: BTreeMap::new(),
                parked: Place::NOWHERE,
                unseen_from: None,
            }
        };
        let flows = flows
            .into_iter()
            .map(|(flow, restored)| {
                let unsettled = unsettled(&flow, restored);
                (flow, unsettled)
            })
            .collect();
        Self { flows }
    }

    /// The first place to look at; `None` if there are no flows.
    #[must_use]
    pub fn begin(&self) -> Option<Place> {
        self.flows.values().map(Unsettled::begin).min()
    }

    /// What a flow needs of the log before `through` is in its park: its events are met there, with
    /// [`Pending::take_parked`]. Gives the first place to look at there, and the first whose passed events count;
    /// `None` if it needs nothing of the park.
    pub fn parked(&mut self, flow: &str, through: Place) -> Option<(Place, Place)> {
        let flow = self.flows.get_mut(flow)?;
        flow.parked = through;
        Some((flow.begin(), flow.low)).filter(|(begin, _)| *begin < through)
    }

    /// Looks at an event in the park of a flow.
    pub fn take_parked(
        &mut self,
        flow: &str,
        hour: Hour,
        place: Place,
        (id, key): (&EventId, &str),
    ) {
        if let Some(flow) = self.flows.get_mut(flow)
            && !flow.done.contains(&place)
            && (place >= flow.low || flow.is_held(key, place))
        {
            flow.note(hour, place, id, true);
        }
    }

    /// Events that a flow passes over, which stand in its park at or behind `low`.
    pub fn take_passed(&mut self, flow: &str, hours: &[HourTally]) {
        if let Some(flow) = self.flows.get_mut(flow) {
            for it in hours {
                flow.rows.entry(it.hour).or_default().add(it.tally);
            }
        }
    }

    /// Looks at an event of the log. `wanted` says whether a flow, by its name, wants it; it is asked only where that matters.
    pub fn take(
        &mut self,
        hour: Hour,
        place: Place,
        (id, key): (&EventId, &str),
        mut wanted: impl FnMut(&str) -> bool,
    ) {
        for (name, flow) in &mut self.flows {
            if place < flow.parked || flow.done.contains(&place) {
                continue;
            }
            // What is not wanted is counted as passed over once `low` is behind it.
            let matters = place < flow.low || flow.given_up.hold(place);
            let wanted = matters && wanted(name);
            if place >= flow.low || (wanted && flow.is_held(key, place)) {
                flow.note(hour, place, id, wanted);
            }
        }
    }

    /// Nothing from `place` on will be looked at.
    pub fn stop(&mut self, place: Place) {
        for flow in self.flows.values_mut() {
            flow.unseen_from = Some(flow.unseen_from.map_or(place, |before| before.min(place)));
        }
    }

    /// Nothing of one flow from `place` on will be looked at.
    pub fn stop_at(&mut self, flow: &str, place: Place) {
        if let Some(flow) = self.flows.get_mut(flow) {
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
        let mut pending = flow.rows.get(&hour).copied().unwrap_or_default();
        let mut given_up = flow.still.get(&hour).copied().unwrap_or_default();
        for (place, id) in &flow.retrying {
            if hour_of(*place) == Some(hour) {
                pending.add(Tally::of(id));
                if flow.given_up.hold(*place) {
                    given_up.add(Tally::of(id));
                }
            }
        }
        Found::Events { pending, given_up }
    }
}

/// What is known of the events that are pending.
pub(super) enum Found {
    /// These are, and some of them count as given up so far.
    Events { pending: Tally, given_up: Tally },
    /// Nobody looked.
    Unknown,
}

impl Unsettled {
    fn begin(&self) -> Place {
        let held = self.held.values().copied().min();
        held.map_or(self.low, |held| held.min(self.low))
    }

    fn note(&mut self, hour: Hour, place: Place, id: &EventId, wanted: bool) {
        let tally = Tally::of(id);
        self.rows.entry(hour).or_default().add(tally);
        if wanted && self.given_up.hold(place) {
            self.still.entry(hour).or_default().add(tally);
        }
    }

    fn is_held(&self, key: &str, place: Place) -> bool {
        let from = |lane: &str| self.held.get(lane).is_some_and(|from| *from <= place);
        from("") || (!key.is_empty() && from(&LaneKey::key(key).text()))
    }
}
