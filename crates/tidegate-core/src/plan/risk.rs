//! What is at risk in a disruption, and the setting that cures it.

use std::time::Duration;

use super::case::Case;
use super::disruption::Cause;
use super::facts::{Does, Layout, Repeats};
use super::guarantee::{DuplicateCode, LossCode};

/// A sender that gives up sooner than this gives up in any outage worth the name.
const HORIZON_MIN: Duration = Duration::from_secs(3600);

/// Something that a setting would cure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Risk {
    /// Nothing makes a repeat harmless.
    RepeatsHarm,
    /// The keys of one endpoint are not known to another.
    KeysApart,
    /// One region alone has events that were acknowledged.
    OneCopy,
    /// What was received cannot be had again, and nothing finds what is missing.
    NotReconciled,
    /// How long they try again is not known, or short.
    ShortRetries,
    /// How much they lose is not known, so nothing is sent again.
    RpoUnknown,
    /// Nothing tells that their secondary was promoted.
    Unprobed,
    /// No other region may act for the flow.
    NoOtherRegion,
    /// Events wait for as long as the outage lasts.
    Waits,
    /// The feed must reach back further than their longest outage.
    FeedReach,
    /// Nothing leads their calls to another region.
    NoFrontDoor,
    /// No region confirms another one's events, so calls are refused.
    NoPeer,
    /// Nothing settles who acts, so only the first choice does.
    NoLease,
    /// Two regions act for the same.
    Split,
}

/// Where the setting stands that cures a risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At the top of the file.
    Top,
    /// In the system.
    System,
    /// In the flow, below what it does.
    Does,
}

impl Risk {
    /// What is at risk, as a fragment of a sentence.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            Self::RepeatsHarm => {
                "what is sent again may be done twice: nothing is known that makes a repeat harmless"
            }
            Self::KeysApart => {
                "the other endpoint does not know the keys of the first, so what is sent again may be done twice"
            }
            Self::OneCopy => {
                "what one region alone had acknowledged is late until it returns, and lost if its disk is"
            }
            Self::NotReconciled => "what they lost on the way is not found again",
            Self::ShortRetries => "the sender is not known to try again for longer than an hour",
            Self::RpoUnknown => "how much they lose is not said, so nothing is sent again",
            Self::Unprobed => {
                "nothing tells that another endpoint was promoted, until an operator pins it"
            }
            Self::NoOtherRegion => "no other region can call the system",
            Self::Waits => "events wait as long as the outage lasts",
            Self::FeedReach => "what is older than the feed reaches back is not given any more",
            Self::NoFrontDoor => "nothing leads their calls to another region",
            Self::NoPeer => "no other region confirms what this one writes, so calls are refused",
            Self::NoLease => {
                "nothing settles who acts, so nobody takes over until an operator pins"
            }
            Self::Split => "two regions that do not see each other act for the same",
        }
    }

    /// The setting that cures it, and where it stands.
    #[must_use]
    pub const fn setting(self) -> (Place, &'static str) {
        match self {
            Self::RepeatsHarm => (Place::Does, "idempotency"),
            Self::KeysApart => (Place::Does, "idempotency.scope"),
            Self::OneCopy => (Place::Top, "log.durability"),
            Self::NotReconciled => (Place::Does, "reconcile"),
            Self::ShortRetries => (Place::System, "their-retry-horizon"),
            Self::RpoUnknown => (Place::System, "their-rpo"),
            Self::Unprobed => (Place::System, "role-probe"),
            Self::NoOtherRegion => (Place::System, "links"),
            Self::Waits => (Place::Top, "log.keep"),
            Self::FeedReach => (Place::Does, "retention"),
            Self::NoFrontDoor => (Place::Top, "front-door"),
            Self::NoPeer => (Place::Top, "regions"),
            Self::NoLease | Self::Split => (Place::Top, "lease"),
        }
    }

    /// What to do, as a fragment of a sentence.
    #[must_use]
    pub const fn cure(self) -> &'static str {
        match self {
            Self::RepeatsHarm => {
                "say what they do with the key, or `natural` if they write by id and version"
            }
            Self::KeysApart => "`global`, if their endpoints share keys; otherwise ask them to",
            Self::OneCopy => "`remote`",
            Self::NotReconciled => "name a flow that polls a list of what was sent",
            Self::ShortRetries => "say how long they try; if that is short, add `reconcile`",
            Self::RpoUnknown => "say how much of the past they may lose",
            Self::Unprobed => "say how to ask an endpoint whether it is active",
            Self::NoOtherRegion => "give another region a line, or allow it",
            Self::Waits => "longer than the longest outage; `park.quota` for flows that deliver",
            Self::FeedReach => "longer than their longest outage",
            Self::NoFrontDoor => {
                "put an address in front that leads to a region that is up, or register every region"
            }
            Self::NoPeer => "a third region, so that two are left to confirm each other",
            Self::NoLease => "a lease store, or `on-partition: takeover`",
            Self::Split => "a lease store that every region reaches, or `on-partition: hold`",
        }
    }
}

impl Case<'_> {
    /// What is at risk, in a fixed order.
    pub(super) fn risks(&self) -> Vec<Risk> {
        let held = self.guarantees();
        let mut risks = Vec::new();
        match self.flow.does {
            Does::Receive {
                reconciled,
                everywhere,
            } => self.of_receive((reconciled, everywhere), &mut risks),
            Does::Deliver { repeats, .. } => self.of_deliver(repeats, &mut risks),
            Does::Poll { .. } => {}
            Does::Serve => {
                if self.lost_endpoint().is_some() {
                    risks.push(Risk::FeedReach);
                }
            }
        }
        if held.loss.has(LossCode::Late) {
            risks.push(Risk::OneCopy);
        }
        if matches!(self.flow.does, Does::Deliver { .. } | Does::Poll { .. }) {
            self.of_leased(&mut risks);
        }
        risks.sort_unstable();
        risks
    }

    fn of_receive(&self, (reconciled, everywhere): (bool, bool), risks: &mut Vec<Risk>) {
        let held = self.guarantees();
        let short = self.system.retry_horizon.is_none_or(|it| it < HORIZON_MIN);
        if held.loss.has(LossCode::IfRetried) && short && !reconciled {
            risks.push(Risk::ShortRetries);
        }
        if held.loss.has(LossCode::Theirs) && !reconciled {
            risks.push(Risk::NotReconciled);
        }
        let led = self.subsystem.front_door || everywhere;
        if self.cause().region_down().is_some() && !led {
            risks.push(Risk::NoFrontDoor);
        }
        let refused = self.after.acting.is_empty() && self.lost_endpoint().is_none();
        if refused && self.flow.remote && self.subsystem.regions > 1 {
            risks.push(Risk::NoPeer);
        }
    }

    fn of_deliver(&self, repeats: Repeats, risks: &mut Vec<Risk>) {
        let held = self.guarantees();
        let again = !held.duplicates.is_none();
        if again && repeats == Repeats::Unknown {
            risks.push(Risk::RepeatsHarm);
        }
        if again && repeats == Repeats::KeyPerEndpoint && self.switched() {
            risks.push(Risk::KeysApart);
        }
        if held.duplicates.has(DuplicateCode::Window) && self.system.rpo.is_none() {
            risks.push(Risk::RpoUnknown);
        }
    }

    fn of_leased(&self, risks: &mut Vec<Risk>) {
        let idle = self.after.acting.is_empty();
        let waits_for_them = idle && self.lost_endpoint().is_some();
        if waits_for_them {
            risks.push(Risk::Waits);
        }
        let primary = self.system.layout == Layout::PrimarySecondary;
        if primary && self.lost_endpoint().is_some() && !self.system.probed {
            risks.push(Risk::Unprobed);
        }
        let ours = matches!(self.cause(), Cause::Path(..)) || self.cause().region_down().is_some();
        if idle && ours && self.system.callers().len() < 2 {
            risks.push(Risk::NoOtherRegion);
        } else if idle && !waits_for_them {
            risks.push(Risk::NoLease);
        }
        if self.is_split() {
            risks.push(Risk::Split);
        }
    }
}
