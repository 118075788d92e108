//! The machine itself: what it knows, how it starts, and in which order it wants things done.

mod answer;
mod faults;
mod read;
mod replay;
mod send;
mod settle;
#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tidegate_types::id::EventId;
use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;

use super::breaker::{Breaker, BreakerState};
use super::lane::{Again, Item, ItemState, Lane, LaneKey};
use super::output::{AttemptId, Note, Output};
use super::pace::Pace;
use super::pins::Pins;
use super::progress::Restored;
use super::settings::Settings;
use crate::random::Random;
pub use faults::RESUBMITTED_MAX;
pub use replay::REPLAYS_MAX;

use answer::Attempt;
use faults::Aside;
use read::Reading;
use replay::Replays;
use settle::Settling;

/// Notes that wait to be taken; a shell that drains the outputs never has more than a few.
const NOTES_MAX: usize = 256;

/// A clock that goes back by more than this moves all deadlines with it; by less, it is waited for.
const CLOCK_BACK_MAX: Duration = Duration::from_secs(1);

/// Delivers one shard of one flow to one endpoint. See the [module](super) for how to drive it.
#[derive(Debug)]
pub struct Delivery<B> {
    settings: Settings,
    now: UnixMillis,
    random: Random,
    items: BTreeMap<Place, Item<B>>,
    lanes: BTreeMap<LaneKey, Lane>,
    lanes_held: usize,
    pins: Pins,
    /// Items with a body, and the bytes of those.
    bodies: usize,
    body_bytes: usize,
    /// Heads of lanes that can be sent, in the order in which they became so. May hold some that
    /// cannot any more.
    ready: VecDeque<Place>,
    ready_count: usize,
    waiting: BTreeSet<(UnixMillis, Place)>,
    /// Items whose content is to be read again.
    to_fetch: BTreeSet<Place>,
    fetching: usize,
    reading: Reading,
    attempts: BTreeMap<AttemptId, Attempt>,
    attempts_made: u64,
    breaker: Breaker,
    pace: Pace,
    /// The endpoint asked for a pause, or our own side cannot send.
    paused_until: UnixMillis,
    local_failures: u32,
    /// When the first event that waits for a full batch became ready.
    batch_since: Option<UnixMillis>,
    paused: bool,
    gone: bool,
    delivered: u64,
    /// The last two lanes with a success, and when: is another key than this one delivered?
    successes: [Option<(LaneKey, UnixMillis)>; 2],
    settling: Settling<B>,
    asides: BTreeMap<LaneKey, Vec<Aside>>,
    asides_count: usize,
    /// Faults that are being resubmitted.
    resubmitted: BTreeSet<EventId>,
    replays: Replays,
    notes: VecDeque<Note>,
    notes_lost: u64,
    held_noted: bool,
}

/// What a status page shows of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Where the breaker stands.
    pub breaker: BreakerState,
    /// Until then nothing goes, since the endpoint asked for it or our own side cannot send.
    pub paused_until: UnixMillis,
    /// Whether an operator paused it.
    pub paused: bool,
    /// Whether the endpoint said that it is gone.
    pub gone: bool,
    /// Events in hand, with those that wait for another attempt.
    pub in_hand: usize,
    /// Events whose content is in memory.
    pub bodies: usize,
    /// Bytes of those.
    pub body_bytes: usize,
    /// Requests under way.
    pub under_way: usize,
    /// Events that wait for another attempt.
    pub waiting: usize,
    /// Keys of which more stands in the log than in memory, or that wait for a fault.
    pub lanes_held: usize,
    /// Events whose receipt is not durable yet.
    pub settling: usize,
    /// Events delivered since the start.
    pub delivered: u64,
    /// Settled events that are being sent again because an operator replays them.
    pub replaying: usize,
}

impl<B: Clone> Delivery<B> {
    /// A machine that goes on where the log says the flow stands. `seed` is for jitter only.
    #[must_use]
    pub fn restore(settings: Settings, restored: Restored, now: UnixMillis, seed: u64) -> Self {
        let mut machine = Self {
            now,
            random: Random::new(seed),
            items: BTreeMap::new(),
            lanes: BTreeMap::new(),
            lanes_held: restored.held.len(),
            pins: Pins::default(),
            bodies: 0,
            body_bytes: 0,
            ready: VecDeque::new(),
            ready_count: 0,
            waiting: BTreeSet::new(),
            to_fetch: BTreeSet::new(),
            fetching: 0,
            reading: Reading::new(restored.low, restored.done, restored.set_aside),
            attempts: BTreeMap::new(),
            attempts_made: 0,
            breaker: Breaker::new(now),
            pace: Pace::new(settings.rate, now),
            paused_until: now,
            local_failures: 0,
            batch_since: None,
            paused: false,
            gone: false,
            delivered: 0,
            successes: [None, None],
            settling: Settling::new(restored.low, restored.begun, now),
            asides: BTreeMap::new(),
            asides_count: 0,
            resubmitted: BTreeSet::new(),
            replays: Replays::default(),
            notes: VecDeque::new(),
            notes_lost: 0,
            held_noted: false,
            settings,
        };
        for held in restored.held {
            let lane = machine.lanes.entry(LaneKey::read(&held.key)).or_default();
            lane.more = Some(held.from);
            lane.blocked = held.blocked;
            lane.held = true;
            lane.recorded = Some(held.from);
        }
        machine.restore_retrying(restored.low, restored.retrying);
        machine
    }

    /// What is to be done next; called until it gives `None`, after every `handle_*` and when
    /// [`Delivery::next_timeout`] has come.
    #[must_use]
    pub fn poll_output(&mut self, now: UnixMillis) -> Option<Output<B>> {
        self.advance(now);
        if let Some(note) = self.next_note() {
            return Some(Output::Note(note));
        }
        if let Some(replayed) = self.replays.ended.pop_front() {
            return Some(Output::Replayed(replayed));
        }
        if let Some(append) = self.next_append() {
            return Some(Output::Append(append));
        }
        if let Some(send) = self.next_send() {
            return Some(Output::Send(send));
        }
        if let Some(places) = self.next_fetch() {
            return Some(Output::Fetch(places));
        }
        if let Some(read) = self.next_read() {
            return Some(Output::Read(read));
        }
        // Reading may have found that it is held.
        self.next_note().map(Output::Note)
    }

    /// When [`Delivery::poll_output`] has something new although nothing was handled; `None` if
    /// never. Asked after it has given `None`.
    #[must_use]
    pub fn next_timeout(&mut self) -> Option<UnixMillis> {
        let waiting = self.waiting.first().map(|(at, _)| *at);
        let times = [waiting, self.send_timeout(), self.settle_timeout()];
        times.into_iter().flatten().min()
    }

    /// The place from which on the flow needs the log: nothing before it is read again, and all it
    /// wrote that a restart must find stands behind it, so that the views can be rebuilt. Looks at
    /// all that is in hand: to be asked once in a while.
    #[must_use]
    pub fn low_water(&self) -> Place {
        let held = self.lanes.values().filter(|lane| lane.held);
        let lanes = held.filter_map(|lane| lane.more.into_iter().chain(lane.recorded).min());
        let items = self.items.iter().find(|(_, item)| item.again.is_none());
        let items = items.map(|(place, _)| *place);
        let low = self.low().min(self.settling.low_written);
        lanes.chain(items).fold(low, Place::min)
    }

    /// New settings. What is under way ends as it began.
    pub fn handle_settings(&mut self, now: UnixMillis, settings: Settings) {
        self.advance(now);
        self.pace.set_rate(self.now, settings.rate);
        self.settings = settings;
    }

    /// Sends nothing more until resumed; what is under way ends.
    pub fn pause(&mut self, now: UnixMillis) {
        self.advance(now);
        self.paused = true;
    }

    /// Sends again, also after the endpoint said that it is gone.
    pub fn resume(&mut self, now: UnixMillis) {
        self.advance(now);
        self.paused = false;
        self.gone = false;
    }

    /// How the flow stands.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            breaker: self.breaker.state(),
            paused_until: self.paused_until,
            paused: self.paused,
            gone: self.gone,
            in_hand: self.items.len(),
            bodies: self.bodies,
            body_bytes: self.body_bytes,
            under_way: self.attempts.len(),
            waiting: self.waiting.len(),
            lanes_held: self.lanes_held,
            settling: self.settling.count(),
            delivered: self.delivered,
            replaying: self.replays.under_way,
        }
    }

    /// Takes the time, and wakes what is due.
    fn advance(&mut self, now: UnixMillis) {
        let back = self.now.since(now);
        if back > CLOCK_BACK_MAX {
            self.rebase(back);
            self.now = now;
        }
        self.now = self.now.max(now);
        while let Some((at, place)) = self.waiting.first().copied()
            && at <= self.now
        {
            self.waiting.remove(&(at, place));
            if let Some(item) = self.items.get_mut(&place) {
                item.state = ItemState::Behind;
                let lane = item.lane.clone();
                self.promote(&lane);
            }
        }
    }

    /// The clock went back: what was due in an hour still is.
    fn rebase(&mut self, back: Duration) {
        self.breaker.rebase(back);
        self.paused_until = self.paused_until.minus(back);
        self.batch_since = self.batch_since.map(|at| at.minus(back));
        self.settling.rebase(back);
        for (_, at) in self.successes.iter_mut().flatten() {
            *at = at.minus(back);
        }
        self.waiting = std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|(at, place)| (at.minus(back), place))
            .collect();
        for (at, place) in &self.waiting {
            if let Some(item) = self.items.get_mut(place) {
                item.next = *at;
            }
        }
    }

    /// Lets the first event of a lane move, if it may.
    fn promote(&mut self, key: &LaneKey) {
        let Some(lane) = self.lanes.get(key) else {
            return;
        };
        let Some(place) = lane.queue.front().copied() else {
            return;
        };
        let Some(item) = self.items.get_mut(&place) else {
            return;
        };
        let fault = item.again.as_ref().and_then(Again::fault);
        if item.state != ItemState::Behind || (lane.blocked.is_some() && lane.blocked != fault) {
            return;
        }
        if item.next > self.now {
            item.state = ItemState::Waiting;
            self.waiting.insert((item.next, place));
        } else if item.body.is_none() {
            item.state = ItemState::Fetching;
            self.to_fetch.insert(place);
        } else {
            item.state = ItemState::Ready;
            self.ready.push_back(place);
            self.ready_count = self.ready_count.saturating_add(1);
        }
    }

    /// Forgets the content of an event.
    fn drop_body(&mut self, place: Place) {
        if let Some(item) = self.items.get_mut(&place)
            && item.body.take().is_some()
        {
            self.bodies = self.bodies.saturating_sub(1);
            self.body_bytes = self.body_bytes.saturating_sub(item.bytes);
        }
    }

    /// Forgets an event. Its lane is left to the caller.
    fn remove_item(&mut self, place: Place) -> Option<Item<B>> {
        self.drop_body(place);
        let item = self.items.remove(&place)?;
        match item.state {
            ItemState::Waiting => {
                self.waiting.remove(&(item.next, place));
            }
            ItemState::Fetching => {
                self.to_fetch.remove(&place);
            }
            ItemState::Ready => self.ready_count = self.ready_count.saturating_sub(1),
            ItemState::Behind
            | ItemState::UnderWay(_)
            | ItemState::SettingAside
            | ItemState::Settling(_) => {}
        }
        Some(item)
    }

    fn note(&mut self, note: Note) {
        if self.notes.len() >= NOTES_MAX {
            self.notes.pop_front();
            self.notes_lost = self.notes_lost.saturating_add(1);
        }
        self.notes.push_back(note);
    }

    fn next_note(&mut self) -> Option<Note> {
        if self.notes_lost > 0 {
            let count = std::mem::take(&mut self.notes_lost);
            return Some(Note::NotesLost { count });
        }
        self.notes.pop_front()
    }
}
