//! Taking events to a target: call after call, until each event has its result.
//!
//! A call may be accepted in part, and one that is refused as a whole may be refused for one of its
//! entries. So what the caller gets is a result for each event, never one for all.
//!
//! - *Order.* A FIFO queue keeps the order in which it *accepts*, so a call that is accepted in part could
//!   turn it round. Of each group a call has one entry at most, and behind an event that was not accepted
//!   nothing of its group is sent.
//! - *Blame.* What the service says of an entry is about the entry, unless it says that it is throttled,
//!   forbidden or broken: then no further call is made.
//! - *Repeats* come from the caller, who sends again whatever was not accepted. A FIFO queue drops those
//!   that were accepted after all, by their deduplication id, for five minutes.

use std::collections::HashSet;

use http::StatusCode;

use super::target::{Item, Payload, Target};
use super::{AnswerError, BATCH_ENTRIES_MAX, Call, Verdict, events, outcome, sqs};

mod refusal;

pub use refusal::{Refusal, RefusalCause};

/// Takes events to a target. [`Dispatch::next_call`] and [`Dispatch::handle_answer`] take turns until
/// there is no further call; [`Dispatch::finish`] gives the results.
#[derive(Debug)]
pub struct Dispatch<'a> {
    target: &'a Target,
    entries: Vec<Entry>,
    /// Which entries the call under way has, in their order.
    in_call: Vec<usize>,
    is_over: bool,
}

/// What became of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventResult {
    /// It was taken, under this id of the service's.
    Accepted(String),
    /// It was not.
    Refused(Refusal),
    /// It was sent and there was no answer: it may have been taken.
    Unanswered,
    /// It was not sent, since an earlier event of its group was not taken, or no further call was made.
    Unsent,
}

#[derive(Debug)]
struct Entry {
    payload: Option<Payload>,
    /// Sent alone, since a call with others was refused for one of them.
    is_alone: bool,
    result: Option<EventResult>,
}

impl<'a> Dispatch<'a> {
    /// Prepares `items`; what the service would refuse has its result at once.
    #[must_use]
    pub fn new(target: &'a Target, items: &[Item<'_>]) -> Self {
        let entry = |item: &Item<'_>| match target.payload(item) {
            Ok(payload) => Entry {
                payload: Some(payload),
                is_alone: false,
                result: None,
            },
            Err(error) => Entry {
                payload: None,
                is_alone: false,
                result: Some(EventResult::Refused(Refusal::from(error))),
            },
        };
        Self {
            target,
            entries: items.iter().map(entry).collect(),
            in_call: Vec::new(),
            is_over: false,
        }
    }

    /// The next call; `None` if there is none. A call under way counts as unanswered.
    pub fn next_call(&mut self) -> Option<Call> {
        self.handle_no_answer();
        if self.is_over {
            return None;
        }
        self.in_call = self.choose();
        let payloads: Vec<&Payload> = self
            .in_call
            .iter()
            .filter_map(|place| self.entries.get(*place)?.payload.as_ref())
            .collect();
        if payloads.is_empty() {
            return None;
        }
        match self.target.call(&payloads) {
            Ok(call) => Some(call),
            // Every entry was checked by itself and the sum was kept, so this is for the unforeseen.
            Err(error) => {
                self.settle_all(&EventResult::Refused(Refusal::from(error)));
                None
            }
        }
    }

    /// Takes the answer to the call under way.
    pub fn handle_answer(&mut self, status: StatusCode, body: &[u8]) {
        let sent = self.in_call.len();
        let verdicts = outcome(status, body).and_then(|body| match self.target {
            Target::Queue(_) => sqs::send_batch_answer(sent, body),
            Target::Bus(_) => events::put_events_answer(sent, body),
        });
        match verdicts {
            Ok(verdicts) => {
                let places = std::mem::take(&mut self.in_call);
                for (place, verdict) in places.into_iter().zip(verdicts) {
                    let result = result(verdict);
                    // One that is throttled speaks for the calls that would follow.
                    self.is_over |= is_about_target(&result);
                    self.settle(place, result);
                }
            }
            Err(AnswerError::Refused { code, .. })
                if refusal::is_about_content(&code) && sent > 1 =>
            {
                for place in std::mem::take(&mut self.in_call) {
                    if let Some(entry) = self.entries.get_mut(place) {
                        entry.is_alone = true;
                    }
                }
            }
            Err(error) => {
                let result = EventResult::Refused(Refusal::from(error));
                self.is_over |= is_about_target(&result);
                self.settle_all(&result);
            }
        }
    }

    /// The call under way was sent, at least in part, and has no answer. No further call is made.
    pub fn handle_failure(&mut self) {
        self.handle_no_answer();
        self.is_over = true;
    }

    /// Nothing of the call under way was sent. No further call is made.
    pub fn handle_unsent(&mut self) {
        self.in_call.clear();
        self.is_over = true;
    }

    /// One result for each of the items, in their order.
    #[must_use]
    pub fn finish(mut self) -> Vec<EventResult> {
        self.handle_no_answer();
        let results = self.entries.into_iter().map(|entry| entry.result);
        results
            .map(|result| result.unwrap_or(EventResult::Unsent))
            .collect()
    }

    fn handle_no_answer(&mut self) {
        if !self.in_call.is_empty() {
            self.settle_all(&EventResult::Unanswered);
            self.is_over = true;
        }
    }

    /// Up to ten entries, from the front, that may be sent together.
    fn choose(&self) -> Vec<usize> {
        let mut chosen = Vec::new();
        let mut bytes = 0_usize;
        let mut closed: HashSet<&str> = HashSet::new();
        for (place, entry) in self.entries.iter().enumerate() {
            let Some(payload) = &entry.payload else {
                continue;
            };
            let may_go = match (&entry.result, payload.group()) {
                (Some(EventResult::Accepted(_)), _) => continue,
                (result, Some(group)) => closed.insert(group) && result.is_none(),
                (result, None) => result.is_none(),
            };
            if !may_go {
                continue;
            }
            if entry.is_alone {
                if chosen.is_empty() {
                    return vec![place];
                }
                continue;
            }
            let sum = bytes.saturating_add(payload.bytes());
            if sum <= self.target.call_bytes_max() {
                bytes = sum;
                chosen.push(place);
            }
            if chosen.len() == BATCH_ENTRIES_MAX {
                break;
            }
        }
        chosen
    }

    fn settle(&mut self, place: usize, result: EventResult) {
        if let Some(entry) = self.entries.get_mut(place) {
            entry.result = Some(result);
        }
    }

    fn settle_all(&mut self, result: &EventResult) {
        for place in std::mem::take(&mut self.in_call) {
            self.settle(place, result.clone());
        }
    }
}

fn is_about_target(result: &EventResult) -> bool {
    matches!(result, EventResult::Refused(refusal) if refusal.cause != RefusalCause::Event)
}

fn result(verdict: Verdict) -> EventResult {
    match verdict {
        Verdict::Accepted(id) => EventResult::Accepted(id),
        Verdict::Rejected {
            code,
            message,
            ours,
        } => EventResult::Refused(Refusal {
            cause: refusal::cause(&code, ours),
            code,
            message,
        }),
    }
}

#[cfg(test)]
mod tests;
