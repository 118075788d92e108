//! What must hold of flows that deliver: told by the log as readers see it, and by the endpoint.

mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tidegate_core::deliver::{AttemptId, Order};
use tidegate_core::log::entry::{
    Closing, EventEntry, Fault, FaultClosed, HeldLane, ReceiptOutcome, Receipts, Retrying,
};
use tidegate_types::id::EventId;
use tidegate_types::name::kind_matches;
use tidegate_types::position::Place;

use crate::context::Context;
use crate::report::{Rule, Situation};
use crate::scenario::{Delivering, FLOWS};

/// The one who looks at all flows.
#[derive(Debug)]
pub(crate) struct Deliveries(pub(super) Vec<Truth>);

/// What is known of one flow.
#[derive(Debug)]
pub(super) struct Truth {
    pub(super) flow: &'static Delivering,
    /// Events the flow wants, each with its identity and key.
    pub(super) events: BTreeMap<Place, (EventId, String)>,
    /// Those of them without a durable receipt.
    pub(super) open: BTreeSet<Place>,
    pub(super) outcomes: BTreeMap<Place, ReceiptOutcome>,
    retrying: BTreeMap<Place, Retrying>,
    held: BTreeMap<String, HeldLane>,
    low: Option<Place>,
    /// Open faults, each with the event's place if its receipt is there.
    faults: BTreeMap<EventId, Option<Place>>,
    closed: BTreeSet<EventId>,
    /// Resubmissions that were taken: by where the fault stood, the fault and whether it may overtake.
    resubmitted: BTreeMap<Place, (EventId, bool)>,
    /// How often the endpoint processed each event.
    processed: BTreeMap<EventId, u32>,
    /// Events whose frames are gone, and which were found in the park.
    pub(super) parked: BTreeSet<Place>,
    /// What was said to be given up.
    pub(super) told: BTreeSet<Place>,
    /// Events that are gone and in no park, since they were given up.
    pub(super) given_up: BTreeSet<Place>,
    /// The last event of each key that has a durable receipt of delivery.
    delivered: BTreeMap<String, Place>,
    life: Life,
}

/// What is known of one life of the machine.
#[derive(Debug, Default)]
struct Life {
    under_way: BTreeMap<AttemptId, Vec<Place>>,
    begun: Duration,
    requests: u32,
    /// When each key was last delivered.
    worked: BTreeMap<String, Duration>,
}

impl Truth {
    fn lane_of(&self, key: &str) -> String {
        match self.flow.order {
            Order::Total => String::new(),
            Order::PerKey | Order::None => key.to_owned(),
        }
    }

    /// Whether events of this key wait for one another.
    fn is_ordered(&self, key: &str) -> bool {
        match self.flow.order {
            Order::Total => true,
            Order::PerKey => !key.is_empty(),
            Order::None => false,
        }
    }

    fn key_at(&self, place: Place) -> &str {
        self.events.get(&place).map_or("", |(_, key)| key.as_str())
    }
}

impl Deliveries {
    pub(super) fn new() -> Self {
        let truth = |flow| Truth {
            flow,
            events: BTreeMap::new(),
            open: BTreeSet::new(),
            outcomes: BTreeMap::new(),
            retrying: BTreeMap::new(),
            held: BTreeMap::new(),
            low: None,
            faults: BTreeMap::new(),
            closed: BTreeSet::new(),
            resubmitted: BTreeMap::new(),
            processed: BTreeMap::new(),
            parked: BTreeSet::new(),
            told: BTreeSet::new(),
            given_up: BTreeSet::new(),
            delivered: BTreeMap::new(),
            life: Life::default(),
        };
        Self(FLOWS.iter().map(truth).collect())
    }

    pub(super) fn named(&mut self, name: &str) -> Option<&mut Truth> {
        self.0.iter_mut().find(|truth| truth.flow.name == name)
    }

    /// An event stands in the log.
    pub(super) fn event(&mut self, place: Place, entry: &EventEntry) {
        for truth in &mut self.0 {
            if kind_matches(truth.flow.on, &entry.event.kind) {
                let event = (entry.event.id, entry.event.key.clone());
                truth.events.insert(place, event);
                truth.open.insert(place);
            }
        }
    }

    /// A fault stands in the log, whoever set it aside. Gives whether it is closed.
    pub(super) fn fault(&mut self, fault: &Fault) -> bool {
        let Some(truth) = self.named(&fault.flow) else {
            return false;
        };
        if fault.carried {
            return truth.closed.contains(&fault.id);
        }
        truth.closed.remove(&fault.id);
        truth.faults.entry(fault.id).or_insert(None);
        false
    }

    pub(super) fn closed(&mut self, cx: &mut Context, closed: &FaultClosed) {
        let Some(truth) = self.named(&closed.flow) else {
            return;
        };
        truth.closed.insert(closed.id);
        let place = truth.faults.remove(&closed.id).flatten();
        let event = place.and_then(|place| truth.events.get(&place));
        let again = matches!(closed.how, Closing::Resubmitted { .. });
        if let Some((id, _)) = event.filter(|(id, _)| again && !truth.processed.contains_key(id)) {
            let detail = format!("{id} was resubmitted with success and never processed");
            cx.violate(Rule::Delivered, detail);
        }
    }

    pub(super) fn retrying(&mut self, cx: &mut Context, entry: &Retrying) {
        let Some(truth) = self.named(&entry.flow) else {
            return;
        };
        let place = entry.place;
        let before = truth.retrying.get(&place);
        let known = truth.events.contains_key(&place);
        if !known || truth.outcomes.contains_key(&place) {
            let detail = format!("a retry of {place:?}, which is not open");
            return cx.violate(Rule::Attempts, detail);
        }
        // An append that was refused may have been written, and is written again as it was.
        if before.is_some_and(|before| before.attempts >= entry.attempts && before != entry) {
            let detail = format!("{before:?} and then {entry:?}");
            return cx.violate(Rule::Attempts, detail);
        }
        truth.retrying.insert(place, entry.clone());
    }

    pub(super) fn receipts(&mut self, cx: &mut Context, entry: &Receipts) {
        let Some(truth) = self.named(&entry.flow) else {
            return;
        };
        if truth.low.is_some_and(|low| low > entry.low) {
            let detail = format!("low goes from {:?} back to {:?}", truth.low, entry.low);
            return cx.violate(Rule::Delivered, detail);
        }
        truth.low = Some(entry.low);
        for receipt in &entry.done {
            if let Err(detail) = truth.receipt(receipt.place, receipt.outcome) {
                return cx.violate(Rule::Delivered, detail);
            }
        }
        for lane in &entry.held {
            truth.held.insert(lane.key.clone(), lane.clone());
        }
        for key in &entry.released {
            truth.held.remove(key);
        }
        while let Some(place) = truth.lost() {
            if truth.told.contains(&place) {
                truth.give_up(place);
                continue;
            }
            let (name, low) = (truth.flow.name, entry.low);
            let detail = format!("{name}: {place:?} is not settled and stands behind {low:?}");
            return cx.violate(Rule::Delivered, detail);
        }
    }

    /// What is not settled and must be, at the end: of which flow, and the first of it.
    pub(crate) fn unsettled(&self) -> Option<String> {
        let open = |truth: &&Truth| !truth.open.is_empty() || !truth.faults.is_empty();
        let truth = self.0.iter().find(open)?;
        let (name, place, fault) = (
            truth.flow.name,
            truth.open.first(),
            truth.faults.first_key_value(),
        );
        Some(format!("{name}: {place:?}, or fault {fault:?}"))
    }

    /// A last look: what became of every event.
    pub(crate) fn finish(&self, cx: &mut Context) {
        for truth in &self.0 {
            let unsettled = truth.open.first();
            let outcomes = truth.outcomes.iter();
            let unclosed = outcomes.clone().find(|(_, outcome)| match outcome {
                ReceiptOutcome::Delivered { .. } => false,
                ReceiptOutcome::SetAside { fault } => !truth.closed.contains(fault),
            });
            if unsettled.is_some() || unclosed.is_some() {
                let name = truth.flow.name;
                let detail = format!("{name}: {unsettled:?} is open, or {unclosed:?}");
                return cx.violate(Rule::Delivered, detail);
            }
            cx.report.delivered += outcomes.count() as u64;
            cx.report.given_up += truth.lost_for_good().count() as u64;
            if truth
                .given_up
                .iter()
                .any(|place| truth.outcomes.contains_key(place))
            {
                cx.seen(Situation::ParkGivenUpSettled);
            }
            if truth.processed.values().any(|times| *times > 1) {
                cx.seen(Situation::DeliverRepeated);
            }
        }
    }
}

impl Truth {
    fn receipt(&mut self, place: Place, outcome: ReceiptOutcome) -> Result<(), String> {
        let Some((id, key)) = self.events.get(&place).cloned() else {
            let known = self.resubmitted.contains_key(&place);
            return if known {
                Ok(())
            } else {
                Err(format!("a receipt for {place:?}, which is no event"))
            };
        };
        match self.outcomes.insert(place, outcome) {
            Some(before) if before != outcome => {
                return Err(format!("{place:?} is {before:?} and then {outcome:?}"));
            }
            _ => {}
        }
        self.open.remove(&place);
        self.retrying.remove(&place);
        match outcome {
            ReceiptOutcome::Delivered { .. } => {
                if !self.processed.contains_key(&id) {
                    return Err(format!(
                        "a receipt for {place:?}, which was never processed"
                    ));
                }
                let last = self.delivered.entry(key).or_insert(place);
                *last = (*last).max(place);
            }
            ReceiptOutcome::SetAside { fault } => match self.faults.get_mut(&fault) {
                Some(of) => *of = Some(place),
                None if self.closed.contains(&fault) => {}
                None => return Err(format!("{place:?} is fault {fault}, which stands nowhere")),
            },
        }
        Ok(())
    }

    /// An event that a restart would not find.
    fn lost(&self) -> Option<Place> {
        let found = |place: &Place| {
            let (_, key) = self.events.get(place)?;
            let alone = |retry: &Retrying| retry.key.is_empty() && !self.is_ordered(key);
            let retried = self.retrying.get(place).is_some_and(alone);
            let lane = self.held.get(&self.lane_of(key));
            let held = self.is_ordered(key) && lane.is_some_and(|lane| lane.from <= *place);
            (retried || held).then_some(())
        };
        let low = self.low?;
        let mut before = self.open.range(..low);
        before.find(|place| found(place).is_none()).copied()
    }
}
