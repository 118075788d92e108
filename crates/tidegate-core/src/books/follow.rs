//! Follows the log and keeps the accounts.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use super::account::{Account, Balance, Column, Kind, Row};
use super::given_up::Spans;
use super::pending::{Found, Pending};
use super::tally::{Hour, HourTally, Tally};
use crate::deliver::Restored;
use crate::log::entry::{
    Closing, Entry, Fault, FaultCause, FaultClosed, GivenUp, Receipt, ReceiptOutcome, Receipts,
};

/// How much is held at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Hours; older ones are let go of.
    pub hours_max: usize,
    /// Accounts: flows that take in or deliver. Those that come later have none.
    pub accounts_max: usize,
    /// Open faults that are followed until they are closed; of more than that the oldest are let go of.
    pub faults_max: usize,
}

impl Default for Limits {
    /// Two days and the present hour; 16,384 flows; 262,144 faults (about 40 MiB).
    fn default() -> Self {
        Self {
            hours_max: 49,
            accounts_max: 1 << 14,
            faults_max: 1 << 18,
        }
    }
}

/// Receipts of a flow that are remembered, so that one that was written twice counts once. Only those of one append
/// that was refused in part are written again, and an append holds far fewer.
const RECEIPTS_REMEMBERED: usize = 1 << 14;

/// Frames of which it is known how much stood before them in their hour: a flow begins at the head, and says so at
/// most this many frames later.
const FRAMES_REMEMBERED: usize = 4096;

/// One line of the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The flow.
    pub flow: String,
    /// Which way it goes.
    pub kind: Kind,
    /// The hour of append.
    pub hour: Hour,
    /// What became of its events.
    pub row: Row,
    /// Whether that is all of them.
    pub balance: Balance,
}

/// The books of one log, up to the last entry that was [taken](Books::take).
#[derive(Debug)]
pub struct Books {
    limits: Limits,
    /// The first hour that is counted whole. What the log has of earlier ones is counted and not judged.
    begin: Hour,
    hours: VecDeque<HourBook>,
    frames: VecDeque<(FrameNumber, Tally)>,
    accounts: BTreeMap<String, Account>,
    positions: BTreeMap<(String, u16), Position>,
    faults: HashMap<EventId, OpenFault>,
    /// In the order in which they came.
    fault_order: VecDeque<EventId>,
    /// Where faults of deliveries stand: a receipt with such a place is that of a resubmission.
    fault_places: BTreeSet<Place>,
    /// What each flow's park had no room for.
    given_up: BTreeMap<String, Spans>,
}

/// An hour of the log.
#[derive(Debug)]
struct HourBook {
    hour: Hour,
    first: FrameNumber,
    /// All events of it.
    offered: Tally,
}

/// How far a shard of a flow has written.
#[derive(Debug)]
struct Position {
    low: Place,
    seen: BTreeSet<Place>,
    order: VecDeque<Place>,
}

/// A fault that is not closed.
#[derive(Debug)]
struct OpenFault {
    flow: String,
    /// Known with the receipt, or for a fault at the door at once.
    event: Option<(Option<Hour>, Tally)>,
    /// Known with the fault's own entry.
    column: Option<Column>,
    kind: Kind,
}

impl Books {
    /// Books that judge from an hour on: the first one of which the log still holds the beginning.
    #[must_use]
    pub fn new(limits: Limits, begin: Hour) -> Self {
        Self {
            limits,
            begin,
            hours: VecDeque::new(),
            frames: VecDeque::new(),
            accounts: BTreeMap::new(),
            positions: BTreeMap::new(),
            faults: HashMap::new(),
            fault_order: VecDeque::new(),
            fault_places: BTreeSet::new(),
            given_up: BTreeMap::new(),
        }
    }

    /// The first hour that is counted whole.
    #[must_use]
    pub const fn begin(&self) -> Hour {
        self.begin
    }

    /// A frame begins. Frames come in order, without gaps.
    pub fn frame(&mut self, frame: FrameNumber, time: UnixMillis) {
        let hour = Hour::of(time);
        if self.hours.back().is_none_or(|last| last.hour < hour) {
            self.hours.push_back(HourBook {
                hour,
                first: frame,
                offered: Tally::default(),
            });
            self.frames.clear();
            self.forget_hours();
        }
        let offered = self.hours.back().map(|last| last.offered);
        self.frames.push_back((frame, offered.unwrap_or_default()));
        if self.frames.len() > FRAMES_REMEMBERED {
            self.frames.pop_front();
        }
    }

    fn forget_hours(&mut self) {
        while self.hours.len() > self.limits.hours_max {
            self.hours.pop_front();
        }
        if let Some(first) = self.hours.front()
            && self.hours.len() == self.limits.hours_max
        {
            self.begin = self.begin.max(first.hour);
        }
        if let Some(HourBook { hour, first, .. }) = self.hours.front() {
            let (hour, first) = (*hour, *first);
            for account in self.accounts.values_mut() {
                account.rows = account.rows.split_off(&hour);
            }
            self.fault_places.retain(|place| place.frame >= first);
            self.given_up.retain(|_, spans| spans.forget(first));
        }
    }

    /// Takes in an entry of the frame that was begun last.
    pub fn take(&mut self, place: Place, entry: &Entry) {
        match entry {
            Entry::Event(entry) => self.event(&entry.event.flow, &entry.event.id),
            Entry::Fault(fault) => self.fault(place, fault),
            Entry::Receipts(receipts) => self.receipts(receipts),
            Entry::FaultClosed(closed) => self.closed(closed),
            Entry::GivenUp(given_up) => self.given_up(given_up),
            _ => {}
        }
    }

    fn event(&mut self, flow: &str, id: &EventId) {
        let Some(hour) = self.hours.back_mut() else {
            return;
        };
        let tally = Tally::of(id);
        hour.offered.add(tally);
        let hour = hour.hour;
        if let Some(account) = self.account(flow, Kind::Ingress) {
            let row = account.rows.entry(hour).or_default();
            row.received.add(tally);
            row.delivered.add(tally);
        }
    }

    fn account(&mut self, flow: &str, kind: Kind) -> Option<&mut Account> {
        if !self.accounts.contains_key(flow) {
            if self.accounts.len() >= self.limits.accounts_max {
                return None;
            }
            let oldest = self.hours.front().map_or(self.begin, |hour| hour.hour);
            let account = Account::new(kind, oldest);
            self.accounts.insert(flow.to_owned(), account);
        }
        self.accounts.get_mut(flow)
    }

    fn hour_of(&self, place: Place) -> Option<Hour> {
        let behind = self.hours.partition_point(|hour| hour.first <= place.frame);
        let found = behind.checked_sub(1).and_then(|at| self.hours.get(at));
        found.map(|found| found.hour)
    }

    fn fault(&mut self, place: Place, fault: &Fault) {
        if fault.cause.is_of_delivery() {
            self.fault_places.insert(place);
        }
        if fault.carried {
            return;
        }
        if !fault.cause.is_of_delivery() {
            return self.fault_at_the_door(fault);
        }
        let column = if fault.cause == FaultCause::Rejected {
            Column::Faults
        } else {
            Column::Parked
        };
        let open = self.open(fault.id, &fault.flow, Kind::Egress);
        if open.column.replace(column).is_none()
            && let Some((hour, tally)) = open.event
        {
            self.post(&fault.flow, hour, column, tally);
        }
    }

    fn fault_at_the_door(&mut self, fault: &Fault) {
        let Some(hour) = self.hours.back().map(|hour| hour.hour) else {
            return;
        };
        if self.faults.contains_key(&fault.id) {
            return;
        }
        let tally = Tally::of(&fault.id);
        let open = self.open(fault.id, &fault.flow, Kind::Ingress);
        (open.event, open.column) = (Some((Some(hour), tally)), Some(Column::Faults));
        if let Some(account) = self.account(&fault.flow, Kind::Ingress) {
            let row = account.rows.entry(hour).or_default();
            row.received.add(tally);
            row.faults.add(tally);
        }
    }

    /// The fault under this identity, from now on if it was not there.
    fn open(&mut self, id: EventId, flow: &str, kind: Kind) -> &mut OpenFault {
        if !self.faults.contains_key(&id) {
            self.fault_order.push_back(id);
        }
        // Those that were closed count as well until they come to the front: it stays bounded.
        while self.fault_order.len() > self.limits.faults_max
            && let Some(oldest) = self.fault_order.pop_front()
        {
            self.faults.remove(&oldest);
        }
        self.faults.entry(id).or_insert_with(|| OpenFault {
            flow: flow.to_owned(),
            event: None,
            column: None,
            kind,
        })
    }

    fn post(&mut self, flow: &str, hour: Option<Hour>, column: Column, tally: Tally) {
        if let Some(account) = self.account(flow, Kind::Egress) {
            account.post(hour, column, tally);
        }
    }

    fn receipts(&mut self, entry: &Receipts) {
        let key = (entry.flow.clone(), entry.shard);
        let first = !self.positions.contains_key(&key);
        if first {
            self.begins(entry);
        }
        let position = self.positions.entry(key).or_insert_with(|| Position {
            low: entry.low,
            seen: BTreeSet::new(),
            order: VecDeque::new(),
        });
        // An entry that does not move `low` repeats what was passed over before.
        let moved = first || entry.low > position.low;
        position.low = position.low.max(entry.low);
        let fresh: Vec<Receipt> = entry
            .done
            .iter()
            .filter(|receipt| position.is_first(receipt.place))
            .copied()
            .collect();
        for receipt in fresh {
            self.receipt(&entry.flow, &receipt);
        }
        if moved && let Some(account) = self.account(&entry.flow, Kind::Egress) {
            for filtered in &entry.filtered {
                if filtered.hour >= account.begin {
                    let row = account.rows.entry(filtered.hour).or_default();
                    row.filtered.add(filtered.tally);
                }
            }
        }
    }

    /// The first that is seen of a flow. One that has just begun has settled nothing yet.
    fn begins(&mut self, entry: &Receipts) {
        let began = entry.done.is_empty() && entry.filtered.is_empty() && entry.held.is_empty();
        let hour = self.hour_of(entry.low);
        let before = self.offered_before(entry.low);
        let Some(account) = self.account(&entry.flow, Kind::Egress) else {
            return;
        };
        account.kind = Kind::Egress;
        if began && let Some(hour) = hour {
            account.begin = account.begin.max(hour);
            match before {
                // What stood before it in its hour is none of its own.
                Some(before) => account
                    .rows
                    .entry(hour)
                    .or_default()
                    .received
                    .remove(before),
                None => account.partial = Some(hour),
            }
        }
    }

    /// How much stands before a place in its hour, if that is known.
    fn offered_before(&self, place: Place) -> Option<Tally> {
        if place.index > 0 {
            return None;
        }
        if self.hours.iter().any(|hour| hour.first == place.frame) {
            return Some(Tally::default());
        }
        let last = self.frames.back()?;
        if place.frame == last.0.next() {
            return self.hours.back().map(|hour| hour.offered);
        }
        let known = self.frames.iter().find(|(frame, _)| *frame == place.frame);
        known.map(|(_, before)| *before)
    }

    /// Events that a flow will not get. What was on its way then may still have been settled, before or behind this.
    fn given_up(&mut self, entry: &GivenUp) {
        let Some((first, last)) = entry.span() else {
            return;
        };
        let position = self.positions.get(&(entry.flow.clone(), entry.shard));
        let spans = self.given_up.entry(entry.flow.clone()).or_default();
        let mut hours: Vec<HourTally> = Vec::new();
        for run in &entry.runs {
            for (place, id) in run.events() {
                let settled = position.is_some_and(|position| position.seen.contains(&place));
                // After a crash the same may be given up again.
                if !settled && !spans.hold(place) {
                    HourTally::note(&mut hours, Hour::of(run.appended), Tally::of(&id));
                }
            }
        }
        spans.add(first, last);
        for it in hours {
            self.post(&entry.flow, Some(it.hour), Column::Discarded, it.tally);
        }
    }

    fn receipt(&mut self, flow: &str, receipt: &Receipt) {
        // The fault is closed by an entry of its own.
        if self.fault_places.contains(&receipt.place) {
            return;
        }
        let (hour, tally) = (self.hour_of(receipt.place), Tally::of(&receipt.id));
        let given_up = self.given_up.get(flow);
        if given_up.is_some_and(|spans| spans.hold(receipt.place))
            && let Some(account) = self.accounts.get_mut(flow)
        {
            account.transfer(hour, Column::Discarded, None, tally);
        }
        match receipt.outcome {
            ReceiptOutcome::Delivered { .. } => self.post(flow, hour, Column::Delivered, tally),
            ReceiptOutcome::SetAside { fault } => {
                let open = self.open(fault, flow, Kind::Egress);
                open.event = Some((hour, tally));
                if let Some(column) = open.column {
                    self.post(flow, hour, column, tally);
                }
            }
        }
    }

    fn closed(&mut self, closed: &FaultClosed) {
        let Some(open) = self.faults.remove(&closed.id) else {
            return;
        };
        let (Some((hour, tally)), Some(column)) = (open.event, open.column) else {
            return;
        };
        let Some(account) = self.accounts.get_mut(&open.flow) else {
            return;
        };
        match (&closed.how, open.kind) {
            (Closing::Discarded { .. }, _) => {
                account.transfer(hour, column, Some(Column::Discarded), tally);
            }
            (Closing::Resubmitted { .. }, Kind::Egress) => {
                account.transfer(hour, column, Some(Column::Delivered), tally);
            }
            // The event it became was received under its own identity.
            (Closing::Resubmitted { .. }, Kind::Ingress) => {
                account.transfer(hour, column, None, tally);
                if let Some(row) = hour.and_then(|hour| account.rows.get_mut(&hour)) {
                    row.received.remove(tally);
                }
            }
        }
    }

    /// Looks for what is pending of flows that stand so.
    #[must_use]
    pub fn pending(&self, flows: Vec<(String, Restored)>) -> Pending {
        Pending::new(flows, &self.given_up)
    }

    /// The books as they stand, with what is pending.
    #[must_use]
    pub fn close(&self, pending: &Pending) -> Vec<Page> {
        let mut pages = Vec::new();
        for (flow, account) in &self.accounts {
            for hour in self.hours.iter().filter(|hour| hour.hour >= account.begin) {
                let page = self.page(flow, account, hour, pending);
                pages.extend(Some(page).filter(|page| !page.row.is_empty()));
            }
        }
        pages
    }

    fn page(&self, flow: &str, account: &Account, hour: &HourBook, pending: &Pending) -> Page {
        let mut row = account.rows.get(&hour.hour).copied().unwrap_or_default();
        let mut known = account.partial != Some(hour.hour) && hour.hour >= self.begin;
        if account.kind == Kind::Egress {
            row.received.add(hour.offered);
            match pending.of(flow, hour.hour, |place| self.hour_of(place)) {
                Found::Events { pending, given_up } => {
                    row.pending = pending;
                    row.discarded.remove(given_up);
                }
                Found::Unknown => known = false,
            }
        }
        let balance = if known {
            row.balance()
        } else {
            Balance::Unknown
        };
        Page {
            flow: flow.to_owned(),
            kind: account.kind,
            hour: hour.hour,
            row,
            balance,
        }
    }
}

impl Position {
    /// Whether the receipt of this place has not come before.
    fn is_first(&mut self, place: Place) -> bool {
        if !self.seen.insert(place) {
            return false;
        }
        self.order.push_back(place);
        if self.order.len() > RECEIPTS_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}
