//! Which events of a flow were given up, by their places.

use tidegate_types::position::{FrameNumber, Place};

/// Spans that are remembered: each is of up to thousands of events.
const SPANS_MAX: usize = 1 << 14;

/// Stretches of the log in which everything that a flow wanted and had not settled was given up, in their order, none
/// over another.
#[derive(Clone, Debug, Default)]
pub(super) struct Spans(Vec<(Place, Place)>);

impl Spans {
    /// Whether an event that the flow wanted and had not settled was given up.
    pub(super) fn hold(&self, place: Place) -> bool {
        let from = self.0.partition_point(|(_, last)| *last < place);
        self.0.get(from).is_some_and(|(first, _)| *first <= place)
    }

    /// Adds what was given up from `first` to `last`.
    pub(super) fn add(&mut self, first: Place, last: Place) {
        let from = self.0.partition_point(|(_, end)| *end < first);
        let to = self.0.partition_point(|(begin, _)| *begin <= last);
        let (from, to) = (from, to.max(from));
        let begin = self.0.get(from).filter(|_| to > from).map(|it| it.0);
        let end = to.checked_sub(1).and_then(|at| self.0.get(at));
        let end = end.filter(|_| to > from).map(|it| it.1);
        let span = (
            begin.map_or(first, |it| it.min(first)),
            end.map_or(last, |it| it.max(last)),
        );
        self.0.splice(from..to, [span]);
        if self.0.len() > SPANS_MAX {
            self.0.remove(0);
        }
    }

    /// Forgets what stands before a frame, and gives whether anything is left.
    pub(super) fn forget(&mut self, first: FrameNumber) -> bool {
        self.0.retain(|(_, last)| last.frame >= first);
        !self.0.is_empty()
    }
}
