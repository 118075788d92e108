//! How far back the repeats of a flow are recognised.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate_core::log::engine::LogReader;
use tidegate_types::position::FrameNumber;
use tidegate_types::time::UnixMillis;

/// How old the frame may be that the horizon is told by. The horizon is meant in hours and days.
const REFRESH_EVERY: Duration = Duration::from_secs(10);

/// The first frame that is not older than a flow's `dedup`.
#[derive(Debug)]
pub(crate) struct Horizon {
    /// `None`: as long as the log.
    dedup: Option<Duration>,
    frame: AtomicU64,
    refreshed: AtomicU64,
}

impl Horizon {
    pub(crate) const fn new(dedup: Option<Duration>) -> Self {
        Self {
            dedup,
            frame: AtomicU64::new(0),
            refreshed: AtomicU64::new(0),
        }
    }

    /// The frame at `now`. Looks it up in the log now and then; if that fails, what was known goes on.
    pub(crate) fn frame(&self, now: UnixMillis, reader: &dyn LogReader) -> FrameNumber {
        let Some(dedup) = self.dedup else {
            return FrameNumber(0);
        };
        let refreshed = UnixMillis(self.refreshed.load(Ordering::Relaxed));
        if now.since(refreshed) >= REFRESH_EVERY {
            self.refreshed.store(now.0, Ordering::Relaxed);
            if let Ok(frame) = reader.frame_at_time(now.minus(dedup)) {
                self.frame.store(frame.0, Ordering::Relaxed);
            }
        }
        FrameNumber(self.frame.load(Ordering::Relaxed))
    }
}
