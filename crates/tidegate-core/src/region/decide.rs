//! The decision.

use super::candidate::{Obstacle, able, bar, first, rank};
use super::rule::{Rule, Why};
use super::shard::{EndpointId, Epoch, FailBack, RegionId, ShardConfig};
use super::view::{Owner, View};

/// What a region does now for a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Act.
    Act {
        /// Against this endpoint.
        endpoint: EndpointId,
        /// As the owner of this epoch.
        epoch: Epoch,
    },
    /// Keep the shard, start nothing, and probe the endpoints.
    Hold(Why),
    /// Have nothing to do with it now.
    Standby(Why),
    /// Take it, which works only as long as nobody owns it.
    Acquire,
    /// Hand it over: stop, finish, seal, and let this region take it.
    Yield {
        /// The next owner.
        to: RegionId,
        /// The reason.
        why: Why,
    },
    /// Start nothing, whoever owns the shard.
    Stop(Why),
}

/// An action and the rule that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// The rule that fired.
    pub rule: Rule,
}

impl Decision {
    const fn new(action: Action, rule: Rule) -> Self {
        Self { action, rule }
    }
}

/// What the region `me` does for the shard, given what it knows.
///
/// Total, deterministic and local. That no two regions act for one shard rests on [`View::owner`]
/// and on its own entry in [`View::lease_ok`] alone; whatever else it knows may be old or wrong and
/// costs time, not safety.
#[must_use]
pub fn decide(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    if !view.up.contains(me) {
        return Decision::new(Action::Stop(Why::Down), Rule::Down);
    }
    if !view.lease_ok.contains(me) {
        return Decision::new(Action::Stop(Why::NoLease), Rule::NoLease);
    }
    match view.owner {
        Some(owner) if owner.region == me => as_owner(config, view, owner),
        Some(owner) => Decision::new(Action::Standby(Why::OwnedBy(owner.region)), Rule::Owned),
        None => without_owner(config, view, me),
    }
}

fn as_owner(config: &ShardConfig, view: &View, owner: Owner) -> Decision {
    match able(config, view, owner.region) {
        Ok(endpoint) => match planned_move(config, view, owner.region) {
            Some((to, why, rule)) => Decision::new(Action::Yield { to, why }, rule),
            None => {
                let epoch = owner.epoch;
                Decision::new(Action::Act { endpoint, epoch }, Rule::Act)
            }
        },
        Err(obstacle) => unable_owner(config, view, owner.region, obstacle),
    }
}

/// Where the shard goes though its owner can act. Only to the first region that is able: if that is
/// not ready yet the shard waits for it instead of making two moves.
fn planned_move(config: &ShardConfig, view: &View, me: RegionId) -> Option<(RegionId, Why, Rule)> {
    let to = first_able(config, view)?;
    let better = rank(config, view, to) < rank(config, view, me);
    if !better || !view.stable.contains(to) || !view.caught_up.contains(to) {
        return None;
    }
    if view.pin == Some(to) {
        Some((to, Why::Pinned, Rule::Pinned))
    } else if view.drained.contains(me) {
        Some((to, Why::Drained, Rule::Drained))
    } else if config.fail_back == FailBack::WhenStable {
        Some((to, Why::FailBack, Rule::FailBack))
    } else {
        None
    }
}

fn unable_owner(config: &ShardConfig, view: &View, me: RegionId, obstacle: Obstacle) -> Decision {
    let why = Why::Cannot(obstacle);
    if let Some(to) = first_able(config, view) {
        return Decision::new(Action::Yield { to, why }, Rule::OtherPath);
    }
    let drained = view.drained.contains(me);
    if drained || bar(config, me).is_some() {
        let live = view.live();
        let wanted = |region| live.contains(region) && !view.drained.contains(region);
        if let Some(to) = first(config, view, wanted) {
            let why = if drained { Why::Drained } else { why };
            return Decision::new(Action::Yield { to, why }, Rule::Vacate);
        }
    }
    Decision::new(Action::Hold(why), Rule::Hold)
}

fn without_owner(config: &ShardConfig, view: &View, me: RegionId) -> Decision {
    let live = |region| view.live().contains(region);
    let (next, rule) = match first_able(config, view) {
        Some(able) => (Some(able), Rule::FirstAble),
        None => (first(config, view, live), Rule::FirstLive),
    };
    match next {
        Some(next) if next == me => Decision::new(Action::Acquire, rule),
        Some(next) => Decision::new(Action::Standby(Why::After(next)), Rule::NotFirst),
        None => Decision::new(Action::Standby(Why::NobodyLive), Rule::NobodyLive),
    }
}

/// The first region that could act.
fn first_able(config: &ShardConfig, view: &View) -> Option<RegionId> {
    first(config, view, |region| able(config, view, region).is_ok())
}
