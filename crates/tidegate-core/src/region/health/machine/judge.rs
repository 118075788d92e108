//! What the machine makes of what it was told.

use tidegate_types::time::BootMillis;

use super::{Health, Peer, System};
use crate::region::health::blame::Tried;
use crate::region::health::{ShardFacts, SystemId, millis};
use crate::region::{Breaker, ENDPOINTS_MAX, EndpointId, Grid, RegionId, RegionSet, Role};

impl Health {
    /// The peer's last report, if it is believed still.
    pub(super) fn heard(&self, region: RegionId, now: BootMillis) -> Option<&Peer> {
        let peer = self.peers.get(region.index())?.as_ref()?;
        (now.since(peer.at) < millis(self.settings.report_expiry)).then_some(peer)
    }

    pub(super) fn probe_passes(&self, region: RegionId, now: BootMillis) -> bool {
        let probe = self.probes.get(region.index());
        probe.is_some_and(|probe| probe.is_up(&self.settings, now))
    }

    /// The own verdict of a peer, without what others say.
    pub(super) fn hears(&self, region: RegionId, now: BootMillis) -> bool {
        self.heard(region, now).is_some_and(|peer| peer.up) && self.probe_passes(region, now)
    }

    /// The own region by its probe alone; a peer if it says so, is seen, and not more than half of all
    /// that could see it do not. On a tie the own eyes count: if one link is cut the two regions at its
    /// ends must not lose the third one's trust.
    pub(super) fn is_up(&self, region: RegionId, now: BootMillis) -> bool {
        if region == self.me {
            return self.probe_passes(region, now);
        }
        let others = self.regions.without(self.me).without(region).iter();
        let (mut voters, mut against) = (1_u32, 0_u32);
        for peer in others.filter_map(|other| self.heard(other, now)) {
            if peer.up {
                voters = voters.saturating_add(1);
                against = against.saturating_add(u32::from(!peer.hears.contains(region)));
            }
        }
        self.hears(region, now) && against.saturating_mul(2) <= voters
    }

    pub(super) fn lease_ok(&self, region: RegionId, now: BootMillis) -> bool {
        if region == self.me {
            now < self.may_start_until
        } else {
            self.heard(region, now).is_some_and(|peer| peer.lease_ok)
        }
    }

    /// Whether the region has what all others that are up wrote, the own one always among them.
    pub(super) fn is_caught_up(&self, region: RegionId, up: RegionSet, now: BootMillis) -> bool {
        let needed = up.with(self.me).without(region);
        let has = if region == self.me {
            Some(self.caught_up)
        } else {
            self.heard(region, now).map(|peer| peer.caught_up)
        };
        has.is_some_and(|has| needed.is_within(has))
    }

    pub(super) fn breaker(
        &self,
        system: &System,
        region: RegionId,
        endpoint: EndpointId,
        now: BootMillis,
    ) -> Breaker {
        if region == self.me || self.heard(region, now).is_some() {
            system.paths.breaker(region, endpoint)
        } else {
            Breaker::Unknown
        }
    }

    pub(super) fn reach(
        &self,
        system: &System,
        facts: &ShardFacts,
        now: BootMillis,
    ) -> Grid<Breaker> {
        let mut reach = Grid::default();
        for region in self.regions.iter() {
            let left = facts.left(region).filter(|_| region != self.me);
            let told = self.heard(region, now).map(|peer| peer.at);
            if left.is_some_and(|left| told.is_none_or(|told| told <= left)) {
                continue;
            }
            for endpoint in EndpointId::all() {
                reach.set(
                    region,
                    endpoint,
                    self.breaker(system, region, endpoint, now),
                );
            }
        }
        reach
    }

    pub(super) fn roles(&self, system: &System, now: BootMillis) -> [Role; ENDPOINTS_MAX] {
        let others = self.regions.without(self.me).iter();
        let heard: Vec<_> = others
            .filter(|region| self.heard(*region, now).is_some())
            .collect();
        system.paths.roles(self.me, &heard, &self.settings, now)
    }

    pub(super) fn tried_elsewhere(
        &self,
        of: RegionId,
        not: SystemId,
        nor: EndpointId,
        now: BootMillis,
    ) -> Tried {
        let mut tried = Tried::Nothing;
        for (place, system) in (0..).zip(&self.systems) {
            for endpoint in EndpointId::all() {
                if (SystemId(place), endpoint) != (not, nor) {
                    tried = tried.and(self.breaker(system, of, endpoint, now));
                }
            }
        }
        tried
    }

    /// Whether the region could act for a shard of the system, as far as is known: it is up, has a
    /// session, and reaches an endpoint that does not say it is of no use.
    pub(super) fn is_well(
        &self,
        system: &System,
        roles: &[Role],
        region: RegionId,
        now: BootMillis,
    ) -> bool {
        let useful = |role: &Role| matches!(role, Role::Active | Role::Unknown);
        let mut endpoints = EndpointId::all().zip(roles);
        self.is_up(region, now)
            && self.lease_ok(region, now)
            && endpoints.any(|(endpoint, role)| {
                useful(role) && self.breaker(system, region, endpoint, now) == Breaker::Closed
            })
    }

    pub(super) fn is_stable(
        &self,
        system: &System,
        facts: &ShardFacts,
        region: RegionId,
        now: BootMillis,
    ) -> bool {
        let stable_for = millis(self.settings.stable_for);
        let roles = self.roles(system, now);
        let since = system.well_since.get(region.index()).copied().flatten();
        let Some(since) = since.filter(|_| self.is_well(system, &roles, region, now)) else {
            return false;
        };
        let commanded = facts.command_to_obey();
        let waited = now.since(since) >= stable_for && !facts.moved_within(stable_for, now);
        waited || commanded.is_some_and(|commanded| since <= commanded)
    }
}
