//! What must hold of feeds: neither gaps nor repeats, and what is gone is said to be.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::time::Duration;

use tidegate_core::feed::{WHOLE_FRAME, before_frame};
use tidegate_types::position::{FrameNumber, Place};

use super::Audit;
use crate::context::Context;
use crate::report::{Rule, Situation};
use crate::scenario::CONSUMERS;

/// What is known of one consumer.
#[derive(Clone, Debug, Default)]
pub(super) struct ConsumerTruth {
    /// What it has dealt with.
    dealt: BTreeSet<Place>,
    /// It died over something up to here, so what comes up to here may be a repeat.
    died_over: Option<Place>,
    /// Where it goes on.
    at: Option<Place>,
    /// What was over before it began, and what it was told is gone: behind the one, up to the other.
    gone: Vec<(Option<Place>, Place)>,
}

impl Audit {
    /// A consumer has dealt with events; `died` if it will not know that it has.
    pub(crate) fn dealt_with(
        &mut self,
        cx: &mut Context,
        index: usize,
        taken: &[Place],
        died: bool,
    ) {
        let Some(truth) = self.consumers.get_mut(index) else {
            return;
        };
        for place in taken {
            if truth.dealt.insert(*place) {
                continue;
            }
            if Some(*place) > truth.died_over {
                let detail = format!("consumer {index} gets {place:?} twice");
                return cx.violate(Rule::Feed, detail);
            }
            cx.seen(Situation::FeedRedelivered);
        }
        if died {
            truth.died_over = truth.died_over.max(taken.last().copied());
        }
    }

    /// A consumer that was at `from` has dealt with `taken` and goes on at `to`.
    pub(crate) fn moved(
        &mut self,
        cx: &mut Context,
        (index, on): (usize, &str),
        (from, to): (Option<Place>, Option<Place>),
        taken: &[Place],
    ) {
        let Some(truth) = self.consumers.get_mut(index) else {
            return;
        };
        let Some(to) = to else {
            return cx.violate(Rule::Feed, format!("consumer {index} is nowhere"));
        };
        if Some(to) < from || from != truth.at {
            let detail = format!(
                "consumer {index} goes from {from:?} to {to:?}, and was at {:?}",
                truth.at
            );
            return cx.violate(Rule::Feed, detail);
        }
        truth.at = Some(to);
        if truth.at >= truth.died_over {
            truth.died_over = None;
        }
        let start = from.unwrap_or_else(|| before_frame(to.incarnation, self.first));
        if from.is_none() {
            // A retention may begin later than the log, which its first event shows.
            let spec = CONSUMERS.get(index).filter(|spec| spec.retention.is_some());
            let began = spec.map_or(start, |_| {
                taken.first().map_or(to, |first| Place {
                    index: WHOLE_FRAME,
                    frame: FrameNumber(first.frame.0.saturating_sub(1)),
                    ..*first
                })
            });
            truth.gone.push((None, start.max(began)));
        }
        let start = match from {
            Some(from) => from,
            None => truth.gone.first().map_or(start, |(_, to)| *to),
        };
        let due = self.history.between(Bound::Excluded(start), to);
        let due = due.filter(|(_, standing)| standing.is_fed(on));
        if !due.map(|(place, _)| place).eq(taken.iter().copied()) {
            let detail = format!("consumer {index} behind {start:?} up to {to:?} got {taken:?}");
            cx.violate(Rule::Feed, detail);
        }
    }

    /// A consumer was told that something is gone, and goes on at what is left.
    pub(crate) fn gone(
        &mut self,
        cx: &mut Context,
        index: usize,
        (from, to): (Option<Place>, Option<Place>),
        (first, retention): (FrameNumber, Option<Duration>),
    ) {
        let (Some(truth), Some(old), Some(new)) = (self.consumers.get_mut(index), from, to) else {
            return cx.violate(
                Rule::Feed,
                format!("consumer {index} is told of a loss at no place"),
            );
        };
        let next = if old.index == WHOLE_FRAME {
            old.frame.next()
        } else {
            old.frame
        };
        let last_gone = FrameNumber(first.0.saturating_sub(1));
        let too_old = retention
            .is_some_and(|retention| self.history.time(last_gone) < cx.wall().minus(retention));
        let is_gone = first <= self.first || too_old;
        if next >= first || !is_gone || new != before_frame(old.incarnation, first) {
            let detail = format!(
                "consumer {index} at {old:?} is told to go on at {new:?}; the log begins at {}",
                self.first
            );
            return cx.violate(Rule::Feed, detail);
        }
        truth.gone.push((Some(old), new));
        truth.at = Some(new);
    }

    /// A consumer that has not got everything there is for it.
    pub(crate) fn unfetched(&self) -> Option<&'static str> {
        let pairs = self.consumers.iter().zip(&CONSUMERS);
        let mut behind = pairs.filter(|(truth, spec)| {
            let on = spec.on.first().copied().unwrap_or_default();
            self.history.last_fed(on) > truth.at
        });
        behind.next().map(|(_, spec)| spec.name)
    }

    /// At the end, independent of any page: whoever's feed never changed has dealt with everything
    /// that ever stood in the log for it, but for what it was told.
    pub(crate) fn fed(&self, cx: &mut Context) {
        for (truth, spec) in self.consumers.iter().zip(&CONSUMERS) {
            let &[on] = spec.on else {
                continue;
            };
            let told = |place: Place| {
                let mut gone = truth.gone.iter();
                gone.any(|(from, to)| Some(place) > *from && place <= *to)
            };
            let missed = self
                .history
                .fed(on)
                .find(|place| !truth.dealt.contains(place) && !told(*place));
            if let Some(place) = missed {
                let detail = format!("{} never got {place:?}", spec.name);
                return cx.violate(Rule::Feed, detail);
            }
        }
    }
}
