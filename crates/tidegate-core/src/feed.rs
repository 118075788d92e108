//! Feeds: events of all origins, fetched by external systems that keep their own position.
//!
//! A reader's position is a [`Vector`]: for each origin, how far that origin's log was dealt with.
//! It travels to the reader and back as an opaque, authenticated text ([`cursor`]), so that any
//! region can go on where another one stopped. One number for all origins could not do that: it
//! loses events, or stands still when a region dies.
//!
//! What a region may give after a vector is decided by [`plan()`]: it never goes back, gives nothing
//! of an origin whose mirror here is behind the reader, and says so when something the reader has
//! not seen is gone. What was read of each origin becomes one page by [`merge()`].
//!
//! Boundary: no filter, no HTTP, no log. The shell reads what the plan says and hands it to the merge.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod cursor;
mod merge;
mod plan;

use std::collections::BTreeMap;

use tidegate_types::position::{FrameNumber, Incarnation, Place};

pub use merge::{Given, MergeLimits, MergedPage, OriginEntry, OriginPage, merge};
pub use plan::{Life, OriginView, Plan, Read, Unservable, earliest, plan};

/// The most origins of one vector: the regions of a subsystem (16) and as many that are retired and
/// whose events have not run out of retention.
pub const ORIGINS_MAX: usize = 32;

/// The index of a place that stands for its whole frame, whatever that holds.
pub const WHOLE_FRAME: u32 = u32::MAX;

/// How far a reader has dealt with each origin: everything up to and including the place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vector {
    marks: BTreeMap<String, Place>,
}

impl Vector {
    /// A reader that has dealt with everything of `origin` up to `mark`, and nothing else.
    #[must_use]
    pub fn of(origin: &str, mark: Place) -> Self {
        let mut vector = Self::default();
        vector.set(origin, mark);
        vector
    }

    /// How far `origin` was dealt with; `None` if nothing of it was.
    #[must_use]
    pub fn mark(&self, origin: &str) -> Option<Place> {
        self.marks.get(origin).copied()
    }

    /// The marks by origin, in the order of their names.
    pub fn marks(&self) -> impl ExactSizeIterator<Item = (&str, Place)> {
        self.marks
            .iter()
            .map(|(origin, mark)| (origin.as_str(), *mark))
    }

    /// Moves the mark of `origin`. Beyond [`ORIGINS_MAX`] a new origin is not taken in: it is served
    /// from its start again, which repeats and loses nothing.
    pub fn set(&mut self, origin: &str, mark: Place) {
        if let Some(known) = self.marks.get_mut(origin) {
            *known = mark;
        } else if self.marks.len() < ORIGINS_MAX {
            self.marks.insert(origin.to_owned(), mark);
        }
    }
}

/// The mark of a reader that has dealt with everything before `frame`.
#[must_use]
pub const fn before_frame(incarnation: Incarnation, frame: FrameNumber) -> Place {
    Place::start_of(incarnation, frame).before()
}

/// The frame in which the entry after `mark` stands, if there is one.
const fn next_frame(mark: Place) -> FrameNumber {
    mark.behind().frame
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests;
