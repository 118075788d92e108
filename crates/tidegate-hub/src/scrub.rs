//! The thread that reads the whole log again and again, slowly, and says what it finds.
//!
//! Opening a log believes the footers of sealed segments. A bit that rots behind them would be
//! noticed only by the reader that needs it; this finds it while copies may still exist.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidegate_core::log::engine::{LogReader, ReadError, ScrubCursor};

use crate::inbox::Inbox;
use crate::stats::{HubStats, add};

/// Bytes checked in one step.
const STEP_BYTES: usize = 4 << 20;

/// Between two steps: 16 MiB/s at most, so that a disk hardly notices, and 50 GiB take an hour.
const STEP_EVERY: Duration = Duration::from_millis(250);

/// Between two passes over the log.
const PASS_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Writes a system event: kind and text.
pub(crate) type Record = Box<dyn Fn(&str, String) + Send>;

/// What the thread needs.
pub(crate) struct Scrubber {
    pub(crate) reader: Arc<dyn LogReader>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) stats: Arc<HubStats>,
    pub(crate) record: Record,
}

impl Scrubber {
    /// Runs until the hub closes.
    pub(crate) fn run(self) {
        let mut cursor = ScrubCursor::default();
        let mut told = false;
        loop {
            let wait = match self.reader.scrub(&cursor, STEP_BYTES) {
                Ok(step) if step.done => {
                    add(&self.stats.scrub_passes, 1);
                    cursor = ScrubCursor::default();
                    PASS_EVERY
                }
                Ok(step) => {
                    add(&self.stats.scrubbed_bytes, step.bytes);
                    cursor = step.cursor;
                    STEP_EVERY
                }
                // The frame was trimmed while it was being looked at.
                Err(ReadError::Trimmed { first }) => {
                    cursor = ScrubCursor {
                        next: first,
                        prev: None,
                    };
                    STEP_EVERY
                }
                Err(error) => {
                    if !told {
                        self.tell(&error);
                        told = true;
                    }
                    cursor = ScrubCursor::default();
                    PASS_EVERY
                }
            };
            if self.inbox.closes_within(wait) {
                return;
            }
        }
    }

    fn tell(&self, error: &ReadError) {
        self.stats.scrub_damaged.store(1, Ordering::Relaxed);
        tracing::error!(
            error = error as &dyn std::error::Error,
            "the log is damaged"
        );
        (self.record)("log-damaged", format!("the log is damaged: {error}"));
    }
}
