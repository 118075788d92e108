//! What the writer shows to the readers: segments, head, damage, behind one short lock.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tidegate_types::position::FrameNumber;

use super::disk::Disk;
use super::engine::{Bounds, Damage, Head, LogStatus};
use super::segment::Segment;

/// The state that writer and readers share.
#[derive(Debug)]
pub(super) struct Shared<D: Disk> {
    pub(super) disk: D,
    view: RwLock<View<D::File>>,
}

/// A consistent picture of the log; changed only after a sync.
#[derive(Debug)]
pub(super) struct View<F> {
    pub(super) head: Head,
    /// In order; the last one is written to.
    pub(super) segments: VecDeque<Segment<F>>,
    pub(super) damage: Option<Arc<Damage>>,
}

impl<D: Disk> Shared<D> {
    pub(super) const fn new(disk: D, view: View<D::File>) -> Self {
        Self {
            disk,
            view: RwLock::new(view),
        }
    }

    /// The view as it is now. Nothing slow may be done while it is held.
    pub(super) fn view(&self) -> RwLockReadGuard<'_, View<D::File>> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The view, to be changed by the writer.
    pub(super) fn change(&self) -> RwLockWriteGuard<'_, View<D::File>> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F> View<F> {
    pub(super) fn bounds(&self) -> Bounds {
        let after_head = self.head.frame.next();
        Bounds {
            incarnation: self.head.incarnation,
            first: self.first().min(after_head),
            head: self.head,
        }
    }

    pub(super) fn first(&self) -> FrameNumber {
        let first = self.segments.front();
        first.map_or(FrameNumber(1), |segment| segment.extent.first)
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    pub(super) fn status(&self, failures: u64) -> LogStatus {
        let mut filled = self
            .segments
            .iter()
            .filter(|segment| segment.extent.frames() > 0);
        let oldest = filled.next().map(|segment| segment.extent);
        let newest = filled.next_back().map(|segment| segment.extent);
        LogStatus {
            bounds: self.bounds(),
            segments: self.segments.len() as u64,
            bytes: self.bytes(),
            oldest: oldest.map(|extent| extent.first_time),
            newest: newest.or(oldest).map(|extent| extent.last_time),
            failures,
            damage: self.damage.as_deref().cloned(),
        }
    }
}
