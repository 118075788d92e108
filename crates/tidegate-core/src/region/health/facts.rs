//! What is known of one shard from the lease store and from operators.

use tidegate_types::time::BootMillis;

use crate::region::{EndpointId, Owner, REGIONS_MAX, RegionId, RegionSet};

/// What is known of one shard besides health. The shell keeps one for each shard it has to do with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardFacts {
    owner: Option<Owner>,
    /// The last region that owned it, also while nobody does.
    last: Option<RegionId>,
    /// When it was seen to have another owner than before.
    moved: Option<BootMillis>,
    /// When each region was seen to own it no longer.
    left: [Option<BootMillis>; REGIONS_MAX],
    pin: Option<RegionId>,
    drained: RegionSet,
    /// When an operator said something else than before.
    commanded: Option<BootMillis>,
    /// The endpoint that the positions of the cursor belong to.
    pub cursor_endpoint: Option<EndpointId>,
}

impl ShardFacts {
    /// The lease store says who owns the shard; nobody does if the owner's session has ended.
    pub fn handle_owner(&mut self, owner: Option<Owner>, now: BootMillis) {
        let before = self.owner.map(|owner| owner.region);
        let after = owner.map(|owner| owner.region);
        self.owner = owner;
        if before == after {
            return;
        }
        let place = before.and_then(|region| self.left.get_mut(region.index()));
        if let Some(place) = place {
            *place = Some(now);
        }
        // The first owner that is ever seen has not moved, nor has one that takes its own shard again.
        if after.is_some() && self.last.is_some() && after != self.last {
            self.moved = Some(now);
        }
        self.last = after.or(self.last);
    }

    /// What operators want.
    pub fn handle_command(&mut self, pin: Option<RegionId>, drained: RegionSet, now: BootMillis) {
        if (self.pin, self.drained) != (pin, drained) {
            self.pin = pin;
            self.drained = drained;
            self.commanded = Some(now);
        }
    }

    /// Who owns it.
    #[must_use]
    pub const fn owner(&self) -> Option<Owner> {
        self.owner
    }

    pub(super) const fn wishes(&self) -> (Option<RegionId>, RegionSet) {
        (self.pin, self.drained)
    }

    /// When the region gave it up for the last time.
    pub(super) fn left(&self, region: RegionId) -> Option<BootMillis> {
        self.left.get(region.index()).copied().flatten()
    }

    /// The last command, if the shard has not moved since: a move that follows it is still to come.
    pub(super) fn command_to_obey(&self) -> Option<BootMillis> {
        let commanded = self.commanded?;
        self.moved
            .is_none_or(|moved| moved <= commanded)
            .then_some(commanded)
    }

    /// Whether it moved less than so many milliseconds ago.
    pub(super) fn moved_within(&self, ms: u64, now: BootMillis) -> bool {
        self.moved.is_some_and(|moved| now.since(moved) < ms)
    }
}
