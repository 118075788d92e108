//! Who could act, and what stands in the way of those who could not.

use super::shard::{EndpointId, RegionId, ShardConfig, Topology};
use super::view::{Breaker, Role, View};

/// Why a region can never act for a shard, as it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bar {
    /// It is not among the shard's preferences.
    Unlisted,
    /// The flow's data may not be there.
    Forbidden,
    /// It has no way to any endpoint that the shard may use.
    Unlinked,
}

/// Why a region cannot act for a shard now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Obstacle {
    /// It is configured so.
    Barred(Bar),
    /// It is down.
    Down,
    /// Its session does not let it start anything.
    NoLease,
    /// No endpoint says that it is the active one.
    NoneActive,
    /// Several endpoints say that they are the active one.
    SeveralActive,
    /// It reaches no endpoint that may be used.
    Unreachable,
}

/// What the configuration has against the region.
pub(super) fn bar(config: &ShardConfig, region: RegionId) -> Option<Bar> {
    if !config.preferences.contains(&region) {
        Some(Bar::Unlisted)
    } else if !config.allowed.contains(region) {
        Some(Bar::Forbidden)
    } else if !config.is_linked(region) {
        Some(Bar::Unlinked)
    } else {
        None
    }
}

/// How many endpoints say that they are the active one.
fn active_count(view: &View) -> usize {
    let active = view.roles.iter().filter(|role| **role == Role::Active);
    active.count()
}

/// Whether what the endpoint says lets it be used. Where one endpoint is the active one, only that
/// one: a standby would refuse, or take what its primary never sees. If two claim it, neither is
/// believed, since the events of one of the two will be lost when they make up.
fn eligible(config: &ShardConfig, view: &View, endpoint: EndpointId) -> bool {
    let role = view.role(endpoint);
    match config.topology {
        Topology::PrimarySecondary => role == Role::Active && active_count(view) == 1,
        Topology::Single | Topology::ActiveActive(_) => role != Role::Down,
    }
}

/// The endpoint the region would act against if it owned the shard, or what keeps it from acting: the
/// endpoint of the cursor if that can be used, else the nearest that can.
pub fn able(config: &ShardConfig, view: &View, region: RegionId) -> Result<EndpointId, Obstacle> {
    if let Some(bar) = bar(config, region) {
        return Err(Obstacle::Barred(bar));
    }
    if !view.up.contains(region) {
        return Err(Obstacle::Down);
    }
    if !view.lease_ok.contains(region) {
        return Err(Obstacle::NoLease);
    }
    let usable = config.endpoints_of(region).filter(|endpoint| {
        eligible(config, view, *endpoint) && view.reach.get(region, *endpoint) == Breaker::Closed
    });
    let chosen = usable.min_by_key(|endpoint| {
        let kept = view.cursor_endpoint == Some(*endpoint);
        (!kept, config.links.get(region, *endpoint), *endpoint)
    });
    chosen.ok_or_else(|| match (config.topology, active_count(view)) {
        (Topology::PrimarySecondary, 0) => Obstacle::NoneActive,
        (Topology::PrimarySecondary, 2..) => Obstacle::SeveralActive,
        _ => Obstacle::Unreachable,
    })
}

/// Why the operator's pin is not obeyed now, if there is one and it is not.
#[must_use]
pub fn refused_pin(config: &ShardConfig, view: &View) -> Option<Obstacle> {
    able(config, view, view.pin?).err()
}

/// The first region, in the order that operators and preferences give, that could own the shard and
/// passes the test.
pub(super) fn first(
    config: &ShardConfig,
    view: &View,
    test: impl Fn(RegionId) -> bool,
) -> Option<RegionId> {
    let candidates = config.preferences.iter().copied();
    candidates
        .filter(|region| bar(config, *region).is_none() && test(*region))
        .min_by_key(|region| rank(config, view, *region))
}

/// The place in that order, the least first: drained regions come last, a pinned one is the first of
/// its kind, then the preferences decide.
pub(super) fn rank(config: &ShardConfig, view: &View, region: RegionId) -> (bool, bool, usize) {
    let place = config.preferences.iter().position(|it| *it == region);
    (
        view.drained.contains(region),
        view.pin != Some(region),
        place.unwrap_or(usize::MAX),
    )
}
