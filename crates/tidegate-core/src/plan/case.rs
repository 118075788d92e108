//! One flow, one set of shards, one disruption: what happens, what sets it off, what holds.

use super::disruption::{Cause, Disruption, Stands};
use super::facts::{Does, Flow, Layout, Subsystem, System};
use super::guarantee::{DuplicateCode, Guarantees, LossCode, Order};
use super::world::Outcome;
use crate::region::{EndpointId, RegionId};

/// What sets off that somebody else acts, or that nobody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trigger {
    /// `T1`: a session was silent for the length of a lease.
    Silence,
    /// `T2`: a region whose way is closed yields to one whose way is open.
    OtherPath,
    /// `T3`: another endpoint says that it is the active one.
    Promotion,
    /// `T4`: the front door leads elsewhere, or they use their second URL.
    FrontDoor,
    /// The breaker of the endpoint opened.
    Breaker,
    /// They do it themselves.
    They,
}

impl Trigger {
    /// What is written in tables.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Silence => "T1",
            Self::OtherPath => "T2",
            Self::Promotion => "T3",
            Self::FrontDoor => "T4",
            Self::Breaker => "breaker",
            Self::They => "they",
        }
    }
}

/// All that the guarantees and the risks follow from.
pub(super) struct Case<'plan> {
    pub(super) subsystem: &'plan Subsystem,
    pub(super) system: &'plan System,
    pub(super) flow: &'plan Flow,
    pub(super) disruption: Disruption,
    pub(super) before: Outcome,
    pub(super) after: Outcome,
}

impl Case<'_> {
    pub(super) fn cause(&self) -> Cause {
        self.disruption.cause
    }

    /// The region that acted and does so no more, without having handed over.
    pub(super) fn lost_owner(&self) -> Option<RegionId> {
        let gone = match self.cause() {
            Cause::LeaseCut(region) => Some(region),
            cause => cause.region_down(),
        };
        gone.filter(|region| self.before.owners.contains(region))
    }

    /// The endpoint that was acted against, or that called, and is down.
    pub(super) fn lost_endpoint(&self) -> Option<EndpointId> {
        let used = self.before.acting.iter().map(|(_, endpoint)| *endpoint);
        let mut down = used.filter(|it| self.cause().is_down(self.system, *it));
        down.next()
    }

    /// Whether somebody acts against another endpoint than before.
    pub(super) fn switched(&self) -> bool {
        let before = |endpoint| self.before.acting.iter().any(|(_, it)| *it == endpoint);
        self.after.acting.iter().any(|(_, it)| !before(*it))
    }

    /// Whether another of their endpoints takes over what the lost one had.
    pub(super) fn they_failed_over(&self) -> bool {
        let took_over = match self.system.layout {
            Layout::Single => false,
            Layout::PrimarySecondary => self.disruption.promoted == Some(true),
            Layout::Shared => true,
            // A part is nobody else's. Who calls us may still have the part of the other one.
            Layout::Partitioned => matches!(self.flow.does, Does::Receive { .. }),
        };
        took_over && self.lost_endpoint().is_some() && !self.after.acting.is_empty()
    }

    /// Whether two regions act for the same at once.
    pub(super) fn is_split(&self) -> bool {
        self.after.owners.len() > 1
    }

    /// Whether the events of a region are out of reach of the others.
    fn is_cut_off(&self) -> bool {
        self.cause().region_down().is_some() || matches!(self.cause(), Cause::Apart(_))
    }

    /// Whether an endpoint of theirs is up and active, so that it calls.
    pub(super) fn calls_come(&self) -> bool {
        let stands = self.disruption.endpoints(self.system);
        stands.contains(&Stands::Active)
    }

    pub(super) fn guarantees(&self) -> Guarantees {
        match self.flow.does {
            Does::Receive {
                reconciled,
                everywhere,
            } => self.receive(reconciled, everywhere),
            Does::Poll { rereadable } => self.poll(rereadable),
            Does::Deliver { ordered, .. } => self.deliver(ordered),
            Does::Serve => self.serve(),
        }
    }

    fn receive(&self, reconciled: bool, everywhere: bool) -> Guarantees {
        let mut held = Guarantees::full();
        // Senders send again at will, and come through any region: their order is not ours to keep.
        held.order = Order::NotPromised;
        held.duplicates.add(DuplicateCode::InFlight);
        if everywhere {
            held.duplicates.add(DuplicateCode::Everything);
        }
        let refused = self.after.acting.is_empty() && !self.before.acting.is_empty();
        let down = self.cause().region_down().is_some();
        if down || refused || self.lost_endpoint().is_some() {
            held.loss.add(LossCode::IfRetried);
        }
        if self.is_cut_off() && !self.flow.remote && !reconciled && !everywhere {
            held.loss.add(LossCode::Late);
        }
        if self.they_failed_over() {
            held.loss.add(LossCode::Theirs);
            if self.system.layout == Layout::PrimarySecondary {
                // The secondary sends from its own, older, state.
                held.duplicates.add(DuplicateCode::Window);
            }
        }
        held
    }

    fn poll(&self, rereadable: bool) -> Guarantees {
        let mut held = Guarantees::full();
        if self.lost_owner().is_some() {
            held.duplicates.add(DuplicateCode::Unmirrored);
            held.order = Order::KeptIfSealed;
        }
        let late = match self.cause() {
            Cause::Apart(region) => self.before.owners.contains(&region),
            cause => cause.region_down().is_some() && self.lost_owner().is_some(),
        };
        if late && !self.flow.remote && !rereadable {
            held.loss.add(LossCode::Late);
        }
        if self.switched() {
            held.duplicates.add(DuplicateCode::Window);
            held.order = Order::KeptIfSealed;
        }
        if self.they_failed_over() && self.system.layout == Layout::PrimarySecondary {
            held.loss.add(LossCode::Theirs);
        }
        self.split(held)
    }

    fn deliver(&self, ordered: bool) -> Guarantees {
        let mut held = Guarantees::full();
        if self.is_cut_off() && !self.flow.remote {
            held.loss.add(LossCode::Late);
        }
        let moved = self.before.owners != self.after.owners;
        if self.lost_owner().is_some() {
            held.duplicates.add(DuplicateCode::Unmirrored);
            held.order = Order::KeptIfSealed;
        } else if moved || self.after.acting.is_empty() || self.switched() {
            held.duplicates.add(DuplicateCode::InFlight);
        }
        if moved {
            held.order = Order::KeptIfSealed;
        }
        if self.they_failed_over() {
            // What the lost one took within its recovery point is sent again.
            held.loss.add(LossCode::Theirs);
            held.duplicates.add(DuplicateCode::Window);
        }
        if self.switched() && self.system.layout == Layout::Shared {
            // Nothing keeps the endpoint that was left from doing late what it had begun.
            held.order = Order::KeptIfSealed;
        }
        let mut held = self.split(held);
        if !ordered {
            held.order = Order::NotPromised;
        }
        held
    }

    fn serve(&self) -> Guarantees {
        let mut held = Guarantees::full();
        if self.is_cut_off() && !self.flow.remote {
            held.loss.add(LossCode::Late);
        }
        if self.lost_endpoint().is_some() && !self.after.acting.is_empty() {
            match self.system.layout {
                // Its copy of the cursor is older.
                Layout::PrimarySecondary => held.duplicates.add(DuplicateCode::Window),
                // It takes over the page that the lost one had not finished.
                Layout::Shared => held.duplicates.add(DuplicateCode::InFlight),
                Layout::Single | Layout::Partitioned => {}
            }
        }
        held
    }

    /// Two regions that act for the same do everything twice, in no order.
    fn split(&self, mut held: Guarantees) -> Guarantees {
        if self.is_split() {
            held.duplicates.add(DuplicateCode::Everything);
            held.order = Order::NotPromised;
        }
        held
    }

    pub(super) fn triggers(&self, open: bool) -> Vec<Trigger> {
        let mut triggers = Vec::new();
        if open {
            if self.cause().region_down().is_some() {
                triggers.push(Trigger::FrontDoor);
            }
            if self.lost_endpoint().is_some() {
                triggers.push(Trigger::They);
            }
            return triggers;
        }
        let lost = self.lost_owner().is_some();
        if lost {
            triggers.push(Trigger::Silence);
        } else if self.before.owners != self.after.owners && !self.after.owners.is_empty() {
            triggers.push(Trigger::OtherPath);
        }
        if self.lost_endpoint().is_some() {
            if self.they_failed_over() && self.system.layout == Layout::PrimarySecondary {
                triggers.push(Trigger::Promotion);
            } else if self.after.acting.is_empty() || !lost {
                triggers.push(Trigger::Breaker);
            }
        } else if !lost && triggers.is_empty() && self.switched() {
            triggers.push(Trigger::Breaker);
        }
        triggers
    }
}
