//! How far each flow has delivered.
//!
//! Kept in memory, where it is bounded by the windows of the flows, and stored as a whole together
//! with the frame that was applied: a receipt for each event, put into the store one by one, would
//! cost as much as its delivery.

mod codec;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use fjall::{Keyspace, OwnedWriteBatch};
use tidegate_core::deliver::{Progress, Restored};
use tidegate_core::view::Change;
use tidegate_types::position::FrameNumber;

use super::ViewsError;

/// A flow and which of its shards.
type Key = (String, u16);

/// All flows that have ever delivered.
#[derive(Debug, Default)]
pub(super) struct Flows(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    flows: BTreeMap<Key, Progress>,
    /// Those that differ from what is stored.
    changed: BTreeSet<Key>,
    /// Events and attempts that were taken in since then.
    unstored: usize,
    /// The last frame that was taken in.
    applied: FrameNumber,
}

impl Flows {
    fn write(&self) -> RwLockWriteGuard<'_, State> {
        // Nothing that holds the lock can leave a flow half changed.
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what the store holds.
    pub(super) fn load(&self, store: &Keyspace, applied: FrameNumber) -> Result<(), ViewsError> {
        let mut flows = BTreeMap::new();
        for item in store.iter() {
            let (key, value) = item.into_inner()?;
            let (flow, shard) = codec::read_key(&key).ok_or(ViewsError::Value)?;
            let restored = codec::read_restored(&value).ok_or(ViewsError::Value)?;
            let progress = Progress::resume(&flow, shard, restored);
            flows.insert((flow, shard), progress);
        }
        let mut state = self.write();
        (state.flows, state.applied) = (flows, applied);
        Ok(())
    }

    /// Takes in the changes of all frames up to this one, in the order of the log. A second time they change nothing.
    pub(super) fn apply(&self, changes: &[Change], frame: FrameNumber) {
        let mut state = self.write();
        state.applied = frame;
        for change in changes {
            match change {
                Change::Receipts(entry) => {
                    let key = (entry.flow.clone(), entry.shard);
                    state.unstored = state.unstored.saturating_add(entry.done.len().max(1));
                    state
                        .flows
                        .entry(key)
                        .or_insert_with(|| Progress::new(&entry.flow, entry.shard));
                    state.apply_to(&entry.flow, change);
                }
                Change::Retrying(entry) => state.apply_to(&entry.flow, change),
                Change::SetAside { flow, .. } => state.apply_to(flow, change),
                Change::FaultClosed(entry) => state.apply_to(&entry.flow, change),
                Change::Identity { .. }
                | Change::Fault(_)
                | Change::FaultCarried(_)
                | Change::Cursor { .. }
                | Change::Polled { .. }
                | Change::Trim { .. } => {}
            }
        }
    }

    pub(super) fn adopt(&self, flow: &str, shard: u16, restored: Restored) {
        let key = (flow.to_owned(), shard);
        let mut state = self.write();
        let progress = Progress::resume(flow, shard, restored);
        state.flows.insert(key.clone(), progress);
        state.changed.insert(key);
    }

    /// Events and attempts that a start would have to read again.
    pub(super) fn unstored(&self) -> usize {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .unstored
    }

    pub(super) fn save(&self, store: &Keyspace, batch: &mut OwnedWriteBatch) {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        for key in &state.changed {
            if let Some(restored) = state.flows.get(key).and_then(Progress::restored) {
                batch.insert(store, codec::key(&key.0, key.1), codec::restored(&restored));
            }
        }
    }

    /// What was saved is in the store.
    pub(super) fn saved(&self) {
        let mut state = self.write();
        state.changed.clear();
        state.unstored = 0;
    }

    /// The last frame that was taken in.
    pub(super) fn applied(&self) -> FrameNumber {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.applied
    }

    /// All flows as they stood at one frame. Shards of a flow come one by one.
    pub(super) fn all(&self) -> (FrameNumber, Vec<(String, Restored)>) {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let restored =
            |(key, progress): (&Key, &Progress)| Some((key.0.clone(), progress.restored()?));
        (
            state.applied,
            state.flows.iter().filter_map(restored).collect(),
        )
    }

    pub(super) fn restored(&self, flow: &str, shard: u16) -> Option<Restored> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.flows.get(&(flow.to_owned(), shard))?.restored()
    }
}

impl State {
    /// To all shards of the flow: not every change says which it is of.
    fn apply_to(&mut self, flow: &str, change: &Change) {
        let shards = (flow.to_owned(), 0)..=(flow.to_owned(), u16::MAX);
        for (key, progress) in self.flows.range_mut(shards) {
            progress.apply(change);
            self.changed.insert(key.clone());
        }
        self.unstored = self.unstored.saturating_add(1);
    }
}
