//! What would have to change for a region to do something else.

use std::fmt;

use super::decide::{Action, Decision, decide};
use super::names::{Spoken, write_would};
use super::shard::{EndpointId, RegionId, RegionSet, ShardConfig, Topology};
use super::view::{Breaker, Role, View};

/// The most changes that [`flip`] tells of, so that a page holds them.
pub const FLIPS_MAX: usize = 24;

/// One fact of a view that is otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Atom {
    /// The region is up, or down.
    Up(RegionId, bool),
    /// The region's session holds, or not.
    Lease(RegionId, bool),
    /// The region reaches the endpoint, or not.
    Reach(RegionId, EndpointId, bool),
    /// The endpoint says this of itself.
    Role(EndpointId, Role),
    /// The session of the region that owns the shard is over.
    OwnerEnded(RegionId),
    /// The region is stable, or not.
    Stable(RegionId, bool),
    /// The region has caught up, or not.
    CaughtUp(RegionId, bool),
    /// The shard is pinned there, or nowhere.
    Pin(Option<RegionId>),
    /// The region is drained, or not.
    Drained(RegionId, bool),
}

impl Atom {
    /// Makes it so.
    pub fn apply(self, view: &mut View) {
        let set = |set: RegionSet, region, wanted| {
            if wanted {
                set.with(region)
            } else {
                set.without(region)
            }
        };
        match self {
            Self::Up(region, wanted) => view.up = set(view.up, region, wanted),
            Self::Lease(region, wanted) => view.lease_ok = set(view.lease_ok, region, wanted),
            Self::Reach(region, endpoint, wanted) => {
                let breaker = if wanted {
                    Breaker::Closed
                } else {
                    Breaker::Open
                };
                view.reach.set(region, endpoint, breaker);
            }
            Self::Role(endpoint, role) => view.set_role(endpoint, role),
            Self::OwnerEnded(_) => view.owner = None,
            Self::Stable(region, wanted) => view.stable = set(view.stable, region, wanted),
            Self::CaughtUp(region, wanted) => view.caught_up = set(view.caught_up, region, wanted),
            Self::Pin(pin) => view.pin = pin,
            Self::Drained(region, wanted) => view.drained = set(view.drained, region, wanted),
        }
    }
}

/// A smallest change of a view that makes a region do something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flip {
    /// What would be otherwise.
    pub first: Atom,
    /// What would have to be otherwise as well, if one thing alone changes nothing.
    pub second: Option<Atom>,
    /// What the region would do then.
    pub then: Decision,
}

/// The smallest changes of the view after which the region `me` would do something else: each of a
/// single fact, or if there is none, of two. In the order of [`Atom`]'s variants, regions and
/// endpoints; at most [`FLIPS_MAX`]. Empty if it takes more than two.
///
/// A different reason for the same action is no change. Facts are those of the regions in the
/// preferences and the endpoints they are linked to, so the work is bounded: at the limits of
/// [`ShardConfig`] some 450 facts and 100,000 pairs.
#[must_use]
pub fn flip(config: &ShardConfig, view: &View, me: RegionId) -> Vec<Flip> {
    let now = decide(config, view, me).action;
    let atoms = atoms(config, view, me);
    let changed = |first: Atom, second: Option<Atom>| {
        let mut other = view.clone();
        first.apply(&mut other);
        if let Some(second) = second {
            second.apply(&mut other);
        }
        let then = decide(config, &other, me);
        let flip = Flip {
            first,
            second,
            then,
        };
        (!same_deed(now, then.action)).then_some(flip)
    };
    let singles = atoms.iter().filter_map(|atom| changed(*atom, None));
    let singles: Vec<_> = singles.take(FLIPS_MAX).collect();
    if !singles.is_empty() {
        return singles;
    }
    let later = |place: usize| atoms.iter().skip(place.saturating_add(1));
    let pairs = atoms.iter().enumerate();
    let pairs = pairs.flat_map(|(place, first)| later(place).map(|second| (*first, *second)));
    pairs
        .filter_map(|(first, second)| changed(first, Some(second)))
        .take(FLIPS_MAX)
        .collect()
}

/// Whether both do the same, whatever their reasons.
fn same_deed(one: Action, other: Action) -> bool {
    match (one, other) {
        (
            Action::Act { endpoint: one, .. },
            Action::Act {
                endpoint: other, ..
            },
        ) => one == other,
        (Action::Yield { to: one, .. }, Action::Yield { to: other, .. }) => one == other,
        _ => std::mem::discriminant(&one) == std::mem::discriminant(&other),
    }
}

/// Every fact that could be otherwise and has to do with the shard, as it would be then.
fn atoms(config: &ShardConfig, view: &View, me: RegionId) -> Vec<Atom> {
    let mut regions = config.preferences.clone();
    regions.push(me);
    regions.sort_unstable();
    regions.dedup();
    let endpoints = |region: &RegionId| config.endpoints_of(*region).collect::<Vec<_>>();
    let linked: Vec<_> = regions.iter().map(|r| (*r, endpoints(r))).collect();

    let each = || regions.iter().copied();
    let mut atoms = Vec::new();
    atoms.extend(each().map(|r| Atom::Up(r, !view.up.contains(r))));
    atoms.extend(each().map(|r| Atom::Lease(r, !view.lease_ok.contains(r))));
    for (region, endpoints) in &linked {
        let reached = |e| view.reach.get(*region, e) == Breaker::Closed;
        let other = |e: &EndpointId| Atom::Reach(*region, *e, !reached(*e));
        atoms.extend(endpoints.iter().map(other));
    }
    let mut all: Vec<_> = linked
        .into_iter()
        .flat_map(|(_, endpoints)| endpoints)
        .collect();
    all.sort_unstable();
    all.dedup();
    for endpoint in all {
        let roles = other_roles(config.topology, view.role(endpoint));
        atoms.extend(roles.iter().map(|role| Atom::Role(endpoint, *role)));
    }
    let others_own = view.owner.filter(|owner| owner.region != me);
    atoms.extend(others_own.map(|owner| Atom::OwnerEnded(owner.region)));
    atoms.extend(each().map(|r| Atom::Stable(r, !view.stable.contains(r))));
    atoms.extend(each().map(|r| Atom::CaughtUp(r, !view.caught_up.contains(r))));
    atoms.extend(view.pin.map(|_| Atom::Pin(None)));
    let elsewhere = each().filter(|r| view.pin != Some(*r));
    atoms.extend(elsewhere.map(|r| Atom::Pin(Some(r))));
    atoms.extend(each().map(|r| Atom::Drained(r, !view.drained.contains(r))));
    atoms
}

/// The roles that mean something else to the decision.
const fn other_roles(topology: Topology, role: Role) -> &'static [Role] {
    match (topology, role) {
        (Topology::PrimarySecondary, Role::Active) => &[Role::Standby],
        (Topology::PrimarySecondary, _) | (_, Role::Down) => &[Role::Active],
        (Topology::Single | Topology::ActiveActive(_), _) => &[Role::Down],
    }
}

impl fmt::Display for Spoken<'_, Atom> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let region = |region| self.names.region(region);
        let endpoint = |endpoint| self.names.endpoint(endpoint);
        match self.what {
            Atom::Up(r, true) => write!(f, "{} came up", region(r)),
            Atom::Up(r, false) => write!(f, "{} went down", region(r)),
            Atom::Lease(r, true) => write!(f, "the session of {} held again", region(r)),
            Atom::Lease(r, false) => write!(f, "{} could not renew its session", region(r)),
            Atom::Reach(r, e, closed) => {
                let becomes = if closed { "closed" } else { "opened" };
                let (r, e) = (region(r), endpoint(e));
                write!(f, "the breaker of {r} to {e} {becomes}")
            }
            Atom::Role(e, Role::Active) => write!(f, "{} said that it is active", endpoint(e)),
            Atom::Role(e, Role::Standby) => {
                write!(f, "{} said that it is a standby", endpoint(e))
            }
            Atom::Role(e, Role::Down) => write!(f, "{} said that it is down", endpoint(e)),
            Atom::Role(e, Role::Unknown) => {
                write!(f, "{} no longer said what it is", endpoint(e))
            }
            Atom::OwnerEnded(r) => write!(f, "the session of {} ended", region(r)),
            Atom::Stable(r, true) => {
                write!(f, "{} had been well for long enough", region(r))
            }
            Atom::Stable(r, false) => write!(f, "{} had not been well for long", region(r)),
            Atom::CaughtUp(r, true) => write!(f, "{} had caught up", region(r)),
            Atom::CaughtUp(r, false) => write!(f, "{} fell behind", region(r)),
            Atom::Pin(Some(r)) => write!(f, "an operator pinned the shard to {}", region(r)),
            Atom::Pin(None) => f.write_str("an operator took the pin away"),
            Atom::Drained(r, true) => write!(f, "an operator drained {}", region(r)),
            Atom::Drained(r, false) => write!(f, "an operator restored {}", region(r)),
        }
    }
}

impl fmt::Display for Spoken<'_, Flip> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "if {}", self.names.say(self.what.first))?;
        if let Some(second) = self.what.second {
            write!(f, " and {}", self.names.say(second))?;
        }
        f.write_str(", it would ")?;
        write_would(f, self.names, self.what.then.action)
    }
}
