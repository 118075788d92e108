//! Identities that stand in the log and that the ledger has not applied yet.

use std::collections::{HashMap, VecDeque};

use tidegate_types::id::EventId;
use tidegate_types::position::FrameNumber;

use super::ledger::Known;

/// A bounded map from identity to place, emptied frame by frame as the ledger catches up.
#[derive(Debug, Default)]
pub(super) struct Window {
    known: HashMap<EventId, Known>,
    frames: VecDeque<(FrameNumber, Vec<EventId>)>,
}

impl Window {
    pub(super) fn get(&self, id: &EventId) -> Option<Known> {
        self.known.get(id).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Adds the identities of a synced frame; frames come in order.
    pub(super) fn push(&mut self, frame: FrameNumber, entries: Vec<(EventId, Known)>) {
        let ids = entries.iter().map(|(id, _)| *id).collect();
        self.known.extend(entries);
        self.frames.push_back((frame, ids));
    }

    /// Forgets the identities of all frames up to `applied`.
    pub(super) fn release(&mut self, applied: FrameNumber) {
        while let Some((frame, _)) = self.frames.front()
            && *frame <= applied
        {
            for id in self
                .frames
                .pop_front()
                .map(|(_, ids)| ids)
                .unwrap_or_default()
            {
                self.known.remove(&id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receive::ledger::Outcome;
    use tidegate_types::position::{Incarnation, Place};

    #[test]
    fn frames_leave_in_order_once_applied() {
        let mut window = Window::default();
        for frame in 1..=3_u64 {
            let number = FrameNumber(frame);
            let place = Place {
                incarnation: Incarnation(1),
                frame: number,
                index: 0,
            };
            let known = Known {
                fingerprint: [0; 16],
                place,
                outcome: Outcome::Event,
            };
            let id = EventId::from_bytes([u8::try_from(frame).unwrap(); 16]);
            window.push(number, vec![(id, known)]);
        }
        window.release(FrameNumber(2));
        assert_eq!(window.len(), 1);
        assert!(window.get(&EventId::from_bytes([2; 16])).is_none());
        assert!(window.get(&EventId::from_bytes([3; 16])).is_some());
    }
}
