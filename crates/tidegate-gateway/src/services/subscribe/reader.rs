//! One reader on its way through the log.

use std::sync::Arc;

use tidegate_core::log::engine::ReadError;
use tidegate_core::log::entry::Entry;
use tidegate_core::receive::intake::Content;
use tidegate_hub::hub::Hub;
use tidegate_hub::query::{Page, PageLimits, QueryError};
use tidegate_types::name::kind_matches;
use tidegate_types::position::Place;
use tokio::sync::Semaphore;

use super::Asked;
use crate::document::document;
use crate::generation::{ServiceDoor, SubscriptionDoor};
use crate::public::Public;

/// Bytes of a page at most, but for a single event that is larger.
const PAGE_BYTES: usize = 4 << 20;

/// Bytes of the log that one page looks through at most: about a tenth of a second of work.
const SCAN_BYTES: u64 = 64 << 20;

/// Frames without a match after which the cursor is moved past them, so that a subscription to rare
/// events does not hold the log.
const IDLE_FRAMES: u64 = 1024;

/// Pages that are looked up at once over all readers, so that they leave most of the processor to
/// everything else.
static SCANS: Semaphore = Semaphore::const_new(4);

/// A reader of one subscription, for one request.
pub(super) struct Reader {
    hub: Arc<Hub>,
    service: Arc<ServiceDoor>,
    slot: usize,
    subsystem: String,
    /// What was looked at last.
    at: Option<Place>,
    /// Whether everything before `at` is acknowledged, or nothing the subscription wants.
    follows_cursor: bool,
}

impl Reader {
    /// A reader that begins behind the place it asks for, else behind what was acknowledged.
    pub(super) fn new(
        public: &Public,
        service: &Arc<ServiceDoor>,
        slot: usize,
        asked: &Asked,
    ) -> Self {
        let cursors = public.hub.cursors();
        let subscription = service.subscriptions.get(slot);
        let acknowledged = subscription.and_then(|it| cursors.get(&it.cursor).copied());
        let after = asked.after;
        Self {
            hub: Arc::clone(&public.hub),
            service: Arc::clone(service),
            slot,
            subsystem: public.generation.load().config.subsystem.clone(),
            at: after.or(acknowledged),
            follows_cursor: after.is_none_or(|after| Some(after) <= acknowledged),
        }
    }

    /// What follows, `limit` events at most. After a page without any the next one goes on behind it.
    pub(super) async fn next_page(&mut self, limit: usize) -> Result<Page, QueryError> {
        // It is never closed.
        let _permit = SCANS.acquire().await.ok();
        let (hub, service, slot) = (Arc::clone(&self.hub), Arc::clone(&self.service), self.slot);
        let (after, subsystem) = (self.at, self.subsystem.clone());
        let scan = tokio::task::spawn_blocking(move || {
            let subscription = service.subscriptions.get(slot);
            let wanted = |entry: &Entry| subscription.is_some_and(|it| it.wants(entry, &subsystem));
            let limits = PageLimits {
                entries: limit,
                entry_bytes: PAGE_BYTES,
                scan_bytes: SCAN_BYTES,
            };
            match hub.scan(after, limits, wanted) {
                // Its retention has passed it; a system event says so. It goes on with what there is.
                Err(QueryError::Log(ReadError::Trimmed { .. })) => hub.scan(None, limits, wanted),
                other => other,
            }
        });
        let page = match scan.await {
            Ok(page) => page?,
            // The listener answers 500 and counts it.
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        };
        if page.found.is_empty() {
            self.at = page.scanned_to;
        }
        Ok(page)
    }

    /// Moves the cursor past a long stretch that holds nothing for the subscription: so that it does
    /// not hold the log, and so that the next page begins behind what this one could look through.
    pub(super) async fn pass(&self, page: &Page) {
        let (Some(place), Some(subscription)) =
            (page.scanned_to, self.service.subscriptions.get(self.slot))
        else {
            return;
        };
        if !page.found.is_empty() || !self.follows_cursor {
            return;
        }
        let cursors = self.hub.cursors();
        let from = cursors.get(&subscription.cursor);
        let from = from.map_or(0, |place| place.frame.0);
        if page.at_end && place.frame.0.saturating_sub(from) < IDLE_FRAMES {
            return;
        }
        let cursor = Content::Cursor {
            subscription: subscription.cursor.clone(),
            place,
        };
        let _tried_again_if_refused = self.hub.offer(cursor).await;
    }
}

impl SubscriptionDoor {
    fn wants(&self, entry: &Entry, subsystem: &str) -> bool {
        let Entry::Event(entry) = entry else {
            return false;
        };
        let event = &entry.event;
        if !self
            .on
            .iter()
            .any(|pattern| kind_matches(pattern, &event.kind))
        {
            return false;
        }
        let Some(filter) = &self.filter else {
            return true;
        };
        let json = document(event, subsystem);
        // An event the filter cannot judge is given rather than withheld.
        filter.matches(&json).unwrap_or(true)
    }
}
