//! How long the writer waits for company before it begins a frame.
//!
//! Senders that wait for their answers fall into two halves when nobody waits: while one half is synced
//! the other half arrives, and each frame takes half of them although a whole one would have cost no
//! more. Where a sync takes much longer than the senders need to come back, a short wait after the answers
//! brings both halves into one frame: more requests for each sync, and nobody waits for two of them.
//! Where it does not bring them, waiting stops.

use std::time::Duration;

/// The wait as a part of the last sync: so much is lost at most when nobody comes.
const SYNC_PART: u32 = 4;

/// Syncs faster than this are not worth a wait: waking up again takes about as long.
const SYNC_MIN: Duration = Duration::from_micros(400);

/// The longest wait, for disks that are very slow.
const WAIT_MAX: Duration = Duration::from_millis(2);

/// Frames begun without a wait after one that brought too little.
const REST: u32 = 16;

/// What is known of the last frame, and whether waiting pays.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    answered: usize,
    sync: Duration,
    rest: u32,
}

/// A wait: until so many more have come, or it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) more: usize,
    pub(crate) at_most: Duration,
}

impl Pace {
    /// A frame was synced in `sync`, and so many callers are answered now.
    pub(crate) fn synced(&mut self, answered: usize, sync: Duration) {
        self.answered = answered;
        self.sync = sync;
    }

    /// The wait before the next frame, if one pays.
    pub(crate) fn wait(&mut self) -> Option<Wait> {
        if self.rest > 0 {
            self.rest -= 1;
            return None;
        }
        // Not for the last ones: one slow sender must not hold up all others.
        let more = self.answered.saturating_mul(3) / 4;
        let at_most = (self.sync / SYNC_PART).min(WAIT_MAX);
        (more > 0 && self.sync >= SYNC_MIN).then_some(Wait { more, at_most })
    }

    /// The wait brought so many.
    pub(crate) fn came(&mut self, wait: Wait, came: usize) {
        if came < wait.more / 2 {
            self.rest = REST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Duration = Duration::from_millis(4);

    #[test]
    fn behind_a_slow_sync_the_answered_are_waited_for() {
        let mut pace = Pace::default();
        assert_eq!(pace.wait(), None);
        pace.synced(32, SLOW);
        let wait = Wait {
            more: 24,
            at_most: Duration::from_millis(1),
        };
        assert_eq!(pace.wait(), Some(wait));
        pace.came(wait, 20);
        assert_eq!(pace.wait(), Some(wait));
    }

    #[test]
    fn nobody_waits_behind_a_fast_sync_or_for_a_single_sender() {
        let mut pace = Pace::default();
        pace.synced(64, Duration::from_micros(300));
        assert_eq!(pace.wait(), None);
        pace.synced(1, SLOW);
        assert_eq!(pace.wait(), None);
    }

    #[test]
    fn a_wait_in_vain_is_not_tried_again_soon() {
        let mut pace = Pace::default();
        pace.synced(32, Duration::from_secs(1));
        let wait = pace.wait().unwrap();
        assert_eq!(wait.at_most, WAIT_MAX);
        pace.came(wait, 3);
        for _ in 0..REST {
            assert_eq!(pace.wait(), None);
        }
        assert_eq!(pace.wait(), Some(wait));
    }
}
