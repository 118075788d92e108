//! What one region knows at one moment.

use super::shard::{ENDPOINTS_MAX, EndpointId, Epoch, Grid, RegionId, RegionSet};

/// Whether a region reaches an endpoint, as its breaker says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Breaker {
    /// Requests go.
    Closed,
    /// One at a time goes, to find out.
    HalfOpen,
    /// None goes.
    Open,
    /// Nothing was heard of it, or too long ago. Counts as not reachable.
    #[default]
    Unknown,
}

/// What an endpoint says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// It takes and shows everything that is its own.
    Active,
    /// It waits to be promoted.
    Standby,
    /// It is known not to work.
    Down,
    /// It was not asked, or gave no answer that says it. Enough wherever every endpoint is active;
    /// not enough to act on where only one of them is.
    #[default]
    Unknown,
}

/// Who has a shard, as the lease store says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The region.
    pub region: RegionId,
    /// How often the shard had been taken then.
    pub epoch: Epoch,
}

/// What one region knows at one moment, assembled outside. Other regions' views may differ.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct View {
    /// The regions that are up: by its own verdict the one that asks, by theirs and their peers' the
    /// others.
    pub up: RegionSet,
    /// The regions whose session still lets them start effects: for the one that asks its own
    /// deadline by its own clock, for the others what they report.
    pub lease_ok: RegionSet,
    /// Which pairs work.
    pub reach: Grid<Breaker>,
    /// The endpoints' roles.
    pub roles: [Role; ENDPOINTS_MAX],
    /// The regions that have been well for so long that a shard may go back to them.
    pub stable: RegionSet,
    /// The regions that have everything they would go on from.
    pub caught_up: RegionSet,
    /// Who has the shard. An ended session has none.
    pub owner: Option<Owner>,
    /// Where an operator wants the shard.
    pub pin: Option<RegionId>,
    /// The regions that operators want empty.
    pub drained: RegionSet,
    /// The endpoint that the positions of the cursor belong to. As long as it can be used it is, since
    /// positions of another endpoint differ.
    pub cursor_endpoint: Option<EndpointId>,
}

impl View {
    /// The endpoint's role.
    #[must_use]
    pub fn role(&self, endpoint: EndpointId) -> Role {
        self.roles
            .get(endpoint.index())
            .copied()
            .unwrap_or_default()
    }

    /// Sets the endpoint's role.
    pub fn set_role(&mut self, endpoint: EndpointId, role: Role) {
        if let Some(place) = self.roles.get_mut(endpoint.index()) {
            *place = role;
        }
    }

    /// The regions that are up and whose session holds.
    #[must_use]
    pub const fn live(&self) -> RegionSet {
        self.up.and(self.lease_ok)
    }
}
