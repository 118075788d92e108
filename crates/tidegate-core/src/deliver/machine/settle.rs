//! What goes to the log, and what follows when it is durable.
//!
//! One append is under way at a time; what comes meanwhile shares the next one. What an entry
//! relies on stands in an earlier append: a receipt for what was set aside follows its fault, and
//! `low` passes a failed event only when its record is durable. So the parts of one append may be
//! split over frames in any way.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tidegate_types::id::EventId;
use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;

use super::Delivery;
use crate::books::HourTally;
use crate::deliver::lane::{Again, Item, ItemState, LaneKey};
use crate::deliver::output::{Append, Note, SetAside};
use crate::deliver::settings::OnFault;
use crate::log::entry::{FaultClosed, HeldLane, Receipt, ReceiptOutcome, Receipts, Retrying};

/// Receipts in one entry at most: 65 bytes each, so with [`HELD_MAX`] it fits a frame.
const RECEIPTS_MAX: usize = 2048;

/// Held lanes in one entry at most: up to 300 bytes each.
const HELD_MAX: usize = 1024;

/// Failed attempts in one append at most: up to 600 bytes each.
const RETRYING_MAX: usize = 256;

/// Faults in one append at most: each holds a whole event.
const ASIDE_MAX: usize = 16;

/// Closed faults in one append at most.
const CLOSED_MAX: usize = 256;

/// How long `low` may move without being written, if only unwanted events pass. A restart reads
/// what passed since again.
const LOW_EVERY: Duration = Duration::from_secs(10);

/// So many unwanted events are not left unwritten.
const FILTERED_MAX: u64 = 100_000;

/// So many frames `low`, or the beginning of a held lane, may stand behind in the log: it is kept
/// from there on.
const FAR_FRAMES: u64 = 64;

/// Between two looks for records of held lanes that stand far back. All may be written again then.
const HELD_EVERY: Duration = Duration::from_secs(600);

/// The wait after a refused append, doubled with each.
const REFUSED_MIN: Duration = Duration::from_millis(100);

/// The longest wait of that kind.
const REFUSED_MAX: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Settling<B> {
    receipts: VecDeque<Receipt>,
    pub(super) aside: VecDeque<SetAside<B>>,
    pub(super) retrying: VecDeque<Retrying>,
    pub(super) closed: VecDeque<FaultClosed>,
    /// Lanes whose record in the log may be wrong.
    pub(super) dirty: BTreeSet<LaneKey>,
    /// Lanes of the last append that was refused, which may be in the log all the same. They all go
    /// with the next one, before `low` can pass their events. At most [`HELD_MAX`].
    doubtful: BTreeSet<LaneKey>,
    under_way: Option<UnderWay<B>>,
    /// Refusals in a row.
    refused: u32,
    retry_at: UnixMillis,
    /// Whether the log says where the flow begins.
    begun: bool,
    pub(super) low_written: Place,
    /// What the last entry that was refused said of `low` and unwanted events. Since it may be in
    /// the log, the next one says the same, or unwanted events would count twice.
    low_refused: Option<(Place, Vec<HourTally>)>,
    written_at: UnixMillis,
    /// When the records of held lanes were last looked at.
    refreshed_at: UnixMillis,
}

/// What is being appended, with what it takes to undo it.
#[derive(Debug)]
struct UnderWay<B> {
    append: Append<B>,
    /// Settled events, which keep `low` back no longer once this is durable.
    pins: Vec<(Place, u64)>,
    /// Where the events of lanes that were not held before begin: until this is durable, `low` does
    /// not pass them.
    held_from: Option<Place>,
    /// Lanes that were not held before.
    held: Vec<LaneKey>,
    released: Vec<LaneKey>,
}

impl<B> UnderWay<B> {
    fn closes(&self, fault: EventId) -> bool {
        self.append.closed.iter().any(|closed| closed.id == fault)
    }
}

impl<B> Settling<B> {
    pub(super) const fn new(low: Place, begun: bool, now: UnixMillis) -> Self {
        Self {
            receipts: VecDeque::new(),
            aside: VecDeque::new(),
            retrying: VecDeque::new(),
            closed: VecDeque::new(),
            dirty: BTreeSet::new(),
            doubtful: BTreeSet::new(),
            under_way: None,
            refused: 0,
            retry_at: now,
            begun,
            low_written: low,
            low_refused: None,
            written_at: now,
            refreshed_at: now,
        }
    }

    pub(super) const fn is_refused(&self) -> bool {
        self.refused > 0
    }

    /// Events with an outcome that is not durable.
    pub(super) fn count(&self) -> usize {
        let under_way = self
            .under_way
            .as_ref()
            .and_then(|under_way| under_way.append.receipts.as_ref());
        let under_way = under_way.map_or(0, |receipts| receipts.done.len());
        self.receipts
            .len()
            .saturating_add(self.aside.len())
            .saturating_add(under_way)
    }

    pub(super) fn rebase(&mut self, back: Duration) {
        self.retry_at = self.retry_at.minus(back);
        self.written_at = self.written_at.minus(back);
        self.refreshed_at = self.refreshed_at.minus(back);
    }

    fn next_dirty(&mut self) -> Option<LaneKey> {
        self.doubtful.pop_first().or_else(|| self.dirty.pop_first())
    }

    fn has_work(&self) -> bool {
        !(self.begun
            && self.low_refused.is_none()
            && self.receipts.is_empty()
            && self.aside.is_empty()
            && self.retrying.is_empty()
            && self.closed.is_empty()
            && self.dirty.is_empty()
            && self.doubtful.is_empty())
    }
}

impl<B: Clone> Delivery<B> {
    /// Everything of the last append is durable.
    pub fn handle_appended(&mut self, now: UnixMillis) {
        self.advance(now);
        let Some(under_way) = self.settling.under_way.take() else {
            return;
        };
        self.settling.refused = 0;
        for entry in &under_way.append.retrying {
            self.recorded(entry);
        }
        for aside in under_way.append.aside {
            self.became_fault(aside.place, aside.fault);
        }
        for closed in under_way.append.closed {
            self.unblock(closed.id);
        }
        if let Some(receipts) = under_way.append.receipts {
            self.settling.begun = true;
            self.settling.low_written = self.settling.low_written.max(receipts.low);
            for record in &receipts.held {
                if let Some(lane) = self.lanes.get_mut(&LaneKey::read(&record.key)) {
                    lane.recorded = Some(record.from);
                }
            }
            for receipt in receipts.done {
                self.settled(&receipt);
            }
        }
    }

    /// Nothing or not all of the last append is durable. It is offered again, after a while.
    pub fn handle_refused(&mut self, now: UnixMillis) {
        self.advance(now);
        let Some(under_way) = self.settling.under_way.take() else {
            return;
        };
        for (place, seq) in under_way.pins {
            self.pins.add_event(place, seq);
        }
        for key in under_way.held {
            self.undo_held(&key);
        }
        for key in under_way.released {
            self.lanes.entry(key.clone()).or_default().doubtful = true;
            self.settling.doubtful.insert(key);
        }
        let append = under_way.append;
        let retrying = self.still_due(append.retrying);
        let settling = &mut self.settling;
        put_back(&mut settling.aside, append.aside);
        put_back(&mut settling.retrying, retrying);
        put_back(&mut settling.closed, append.closed);
        if let Some(receipts) = append.receipts {
            settling.low_refused = Some((receipts.low, receipts.filtered));
            put_back(&mut settling.receipts, receipts.done);
            let held = receipts.held.iter().map(|lane| LaneKey::read(&lane.key));
            settling.doubtful.extend(held);
        }
        settling.refused = settling.refused.saturating_add(1);
        let doubled = 2_u32.saturating_pow(settling.refused.saturating_sub(1));
        let wait = REFUSED_MIN.saturating_mul(doubled).min(REFUSED_MAX);
        settling.retry_at = self.now.plus(self.random.jitter(wait));
    }

    /// Failed attempts that are still worth recording: of events that have neither failed again nor
    /// been settled meanwhile. A record that comes behind the receipt would bring the event back.
    fn still_due(&self, mut retrying: Vec<Retrying>) -> Vec<Retrying> {
        retrying.retain(|entry| {
            let item = self.items.get(&entry.place);
            item.is_some_and(|item| {
                !matches!(item.state, ItemState::Settling(_)) && item.attempts == entry.attempts
            })
        });
        retrying
    }

    /// Whether a fault is about to be closed.
    pub(super) fn is_closing(&self, fault: EventId) -> bool {
        let under_way = self.settling.under_way.iter();
        let written = under_way.flat_map(|under_way| &under_way.append.closed);
        let mut closed = self.settling.closed.iter().chain(written);
        closed.any(|closed| closed.id == fault)
    }

    /// Whether a fault is so new that the receipt of its event is not durable.
    pub(super) fn is_settling(&self, fault: EventId) -> bool {
        let under_way = self.settling.under_way.as_ref();
        let written = under_way.map(|under_way| &under_way.append);
        let asides = written.into_iter().flat_map(|append| &append.aside);
        let receipts = written.and_then(|append| append.receipts.as_ref());
        let receipts = receipts.into_iter().flat_map(|receipts| &receipts.done);
        let is_its = |receipt: &Receipt| receipt.outcome == ReceiptOutcome::SetAside { fault };
        self.settling
            .aside
            .iter()
            .chain(asides)
            .any(|aside| aside.fault == fault)
            || self.settling.receipts.iter().chain(receipts).any(is_its)
            || self.reading.set_aside.contains(&fault)
    }

    /// Everything before this is settled, or will be found again without it.
    pub(super) fn low(&self) -> Place {
        let first = self.pins.first().map(|(place, _)| place);
        let under_way = self.settling.under_way.as_ref();
        let settled =
            under_way.and_then(|under_way| under_way.pins.iter().map(|(place, _)| *place).min());
        let held = under_way.and_then(|under_way| under_way.held_from);
        [first, settled, held]
            .into_iter()
            .flatten()
            .fold(self.reading.cursor, Place::min)
    }

    /// What became of the event is known.
    pub(super) fn settle(&mut self, place: Place, outcome: ReceiptOutcome) {
        let Some(item) = self.items.get(&place) else {
            return;
        };
        self.settling.retrying.retain(|entry| entry.place != place);
        self.settling.receipts.push_back(Receipt {
            place,
            id: item.id,
            outcome,
            attempts: item.sent,
            time: self.now,
        });
    }

    pub(super) fn settle_timeout(&self) -> Option<UnixMillis> {
        let settling = &self.settling;
        if settling.under_way.is_some() {
            return None;
        }
        if settling.has_work() {
            return (settling.retry_at > self.now).then_some(settling.retry_at);
        }
        self.low_is_worth_writing()
            .then(|| settling.written_at.plus(LOW_EVERY).max(settling.retry_at))
    }

    pub(super) fn next_append(&mut self) -> Option<Append<B>> {
        if self.settling.under_way.is_some() || self.settling.retry_at > self.now {
            return None;
        }
        let since = self.now.since(self.settling.written_at);
        let low_due = self.low_is_worth_writing()
            && (since >= LOW_EVERY || self.reading.filtered_count >= FILTERED_MAX);
        if !self.settling.has_work() && !low_due {
            return None;
        }
        self.refresh_held();
        // What begins a flow goes alone, so that nothing of it stands in the log before.
        let most = |most: usize| if self.settling.begun { most } else { 0 };
        let (aside, retrying, closed) = (most(ASIDE_MAX), most(RETRYING_MAX), most(CLOSED_MAX));
        let mut under_way = UnderWay {
            append: Append {
                aside: take(&mut self.settling.aside, aside),
                retrying: take(&mut self.settling.retrying, retrying),
                closed: take(&mut self.settling.closed, closed),
                receipts: None,
            },
            pins: Vec::new(),
            held_from: None,
            held: Vec::new(),
            released: Vec::new(),
        };
        under_way.append.receipts = self.compose(&mut under_way);
        let append = under_way.append.clone();
        let empty = append.receipts.is_none()
            && append.aside.is_empty()
            && append.retrying.is_empty()
            && append.closed.is_empty();
        if empty {
            return None;
        }
        self.settling.under_way = Some(under_way);
        Some(append)
    }

    /// The receipts that are due, and what follows from them. `None` if there is nothing to say.
    fn compose(&mut self, under_way: &mut UnderWay<B>) -> Option<Receipts> {
        let done = take(&mut self.settling.receipts, RECEIPTS_MAX);
        let places: BTreeSet<Place> = done.iter().map(|receipt| receipt.place).collect();
        for place in &places {
            self.unpin(*place, under_way);
            let item = self.items.get(place);
            if let Some(item) =
                item.filter(|item| self.lanes.get(&item.lane).is_some_and(|lane| lane.held))
            {
                self.settling.dirty.insert(item.lane.clone());
            }
        }
        let mut held = Vec::new();
        let mut released = Vec::new();
        let mut later = BTreeSet::new();
        while held.len().saturating_add(released.len()) < HELD_MAX
            && let Some(key) = self.settling.next_dirty()
        {
            if self.is_unblocked_by(&key, &under_way.append.closed) {
                later.insert(key);
                continue;
            }
            match self.held_record(&key, &places, under_way) {
                Some(Held::From(record)) => held.push(record),
                Some(Held::Released) => released.push(key.text()),
                None => {}
            }
        }
        self.settling.doubtful.extend(later);
        let (low, filtered) = match self.settling.low_refused.take() {
            Some(refused) => refused,
            None => self.take_low(),
        };
        let idle = done.is_empty() && held.is_empty() && released.is_empty() && filtered.is_empty();
        if idle && self.settling.begun && !is_far(self.settling.low_written, low) {
            return None;
        }
        self.settling.written_at = self.now;
        Some(Receipts {
            flow: self.settings.flow.clone(),
            shard: self.settings.shard,
            time: self.now,
            low,
            filtered,
            endpoints: vec![self.settings.endpoint.clone()],
            done,
            held,
            released,
        })
    }

    /// Whether the lane waits for a fault that is closed in the same append. What is said of it comes
    /// in the next one: of two entries in one append it is not said which is first.
    fn is_unblocked_by(&self, key: &LaneKey, closed: &[FaultClosed]) -> bool {
        let blocked = self.lanes.get(key).and_then(|lane| lane.blocked);
        blocked.is_some_and(|fault| closed.iter().any(|closed| closed.id == fault))
    }

    /// What the log shall say of a lane from now on; `None` if nothing.
    fn held_record(
        &mut self,
        key: &LaneKey,
        places: &BTreeSet<Place>,
        under_way: &mut UnderWay<B>,
    ) -> Option<Held> {
        if matches!(key, LaneKey::One(_)) {
            return None;
        }
        let lane = self.lanes.get_mut(key)?;
        // What is sent again has its receipt.
        let is_new = |place: &&Place| {
            let item: Option<&Item<B>> = self.items.get(place);
            item.is_none_or(|item| item.again.is_none())
        };
        let mut new = lane.queue.iter().filter(is_new).copied();
        let held_from = new.clone().next().into_iter().chain(lane.more).min();
        let first = new.find(|place| !places.contains(place)).or(lane.more);
        if first.is_none() && lane.blocked.is_none() {
            let held = std::mem::take(&mut lane.held);
            if !std::mem::take(&mut lane.doubtful) && !held {
                return None;
            }
            lane.recorded = None;
            self.lanes_held = self.lanes_held.saturating_sub(usize::from(held));
            under_way.released.push(key.clone());
            if lane.is_empty() {
                self.lanes.remove(key);
            }
            return Some(Held::Released);
        }
        let record = HeldLane {
            key: key.text(),
            from: first.unwrap_or(self.reading.cursor),
            // What is closed with this same append is not waited for after a restart.
            blocked: lane.blocked.filter(|fault| !under_way.closes(*fault)),
        };
        lane.doubtful = false;
        if !std::mem::replace(&mut lane.held, true) {
            self.lanes_held = self.lanes_held.saturating_add(1);
            under_way.held.push(key.clone());
            under_way.held_from = under_way.held_from.into_iter().chain(held_from).min();
            for place in &lane.queue {
                self.pins.remove_event(*place);
            }
            if let Some(more) = lane.more {
                self.pins.remove_more(key, more);
            }
            self.feed(key);
        }
        Some(Held::From(record))
    }

    /// A lane is not held after all: its events keep `low` back again.
    fn undo_held(&mut self, key: &LaneKey) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        lane.held = false;
        lane.doubtful = true;
        self.lanes_held = self.lanes_held.saturating_sub(1);
        let mut last = 0;
        for place in &lane.queue {
            let item: Option<&Item<B>> = self.items.get(place);
            if let Some(item) = item.filter(|item| item.again.is_none()) {
                self.pins.add_event(*place, item.seq);
                last = item.seq;
            }
        }
        if let Some(more) = lane.more {
            self.pins.add_more(key, more, last);
        }
        // Only of a held lane something is read again: until it is one, its `more` stays where the
        // pin is.
        self.reading.stop_scan(key);
    }

    fn unpin(&mut self, place: Place, under_way: &mut UnderWay<B>) {
        if let Some(seq) = self.pins.remove_event(place) {
            under_way.pins.push((place, seq));
        }
    }

    /// The `low` that holds when this entry is durable, and the unwanted events that it passes.
    fn take_low(&mut self) -> (Place, Vec<HourTally>) {
        let low = self
            .pins
            .first()
            .map(|(place, _)| place)
            .unwrap_or(self.reading.cursor)
            .max(self.settling.low_written);
        let mut hours = Vec::new();
        while let Some((before, filtered)) = self.reading.filtered.front().copied()
            && before <= low
        {
            self.reading.filtered.pop_front();
            let left = &mut self.reading.filtered_count;
            *left = left.saturating_sub(filtered.tally.count);
            HourTally::note(&mut hours, filtered.hour, filtered.tally);
        }
        (low, hours)
    }

    fn low_is_worth_writing(&self) -> bool {
        let low = self.low();
        let first = self.reading.filtered.front();
        first.is_some_and(|(before, _)| *before <= low) || is_far(self.settling.low_written, low)
    }

    /// Records of held lanes that stand far back are written again, so that the log need not be
    /// kept for them.
    fn refresh_held(&mut self) {
        if self.now.since(self.settling.refreshed_at) < HELD_EVERY {
            return;
        }
        self.settling.refreshed_at = self.now;
        for (key, lane) in &self.lanes {
            let first = lane.queue.front().copied().or(lane.more);
            let from = first.unwrap_or(self.reading.cursor);
            if lane.held && lane.recorded.is_some_and(|recorded| is_far(recorded, from)) {
                self.settling.dirty.insert(key.clone());
            }
        }
    }

    /// A failed attempt is in the log: the event is found again without reading from it on.
    fn recorded(&mut self, entry: &Retrying) {
        let Some(item) = self.items.get_mut(&entry.place) else {
            return;
        };
        if item.attempts == entry.attempts {
            item.recorded = true;
        }
        if matches!(item.lane, LaneKey::One(_)) {
            self.pins.remove_event(entry.place);
        }
    }

    /// The event is a fault now; its receipt is due.
    pub(super) fn became_fault(&mut self, place: Place, fault: EventId) {
        let Some(item) = self.items.get_mut(&place) else {
            return;
        };
        let outcome = ReceiptOutcome::SetAside { fault };
        item.state = ItemState::Settling(outcome);
        let key = item.lane.clone();
        self.settle(place, outcome);
        if matches!(key, LaneKey::One(_)) {
            return;
        }
        if self.settings.on_fault == OnFault::BlockKey {
            if let Some(lane) = self.lanes.get_mut(&key) {
                lane.blocked = Some(fault);
            }
            self.end_replays(&key, fault);
            self.park(&key, 1);
        } else {
            self.remember_aside(&key, fault, place);
        }
    }

    /// The receipt is durable.
    fn settled(&mut self, receipt: &Receipt) {
        let Some(item) = self.remove_item(receipt.place) else {
            return;
        };
        let key = item.lane;
        match receipt.outcome {
            ReceiptOutcome::Delivered { .. } if item.again.is_none() => {
                self.overtakes(&key, receipt.place);
            }
            ReceiptOutcome::Delivered { .. } => {}
            ReceiptOutcome::SetAside { fault } => {
                let blocked = self
                    .lanes
                    .get(&key)
                    .is_some_and(|lane| lane.blocked == Some(fault));
                if blocked {
                    self.note(Note::KeyBlocked {
                        key: key.text(),
                        fault,
                    });
                }
            }
        }
        self.leave_lane(receipt.place, &key);
        if let Some(fault) = item.again.as_ref().and_then(Again::fault) {
            self.resubmitted.remove(&fault);
        }
    }
}

/// Whether a record that stands at `recorded` holds the log back without need.
fn is_far(recorded: Place, now: Place) -> bool {
    recorded.incarnation != now.incarnation
        || now.frame.0.saturating_sub(recorded.frame.0) >= FAR_FRAMES
}

enum Held {
    From(HeldLane),
    Released,
}

fn take<T>(queue: &mut VecDeque<T>, most: usize) -> Vec<T> {
    queue.drain(..most.min(queue.len())).collect()
}

fn put_back<T>(queue: &mut VecDeque<T>, taken: Vec<T>) {
    for entry in taken.into_iter().rev() {
        queue.push_front(entry);
    }
}
