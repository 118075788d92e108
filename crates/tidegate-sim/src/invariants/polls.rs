//! What must hold of a flow that polls.

use std::collections::BTreeMap;

use tidegate_core::log::entry::Polled;
use tidegate_types::id::EventId;
use tidegate_types::position::Place;

use super::Audit;
use crate::context::Context;
use crate::report::{Rule, Situation};

/// What is known of the flow.
#[derive(Debug, Default)]
pub(super) struct PollTruth {
    /// What each page held, by the number of its cursor.
    pages: BTreeMap<u64, Vec<EventId>>,
    /// The newest cursor that stands in the log.
    newest: u64,
}

impl Audit {
    /// A page is on its way to the log.
    pub(crate) fn page(&mut self, number: u64, ids: Vec<EventId>) {
        self.polls.pages.insert(number, ids);
    }

    /// A cursor stands in the log: so must all that it covers.
    pub(super) fn polled(&mut self, cx: &mut Context, place: Place, polled: &Polled) {
        let number = polled.number;
        if polled.carried {
            cx.seen(Situation::PollCarried);
            if number > self.polls.newest {
                let detail = format!("cursor {number} was carried and stood nowhere");
                cx.violate(Rule::Poll, detail);
            }
            return;
        }
        if number != self.polls.newest + 1 {
            let newest = self.polls.newest;
            let detail = format!("cursor {number} at {place:?} follows {newest}");
            return cx.violate(Rule::Poll, detail);
        }
        self.polls.newest = number;
        let page = self.polls.pages.get(&number).map(Vec::as_slice);
        let missing = page.unwrap_or_default().iter().find(|id| !self.stands(id));
        if let Some(id) = missing {
            let detail = format!("cursor {number} at {place:?} stands without {id}");
            cx.violate(Rule::Poll, detail);
        }
    }

    /// Whether an event or fault with this identity stands, or stood, in the log.
    pub(crate) fn stands(&self, id: &EventId) -> bool {
        self.history.latest(id).is_some()
    }

    /// The node has started and says where the flow goes on.
    pub(crate) fn poll_restored(&self, cx: &mut Context, number: u64) {
        let newest = self.polls.newest;
        if number != newest {
            let detail =
                format!("it goes on at cursor {number}, the newest in the log was {newest}");
            cx.violate(Rule::Poll, detail);
        }
    }
}
