//! Which events go next, and when.

use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;

use super::Delivery;
use super::answer::Attempt;
use crate::deliver::breaker::BreakerState;
use crate::deliver::lane::{Again, ItemState};
use crate::deliver::output::{AttemptId, IdempotencyKey, Send, SendEvent};
use crate::deliver::settings::Batch;

/// Events that were answered and whose receipts are not durable at most: so many may repeat after
/// a crash, besides those under way.
const SETTLING_MAX: usize = 4096;

/// An event that failed so many probes is only used for one if there is no other.
pub(super) const PROBES_MAX: u32 = 3;

impl<B: Clone> Delivery<B> {
    pub(super) fn next_send(&mut self) -> Option<Send<B>> {
        if self.ready_count == 0 || !self.may_send() || self.paused_until > self.now {
            return None;
        }
        let probe = self.breaker.admits(self.now, self.attempts.len())?;
        if self.pace.ready_at(self.now) > self.now || (!probe && !self.batch_is_due()) {
            return None;
        }
        let first = self.pick(probe)?;
        let places = match self.settings.batch {
            Some(batch) if !probe => self.gather(first, batch),
            _ => vec![first],
        };
        self.attempts_made = self.attempts_made.saturating_add(1);
        let attempt = AttemptId(self.attempts_made);
        let events: Vec<_> = places
            .iter()
            .filter_map(|place| self.depart(*place, attempt))
            .collect();
        self.attempts.insert(attempt, Attempt { places, probe });
        self.pace.take(self.now);
        self.batch_since = None;
        if probe {
            self.breaker.probe_sent();
        }
        Some(Send {
            attempt,
            events,
            probe,
        })
    }

    /// When something can be sent that cannot be now; `None` if that does not depend on time.
    pub(super) fn send_timeout(&mut self) -> Option<UnixMillis> {
        if self.ready_count == 0 || !self.may_send() {
            return None;
        }
        let breaker = match self.breaker.state() {
            BreakerState::Admitting => self.now,
            BreakerState::Rejecting(until) => until,
            BreakerState::Probing => return None,
        };
        let batch = match (self.settings.batch, self.batch_since) {
            (Some(batch), Some(since)) => since.plus(batch.wait),
            _ => self.now,
        };
        let at = self
            .pace
            .ready_at(self.now)
            .max(breaker)
            .max(batch)
            .max(self.paused_until);
        (at > self.now).then_some(at)
    }

    fn may_send(&self) -> bool {
        let concurrency = usize::try_from(self.settings.concurrency.max(1)).unwrap_or(usize::MAX);
        !self.paused
            && !self.gone
            && !self.settling.is_refused()
            && self.settling.count() < SETTLING_MAX
            && self.attempts.len() < concurrency
    }

    fn batch_is_due(&mut self) -> bool {
        let Some(batch) = self.settings.batch else {
            return true;
        };
        let since = *self.batch_since.get_or_insert(self.now);
        let front = self.ready.front().and_then(|place| self.items.get(place));
        let lane = front.and_then(|item| self.lanes.get(&item.lane));
        let behind = lane.map_or(0, |lane| lane.queue.len().saturating_sub(1));
        self.ready_count.saturating_add(behind) >= batch.events_max
            || since.plus(batch.wait) <= self.now
    }

    /// The next event that is ready. For a probe, one that has not failed too many, if there is one.
    fn pick(&mut self, probe: bool) -> Option<Place> {
        let mut suspect = None;
        for _ in 0..self.ready.len() {
            let place = self.ready.pop_front()?;
            let Some(item) = self.items.get(&place) else {
                continue;
            };
            if item.state != ItemState::Ready {
                continue;
            }
            if !probe || item.probes_failed < PROBES_MAX {
                if let Some(suspect) = suspect {
                    self.ready.push_back(suspect);
                }
                return Some(place);
            }
            match suspect {
                None => suspect = Some(place),
                Some(_) => self.ready.push_back(place),
            }
        }
        suspect
    }

    /// Fills a batch: what stands behind the first in its lane, then other lanes.
    fn gather(&mut self, first: Place, batch: Batch) -> Vec<Place> {
        let mut places = vec![first];
        let mut bytes = self.items.get(&first).map_or(0, |item| item.bytes);
        if self.items.get(&first).is_some_and(|item| item.alone) {
            return places;
        }
        self.follow(first, batch, &mut places, &mut bytes);
        for _ in 0..self.ready.len() {
            if places.len() >= batch.events_max {
                break;
            }
            let Some(place) = self.ready.pop_front() else {
                break;
            };
            let Some(item) = self
                .items
                .get(&place)
                .filter(|item| item.state == ItemState::Ready)
            else {
                continue;
            };
            let sum = bytes.saturating_add(item.bytes);
            if item.alone || sum > batch.bytes_max {
                self.ready.push_back(place);
                continue;
            }
            bytes = sum;
            places.push(place);
            self.follow(place, batch, &mut places, &mut bytes);
        }
        places
    }

    /// Adds what stands directly behind `first` in its lane.
    fn follow(&self, first: Place, batch: Batch, places: &mut Vec<Place>, bytes: &mut usize) {
        let lane = self
            .items
            .get(&first)
            .and_then(|item| self.lanes.get(&item.lane));
        let Some(lane) = lane else {
            return;
        };
        for place in lane.queue.iter().skip(1) {
            let Some(item) = self.items.get(place) else {
                return;
            };
            let sum = bytes.saturating_add(item.bytes);
            let fits = places.len() < batch.events_max && sum <= batch.bytes_max;
            let free = item.state == ItemState::Behind && item.body.is_some() && !item.alone;
            if !fits || !free || lane.blocked.is_some() {
                return;
            }
            *bytes = sum;
            places.push(*place);
        }
    }

    /// The event is on its way.
    fn depart(&mut self, place: Place, attempt: AttemptId) -> Option<SendEvent<B>> {
        let item = self.items.get_mut(&place)?;
        if item.state == ItemState::Ready {
            self.ready_count = self.ready_count.saturating_sub(1);
        }
        let event = SendEvent {
            place,
            id: item.id,
            key: IdempotencyKey {
                id: item.id,
                renewed: item.again.as_ref().map_or(0, Again::renewed),
            },
            sent_before: item.sent,
            body: item.body.clone()?,
        };
        item.state = ItemState::UnderWay(attempt);
        item.sent = item.sent.saturating_add(1);
        Some(event)
    }
}
