//! Faults: resubmitting and discarding them, and what waits for that.

use tidegate_types::id::EventId;
use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;

use super::Delivery;
use crate::deliver::lane::{Again, Item, ItemState, LaneKey, Resubmitted};
use crate::deliver::output::{Discard, FaultRefusal, Note, Resubmission};
use crate::log::entry::{Closing, FaultClosed};

/// Faults that are being resubmitted at a time: a mass resubmission is throttled by this.
pub const RESUBMITTED_MAX: usize = 256;

/// Faults of keys that went on for which it is remembered whether a successor was delivered. Of
/// others it is assumed.
const ASIDES_MAX: usize = 10_000;

/// An event that was set aside, and of whose key nothing later was delivered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aside {
    fault: EventId,
    place: Place,
}

impl<B: Clone> Delivery<B> {
    /// Sends an event again that was set aside. Its fault is closed when the receipt is written.
    ///
    /// # Errors
    /// It would break the order without permission, is on its way already, was set aside just now, or
    /// too many are on their way.
    pub fn handle_resubmit(
        &mut self,
        now: UnixMillis,
        fault: Resubmission<B>,
    ) -> Result<(), FaultRefusal> {
        self.advance(now);
        let known = self.resubmitted.contains(&fault.fault) || self.is_closing(fault.fault);
        if known || self.items.contains_key(&fault.place) {
            return Err(FaultRefusal::UnderWay);
        }
        if self.is_settling(fault.fault) {
            return Err(FaultRefusal::Settling);
        }
        if self.resubmitted.len() >= RESUBMITTED_MAX {
            return Err(FaultRefusal::Busy {
                limit: RESUBMITTED_MAX,
            });
        }
        let key = self.lane_of(&fault.key, fault.place);
        let overtaken = self.may_be_overtaken(&key, fault.fault);
        if overtaken && !fault.superseded {
            return Err(FaultRefusal::Superseded);
        }
        self.resubmitted.insert(fault.fault);
        let again = Again::Resubmitted(Resubmitted {
            fault: fault.fault,
            set_aside: fault.set_aside,
            superseded: overtaken,
            renewed: if fault.renew_key { self.now.0 } else { 0 },
            by: fault.by,
        });
        let (event, content) = ((fault.id, key), (fault.bytes, fault.body));
        let item = Item::again(event, content, self.now, again);
        self.put_first(fault.place, item);
        Ok(())
    }

    /// Gives up an event that was set aside. What waits for it goes on when that is durable.
    ///
    /// # Errors
    /// It is being resubmitted, or was set aside just now.
    pub fn handle_discard(&mut self, now: UnixMillis, fault: Discard) -> Result<(), FaultRefusal> {
        self.advance(now);
        if self.resubmitted.contains(&fault.fault) || self.is_closing(fault.fault) {
            return Err(FaultRefusal::UnderWay);
        }
        if self.is_settling(fault.fault) {
            return Err(FaultRefusal::Settling);
        }
        self.settling.closed.push_back(FaultClosed {
            id: fault.fault,
            set_aside: fault.set_aside,
            flow: self.settings.flow.clone(),
            how: Closing::Discarded {
                reason: fault.reason,
            },
            by: fault.by,
            time: self.now,
        });
        Ok(())
    }

    /// The lane no longer waits for this fault.
    pub(super) fn unblock(&mut self, fault: EventId) {
        let lane = self
            .lanes
            .iter_mut()
            .find(|(_, lane)| lane.blocked == Some(fault));
        let Some((key, lane)) = lane else {
            return;
        };
        lane.blocked = None;
        let key = key.clone();
        self.settling.dirty.insert(key.clone());
        self.note(Note::KeyUnblocked { key: key.text() });
        self.promote(&key);
        self.feed(&key);
    }

    /// Remembers an event whose successors go on.
    pub(super) fn remember_aside(&mut self, key: &LaneKey, fault: EventId, place: Place) {
        if self.asides_count < ASIDES_MAX {
            self.asides_count = self.asides_count.saturating_add(1);
            self.asides
                .entry(key.clone())
                .or_default()
                .push(Aside { fault, place });
        }
    }

    /// An event of the lane was delivered: those set aside before it were overtaken.
    pub(super) fn overtakes(&mut self, key: &LaneKey, delivered: Place) {
        let Some(asides) = self.asides.get_mut(key) else {
            return;
        };
        let before = asides.len();
        asides.retain(|aside| aside.place > delivered);
        self.asides_count = self
            .asides_count
            .saturating_sub(before.saturating_sub(asides.len()));
        if asides.is_empty() {
            self.asides.remove(key);
        }
    }

    /// If the event was resubmitted, its fault is closed together with the receipt.
    pub(super) fn close_resubmitted(&mut self, place: Place) {
        let again = self.items.get(&place).and_then(|item| item.again.as_ref());
        let Some(Again::Resubmitted(again)) = again else {
            return;
        };
        self.settling.closed.push_back(FaultClosed {
            id: again.fault,
            set_aside: again.set_aside,
            flow: self.settings.flow.clone(),
            how: Closing::Resubmitted {
                superseded: again.superseded,
            },
            by: again.by.clone(),
            time: self.now,
        });
    }

    fn may_be_overtaken(&self, key: &LaneKey, fault: EventId) -> bool {
        if matches!(key, LaneKey::One(_)) {
            return false;
        }
        let lane = self.lanes.get(key);
        if lane.is_some_and(|lane| lane.blocked == Some(fault)) {
            return false;
        }
        let asides = self.asides.get(key);
        let aside = asides.and_then(|asides| asides.iter().find(|aside| aside.fault == fault));
        // Of others nothing is known any more.
        let Some(aside) = aside else {
            return true;
        };
        let mut queue = lane.iter().flat_map(|lane| lane.queue.iter());
        queue.any(|place| *place > aside.place && self.is_leaving(place))
    }

    /// Whether the event is on its way, or was delivered and its receipt is not durable yet.
    fn is_leaving(&self, place: &Place) -> bool {
        self.items.get(place).is_some_and(|item| {
            item.again.is_none()
                && matches!(item.state, ItemState::UnderWay(_) | ItemState::Settling(_))
        })
    }

    /// The event is sent again, before all of its lane that are not on their way. A replay goes behind
    /// what is sent again already, so that several keep their order.
    pub(super) fn put_first(&mut self, place: Place, item: Item<B>) {
        let (key, is_replay) = (item.lane.clone(), item.is_replay());
        self.hold_body(&item);
        self.items.insert(place, item);
        let lane = self.lanes.entry(key.clone()).or_default();
        let moves = |place: &Place| {
            self.items.get(place).is_some_and(|item| {
                matches!(
                    item.state,
                    ItemState::UnderWay(_) | ItemState::SettingAside | ItemState::Settling(_)
                ) || (is_replay && item.again.is_some())
            })
        };
        let at = lane
            .queue
            .iter()
            .rposition(moves)
            .map_or(0, |at| at.saturating_add(1));
        lane.queue.insert(at, place);
        let next = lane.queue.get(at.saturating_add(1)).copied();
        if let Some(item) = next.and_then(|next| self.items.get_mut(&next))
            && item.state == ItemState::Ready
        {
            item.state = ItemState::Behind;
            self.ready_count = self.ready_count.saturating_sub(1);
        }
        self.promote(&key);
    }
}
