//! What a source gave in one answer, with the cursor that covers it.

use std::collections::VecDeque;

use tidegate_types::position::Place;

use super::intake::Content;
use crate::log::entry::Polled;

/// Events and faults of one page, and how far the source was read with them.
///
/// All of it goes into one frame if it fits. Else it goes out as consecutive frames with the cursor in
/// the last, and nothing else comes between: a crash leaves events without the cursor, never the
/// cursor without its events.
#[derive(Debug)]
pub struct Page {
    pub(super) items: VecDeque<Content>,
    pub(super) polled: Box<Polled>,
    pub(super) by_id: bool,
    /// The cursor says something new even if no item does.
    pub(super) moved: bool,
    pub(super) outcome: PageOutcome,
    /// Some of it is in a frame already.
    pub(super) begun: bool,
}

/// What became of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageOutcome {
    /// Events appended.
    pub kept: u32,
    /// Events and faults that the log had before.
    pub repeats: u32,
    /// Faults appended, reused identities among them.
    pub set_aside: u32,
}

impl Page {
    /// A page of events and faults. With `by_id` an event is a repeat by its identity alone, whatever
    /// it holds: for what another flow has received already, in words of its own.
    #[must_use]
    pub fn new(items: Vec<Content>, polled: Polled, by_id: bool) -> Self {
        Self {
            items: items.into(),
            polled: Box::new(polled),
            by_id,
            moved: true,
            outcome: PageOutcome::default(),
            begun: false,
        }
    }

    /// The same page, of which nothing is written if the log has all its items: the cursor stands where it
    /// stood.
    #[must_use]
    pub fn unmoved(self) -> Self {
        let moved = false;
        Self { moved, ..self }
    }

    /// What it takes of a queue's bytes.
    pub(super) fn bytes(&self) -> usize {
        let items = self.items.iter().map(Content::bytes);
        items.fold(self.polled.cursor.len(), usize::saturating_add)
    }
}

/// A page whose items are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageKept {
    /// What became of its items.
    pub outcome: PageOutcome,
    /// Where its cursor stands; `None` if nothing was to be written.
    pub place: Option<Place>,
}
