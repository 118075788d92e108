//! What must hold of what leaves the node: answers to senders, pages to subscribers.

use std::ops::Bound;

use tidegate_core::log::entry::FaultCause;
use tidegate_core::receive::intake::Answer;
use tidegate_types::position::Place;

use super::Audit;
use super::history::What;
use crate::context::Context;
use crate::item::Offered;
use crate::report::{Rule, Situation};
use crate::subscriber::Page;

impl Audit {
    /// An answer other than a refusal leaves the node.
    pub(crate) fn answered(&mut self, cx: &mut Context, offered: &Offered, answer: &Answer) {
        let (id, place, again) = match answer {
            Answer::Kept { id, place } => (*id, *place, false),
            Answer::Repeat { id, place } => (*id, *place, true),
            Answer::SetAside {
                fault,
                place,
                repeat,
            } => (*fault, *place, *repeat),
            Answer::Noted | Answer::Page(_) | Answer::Refused(_) => {
                return cx.violate(
                    Rule::Acknowledged,
                    format!("an event was answered {answer:?}"),
                );
            }
        };
        let Some(standing) = self.history.at(place).filter(|standing| standing.id == id) else {
            return cx.violate(
                Rule::Acknowledged,
                format!("{answer:?}, where it does not stand"),
            );
        };
        if standing.fingerprint != offered.fingerprint {
            let detail = format!("{answer:?} for other content under that identity");
            return cx.violate(Rule::Reused, detail);
        }
        if self.history.latest(&id) != Some(place) {
            let latest = self.history.latest(&id);
            return cx.violate(
                Rule::Repeat,
                format!("{answer:?}, but it stands at {latest:?}"),
            );
        }
        let set_aside = matches!(answer, Answer::SetAside { .. });
        let fits = match standing.what {
            What::Event { .. } => !set_aside && !offered.broken && id == offered.id,
            What::Fault {
                cause: FaultCause::IdReused,
                of,
            } => {
                let other = self
                    .history
                    .other_content(&offered.id, &offered.fingerprint);
                set_aside && !offered.broken && of == offered.id && other
            }
            What::Fault { .. } => set_aside && offered.broken && id == offered.id,
        };
        if !fits {
            let detail = format!("{answer:?} for {offered:?}, where {standing:?} stands");
            return cx.violate(Rule::Acknowledged, detail);
        }
        if matches!(
            standing.what,
            What::Fault {
                cause: FaultCause::IdReused,
                ..
            }
        ) {
            cx.seen(Situation::IdReused);
        }
        if set_aside && again {
            cx.seen(Situation::FaultRepeated);
        }
        cx.report.acknowledged += 1;
        let first = self.acknowledged.insert((offered.id, offered.fingerprint));
        if first && again {
            cx.seen(Situation::RepeatOfUnanswered);
        }
    }

    /// A subscriber got a page; whether it had some of it before.
    pub(crate) fn delivered(
        &mut self,
        cx: &mut Context,
        index: usize,
        after: Option<Place>,
        page: &Page,
    ) -> bool {
        let (Some(reader), Some(to)) = (self.readers.get_mut(index), page.scanned_to) else {
            return false;
        };
        if after > reader.covered && after.is_some_and(|after| !reader.is_passed(after)) {
            let detail = format!(
                "reader {index} is after {after:?}, delivered is {:?}",
                reader.covered
            );
            cx.violate(Rule::Delivery, detail);
        }
        let (incarnation, frame) = (to.incarnation, self.first);
        let begin = Bound::Included(Place {
            incarnation,
            frame,
            index: 0,
        });
        let due = self
            .history
            .between(after.map_or(begin, Bound::Excluded), to);
        let due = due
            .filter(|(_, standing)| standing.matches(index))
            .map(|(place, _)| place);
        if !due.eq(page.found.iter().copied()) {
            let detail = format!(
                "reader {index} after {after:?} up to {to:?} got {:?}",
                page.found
            );
            cx.violate(Rule::Delivery, detail);
        }
        let again = page
            .found
            .first()
            .is_some_and(|first| Some(*first) <= reader.covered);
        reader.covered = reader.covered.max(Some(to));
        again
    }
}
