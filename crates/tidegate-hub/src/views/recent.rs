//! Identities that are applied and not in the store yet.
//!
//! Under load identities come by the ten thousand a second, at random places of the key space. Put into
//! the store one by one each costs a line in its journal and a place in its sorted memory, which every
//! lookup then searches as well. Gathered in a plain map and stored as one sorted table they cost a
//! fraction of that. What is lost with the process is read from the log again.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tidegate_core::receive::ledger::Known;
use tidegate_types::id::EventId;
use tidegate_types::position::FrameNumber;

/// Identities after which the map is stored: about 10 MB, and a third of a second of the log to read
/// again after a crash.
pub(super) const RECENT_MAX: usize = 1 << 16;

/// Put in at a time, so that lookups need not wait long.
const AT_ONCE: usize = 512;

/// The map, and up to which frame everything is either in it or in the store.
#[derive(Debug, Default)]
pub(super) struct Recent(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    known: HashMap<EventId, Known>,
    applied: FrameNumber,
}

impl Recent {
    fn read(&self) -> RwLockReadGuard<'_, State> {
        // Nothing that holds the lock can leave the map half changed.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, id: &EventId) -> Option<Known> {
        self.read().known.get(id).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.read().known.len()
    }

    pub(super) fn applied(&self) -> FrameNumber {
        self.read().applied
    }

    /// Everything up to `frame` is applied.
    pub(super) fn set_applied(&self, frame: FrameNumber) {
        self.write().applied = frame;
    }

    /// Puts identities in; the last of several copies counts.
    pub(super) fn extend(&self, entries: &[(EventId, Known)]) {
        for some in entries.chunks(AT_ONCE) {
            self.write().known.extend(some.iter().copied());
        }
    }

    /// All identities in the order of the store, and the frame they go up to.
    pub(super) fn sorted(&self) -> (Vec<(EventId, Known)>, FrameNumber) {
        let state = self.read();
        let mut entries: Vec<_> = state
            .known
            .iter()
            .map(|(id, known)| (*id, *known))
            .collect();
        let applied = state.applied;
        drop(state);
        entries.sort_unstable_by_key(|(id, _)| *id);
        (entries, applied)
    }

    /// Forgets everything, which is in the store now.
    pub(super) fn clear(&self) {
        self.write().known.clear();
    }
}
