//! What must hold of the decision in every state, said again in a second, plainer way.
//!
//! [`check`] plays a state to its end with the decision it is given, so that mutants can be held
//! against the same properties.

use super::super::*;
use super::world::{Decide, ROUNDS_MAX, round};

/// What must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Property {
    /// Of one lease record at most one region acts or takes the shard.
    OneActor,
    /// Who acts is up, owns the shard and has time left.
    Owned,
    /// Who acts uses an endpoint it reaches and that says it may be used.
    Eligible,
    /// No data, no call and no ownership where the configuration forbids it, whatever operators want.
    Limits,
    /// The cursor's endpoint is kept if it can be, else the nearest is used, else the first.
    Nearest,
    /// A view that stays leads to rest.
    Settles,
    /// Somebody acts exactly if some pair can.
    Acts,
    /// If nobody can act nothing moves, unless an operator wants it.
    Stays,
    /// A shard that lost its owner, or whose owner cannot act, goes to the first that can.
    First,
    /// It goes to a better region exactly if that is stable and caught up and may take it back.
    Returns,
    /// While nobody can act a drained region gives the shard away.
    Vacates,
    /// Renaming regions changes names only.
    Renames,
    /// More health never ends a service.
    Monotone,
}

/// The endpoints this region could use, said the long way.
fn usable(config: &ShardConfig, view: &View, r: RegionId) -> Vec<EndpointId> {
    let mut usable = Vec::new();
    for e in EndpointId::all() {
        if config.links.get(r, e).is_none() || view.reach.get(r, e) != Breaker::Closed {
            continue;
        }
        let others_active = EndpointId::all().any(|it| it != e && view.role(it) == Role::Active);
        let right = match (config.topology, view.role(e)) {
            (Topology::PrimarySecondary, Role::Active) => !others_active,
            (Topology::PrimarySecondary, _) | (_, Role::Down) => false,
            (Topology::ActiveActive(Sharing::Partitioned(part)), _) => part == e,
            (Topology::ActiveActive(Sharing::Shared) | Topology::Single, _) => true,
        };
        if right {
            usable.push(e);
        }
    }
    usable
}

fn may_own(config: &ShardConfig, r: RegionId) -> bool {
    let linked = EndpointId::all().any(|e| {
        let part = config.topology;
        let other = matches!(part, Topology::ActiveActive(Sharing::Partitioned(p)) if p != e);
        !other && config.links.get(r, e).is_some()
    });
    config.preferences.contains(&r) && config.allowed.contains(r) && linked
}

/// The regions that may own the shard and pass the test, the wanted ones first: those that are not
/// drained, of them the pinned one, then as preferred.
fn in_order(config: &ShardConfig, view: &View, test: impl Fn(RegionId) -> bool) -> Vec<RegionId> {
    let mut order: Vec<RegionId> = Vec::new();
    for drained in [false, true] {
        let pinned = view.pin.into_iter();
        for r in pinned.chain(config.preferences.iter().copied()) {
            let fits = view.drained.contains(r) == drained && may_own(config, r) && test(r);
            if fits && !order.contains(&r) {
                order.push(r);
            }
        }
    }
    order
}

/// Holds one decision against the state it was made in.
fn check_one(
    config: &ShardConfig,
    view: &View,
    r: RegionId,
    made: Decision,
) -> Result<(), Property> {
    let live = view.up.contains(r) && view.lease_ok.contains(r);
    let holder = view.owner.filter(|owner| owner.region == r);
    let require = |holds: bool, property| if holds { Ok(()) } else { Err(property) };
    match made.action {
        Action::Act { endpoint, epoch } => {
            require(
                live && holder.is_some_and(|it| it.epoch == epoch),
                Property::Owned,
            )?;
            let linked = config.links.get(r, endpoint).is_some();
            require(may_own(config, r) && linked, Property::Limits)?;
            let usable = usable(config, view, r);
            require(usable.contains(&endpoint), Property::Eligible)?;
            let nearest = usable
                .iter()
                .copied()
                .min_by_key(|e| (config.links.get(r, *e), *e));
            let kept = view.cursor_endpoint.filter(|kept| usable.contains(kept));
            require(kept.or(nearest) == Some(endpoint), Property::Nearest)
        }
        Action::Acquire => {
            require(may_own(config, r), Property::Limits)?;
            require(live && view.owner.is_none(), Property::Owned)
        }
        Action::Yield { to, .. } => {
            require(may_own(config, to), Property::Limits)?;
            let its_own = live && holder.is_some() && to != r;
            require(its_own && view.live().contains(to), Property::Owned)
        }
        Action::Hold(_) => require(live && holder.is_some(), Property::Owned),
        Action::Standby(_) => require(live && holder.is_none(), Property::Owned),
        Action::Stop(_) => require(!live, Property::Owned),
    }
}

/// Where the shard must be once nothing changes any more, and which property says so.
fn expected_owner(config: &ShardConfig, view: &View) -> (Option<RegionId>, Property) {
    let is_live = |r| view.live().contains(r);
    let can = |r| is_live(r) && !usable(config, view, r).is_empty();
    let (able, live) = (in_order(config, view, can), in_order(config, view, is_live));
    let holder = view.owner.map(|owner| owner.region).filter(|r| is_live(*r));
    let Some(holder) = holder else {
        return (
            able.first().or_else(|| live.first()).copied(),
            Property::First,
        );
    };
    let Some(best) = able.first().copied() else {
        let wanted = live.iter().copied().find(|r| !view.drained.contains(*r));
        let unwanted = view.drained.contains(holder) || !may_own(config, holder);
        return match wanted.filter(|_| unwanted) {
            Some(wanted) => (Some(wanted), Property::Vacates),
            None => (Some(holder), Property::Stays),
        };
    };
    if !able.contains(&holder) {
        return (Some(best), Property::First);
    }
    let ready = view.stable.contains(best) && view.caught_up.contains(best);
    let wanted = view.pin == Some(best) || view.drained.contains(holder);
    let may = wanted || config.fail_back == FailBack::WhenStable;
    (
        Some(if ready && may { best } else { holder }),
        Property::Returns,
    )
}

/// Plays a state to its end and holds all properties but the last two against it.
pub(super) fn check(decide: Decide, config: &ShardConfig, view: &View) -> Result<(), Property> {
    let among = config.preferences.iter().copied().collect::<RegionSet>();
    for r in among.iter() {
        check_one(config, view, r, decide(config, view, r))?;
    }
    let (expected, says) = expected_owner(config, view);
    let (acting, owner) = play(decide, config, view)?;
    if owner != expected {
        return Err(says);
    }
    let live = |r| view.live().contains(r) && may_own(config, r);
    let can = among
        .iter()
        .any(|r| live(r) && !usable(config, view, r).is_empty());
    if acting.is_some() != can {
        return Err(Property::Acts);
    }
    Ok(())
}

/// Lets all regions do what they decide until nothing changes: who acts then, and who owns the shard.
pub(super) fn play(
    decide: Decide,
    config: &ShardConfig,
    view: &View,
) -> Result<(Option<RegionId>, Option<RegionId>), Property> {
    let among = config.preferences.iter().copied().collect::<RegionSet>();
    let mut now = view.clone();
    for _ in 0..ROUNDS_MAX {
        let live = now.live();
        let before = now.owner.filter(|owner| live.contains(owner.region));
        let decisions = round(decide, config, &mut now, among);
        let seen = View {
            owner: before,
            ..now.clone()
        };
        let mut acting = None;
        let mut takers = 0;
        for (r, made) in decisions {
            check_one(config, &seen, r, made)?;
            match made.action {
                Action::Act { .. } if acting.is_some() => return Err(Property::OneActor),
                Action::Act { .. } => acting = Some(r),
                Action::Acquire => takers += 1,
                _ => {}
            }
        }
        if takers > 1 {
            return Err(Property::OneActor);
        }
        if now.owner == before {
            return Ok((acting, before.map(|owner| owner.region)));
        }
    }
    Err(Property::Settles)
}
