//! What the log says of the flow that delivers, held against what came to the sink.

use std::collections::{BTreeMap, HashMap};

use tidegate_core::log::entry::{EventEntry, ReceiptOutcome, Receipts};
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Place};

use super::breach::{Breach, Breaches};
use super::sink::{Arrival, Received, Taken, Told};

/// The flow.
pub(crate) const FLOW: &str = "out";
/// The types that it is for, as the configuration writes them.
pub(crate) const ON: &str = "[hook.*, order.*, item.*]";

/// An event of the log that the flow is for.
#[derive(Debug)]
struct Wanted {
    place: Place,
    id: EventId,
    key: String,
}

/// What was read of the log so far.
#[derive(Debug, Default)]
pub(crate) struct Deliveries {
    wanted: Vec<Wanted>,
    /// The frame of the first receipt of each.
    receipts: HashMap<EventId, FrameNumber>,
    /// The last frame that was there when a life had ended.
    ends: BTreeMap<u32, FrameNumber>,
}

/// How often what came, and why.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Delivered {
    /// Events that the sink has.
    pub(crate) events: u64,
    /// Requests that repeat one whose work was done, for want of an answer or of a good one.
    pub(crate) asked_for: u64,
    /// Those for want of a receipt on disk when the process or the power ended.
    pub(crate) unreceipted: u64,
}

impl Deliveries {
    /// An event of the log.
    pub(crate) fn event(&mut self, place: Place, entry: &EventEntry) {
        let event = &entry.event;
        if ["hook.", "order.", "item."]
            .iter()
            .any(|kind| event.kind.starts_with(kind))
        {
            self.wanted.push(Wanted {
                place,
                id: event.id,
                key: event.key.clone(),
            });
        }
    }

    /// Receipts of the log.
    pub(crate) fn receipts(
        &mut self,
        frame: FrameNumber,
        receipts: &Receipts,
        breaches: &mut Breaches,
    ) {
        for receipt in &receipts.done {
            if let ReceiptOutcome::SetAside { fault } = receipt.outcome {
                breaches.add(Breach::Undelivered, || {
                    format!("{} was set aside as {fault}", receipt.id)
                });
            }
            self.receipts.entry(receipt.id).or_insert(frame);
        }
    }

    /// A life has ended, and this is the last frame.
    pub(crate) fn ended(&mut self, life: u32, last: FrameNumber) {
        self.ends.insert(life, last);
    }

    /// Events that the flow is for.
    pub(crate) const fn wanted(&self) -> usize {
        self.wanted.len()
    }

    /// Holds everything that came against the log, once nothing is pending.
    pub(crate) fn compare(&self, taken: &Taken, breaches: &mut Breaches) -> Delivered {
        let mut delivered = Delivered::default();
        let mut lanes = HashMap::new();
        for wanted in &self.wanted {
            let received = taken.events.get(&wanted.id);
            let Some((received, first)) = received.and_then(|it| Some((it, it.arrivals.first()?)))
            else {
                breaches.add(Breach::Undelivered, || {
                    format!("{} at {:?} never came", wanted.id, wanted.place)
                });
                continue;
            };
            delivered.events += 1;
            let done = received.arrivals.iter().any(|it| it.told == Told::Done);
            breaches.unless(done, Breach::Undelivered, || {
                format!("{} came and was given up", wanted.id)
            });
            breaches.unless(received.keys.len() == 1, Breach::DeliveredTwice, || {
                format!("{} came with the keys {:?}", wanted.id, received.keys)
            });
            breaches.unless(
                self.is_on_disk(wanted.place.frame, first.life),
                Breach::Premature,
                || {
                    format!(
                        "{} came in life {} and stands in frame {}",
                        wanted.id, first.life, wanted.place.frame
                    )
                },
            );
            self.repeats(wanted.id, received, &mut delivered, breaches);
            if !wanted.key.is_empty() {
                let before = lanes.insert(&wanted.key, (wanted.id, *first));
                if let Some(before) = before {
                    self.order(before, (wanted.id, *first), breaches);
                }
            }
        }
        let strange = taken.events.len() as u64 - delivered.events;
        breaches.unless(strange == 0, Breach::Premature, || {
            format!("{strange} events came that are not in the log")
        });
        delivered
    }

    /// Whether this frame was on disk when the life ended.
    fn is_on_disk(&self, frame: FrameNumber, life: u32) -> bool {
        self.ends.get(&life).is_some_and(|end| frame <= *end)
    }

    /// Each request but the first must have a reason.
    fn repeats(
        &self,
        id: EventId,
        received: &Received,
        delivered: &mut Delivered,
        breaches: &mut Breaches,
    ) {
        let pairs = received
            .arrivals
            .iter()
            .zip(received.arrivals.iter().skip(1));
        for (before, again) in pairs {
            if before.told != Told::Done {
                delivered.asked_for += u64::from(before.told.is_done());
                continue;
            }
            // The end of the last life before the repeat's lies between the two.
            let crash = self.ends.range(..again.life).next_back();
            let receipt = self.receipts.get(&id);
            let explained = crash.is_some_and(|(life, end)| {
                *life >= before.life && receipt.is_none_or(|receipt| receipt > end)
            });
            delivered.unreceipted += u64::from(explained);
            breaches.unless(explained, Breach::Unexplained, || {
                format!(
                    "{id} was answered in life {} and came again in {}; its receipt stands in {receipt:?}, the log ended with {crash:?}",
                    before.life, again.life
                )
            });
        }
    }

    /// `before` was appended before `after`, and both have the same key.
    fn order(
        &self,
        before: (EventId, Arrival),
        after: (EventId, Arrival),
        breaches: &mut Breaches,
    ) {
        breaches.unless(before.1.at < after.1.at, Breach::Disordered, || {
            format!("{} came before its predecessor {}", after.0, before.0)
        });
        let receipt = self.receipts.get(&before.0);
        let receipted = receipt.is_some_and(|frame| self.is_on_disk(*frame, after.1.life));
        breaches.unless(receipted, Breach::Disordered, || {
            format!(
                "{} came in life {}, and the receipt of its predecessor {} stands in {receipt:?}",
                after.0, after.1.life, before.0
            )
        });
    }
}

#[cfg(test)]
mod tests;
