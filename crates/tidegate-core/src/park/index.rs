//! Which frame of a park holds which places: one line for each frame, so it is small.

use std::collections::VecDeque;

use tidegate_types::position::{FrameNumber, Place};

/// A frame of the park.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The places in it.
    pub(super) first: Place,
    pub(super) last: Place,
    /// Where it stands in the park; of a large entry, its end.
    pub(super) frame: FrameNumber,
    pub(super) events: u64,
    pub(super) bytes: u64,
}

/// All frames that a mark stands behind, in the order of their places, which do not overlap.
#[derive(Debug, Default)]
pub(super) struct Index {
    lines: VecDeque<Line>,
    /// What the last mark says.
    pub(super) through: Option<Place>,
}

impl Index {
    /// Adds the frames up to a mark. What was written before a crash and written again is left out, and so is what
    /// was written then and reaches past the mark: the log still has that.
    pub(super) fn commit(&mut self, lines: impl IntoIterator<Item = Line>, through: Place) {
        for line in lines.into_iter().filter(|line| line.last < through) {
            while self
                .lines
                .back()
                .is_some_and(|back| back.last >= line.first)
            {
                self.lines.pop_back();
            }
            self.lines.push_back(line);
        }
        self.through = Some(through);
    }

    /// The first line with a place at or after this one.
    pub(super) fn at(&self, place: Place) -> Option<Line> {
        let before = self.lines.partition_point(|line| line.last < place);
        self.lines.get(before).copied()
    }

    pub(super) fn holds(&self, frame: FrameNumber) -> bool {
        self.lines
            .binary_search_by_key(&frame, |line| line.frame)
            .is_ok()
    }

    /// Forgets the frames with nothing at or after `place`, and gives the first that stays.
    pub(super) fn release(&mut self, place: Place) -> Option<FrameNumber> {
        while self.lines.front().is_some_and(|line| line.last < place) {
            self.lines.pop_front();
        }
        self.lines.front().map(|line| line.frame)
    }

    /// Events, and bytes of the frames they stand in.
    pub(super) fn sum(&self) -> (u64, u64) {
        self.lines.iter().fold((0, 0), |(events, bytes), line| {
            (
                events.saturating_add(line.events),
                bytes.saturating_add(line.bytes),
            )
        })
    }
}
