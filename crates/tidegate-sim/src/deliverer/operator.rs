//! Somebody who looks at the faults of the flows, and resubmits or discards them.

use std::time::Duration;

use tidegate_core::deliver::{Discard, FaultRefusal, Resubmission};
use tidegate_core::log::entry::{Entry, Fault};
use tidegate_core::view::FaultSummary;

use super::pages::body_of;
use crate::context::Step;
use crate::report::Situation;
use crate::scenario::Sabotage;
use crate::world::World;

/// Mean time between two looks.
pub(crate) const OPERATE_EVERY: Duration = Duration::from_millis(1200);

/// Faults dealt with in one look.
const FAULTS_MAX: usize = 6;

impl World {
    pub(crate) fn operate(&mut self) {
        let wait = self.cx.random.around(OPERATE_EVERY);
        self.cx.after(wait, Step::Operate);
        let now = self.cx.wall();
        for at in 0..self.flows.len() {
            let resumes = self.healed || self.cx.random.chance(400);
            let pauses = !self.healed && self.cx.random.chance(25);
            if let Some(machine) = self
                .flows
                .get_mut(at)
                .and_then(|flow| flow.machine.as_mut())
            {
                if pauses {
                    machine.pause(now);
                } else if resumes {
                    machine.resume(now);
                }
            }
            self.drive_soon(at);
        }
        // Whoever asks for the faults waits for the views.
        let (Some(content), true) = (self.node.views.content(), self.node.is_settled()) else {
            return;
        };
        let open = content.faults.values();
        let open: Vec<FaultSummary> = open
            .filter(|fault| fault.cause.is_of_delivery())
            .take(FAULTS_MAX)
            .cloned()
            .collect();
        for summary in open {
            if self.healed || self.cx.random.chance(600) {
                self.deal_with(&summary);
            }
        }
    }

    fn deal_with(&mut self, summary: &FaultSummary) {
        let named = |flow: &super::Deliverer| flow.flow.name == summary.flow;
        let (Some(at), Some(up)) = (self.flows.iter().position(named), &self.node.up) else {
            return;
        };
        let entry = up
            .reader
            .read_entry(summary.place.frame, summary.place.index);
        let Ok(Entry::Fault(fault)) = entry else {
            return;
        };
        if self.cx.random.chance(250) || fault.event.is_none() {
            return self.discard(at, summary);
        }
        if self.resubmit(at, summary, &fault, false) == Err(FaultRefusal::Superseded) {
            self.cx.seen(Situation::DeliverSupersededRefused);
            if self.cx.random.chance(500) {
                // It cannot be refused for the same reason.
                let _taken = self.resubmit(at, summary, &fault, true);
            } else {
                self.discard(at, summary);
            }
        }
    }

    fn discard(&mut self, at: usize, summary: &FaultSummary) {
        let now = self.cx.wall();
        let discard = Discard {
            fault: summary.id,
            set_aside: summary.time,
            reason: "nobody needs it".to_owned(),
            by: "operator".to_owned(),
        };
        if let Some(machine) = self.flow_machine(at)
            && machine.handle_discard(now, discard).is_ok()
        {
            self.cx.seen(Situation::DeliverDiscarded);
            self.drive_soon(at);
        }
    }

    fn resubmit(
        &mut self,
        at: usize,
        summary: &FaultSummary,
        fault: &Fault,
        permitted: bool,
    ) -> Result<(), FaultRefusal> {
        let now = self.cx.wall();
        let unchecked = self.scenario.sabotage == Some(Sabotage::DeliverSupersededUnchecked);
        let Some((bytes, body)) = fault.event.as_ref().map(body_of) else {
            return Ok(());
        };
        let resubmission = Resubmission {
            fault: summary.id,
            set_aside: summary.time,
            place: summary.place,
            id: body.id,
            key: body.key.clone(),
            bytes,
            body,
            superseded: permitted || unchecked,
            renew_key: self.cx.random.chance(200),
            by: "operator".to_owned(),
        };
        let Some(machine) = self.flow_machine(at) else {
            return Ok(());
        };
        let taken = machine.handle_resubmit(now, resubmission);
        if taken.is_ok() {
            self.cx.seen(Situation::DeliverResubmitted);
            let deliveries = &mut self.audit.deliveries;
            deliveries.resubmitted(at, summary.place, summary.id, permitted);
            self.drive_soon(at);
        }
        taken
    }
}
