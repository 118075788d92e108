//! What must hold of each request as it leaves, and of what is made of its answer.

use std::time::Duration;

use tidegate_core::deliver::{
    Answer, AttemptId, AttemptResult, OnFault, RESUBMITTED_MAX, Send, SendEvent, Settings, Status,
};
use tidegate_core::log::entry::ReceiptOutcome;
use tidegate_types::id::EventId;
use tidegate_types::position::Place;

use super::{Deliveries, Life, Truth};
use crate::context::Context;
use crate::deliverer::Body;
use crate::report::{Rule, Situation};

/// Another key must have been delivered so recently for an outage to count against an event.
const OTHERS_WORK: Duration = Duration::from_secs(60);

impl Deliveries {
    /// The machine has started.
    pub(crate) fn started(&mut self, at: usize, now: Duration) {
        if let Some(truth) = self.0.get_mut(at) {
            truth.life = Life {
                begun: now,
                ..Life::default()
            };
        }
    }

    /// An operator's resubmission was taken.
    pub(crate) fn resubmitted(&mut self, at: usize, place: Place, fault: EventId, permitted: bool) {
        if let Some(truth) = self.0.get_mut(at) {
            truth.resubmitted.insert(place, (fault, permitted));
        }
    }

    /// A request leaves.
    pub(crate) fn sent(
        &mut self,
        cx: &mut Context,
        at: usize,
        send: &Send<Body>,
        settings: &Settings,
    ) {
        let Some(truth) = self.0.get_mut(at) else {
            return;
        };
        if let Err(detail) = truth.limits(cx.now, send, settings) {
            return cx.violate(Rule::Limits, detail);
        }
        let mut before = Vec::new();
        for event in &send.events {
            if let Err((rule, detail)) = truth.may_leave(event, &before) {
                return cx.violate(rule, detail);
            }
            before.push(event.place);
        }
        if send.events.len() > 1 {
            cx.seen(Situation::DeliverBatched);
        }
        truth.life.under_way.insert(send.attempt, before);
    }

    /// The endpoint processes a request.
    pub(crate) fn processed(&mut self, cx: &mut Context, at: usize, send: &Send<Body>) {
        let Some(truth) = self.0.get_mut(at) else {
            return;
        };
        for event in &send.events {
            *truth.processed.entry(event.id).or_default() += 1;
            cx.report.processed += 1;
        }
    }

    /// The machine has made something of an answer.
    pub(crate) fn answered(
        &mut self,
        cx: &mut Context,
        at: usize,
        attempt: AttemptId,
        answer: &Answer,
        counted: bool,
    ) {
        let Some(truth) = self.0.get_mut(at) else {
            return;
        };
        let places = truth.life.under_way.remove(&attempt).unwrap_or_default();
        let lanes: Vec<String> = places
            .iter()
            .map(|place| truth.shown_lane(*place))
            .collect();
        if answer.result == AttemptResult::Status(200) {
            for lane in lanes {
                truth.life.worked.insert(lane, cx.now);
            }
            return;
        }
        let about_event = matches!(answer.result, AttemptResult::Status(404 | 422));
        let recent = |(lane, when): (&String, &Duration)| {
            !lanes.contains(lane) && cx.now.saturating_sub(*when) <= OTHERS_WORK
        };
        let others_work = truth.life.worked.iter().any(recent);
        if counted && !about_event && !others_work {
            let detail = format!("{:?} was counted against {places:?}", answer.result);
            cx.violate(Rule::Attempts, detail);
        }
    }

    /// What the machine holds is bounded.
    pub(crate) fn bounded(&self, cx: &mut Context, at: usize, status: &Status) {
        let Some(truth) = self.0.get(at) else {
            return;
        };
        let window = truth.flow.window;
        let most = window.events_max + 2 * window.per_key_max + 64 + RESUBMITTED_MAX;
        if status.bodies > most {
            cx.violate(
                Rule::Limits,
                format!("{} holds {status:?}", truth.flow.name),
            );
        }
    }
}

impl Truth {
    /// What an event waits with: its lane, or itself.
    fn shown_lane(&self, place: Place) -> String {
        let key = self.key_at(place);
        if self.is_ordered(key) {
            format!("lane {}", self.lane_of(key))
        } else {
            format!("{place:?}")
        }
    }

    fn limits(
        &mut self,
        now: Duration,
        send: &Send<Body>,
        settings: &Settings,
    ) -> Result<(), String> {
        let most = settings.batch.map_or(1, |batch| batch.events_max);
        let concurrency = usize::try_from(settings.concurrency).unwrap_or(usize::MAX);
        if send.events.is_empty() || send.events.len() > most {
            return Err(format!("a request of {} events", send.events.len()));
        }
        if self.life.under_way.len() >= concurrency {
            return Err(format!("more than {concurrency} requests at once"));
        }
        self.life.requests += 1;
        if let Some(rate) = settings.rate {
            let elapsed = now.saturating_sub(self.life.begun).as_micros();
            let gained = elapsed / rate.every.as_micros().max(1);
            // Time is told in whole milliseconds.
            let allowed =
                u128::from(rate.burst) + gained + 1 + 1000 / rate.every.as_micros().max(1);
            if u128::from(self.life.requests) > allowed {
                return Err(format!(
                    "{} requests, {allowed} allowed",
                    self.life.requests
                ));
            }
        }
        Ok(())
    }

    /// Whether the event may leave now, behind those of the same request that are before it.
    fn may_leave(&self, event: &SendEvent<Body>, before: &[Place]) -> Result<(), (Rule, String)> {
        let place = event.place;
        let under_way = self.life.under_way.values().flatten();
        if under_way.chain(before).any(|other| *other == place) {
            return Err((Rule::Repeats, format!("{place:?} is under way twice")));
        }
        if let Some((fault, permitted)) = self.resubmitted.get(&place) {
            return self.may_overtake(*fault, *permitted);
        }
        let Some((_, key)) = self.events.get(&place) else {
            return Err((Rule::Genuine, format!("{place:?} is sent and no event")));
        };
        if let Some(outcome) = self.outcomes.get(&place) {
            let detail = format!("{place:?} is {outcome:?}, durably, and is sent again");
            return Err((Rule::Repeats, detail));
        }
        if !self.is_ordered(key) {
            return Ok(());
        }
        let lane = self.lane_of(key);
        let same = |other: &Place| self.lane_of(self.key_at(*other)) == lane;
        let mut earlier = self.open.range(..place);
        let may_wait = |other: &Place| !before.contains(other) && !self.told.contains(other);
        if let Some(open) = earlier.find(|other| same(other) && may_wait(other)) {
            let detail = format!("{place:?} leaves before {open:?} of its key is settled");
            return Err((Rule::KeyOrder, detail));
        }
        let mut faults = self.faults.iter();
        let blocking = faults.find(|(_, of)| of.is_some_and(|of| of < place && same(&of)));
        if let (Some((fault, _)), OnFault::BlockKey) = (blocking, self.flow.on_fault) {
            let detail = format!("{place:?} leaves, and fault {fault} of its key is open");
            return Err((Rule::KeyOrder, detail));
        }
        Ok(())
    }

    /// Whether a resubmitted event may leave: with permission, or if nothing of its key overtook it.
    fn may_overtake(&self, fault: EventId, permitted: bool) -> Result<(), (Rule, String)> {
        let set_aside = ReceiptOutcome::SetAside { fault };
        // An identity that was forgotten and taken again has the same fault again: the last counts.
        let mut outcomes = self.outcomes.iter().rev();
        let Some((of, _)) = outcomes.find(|(_, outcome)| **outcome == set_aside) else {
            return Ok(());
        };
        let key = self.key_at(*of);
        if permitted || !self.is_ordered(key) {
            return Ok(());
        }
        let lane = self.lane_of(key);
        let mut delivered = self.delivered.iter();
        let over = delivered.find(|(key, last)| self.lane_of(key) == lane && *last > of);
        over.map_or(Ok(()), |(_, last)| {
            let detail = format!("fault {fault} of {of:?} is sent again behind {last:?}");
            Err((Rule::KeyOrder, detail))
        })
    }
}
