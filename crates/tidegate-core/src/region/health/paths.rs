//! How the regions reach the endpoints of one external system, and what those say of themselves.

use tidegate_types::time::BootMillis;

use super::{Settings, millis};
use crate::region::{Breaker, ENDPOINTS_MAX, EndpointId, Grid, RegionId, Role};

/// The most external systems, which bounds a report: as many as the configuration takes.
pub const SYSTEMS_MAX: usize = 1000;

/// An external system: its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemId(pub u16);

/// How a region reaches an endpoint, and what that says to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Path {
    /// The region's breaker.
    pub breaker: Breaker,
    /// The answer to its last question for the role.
    pub role: Role,
}

/// The paths of all regions to one system.
#[derive(Clone, Debug, Default)]
pub(super) struct Paths {
    seen: Grid<Seen>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    path: Path,
    /// When it was told.
    at: BootMillis,
}

impl Paths {
    pub(super) fn set(&mut self, of: RegionId, to: EndpointId, path: Path, now: BootMillis) {
        let at = now;
        self.seen.set(of, to, Seen { path, at });
    }

    /// Nothing is known of the region's paths any more.
    pub(super) fn forget(&mut self, of: RegionId) {
        for endpoint in EndpointId::all() {
            self.seen.set(of, endpoint, Seen::default());
        }
    }

    /// What is known of the region's breaker, however old.
    pub(super) fn breaker(&self, of: RegionId, to: EndpointId) -> Breaker {
        self.seen.get(of, to).path.breaker
    }

    /// What the endpoint said to the region not too long ago.
    pub(super) fn role_seen_by(
        &self,
        of: RegionId,
        to: EndpointId,
        settings: &Settings,
        now: BootMillis,
    ) -> Role {
        let seen = self.seen.get(of, to);
        if now.since(seen.at) < millis(settings.role_expiry) {
            seen.path.role
        } else {
            Role::Unknown
        }
    }

    /// The roles as the region `me` believes them: what an endpoint said to itself, else what it said
    /// last to one of the others that are heard.
    pub(super) fn roles(
        &self,
        me: RegionId,
        heard: &[RegionId],
        settings: &Settings,
        now: BootMillis,
    ) -> [Role; ENDPOINTS_MAX] {
        let mut roles = [Role::Unknown; ENDPOINTS_MAX];
        for (endpoint, role) in EndpointId::all().zip(&mut roles) {
            let said = |of| self.role_seen_by(of, endpoint, settings, now);
            let others = heard.iter().copied();
            let others = others.filter(|of| said(*of) != Role::Unknown);
            // Of those told at the same time the first region's, so that the choice is the same always.
            let last =
                others.max_by_key(|of| (self.seen.get(*of, endpoint).at, std::cmp::Reverse(*of)));
            *role = match said(me) {
                Role::Unknown => last.map_or(Role::Unknown, said),
                own => own,
            };
        }
        roles
    }
}
