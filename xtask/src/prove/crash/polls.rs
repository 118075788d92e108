//! What the log says of the flow that polls, held against what its source has.

use std::collections::BTreeSet;

use serde_json::Value;
use tidegate_core::log::entry::EventEntry;
use tidegate_types::id::{EventId, FlowNamespace};
use tidegate_types::position::Place;

use super::breach::{Breach, Breaches};
use super::checker::SUBSYSTEM;
use super::source::{State, item, item_of};

/// The flow.
pub(crate) const FLOW: &str = "items";

/// What was read of the log so far.
#[derive(Debug)]
pub(crate) struct Polls {
    seed: u64,
    /// Everything up to this item is in the log.
    through: u64,
    /// Items beyond it.
    beyond: BTreeSet<u64>,
}

impl Polls {
    pub(crate) const fn new(seed: u64) -> Self {
        Self {
            seed,
            through: 0,
            beyond: BTreeSet::new(),
        }
    }

    /// An event of the flow.
    pub(crate) fn event(&mut self, place: Place, entry: &EventEntry, breaches: &mut Breaches) {
        let event = &entry.event;
        let Some(number) = item_of(&event.external_id) else {
            return breaches.add(Breach::Altered, || {
                format!("item {:?} at {place:?} never was", event.external_id)
            });
        };
        let data: Value = serde_json::from_slice(&event.data).unwrap_or_default();
        let namespace = FlowNamespace::new(SUBSYSTEM, FLOW);
        let same = data == item(self.seed, number)
            && event.id == EventId::derive(&namespace, &event.external_id);
        breaches.unless(same, Breach::Altered, || {
            format!("item {number} at {place:?} is not what the source has")
        });
        let new = number > self.through && self.beyond.insert(number);
        breaches.unless(new, Breach::Repeated, || {
            format!("item {number} stands in the log again, at {place:?}")
        });
        while self.beyond.remove(&(self.through + 1)) {
            self.through += 1;
        }
    }

    /// Whether everything is in the log that the node claims to have by the cursors it asks with.
    pub(crate) fn compare(&self, source: &State, breaches: &mut Breaches) {
        breaches.unless(source.asked <= self.through, Breach::Unpolled, || {
            format!(
                "the source was asked for what comes after {}, and the log has everything up to {} only",
                source.asked, self.through
            )
        });
    }

    /// Whether everything is there, once the source has stopped to grow and was asked to its end.
    pub(crate) fn demand_all(&self, source: &State, breaches: &mut Breaches) {
        let all = self.through == source.total && self.beyond.is_empty();
        breaches.unless(all, Breach::Unpolled, || {
            format!(
                "of {} items the log has {}, and {} beyond",
                source.total,
                self.through,
                self.beyond.len()
            )
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;
    use tidegate_types::event::Event;
    use tidegate_types::position::{FrameNumber, Incarnation};
    use tidegate_types::time::UnixMillis;

    fn event(number: u64, data: &Value) -> EventEntry {
        let external_id = format!("i{number}");
        let event = Event {
            id: EventId::derive(&FlowNamespace::new(SUBSYSTEM, FLOW), &external_id),
            flow: FLOW.to_owned(),
            external_id,
            kind: "item.changed".to_owned(),
            time: UnixMillis(1),
            received: UnixMillis(1),
            key: String::new(),
            content_type: "application/json".to_owned(),
            data: data.to_string().into(),
            attributes: Vec::new(),
            raw: None,
        };
        EventEntry {
            event,
            fingerprint: [0; 16],
        }
    }

    fn log(numbers: &[u64]) -> (Polls, Breaches) {
        let (mut polls, mut breaches) = (Polls::new(3), Breaches::default());
        let place = Place {
            incarnation: Incarnation(1),
            frame: FrameNumber(1),
            index: 0,
        };
        for number in numbers {
            polls.event(place, &event(*number, &item(3, *number)), &mut breaches);
        }
        (polls, breaches)
    }

    /// Gaps that are noticed if the source has three items and was asked for more than `asked`.
    fn gaps(numbers: &[u64], asked: u64) -> u64 {
        let (polls, mut breaches) = log(numbers);
        let source = Source::new(3);
        let mut state = source.lock();
        state.total = 3;
        state.asked = asked;
        polls.compare(&state, &mut breaches);
        polls.demand_all(&state, &mut breaches);
        breaches.count(Breach::Unpolled)
    }

    #[test]
    fn gaps_are_noticed() {
        assert_eq!(gaps(&[2, 1, 3], 3), 0, "in any order");
        assert_eq!(gaps(&[1, 3], 1), 1, "one is missing at the end");
        assert_eq!(gaps(&[1, 3], 3), 2, "and the cursor has passed it");
        assert_eq!(gaps(&[1, 2], 3), 2, "the cursor was ahead of its items");
    }

    #[test]
    fn repeats_and_other_content_are_noticed() {
        assert!(log(&[1, 2, 3]).1.is_empty());
        assert_eq!(log(&[1, 2, 1]).1.count(Breach::Repeated), 1);
        assert_eq!(log(&[3, 3]).1.count(Breach::Repeated), 1);
        let (mut polls, mut breaches) = log(&[]);
        let place = Place {
            incarnation: Incarnation(1),
            frame: FrameNumber(1),
            index: 0,
        };
        polls.event(place, &event(1, &item(3, 2)), &mut breaches);
        assert_eq!(breaches.count(Breach::Altered), 1);
    }
}
