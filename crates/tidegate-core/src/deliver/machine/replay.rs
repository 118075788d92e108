//! Replays: events of the log that are sent once more although they are settled.
//!
//! The other side was restored from a backup, or lost what it had taken. A replay changes nothing of what
//! the flow knows: no receipt, no attempt and no fault is written, so the books stay as they are, and a
//! crash forgets it.

use std::collections::VecDeque;
use std::time::Duration;

use tidegate_types::id::EventId;
use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;

use super::Delivery;
use crate::deliver::lane::{Again, Item, ItemState, LaneKey};
use crate::deliver::output::{Replay, ReplayRefusal, Replayed};

/// Replays under way at a time: whoever replays many is throttled by this, and their contents are in memory.
pub const REPLAYS_MAX: usize = 256;

/// A replay ends as failed rather than wait longer than this for its next attempt: what is new of its key
/// waits behind it, and the operator sees what is left to do.
pub(super) const REPLAY_WAIT_MAX: Duration = Duration::from_secs(60);

/// Bytes in memory, in windows of the flow, beyond which no replay is taken.
const WINDOWS_MAX: usize = 2;

/// What the machine knows of replays.
#[derive(Debug, Default)]
pub(super) struct Replays {
    pub(super) under_way: usize,
    /// Those that ended and were not told yet: as many as were under way at most, as long as the shell takes
    /// all outputs before it hands in more.
    pub(super) ended: VecDeque<Replayed>,
}

impl<B: Clone> Delivery<B> {
    /// Sends an event once more that is settled: behind earlier replays of its key, before what is new of it,
    /// and never beside another delivery of the key. Its end is told by
    /// [`Output::Replayed`](super::super::Output::Replayed), unless the machine ends first.
    ///
    /// # Errors
    /// The event is not settled, its key waits, it would overtake without permission, or too many are under
    /// way.
    pub fn handle_replay(
        &mut self,
        now: UnixMillis,
        replay: Replay<B>,
    ) -> Result<(), ReplayRefusal> {
        self.may_replay(now, &replay)?;
        let key = self.lane_of(&replay.key, replay.place);
        let renewed = if replay.renew_key { self.now.0 } else { 0 };
        let (event, content) = ((replay.id, key), (replay.bytes, replay.body));
        let item = Item::again(event, content, self.now, Again::Replayed { renewed });
        self.replays.under_way = self.replays.under_way.saturating_add(1);
        self.put_first(replay.place, item);
        Ok(())
    }

    /// Whether [`Delivery::handle_replay`] would take it.
    ///
    /// # Errors
    /// As there.
    pub fn may_replay(&mut self, now: UnixMillis, replay: &Replay<B>) -> Result<(), ReplayRefusal> {
        self.advance(now);
        let place = replay.place;
        let known = self.items.get(&place);
        if known.is_some_and(Item::is_replay) || self.is_resubmitted(replay.id) {
            return Err(ReplayRefusal::UnderWay);
        }
        if known.is_some() || place >= self.low() {
            return Err(ReplayRefusal::Pending);
        }
        let key = self.lane_of(&replay.key, place);
        let lane = self.lanes.get(&key);
        if lane.is_some_and(|lane| lane.held || lane.doubtful || lane.blocked.is_some()) {
            return Err(ReplayRefusal::Held);
        }
        if !matches!(key, LaneKey::One(_)) && !replay.superseded {
            return Err(ReplayRefusal::Superseded);
        }
        let bytes_max = self.settings.window.bytes_max.saturating_mul(WINDOWS_MAX);
        if self.replays.under_way >= REPLAYS_MAX || self.body_bytes >= bytes_max {
            return Err(ReplayRefusal::Busy { limit: REPLAYS_MAX });
        }
        Ok(())
    }

    fn is_resubmitted(&self, id: EventId) -> bool {
        self.resubmitted.contains(&self.fault_of(id))
    }

    /// A replay was taken, or failed for this reason. What waits for it goes on.
    pub(super) fn replay_ended(&mut self, place: Place, failed: Option<String>) {
        let Some(item) = self.remove_item(place) else {
            return;
        };
        self.replays.under_way = self.replays.under_way.saturating_sub(1);
        self.replays.ended.push_back(Replayed {
            place,
            id: item.id,
            failed,
        });
        self.leave_lane(place, &item.lane);
    }

    /// The lane waits for a fault from now on, for nobody knows how long: its replays do not.
    pub(super) fn end_replays(&mut self, key: &LaneKey, fault: EventId) {
        let queue = self.lanes.get(key).map(|lane| lane.queue.iter());
        let is_idle = |place: &&Place| {
            let item = self.items.get(place);
            item.is_some_and(|it| it.is_replay() && !matches!(it.state, ItemState::UnderWay(_)))
        };
        let replays: Vec<Place> = queue
            .into_iter()
            .flatten()
            .filter(is_idle)
            .copied()
            .collect();
        for place in replays {
            self.replay_ended(place, Some(format!("its key waits for fault {fault}")));
        }
    }
}
