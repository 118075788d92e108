//! What an answer does to the event, its lane and its endpoint.

use std::time::Duration;

use tidegate_types::id::EventId;
use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;

use super::Delivery;
use super::read::BODY_KEPT;
use super::replay::REPLAY_WAIT_MAX;
use super::send::PROBES_MAX;
use crate::deliver::breaker::Worked;
use crate::deliver::classify::{Answer, AttemptResult, Class, Failure};
use crate::deliver::fault_of;
use crate::deliver::lane::{Again, ItemState, LaneKey};
use crate::deliver::output::{AttemptId, Note, SetAside, Verdict};
use crate::log::entry::{Blame, FaultCause, ReceiptOutcome, Retrying};

/// Another key must have been delivered so recently for a failure to be about the event.
const OTHERS_WORK: Duration = Duration::from_secs(60);

/// The first wait after a failure that does not count, doubled with each.
const BACKOFF_MIN: Duration = Duration::from_secs(1);

/// The longest wait of that kind.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Bytes of the text of a failure that are kept.
const TEXT_BYTES_MAX: usize = 200;

/// "Too many requests" is never about one event.
const TOO_MANY_REQUESTS: AttemptResult = AttemptResult::Status(429);

/// A request under way.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) places: Vec<Place>,
    pub(super) probe: bool,
}

/// A failure, as it is recorded.
#[derive(Clone, Debug)]
struct Failed {
    blame: Blame,
    status: u16,
    text: String,
    retry_after: Option<Duration>,
}

impl<B: Clone> Delivery<B> {
    /// A request has ended. Gives what that was taken for; `None` if it is not known (any more).
    pub fn handle_answer(
        &mut self,
        now: UnixMillis,
        attempt: AttemptId,
        answer: &Answer,
    ) -> Option<Verdict> {
        self.advance(now);
        let ended = self.attempts.remove(&attempt)?;
        let (class, blame) = self.settings.classification.judge(answer.result);
        let result = answer.result;
        let failed = describe(class, blame, answer);
        if result == AttemptResult::Failed(Failure::Local) {
            self.pause_locally(&ended);
            return Some(Verdict {
                class,
                blame,
                counted: false,
            });
        }
        self.local_failures = 0;
        let counted = match class {
            Class::Delivered => self.delivered(&ended, result),
            Class::Retry | Class::Reject => {
                self.endpoint_worked(ended.probe);
                self.refused(&ended, class, &failed)
            }
            Class::EndpointDown => self.endpoint_failed(&ended, result, &failed),
            Class::Throttle => match failed.retry_after {
                Some(wait) => self.throttled(&ended, result, &failed, wait),
                None => self.endpoint_failed(&ended, result, &failed),
            },
            Class::Gone => {
                self.gone = true;
                self.note(Note::EndpointGone {
                    status: failed.status,
                });
                self.undone(&ended)
            }
            Class::Again => self.undone(&ended),
        };
        Some(Verdict {
            class,
            blame,
            counted,
        })
    }

    fn delivered(&mut self, ended: &Attempt, result: AttemptResult) -> bool {
        let status = match result {
            AttemptResult::Status(status) => status,
            AttemptResult::Failed(_) => 0,
        };
        self.endpoint_worked(ended.probe);
        for place in &ended.places {
            self.drop_body(*place);
            let Some(item) = self.items.get_mut(place) else {
                continue;
            };
            let lane = item.lane.clone();
            if item.is_replay() {
                self.replay_ended(*place, None);
            } else {
                let outcome = ReceiptOutcome::Delivered {
                    status,
                    endpoint: 0,
                };
                item.state = ItemState::Settling(outcome);
                self.settle(*place, outcome);
                self.close_resubmitted(*place);
                self.delivered = self.delivered.saturating_add(1);
            }
            let [last, _] = &self.successes;
            if last.as_ref().is_none_or(|(key, _)| *key != lane) {
                self.successes.swap(0, 1);
            }
            self.successes[0] = Some((lane, self.now));
        }
        false
    }

    /// The endpoint said something about the event.
    fn refused(&mut self, ended: &Attempt, class: Class, failed: &Failed) -> bool {
        match ended.places.as_slice() {
            [place] if class == Class::Reject => {
                self.set_aside(
                    *place,
                    FaultCause::Rejected,
                    failed.blame,
                    failed.text.clone(),
                );
                true
            }
            [place] => {
                self.count_failure(*place, failed);
                true
            }
            places => self.split(places),
        }
    }

    fn endpoint_failed(&mut self, ended: &Attempt, result: AttemptResult, failed: &Failed) -> bool {
        let about_event = self.is_about_event(ended, result);
        let opened = self.breaker.failed(
            self.now,
            &self.settings.breaker,
            &mut self.random,
            ended.probe,
        );
        if let Some(until) = opened {
            let (blame, text) = (failed.blame, failed.text.clone());
            self.note(Note::BreakerOpened { until, blame, text });
        }
        match (ended.places.as_slice(), about_event) {
            ([place], true) => self.count_failure(*place, failed),
            (places, true) => return self.split(places),
            (places, false) => {
                for place in places {
                    self.uncounted_failure(*place, ended.probe, failed);
                }
            }
        }
        about_event
    }

    fn throttled(
        &mut self,
        ended: &Attempt,
        result: AttemptResult,
        failed: &Failed,
        wait: Duration,
    ) -> bool {
        let most = self.settings.retry_after_max;
        let until = self.now.plus(wait.min(most));
        if until > self.paused_until {
            self.paused_until = until;
            self.note(Note::Throttled {
                until,
                cut: wait > most,
            });
        }
        match ended.places.as_slice() {
            [place] if self.is_about_event(ended, result) => {
                self.breaker_probe_lost(ended);
                self.count_failure(*place, failed);
                true
            }
            _ => self.undone(ended),
        }
    }

    /// Whether the failure is about the event, since other keys are delivered at the same time.
    fn is_about_event(&self, ended: &Attempt, result: AttemptResult) -> bool {
        if result == TOO_MANY_REQUESTS {
            return false;
        }
        let first = ended.places.first().and_then(|place| self.items.get(place));
        let lane = first.map(|item| &item.lane);
        self.successes
            .iter()
            .flatten()
            .any(|(key, at)| Some(key) != lane && self.now.since(*at) <= OTHERS_WORK)
    }

    /// Our own side cannot send: nothing goes for a while, and the endpoint is not blamed.
    fn pause_locally(&mut self, ended: &Attempt) {
        self.local_failures = self.local_failures.saturating_add(1);
        let wait = self.random.jitter(backoff(self.local_failures));
        self.paused_until = self.paused_until.max(self.now.plus(wait));
        self.undone(ended);
    }

    /// The events go again, as if nothing had been.
    fn undone(&mut self, ended: &Attempt) -> bool {
        self.breaker_probe_lost(ended);
        for place in &ended.places {
            self.again(*place, self.now);
        }
        false
    }

    /// Which event of the batch it was is not known: each goes alone.
    fn split(&mut self, places: &[Place]) -> bool {
        for place in places {
            if let Some(item) = self.items.get_mut(place) {
                item.alone = true;
            }
        }
        for place in places {
            self.again(*place, self.now);
        }
        false
    }

    const fn breaker_probe_lost(&mut self, ended: &Attempt) {
        if ended.probe {
            self.breaker.probe_lost(self.now);
        }
    }

    fn endpoint_worked(&mut self, probe: bool) {
        let worked = self.breaker.worked(self.now, &self.settings.breaker, probe);
        if let Worked::Closed(after) = worked {
            self.note(Note::BreakerClosed { after });
        }
    }

    /// A failure that uses up an attempt.
    fn count_failure(&mut self, place: Place, failed: &Failed) {
        let now = self.now;
        let Some(item) = self.items.get_mut(&place) else {
            return;
        };
        item.attempts = item.attempts.saturating_add(1);
        item.uncounted = 0;
        item.alone = true;
        let since = *item.since.get_or_insert(now);
        let Some(delay) = self.settings.schedule.delay_after(item.attempts) else {
            return self.set_aside(
                place,
                FaultCause::Exhausted,
                failed.blame,
                failed.text.clone(),
            );
        };
        let asked = failed
            .retry_after
            .unwrap_or_default()
            .min(self.settings.retry_after_max);
        let next = now.plus(self.random.jitter(delay).max(asked));
        if item.is_replay() && next.since(now) > REPLAY_WAIT_MAX {
            return self.replay_ended(place, Some(failed.text.clone()));
        }
        // What was set aside stays a fault in the log whatever happens: no record is needed.
        if item.again.is_none() {
            item.recorded = false;
            self.settling.retrying.retain(|entry| entry.place != place);
            self.settling.retrying.push_back(Retrying {
                flow: self.settings.flow.clone(),
                shard: self.settings.shard,
                place,
                id: item.id,
                key: item.lane.text(),
                attempts: item.attempts,
                sent: item.sent,
                since,
                next,
                blame: failed.blame,
                status: failed.status,
                text: failed.text.clone(),
                time: now,
            });
        }
        self.again(place, next);
    }

    /// A failure that uses up none, unless it has gone on for as long as all attempts take.
    fn uncounted_failure(&mut self, place: Place, probe: bool, failed: &Failed) {
        let (now, delivered) = (self.now, self.delivered);
        let open = self.breaker.admits(now, 0) != Some(false);
        let schedule = &self.settings.schedule;
        let Some(item) = self.items.get_mut(&place) else {
            return;
        };
        item.uncounted = item.uncounted.saturating_add(1);
        let since = *item.since.get_or_insert(now);
        if probe {
            if item.probes_failed == 0 {
                item.delivered_then = delivered;
            }
            item.probes_failed = item.probes_failed.saturating_add(1);
        }
        let answered = matches!(failed.blame, Blame::Them);
        let worn_out =
            answered && item.sent >= schedule.attempts() && now.since(since) >= schedule.total();
        let suspect = item.probes_failed >= PROBES_MAX && delivered > item.delivered_then;
        if worn_out || suspect {
            return self.set_aside(
                place,
                FaultCause::Exhausted,
                failed.blame,
                failed.text.clone(),
            );
        }
        // While the breaker is open, it decides when to try again.
        let wait = if open {
            Duration::ZERO
        } else {
            backoff(item.uncounted)
        };
        let next = now.plus(self.random.jitter(wait));
        self.again(place, next);
    }

    /// The event goes again, not before `next`.
    fn again(&mut self, place: Place, next: UnixMillis) {
        let Some(item) = self.items.get_mut(&place) else {
            return;
        };
        item.state = ItemState::Behind;
        item.next = next;
        let lane = item.lane.clone();
        if next > self.now {
            self.reading.may_relieve = true;
        }
        if next.since(self.now) > BODY_KEPT {
            self.drop_body(place);
        }
        self.promote(&lane);
    }

    /// The event becomes a fault, or stays one.
    pub(super) fn set_aside(
        &mut self,
        place: Place,
        cause: FaultCause,
        blame: Blame,
        message: String,
    ) {
        let Some(item) = self.items.get_mut(&place) else {
            return;
        };
        match item.again.as_ref().map(Again::fault) {
            Some(Some(fault)) => return self.resubmission_failed(place, fault, message),
            Some(None) => return self.replay_ended(place, Some(message)),
            None => {}
        }
        item.state = ItemState::SettingAside;
        let id = item.id;
        let body = item.body.clone();
        self.drop_body(place);
        self.settling.aside.push_back(SetAside {
            fault: self.fault_of(id),
            place,
            id,
            cause,
            blame,
            message,
            time: self.now,
            body,
        });
    }

    pub(super) fn fault_of(&self, id: EventId) -> EventId {
        fault_of(&self.settings.flow, id)
    }

    fn resubmission_failed(&mut self, place: Place, fault: EventId, text: String) {
        self.resubmitted.remove(&fault);
        self.note(Note::ResubmissionFailed { fault, text });
        if let Some(item) = self.remove_item(place) {
            self.leave_lane(place, &item.lane);
        }
    }

    /// Takes a settled event out of its lane, and lets the next one move.
    pub(super) fn leave_lane(&mut self, place: Place, key: &LaneKey) {
        let Some(lane) = self.lanes.get_mut(key) else {
            return;
        };
        lane.queue.retain(|other| *other != place);
        if lane.held && lane.queue.is_empty() && lane.more.is_none() {
            self.settling.dirty.insert(key.clone());
        }
        if lane.is_empty() {
            self.lanes.remove(key);
            return;
        }
        self.promote(key);
        self.feed(key);
    }
}

/// The failure as it is recorded, with a text of bounded length.
fn describe(class: Class, blame: Blame, answer: &Answer) -> Failed {
    let status = match answer.result {
        AttemptResult::Status(status) => status,
        AttemptResult::Failed(_) => 0,
    };
    let mut text = match (answer.result, answer.text.is_empty()) {
        // Nothing is recorded of what went well.
        _ if class == Class::Delivered => String::new(),
        (AttemptResult::Status(status), true) => format!("status {status}"),
        (AttemptResult::Status(status), false) => format!("status {status}: {}", answer.text),
        (AttemptResult::Failed(failure), true) => failure.name().to_owned(),
        (AttemptResult::Failed(failure), false) => {
            format!("{}: {}", failure.name(), answer.text)
        }
    };
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    Failed {
        blame,
        status,
        text,
        retry_after: answer.retry_after,
    }
}

/// 1 s, 2 s, 4 s … 60 s.
fn backoff(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    BACKOFF_MIN.saturating_mul(doubled).min(BACKOFF_MAX)
}
