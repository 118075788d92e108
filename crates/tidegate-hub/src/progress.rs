//! How far the views are, to wait for.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tidegate_types::position::FrameNumber;

/// The last frame the views have applied.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    applied: Mutex<FrameNumber>,
    moved: Condvar,
}

impl Progress {
    pub(crate) fn set(&self, applied: FrameNumber) {
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner) = applied;
        self.moved.notify_all();
    }

    /// Waits until `frame` is applied, at most `within`; gives whether it is.
    pub(crate) fn reaches(&self, frame: FrameNumber, within: Duration) -> bool {
        let applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .moved
            .wait_timeout_while(applied, within, |applied| *applied < frame);
        *waited.unwrap_or_else(PoisonError::into_inner).0 >= frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_what_comes_and_not_for_ever() {
        let progress = Progress::default();
        assert!(!progress.reaches(FrameNumber(2), Duration::ZERO));
        std::thread::scope(|scope| {
            scope.spawn(|| progress.set(FrameNumber(2)));
            assert!(progress.reaches(FrameNumber(2), Duration::from_secs(30)));
        });
    }
}
