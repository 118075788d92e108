//! What the log says of how far a flow has come: the view that a restart begins from.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_types::position::Place;

use tidegate_types::id::EventId;

use crate::log::entry::{HeldLane, ReceiptOutcome, Receipts, Retrying};
use crate::view::Change;

/// Faults whose receipt has not come, at most. The machine has far fewer under way.
const SET_ASIDE_MAX: usize = 1024;

/// Where a flow stood when the log ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Whether the log says where the flow begins. If not, that is written before anything else.
    pub begun: bool,
    /// Reading begins here.
    pub low: Place,
    /// Events at or after `low` that are settled. Bounded by [`super::settings::Window::span_max`].
    pub done: BTreeSet<Place>,
    /// Events that failed and are not settled.
    pub retrying: Vec<Retrying>,
    /// Keys that are not settled from a place on, whether before `low` or not.
    pub held: Vec<HeldLane>,
    /// Faults of the flow whose events have no receipt yet.
    pub set_aside: BTreeSet<EventId>,
}

impl Restored {
    /// A flow that begins here, of which the log says nothing.
    #[must_use]
    pub const fn new(low: Place) -> Self {
        Self {
            begun: false,
            low,
            done: BTreeSet::new(),
            retrying: Vec::new(),
            held: Vec::new(),
            set_aside: BTreeSet::new(),
        }
    }
}

/// Follows one shard of a flow: takes in what the entries change, in the order of the log. What it holds is bounded
/// as the machine's window is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    flow: String,
    shard: u16,
    low: Option<Place>,
    done: BTreeSet<Place>,
    retrying: BTreeMap<Place, Retrying>,
    held: BTreeMap<String, HeldLane>,
    set_aside: BTreeSet<EventId>,
}

impl Progress {
    /// A flow of which nothing was read.
    #[must_use]
    pub fn new(flow: &str, shard: u16) -> Self {
        Self {
            flow: flow.to_owned(),
            shard,
            low: None,
            done: BTreeSet::new(),
            retrying: BTreeMap::new(),
            held: BTreeMap::new(),
            set_aside: BTreeSet::new(),
        }
    }

    /// The flow as it was [restored](Progress::restored) before.
    #[must_use]
    pub fn resume(flow: &str, shard: u16, restored: Restored) -> Self {
        let by_place = |entry: Retrying| (entry.place, entry);
        let by_key = |lane: HeldLane| (lane.key.clone(), lane);
        Self {
            flow: flow.to_owned(),
            shard,
            low: restored.begun.then_some(restored.low),
            done: restored.done,
            retrying: restored.retrying.into_iter().map(by_place).collect(),
            held: restored.held.into_iter().map(by_key).collect(),
            set_aside: restored.set_aside,
        }
    }

    /// Takes in a change; those of other flows and shards change nothing.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Receipts(entry) if entry.flow == self.flow => self.receipts(entry),
            Change::Retrying(entry) if entry.flow == self.flow && entry.shard == self.shard => {
                self.retrying.insert(entry.place, entry.as_ref().clone());
            }
            Change::SetAside { flow, fault } if *flow == self.flow => {
                if self.set_aside.len() < SET_ASIDE_MAX {
                    self.set_aside.insert(*fault);
                }
            }
            Change::FaultClosed(entry) if entry.flow == self.flow => {
                self.set_aside.remove(&entry.id);
                for lane in self.held.values_mut() {
                    lane.blocked = lane.blocked.filter(|fault| *fault != entry.id);
                }
            }
            Change::Receipts(_)
            | Change::Retrying(_)
            | Change::SetAside { .. }
            | Change::FaultClosed(_)
            | Change::Identity { .. }
            | Change::Fault(_)
            | Change::FaultCarried(_)
            | Change::Cursor { .. }
            | Change::Polled { .. }
            | Change::Trim { .. } => {}
        }
    }

    fn receipts(&mut self, entry: &Receipts) {
        // Faults do not name their shard.
        for receipt in &entry.done {
            if let ReceiptOutcome::SetAside { fault } = receipt.outcome {
                self.set_aside.remove(&fault);
            }
        }
        if entry.shard != self.shard {
            return;
        }
        let low = self.low.map_or(entry.low, |low| low.max(entry.low));
        self.low = Some(low);
        for receipt in &entry.done {
            self.done.insert(receipt.place);
            self.retrying.remove(&receipt.place);
        }
        // Never many: what the entries before left is at or behind their `low`.
        while self.done.first().is_some_and(|place| *place < low) {
            self.done.pop_first();
        }
        for lane in &entry.held {
            self.held.insert(lane.key.clone(), lane.clone());
        }
        for key in &entry.released {
            self.held.remove(key);
        }
    }

    /// Where the flow stands; `None` if the log does not say where it begins.
    #[must_use]
    pub fn restored(&self) -> Option<Restored> {
        Some(Restored {
            begun: true,
            low: self.low?,
            done: self.done.clone(),
            retrying: self.retrying.values().cloned().collect(),
            held: self.held.values().cloned().collect(),
            set_aside: self.set_aside.clone(),
        })
    }
}
