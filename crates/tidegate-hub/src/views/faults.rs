//! The open faults.

use std::collections::BTreeMap;

use fjall::OwnedWriteBatch;
use tidegate_core::view::{Change, FaultSummary};
use tidegate_types::id::EventId;
use tidegate_types::position::FrameNumber;
use tidegate_types::time::UnixMillis;

use super::{Views, ViewsError, codec};

impl Views {
    /// The open faults from the newest to the oldest, `limit` at most; those before `before` only,
    /// if it is given.
    ///
    /// # Errors
    /// The store failed.
    pub fn faults(
        &self,
        before: Option<&FaultSummary>,
        limit: usize,
        mut wanted: impl FnMut(&FaultSummary) -> bool,
    ) -> Result<Vec<FaultSummary>, ViewsError> {
        let end = before.map_or(codec::FAULT_KEY_MAX, codec::fault_key);
        let mut found = Vec::new();
        for item in self.faults.range(..end).rev() {
            let (key, value) = item.into_inner()?;
            let fault = codec::read_fault(&key, &value).ok_or(ViewsError::Value)?;
            if wanted(&fault) {
                found.push(fault);
            }
            if found.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// The fault with this identity that was set aside then, if it is open.
    ///
    /// # Errors
    /// The store failed.
    pub fn open_fault(
        &self,
        set_aside: UnixMillis,
        id: &EventId,
    ) -> Result<Option<FaultSummary>, ViewsError> {
        let key = codec::fault_key_of(set_aside, id);
        let value = self.faults.get(key)?;
        value
            .map(|value| codec::read_fault(&key, &value).ok_or(ViewsError::Value))
            .transpose()
    }

    /// How many faults are open. Reads them all.
    ///
    /// # Errors
    /// The store failed.
    pub fn faults_open(&self) -> Result<u64, ViewsError> {
        Ok(self.faults.len()? as u64)
    }

    /// What changes of the faults; all others are passed over. Gathered before it is written, since
    /// of several changes in one batch of the store it is not said which counts.
    pub(super) fn settle_faults(
        &self,
        batch: &mut OwnedWriteBatch,
        changes: &[&Change],
        frame: FrameNumber,
    ) -> Result<(), ViewsError> {
        let mut open: BTreeMap<_, Option<Vec<u8>>> = BTreeMap::new();
        let mut closed: BTreeMap<EventId, bool> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Fault(fault) => {
                    closed.insert(fault.id, false);
                    open.insert(codec::fault_key(fault), Some(codec::fault(fault)));
                }
                Change::FaultCarried(fault) => {
                    let was_closed = match closed.get(&fault.id) {
                        Some(closed) => *closed,
                        None => self.closed.contains_key(fault.id.as_bytes())?,
                    };
                    if !was_closed {
                        open.insert(codec::fault_key(fault), Some(codec::fault(fault)));
                    }
                }
                Change::FaultClosed(fault) => {
                    closed.insert(fault.id, true);
                    open.insert(codec::fault_key_of(fault.set_aside, &fault.id), None);
                }
                _ => {}
            }
        }
        for (key, fault) in open {
            match fault {
                Some(fault) => batch.insert(&self.faults, key, fault),
                None => batch.remove(&self.faults, key),
            }
        }
        for (id, is_closed) in closed {
            if is_closed {
                batch.insert(&self.closed, id.as_bytes(), frame.0.to_be_bytes());
            } else {
                batch.remove(&self.closed, id.as_bytes());
            }
        }
        Ok(())
    }

    /// Forgets which faults were closed before `oldest`: no copy of them is left in the log.
    pub(super) fn forget_closed(&self, oldest: FrameNumber) -> Result<(), ViewsError> {
        let mut batch = self.db.batch();
        for item in self.closed.iter() {
            let (id, frame) = item.into_inner()?;
            if frame.as_ref() < oldest.0.to_be_bytes().as_slice() {
                batch.remove(&self.closed, id);
            }
        }
        batch.commit()?;
        Ok(())
    }
}
