//! The machine.

mod judge;

use tidegate_types::time::BootMillis;

use super::Settings;
use super::blame::{Blame, Sight};
use super::facts::ShardFacts;
use super::hysteresis::Hysteresis;
use super::paths::{Path, Paths, SYSTEMS_MAX, SystemId};
use super::report::{PathReport, Report};
use crate::region::{Breaker, EndpointId, REGIONS_MAX, RegionId, RegionSet, View};

/// What one region knows of all regions and of all external systems.
#[derive(Clone, Debug)]
pub struct Health {
    me: RegionId,
    regions: RegionSet,
    settings: Settings,
    life: u64,
    number: u64,
    may_start_until: BootMillis,
    caught_up: RegionSet,
    probes: [Hysteresis; REGIONS_MAX],
    peers: [Option<Peer>; REGIONS_MAX],
    systems: Vec<System>,
}

/// What a peer told last.
#[derive(Clone, Copy, Debug)]
struct Peer {
    at: BootMillis,
    life: u64,
    number: u64,
    up: bool,
    lease_ok: bool,
    hears: RegionSet,
    caught_up: RegionSet,
}

/// What is known of one external system.
#[derive(Clone, Debug, Default)]
struct System {
    paths: Paths,
    /// Since when each region is well without a gap: up, with a session, and reaching an endpoint.
    well_since: [Option<BootMillis>; REGIONS_MAX],
}

/// Why a report is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefusedReport {
    /// It does not come from another region of this configuration.
    #[error("the report comes from no other region of this subsystem")]
    Stranger,
    /// A newer one was there before.
    #[error("a newer report of that region came before")]
    Late,
}

impl Health {
    /// A region that knows nothing yet. `life` is the wall time in milliseconds at which the process
    /// started; `systems` how many external systems there are, of which the first [`SYSTEMS_MAX`]
    /// are followed.
    #[must_use]
    pub fn new(
        me: RegionId,
        regions: RegionSet,
        systems: usize,
        life: u64,
        settings: Settings,
    ) -> Self {
        Self {
            me,
            regions: regions.with(me),
            settings,
            life,
            number: 0,
            may_start_until: BootMillis(0),
            caught_up: RegionSet::EMPTY,
            probes: Default::default(),
            peers: Default::default(),
            systems: vec![System::default(); systems.min(SYSTEMS_MAX)],
        }
    }

    /// A probe of a region ended: the own one by a real event, or a peer by its event in our mirror.
    pub fn handle_probe(&mut self, of: RegionId, passed: bool, now: BootMillis) {
        self.settle(now);
        if let Some(probe) = self.probes.get_mut(of.index()) {
            probe.handle(passed, &self.settings, now);
        }
        self.settle(now);
    }

    /// The own breaker changed, or an endpoint said what its role is. A path of a system that is not
    /// followed is ignored.
    pub fn handle_path(
        &mut self,
        system: SystemId,
        endpoint: EndpointId,
        path: Path,
        now: BootMillis,
    ) {
        self.settle_system(system, now);
        if let Some(known) = self.systems.get_mut(usize::from(system.0)) {
            known.paths.set(self.me, endpoint, path, now);
        }
        self.settle_system(system, now);
    }

    /// The own session lets effects start before this time: zero if not at all, the largest time if
    /// no lease is needed.
    pub fn handle_lease(&mut self, may_start_until: BootMillis, now: BootMillis) {
        self.settle(now);
        self.may_start_until = may_start_until;
        self.settle(now);
    }

    /// The regions whose logs are held here to their ends.
    pub fn handle_caught_up(&mut self, origins: RegionSet) {
        self.caught_up = origins;
    }

    /// A peer told how it is.
    ///
    /// # Errors
    ///
    /// [`RefusedReport`] if it is not believed; then nothing has changed.
    pub fn handle_report(&mut self, report: &Report, now: BootMillis) -> Result<(), RefusedReport> {
        let from = report.from;
        if from == self.me || !self.regions.contains(from) {
            return Err(RefusedReport::Stranger);
        }
        let known = self.heard(from, now);
        if known.is_some_and(|peer| (peer.life, peer.number) >= (report.life, report.number)) {
            return Err(RefusedReport::Late);
        }
        self.settle(now);
        if let Some(place) = self.peers.get_mut(from.index()) {
            *place = Some(Peer {
                at: now,
                life: report.life,
                number: report.number,
                up: report.up,
                lease_ok: report.lease_ok,
                hears: report.hears,
                caught_up: report.caught_up,
            });
        }
        for system in &mut self.systems {
            system.paths.forget(from);
        }
        for told in &report.paths {
            if let Some(system) = self.systems.get_mut(usize::from(told.system.0)) {
                system.paths.set(from, told.endpoint, told.path, now);
            }
        }
        self.settle(now);
        Ok(())
    }

    /// What to tell the peers now.
    pub fn report(&mut self, now: BootMillis) -> Report {
        self.number = self.number.saturating_add(1);
        let mut paths = Vec::new();
        for (place, system) in (0..).zip(&self.systems) {
            for endpoint in EndpointId::all() {
                let path = Path {
                    breaker: system.paths.breaker(self.me, endpoint),
                    role: system
                        .paths
                        .role_seen_by(self.me, endpoint, &self.settings, now),
                };
                if path != Path::default() {
                    paths.push(PathReport {
                        system: SystemId(place),
                        endpoint,
                        path,
                    });
                }
            }
        }
        let hears = self.regions.without(self.me).iter();
        Report {
            from: self.me,
            life: self.life,
            number: self.number,
            up: self.is_up(self.me, now),
            lease_ok: self.lease_ok(self.me, now),
            hears: hears.filter(|region| self.hears(*region, now)).collect(),
            caught_up: self.caught_up,
            paths,
        }
    }

    /// What is known now for a shard of this system.
    #[must_use]
    pub fn view(&self, system: SystemId, facts: &ShardFacts, now: BootMillis) -> View {
        let (pin, drained) = facts.wishes();
        let all = |test: &dyn Fn(RegionId) -> bool| -> RegionSet {
            self.regions.iter().filter(|region| test(*region)).collect()
        };
        let up = all(&|region| self.is_up(region, now));
        let mut view = View {
            up,
            lease_ok: all(&|region| self.lease_ok(region, now)),
            caught_up: all(&|region| self.is_caught_up(region, up, now)),
            owner: facts.owner(),
            pin,
            drained,
            cursor_endpoint: facts.cursor_endpoint,
            ..View::default()
        };
        if let Some(known) = self.systems.get(usize::from(system.0)) {
            view.reach = self.reach(known, facts, now);
            view.roles = self.roles(known, now);
            view.stable = all(&|region| self.is_stable(known, facts, region, now));
        }
        view
    }

    /// Whom to blame for what a region does not reach.
    #[must_use]
    pub fn blame(
        &self,
        of: RegionId,
        system: SystemId,
        endpoint: EndpointId,
        now: BootMillis,
    ) -> Blame {
        let Some(known) = self.systems.get(usize::from(system.0)) else {
            return Blame::Unclear;
        };
        let breaker = |region| self.breaker(known, region, endpoint, now);
        let others = self.regions.without(of).iter();
        let sight = Sight {
            own: breaker(of),
            own_elsewhere: self.tried_elsewhere(of, system, endpoint, now),
            others: others
                .filter(|region| breaker(*region) != Breaker::Unknown)
                .map(|region| {
                    let elsewhere = self.tried_elsewhere(region, system, endpoint, now);
                    (breaker(region), elsewhere)
                })
                .collect(),
        };
        sight.blame()
    }

    /// Notes for all systems which regions are well, before and after anything changes: so a gap of
    /// which nothing was told, since a report ran out, is noticed with the next input.
    fn settle(&mut self, now: BootMillis) {
        for place in 0..self.systems.len() {
            self.settle_at(place, now);
        }
    }

    fn settle_system(&mut self, system: SystemId, now: BootMillis) {
        self.settle_at(usize::from(system.0), now);
    }

    fn settle_at(&mut self, place: usize, now: BootMillis) {
        let Some(system) = self.systems.get(place) else {
            return;
        };
        let roles = self.roles(system, now);
        let regions = self.regions.iter();
        let well: RegionSet = regions
            .filter(|region| self.is_well(system, &roles, *region, now))
            .collect();
        if let Some(system) = self.systems.get_mut(place) {
            for (region, since) in RegionId::all().zip(&mut system.well_since) {
                let before = since.unwrap_or(now);
                *since = well.contains(region).then_some(before);
            }
        }
    }
}
