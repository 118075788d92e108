//! The thread that applies what was written to the local views.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tidegate_core::log::engine::LogReader;
use tidegate_core::view::Change;
use tidegate_types::position::FrameNumber;

use crate::inbox::Inbox;
use crate::progress::Progress;
use crate::stats::{HubStats, add};
use crate::views::Views;

/// Frames that may wait for the views. Past it the writer waits; it is far more than the views are
/// behind by in practice, and the intake's own bound on identities comes first.
pub(crate) const APPLY_QUEUE_FRAMES: usize = 4096;

/// Changes applied in one go: enough to make the store's overhead per batch small.
const CHANGES_PER_BATCH: usize = 8192;

/// After so much silence the views store what they hold in memory.
const STORE_AFTER: Duration = Duration::from_secs(1);

/// How long it sleeps at most when there is nothing to do at all.
const IDLE_WAIT: Duration = Duration::from_secs(3600);

/// How long to wait after a failure of the store before trying again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// A synced frame and what it changes.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) frame: FrameNumber,
    pub(crate) changes: Vec<Change>,
}

/// What the thread needs.
#[derive(Debug)]
pub(crate) struct Applier {
    pub(crate) views: Arc<Views>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) stats: Arc<HubStats>,
    pub(crate) progress: Arc<Progress>,
}

impl Applier {
    /// Runs until the writer has gone and everything is applied.
    pub(crate) fn run(self, reader: &dyn LogReader, written: &Receiver<Written>) {
        let mut stored = true;
        loop {
            let wait = if stored { IDLE_WAIT } else { STORE_AFTER };
            let first = match written.recv_timeout(wait) {
                Ok(first) => first,
                Err(end) => {
                    stored = stored || self.store();
                    match end {
                        RecvTimeoutError::Timeout => continue,
                        RecvTimeoutError::Disconnected => return,
                    }
                }
            };
            stored = false;
            let mut frame = first.frame;
            let mut changes = first.changes;
            while changes.len() < CHANGES_PER_BATCH
                && let Ok(more) = written.try_recv()
            {
                frame = more.frame;
                changes.extend(more.changes);
            }
            if !self.apply(reader, &changes, frame) {
                return;
            }
        }
    }

    /// Stores what the views hold in memory; gives whether that worked. If not, only the next start
    /// takes longer.
    fn store(&self) -> bool {
        let stored = self.views.store();
        if let Err(error) = &stored {
            add(&self.stats.view_failures, 1);
            tracing::warn!(
                error = error as &dyn std::error::Error,
                "the local views could not be stored; the next start reads more of the log"
            );
        }
        stored.is_ok()
    }

    /// Applies, and tries again until it works: nothing may be left out, and while it fails the
    /// intake fills its window and then takes no more, which callers see as overload.
    fn apply(&self, reader: &dyn LogReader, changes: &[Change], frame: FrameNumber) -> bool {
        let mut told = false;
        while let Err(error) = self.views.apply(reader, changes, frame) {
            add(&self.stats.view_failures, 1);
            if !told {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the local views cannot be written; nothing new is taken once they are too far behind"
                );
                told = true;
            }
            if self.inbox.closes_within(RETRY_AFTER) {
                // They catch up from the log at the next start.
                return false;
            }
        }
        let moved = changes
            .iter()
            .filter(|change| matches!(change, Change::Fault(_) | Change::FaultClosed(_)))
            .count();
        if moved > 0
            && let Ok(open) = self.views.faults_open()
        {
            self.stats.faults_open.store(open, Ordering::Relaxed);
        }
        self.stats.applied.store(frame.0, Ordering::Relaxed);
        self.inbox.applied(frame);
        self.progress.set(frame);
        true
    }
}
