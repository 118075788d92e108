//! What can go wrong, and what is left then.

use super::facts::{Layout, Subsystem, System};
use crate::region::{EndpointId, RegionId};

/// Something that goes wrong, with the state of their promotion where that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disruption {
    /// What goes wrong.
    pub cause: Cause,
    /// Whether their secondary has been promoted; `None` where their primary is up or nothing can be
    /// promoted.
    pub promoted: Option<bool>,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nothing.
    Nothing,
    /// One of our regions is down.
    Region(RegionId),
    /// One of their endpoints is down, for all of us.
    Endpoint(EndpointId),
    /// One of ours and one of theirs are down.
    Both(RegionId, EndpointId),
    /// One of our regions cannot reach one of their endpoints, others can.
    Path(RegionId, EndpointId),
    /// One of our regions neither sees the others nor is seen by them; everything else works.
    Apart(RegionId),
    /// One of our regions cannot reach the lease store.
    LeaseCut(RegionId),
    /// The lease store answers nobody.
    LeaseDown,
}

impl Cause {
    /// Our region that is down in it.
    #[must_use]
    pub const fn region_down(self) -> Option<RegionId> {
        match self {
            Self::Region(region) | Self::Both(region, _) => Some(region),
            _ => None,
        }
    }

    /// Whether the endpoint is down in it, by itself or with the region that it shares its fate with.
    #[must_use]
    pub fn is_down(self, system: &System, endpoint: EndpointId) -> bool {
        let itself = match self {
            Self::Endpoint(down) | Self::Both(_, down) => down == endpoint,
            _ => false,
        };
        itself || self.takes_along(system, endpoint)
    }

    /// Whether the endpoint goes down with our region.
    fn takes_along(self, system: &System, endpoint: EndpointId) -> bool {
        let (Some(down), Some(fate)) = (self.region_down(), system.fails_with) else {
            return false;
        };
        // An endpoint whose place is not said is taken to be where the system is.
        down == fate && system.nearest(endpoint).is_none_or(|near| near == fate)
    }
}

/// All disruptions of a system, none first. Grows with regions times endpoints, both at most 16.
#[must_use]
pub fn disruptions(subsystem: &Subsystem, system: &System, leased: bool) -> Vec<Disruption> {
    let regions = || subsystem.ids();
    let pairs = || regions().flat_map(|region| system.endpoints().map(move |it| (region, it)));
    let several = subsystem.regions > 1;
    let mut causes = vec![Cause::Nothing];
    causes.extend(regions().map(Cause::Region));
    causes.extend(system.endpoints().map(Cause::Endpoint));
    causes.extend(pairs().map(|(region, endpoint)| Cause::Both(region, endpoint)));
    if leased {
        causes.extend(pairs().map(|(region, endpoint)| Cause::Path(region, endpoint)));
    }
    if several {
        // Of two regions it is the same whichever is apart.
        let apart = if subsystem.regions == 2 {
            1
        } else {
            subsystem.regions
        };
        causes.extend(regions().take(apart).map(Cause::Apart));
        if leased && subsystem.lease_store {
            causes.extend(regions().map(Cause::LeaseCut));
            causes.push(Cause::LeaseDown);
        }
    }
    causes
        .into_iter()
        .flat_map(|cause| {
            let promoted: &[Option<bool>] = if can_promote(system, cause) {
                &[Some(false), Some(true)]
            } else {
                &[None]
            };
            promoted
                .iter()
                .map(move |&promoted| Disruption { cause, promoted })
        })
        .collect()
}

/// Whether their primary is down and a secondary is left.
fn can_promote(system: &System, cause: Cause) -> bool {
    let mut endpoints = system.endpoints();
    let Some(primary) = endpoints.next() else {
        return false;
    };
    system.layout == Layout::PrimarySecondary
        && cause.is_down(system, primary)
        && endpoints.any(|it| !cause.is_down(system, it))
}

/// What an endpoint says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    /// It takes and shows events.
    Active,
    /// It waits to be promoted.
    Standby,
    /// It does not answer.
    Down,
}

impl Disruption {
    /// How each endpoint stands, in their order.
    #[must_use]
    pub fn endpoints(self, system: &System) -> Vec<Stands> {
        let is_down = |endpoint| self.cause.is_down(system, endpoint);
        let active = match (system.layout, self.promoted) {
            (Layout::PrimarySecondary, Some(true)) => system.endpoints().find(|it| !is_down(*it)),
            (Layout::PrimarySecondary, _) => system.endpoints().next(),
            _ => None,
        };
        system
            .endpoints()
            .map(|endpoint| match system.layout {
                _ if is_down(endpoint) => Stands::Down,
                Layout::PrimarySecondary if active != Some(endpoint) => Stands::Standby,
                _ => Stands::Active,
            })
            .collect()
    }
}
