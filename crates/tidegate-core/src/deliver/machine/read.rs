//! What is read from the log, and what is left there for later.
//!
//! Reading goes forward as long as there is room. What cannot move for now does not stay in
//! memory: of a key that waits only the place is remembered from which on it is read again, and
//! of an event that waits for long only its place.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tidegate_types::id::EventId;
use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;

use super::Delivery;
use crate::books::HourTally;
use crate::deliver::lane::{Item, ItemState, LaneKey};
use crate::deliver::output::{Arrival, HeldBy, Note, Page, Purpose, ReadRequest};
use crate::deliver::settings::Order;
use crate::log::entry::{Blame, FaultCause, Retrying};

/// An event that waits longer than this is read again instead of kept.
pub(super) const BODY_KEPT: Duration = Duration::from_secs(10);

/// Contents asked for in one request.
const FETCH_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Reading {
    /// Everything before this was read.
    pub(super) cursor: Place,
    /// Events read so far.
    seq: u64,
    at_end: bool,
    outstanding: Option<Purpose>,
    scan: Option<Scan>,
    /// Lanes that could go on if more of them were read.
    hungry: BTreeSet<LaneKey>,
    /// Settled before the start.
    done: BTreeSet<Place>,
    /// Failed before the start.
    states: BTreeMap<Place, Retrying>,
    /// Faults of before the start whose events have no receipt.
    pub(super) set_aside: BTreeSet<EventId>,
    /// Events the flow does not want, those of each hour with the place they stand before.
    pub(super) filtered: VecDeque<(Place, HourTally)>,
    pub(super) filtered_count: u64,
    /// Lanes have begun to wait since room was last made.
    pub(super) may_relieve: bool,
}

/// A second look at the log, for some lanes.
#[derive(Debug)]
struct Scan {
    at: Place,
    lanes: BTreeSet<LaneKey>,
}

impl Reading {
    pub(super) const fn new(
        low: Place,
        done: BTreeSet<Place>,
        set_aside: BTreeSet<EventId>,
    ) -> Self {
        Self {
            cursor: low,
            seq: 0,
            at_end: false,
            outstanding: None,
            scan: None,
            hungry: BTreeSet::new(),
            done,
            states: BTreeMap::new(),
            set_aside,
            filtered: VecDeque::new(),
            filtered_count: 0,
            may_relieve: false,
        }
    }

    /// The lane is not read again for now.
    pub(super) fn stop_scan(&mut self, key: &LaneKey) {
        self.hungry.remove(key);
        if let Some(scan) = &mut self.scan {
            scan.lanes.remove(key);
        }
    }

    fn filter(&mut self, before: Place, hours: Vec<HourTally>) {
        for hour in hours {
            self.filtered_count = self.filtered_count.saturating_add(hour.tally.count);
            self.filtered.push_back((before, hour));
        }
    }
}

impl<B: Clone> Delivery<B> {
    /// What was read for the last [`ReadRequest`].
    pub fn handle_page(&mut self, now: UnixMillis, page: Page<B>) {
        self.advance(now);
        match self.reading.outstanding.take() {
            Some(Purpose::Forward) => self.read_forward(page),
            Some(Purpose::Held) => self.read_held(page),
            None => {}
        }
    }

    /// The log could not be read. The same will be asked for again.
    pub fn handle_read_failed(&mut self, now: UnixMillis) {
        self.advance(now);
        self.reading.outstanding = None;
    }

    /// The log has grown behind a page that was at its end.
    pub const fn handle_grown(&mut self) {
        self.reading.at_end = false;
    }

    /// The content of an event that was asked for; `None` if the log holds it no longer.
    pub fn handle_body(&mut self, now: UnixMillis, place: Place, content: Option<(usize, B)>) {
        self.advance(now);
        self.fetching = self.fetching.saturating_sub(1);
        let Some(item) = self.items.get_mut(&place) else {
            return;
        };
        if item.state != ItemState::Fetching {
            return;
        }
        let lane = item.lane.clone();
        match content {
            Some((bytes, body)) => {
                item.bytes = bytes;
                item.body = Some(body);
                item.state = ItemState::Behind;
                self.bodies = self.bodies.saturating_add(1);
                self.body_bytes = self.body_bytes.saturating_add(bytes);
                self.promote(&lane);
            }
            None => {
                let text = "the log holds the event no longer".to_owned();
                self.set_aside(place, FaultCause::Gone, Blame::Us, text);
            }
        }
    }

    /// Whether a page for [`Purpose::Held`] shall hold the event with this key at this place.
    #[must_use]
    pub fn wants(&self, key: &str, place: Place) -> bool {
        let lane_key = self.lane_of(key, place);
        let scanned = self.reading.scan.as_ref();
        scanned.is_some_and(|scan| scan.lanes.contains(&lane_key))
            && self
                .lanes
                .get(&lane_key)
                .is_some_and(|lane| lane.more.is_some_and(|more| more <= place))
    }

    /// What failed before the start waits as it did.
    pub(super) fn restore_retrying(&mut self, low: Place, retrying: Vec<Retrying>) {
        let whole_held = self.lanes.contains_key(&LaneKey::Whole);
        for entry in retrying {
            let place = entry.place;
            let alone = place < low && entry.key.is_empty() && !whole_held;
            self.reading.states.insert(place, entry);
            if alone {
                let id = self.reading.states.get(&place).map(|entry| entry.id);
                if let Some(id) = id {
                    self.add_item(place, id, &LaneKey::One(place), None);
                }
            }
        }
        let held: Vec<_> = self.lanes.keys().cloned().collect();
        for key in held {
            self.feed(&key);
        }
    }

    /// The lane of an event. One that is held goes on as it is, also under another order.
    pub(super) fn lane_of(&self, key: &str, place: Place) -> LaneKey {
        let held = |lane: &LaneKey| self.lanes.get(lane).is_some_and(|lane| lane.held);
        if self.settings.order != Order::Total && held(&LaneKey::Whole) {
            return LaneKey::Whole;
        }
        if self.settings.order != Order::PerKey && !key.is_empty() {
            let lane = LaneKey::key(key);
            if held(&lane) {
                return lane;
            }
        }
        LaneKey::of(self.settings.order, key, place)
    }

    fn read_forward(&mut self, page: Page<B>) {
        for mut arrival in page.arrivals {
            if arrival.place >= self.reading.cursor && arrival.place < page.end {
                let filtered = std::mem::take(&mut arrival.filtered_before);
                self.reading.filter(arrival.place, filtered);
                self.take_forward(arrival);
            }
        }
        self.reading.filter(page.end, page.filtered_after);
        self.reading.cursor = self.reading.cursor.max(page.end);
        self.reading.at_end = page.at_end;
        if page.at_end {
            // Nothing before the cursor is read forward again.
            self.reading.done = self.reading.done.split_off(&self.reading.cursor);
        }
    }

    fn take_forward(&mut self, arrival: Arrival<B>) {
        let place = arrival.place;
        self.reading.seq = self.reading.seq.saturating_add(1);
        if self.reading.done.remove(&place) {
            return;
        }
        let key = self.lane_of(&arrival.key, place);
        let most = match key {
            LaneKey::Key(_) => self.settings.window.per_key_max.max(1),
            LaneKey::Whole | LaneKey::One(_) => usize::MAX,
        };
        let seq = self.reading.seq;
        let lane = self.lanes.entry(key.clone()).or_default();
        if lane.more.is_some() {
            return;
        }
        let leave = lane.blocked.is_some() || lane.queue.len() >= most;
        if !lane.held && leave {
            self.pins.add_more(&key, place, seq);
        } else if !lane.held {
            self.pins.add_event(place, seq);
        }
        if leave {
            lane.more = Some(place);
            self.settling.dirty.insert(key);
        } else {
            let content = Some((arrival.bytes, arrival.body));
            self.add_item(place, arrival.id, &key, content);
        }
    }

    fn read_held(&mut self, page: Page<B>) {
        let Some(mut scan) = self.reading.scan.take() else {
            return;
        };
        let most = self.settings.window.per_key_max.max(1);
        for arrival in page.arrivals {
            let place = arrival.place;
            let key = self.lane_of(&arrival.key, place);
            if !scan.lanes.contains(&key) || place >= self.reading.cursor.min(page.end) {
                continue;
            }
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            if lane.more.is_none_or(|more| more > place) {
                continue;
            }
            if lane.queue.len() >= most {
                lane.more = Some(place);
                scan.lanes.remove(&key);
            } else {
                let content = Some((arrival.bytes, arrival.body));
                self.add_item(place, arrival.id, &key, content);
            }
        }
        scan.at = scan.at.max(page.end);
        let caught_up = scan.at >= self.reading.cursor;
        for key in &scan.lanes {
            if let Some(lane) = self.lanes.get_mut(key) {
                lane.more = lane
                    .more
                    .filter(|_| !caught_up)
                    .map(|more| more.max(scan.at));
                if caught_up && lane.queue.is_empty() {
                    self.settling.dirty.insert(key.clone());
                }
            }
        }
        if !caught_up && !scan.lanes.is_empty() {
            self.reading.scan = Some(scan);
        }
    }

    /// Adds an event at the end of its lane, with what is known of its past.
    fn add_item(&mut self, place: Place, id: EventId, key: &LaneKey, content: Option<(usize, B)>) {
        let past = self.reading.states.remove(&place);
        let recorded = past.is_some();
        if recorded && matches!(key, LaneKey::One(_)) {
            self.pins.remove_event(place);
        }
        let (bytes, body) = content.map_or((0, None), |(bytes, body)| (bytes, Some(body)));
        let next = past.as_ref().map_or(self.now, |past| past.next);
        let keep = next.since(self.now) <= BODY_KEPT;
        let item = Item {
            id,
            lane: key.clone(),
            seq: self.reading.seq,
            bytes,
            body: body.filter(|_| keep),
            state: ItemState::Behind,
            attempts: past.as_ref().map_or(0, |past| past.attempts),
            sent: past.as_ref().map_or(0, |past| past.sent),
            uncounted: 0,
            probes_failed: 0,
            delivered_then: 0,
            since: past.map(|past| past.since),
            next,
            alone: recorded,
            recorded,
            again: None,
        };
        self.hold_body(&item);
        self.items.insert(place, item);
        let lane = self.lanes.entry(key.clone()).or_default();
        lane.queue.push_back(place);
        let leads = lane.queue.len() == 1;
        if !self.reading.set_aside.is_empty() && self.reading.set_aside.remove(&self.fault_of(id)) {
            self.drop_body(place);
            return self.became_fault(place, self.fault_of(id));
        }
        if leads {
            self.promote(key);
        }
    }

    /// Counts the content of a new item.
    pub(super) fn hold_body(&mut self, item: &Item<B>) {
        if item.body.is_some() {
            self.bodies = self.bodies.saturating_add(1);
            self.body_bytes = self.body_bytes.saturating_add(item.bytes);
        }
    }

    /// Takes what can wait of a lane out of memory, but not its first `keep` events; it is read
    /// again later.
    pub(super) fn park(&mut self, key: &LaneKey, keep: usize) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        let busy = |place: &Place| {
            self.items.get(place).is_some_and(|item| {
                item.state != ItemState::Behind || item.attempts > 0 || item.again.is_some()
            })
        };
        let busy_until = lane
            .queue
            .iter()
            .rposition(busy)
            .map_or(0, |at| at.saturating_add(1));
        let rest = lane
            .queue
            .split_off(keep.max(busy_until).min(lane.queue.len()));
        // If they keep `low` back, the first does so for all.
        if let Some(first) = rest.front() {
            if let Some(behind) = lane.more.replace(*first) {
                self.pins.remove_more(key, behind);
            }
            if let Some(seq) = self.pins.remove_event(*first) {
                self.pins.add_more(key, *first, seq);
            }
        }
        self.settling.dirty.insert(key.clone());
        self.reading.stop_scan(key);
        for place in rest {
            self.pins.remove_event(place);
            self.remove_item(place);
        }
    }

    /// Notes that a lane could go on if more of it were read.
    pub(super) fn feed(&mut self, key: &LaneKey) {
        let few = self.settings.window.per_key_max / 2;
        let Some(lane) = self.lanes.get(key) else {
            return;
        };
        let first = lane.queue.front().and_then(|place| self.items.get(place));
        let waits = first.is_some_and(|item| item.state == ItemState::Waiting);
        let hungry = lane.held
            && lane.more.is_some()
            && lane.blocked.is_none()
            && !waits
            && lane.queue.len() <= few;
        if hungry {
            self.reading.hungry.insert(key.clone());
        }
    }

    /// Events to read the content of again.
    pub(super) fn next_fetch(&mut self) -> Option<Vec<Place>> {
        let most = self.room_with_reserve();
        let taken = self.bodies.saturating_add(self.fetching);
        // What is in memory may all stand behind what is to be fetched.
        let stuck = self.ready_count == 0 && self.attempts.is_empty() && self.fetching == 0;
        let room = most.saturating_sub(taken).max(usize::from(stuck));
        if self.to_fetch.is_empty() || room == 0 {
            return None;
        }
        let places: Vec<Place> = self
            .to_fetch
            .iter()
            .copied()
            .take(room.min(FETCH_MAX))
            .collect();
        for place in &places {
            self.to_fetch.remove(place);
        }
        self.fetching = self.fetching.saturating_add(places.len());
        Some(places)
    }

    /// What goes on again is not kept out by what waits in line.
    const fn room_with_reserve(&self) -> usize {
        let window = &self.settings.window;
        window
            .events_max
            .saturating_add(window.per_key_max)
            .saturating_add(FETCH_MAX)
    }

    pub(super) fn next_read(&mut self) -> Option<ReadRequest> {
        if self.reading.outstanding.is_some() {
            return None;
        }
        let request = self.next_held().or_else(|| self.next_forward())?;
        self.reading.outstanding = Some(request.purpose);
        Some(request)
    }

    fn next_held(&mut self) -> Option<ReadRequest> {
        let window = self.settings.window;
        let room = self.room_with_reserve().saturating_sub(self.bodies);
        let bytes = window
            .bytes_max
            .saturating_mul(2)
            .saturating_sub(self.body_bytes);
        if room == 0 || bytes == 0 {
            return None;
        }
        if self
            .reading
            .scan
            .as_ref()
            .is_none_or(|scan| scan.lanes.is_empty())
        {
            let lanes = std::mem::take(&mut self.reading.hungry);
            let starts = lanes.iter().filter_map(|key| self.lanes.get(key)?.more);
            self.reading.scan = starts.min().map(|at| Scan { at, lanes });
        }
        let scan = self.reading.scan.as_ref()?;
        Some(ReadRequest {
            purpose: Purpose::Held,
            from: scan.at,
            until: Some(self.reading.cursor),
            events_max: room.min(window.per_key_max.max(1)),
            bytes_max: bytes,
        })
    }

    fn next_forward(&mut self) -> Option<ReadRequest> {
        if self.reading.at_end {
            return None;
        }
        let window = self.settings.window;
        let few = window.events_max.saturating_mul(3) / 4;
        let bytes = window.bytes_max.saturating_sub(self.body_bytes);
        let oldest = self.pins.first();
        let span = oldest.map_or(0, |(_, oldest)| self.reading.seq.saturating_sub(oldest));
        let full = self.bodies > few || bytes == 0 || span >= window.span_max;
        let held_by = self.held_by();
        if full || held_by.is_some() {
            self.relieve();
        }
        if held_by.is_some() != self.held_noted {
            self.held_noted = held_by.is_some();
            let note = held_by.map_or(Note::FlowReleased, |limit| Note::FlowHeld { limit });
            self.note(note);
        }
        let whole = self.lanes.get(&LaneKey::Whole);
        let whole_waits = whole.is_some_and(|lane| lane.more.is_some());
        if full || held_by.is_some() || whole_waits {
            return None;
        }
        Some(ReadRequest {
            purpose: Purpose::Forward,
            from: self.reading.cursor,
            until: None,
            events_max: window.events_max.saturating_sub(self.bodies).max(1),
            bytes_max: bytes,
        })
    }

    /// What there is too much of for reading on. Once it was too much, a quarter must go first.
    fn held_by(&self) -> Option<HeldBy> {
        let window = &self.settings.window;
        let limit = |most: usize| {
            if self.held_noted {
                most.saturating_mul(3) / 4
            } else {
                most
            }
        };
        let waiting = self.waiting.len().saturating_add(self.to_fetch.len());
        if waiting >= limit(window.retrying_max).max(1) {
            Some(HeldBy::Retrying)
        } else if self.lanes_held >= limit(window.held_max).max(1) {
            Some(HeldBy::Keys)
        } else {
            None
        }
    }

    /// Makes room: what stands behind an event that waits goes out of memory, and no longer keeps
    /// `low` back.
    fn relieve(&mut self) {
        if !std::mem::take(&mut self.reading.may_relieve) {
            return;
        }
        let places: Vec<Place> = self.waiting.iter().map(|(_, place)| *place).collect();
        for place in places {
            let Some(key) = self.items.get(&place).map(|item| item.lane.clone()) else {
                continue;
            };
            let lane = self.lanes.get(&key);
            let leads = lane.is_some_and(|lane| lane.queue.front() == Some(&place));
            let small = lane.is_some_and(|lane| lane.held && lane.queue.len() <= 1);
            if leads && !small && !matches!(key, LaneKey::One(_)) {
                self.park(&key, 1);
            }
            self.drop_body(place);
        }
    }
}
