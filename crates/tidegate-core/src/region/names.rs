//! Decisions in words, with the names that the configuration gives.

use std::fmt;

use super::candidate::{Bar, Obstacle};
use super::decide::{Action, Decision};
use super::rule::Why;
use super::shard::{EndpointId, RegionId};

/// How regions and endpoints are called, by their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// The external system.
    pub system: String,
    /// Our regions.
    pub regions: Vec<String>,
    /// Its endpoints.
    pub endpoints: Vec<String>,
}

impl Names {
    /// The region's name; its place if it has none.
    #[must_use]
    pub fn region(&self, region: RegionId) -> String {
        let name = self.regions.get(region.index());
        name.map_or_else(|| format!("region {}", region.index()), String::clone)
    }

    /// The endpoint's name behind that of its system; its place if it has none.
    #[must_use]
    pub fn endpoint(&self, endpoint: EndpointId) -> String {
        let name = self.endpoints.get(endpoint.index());
        let place = || format!("{}/{}", self.system, endpoint.index());
        name.map_or_else(place, |name| format!("{}/{name}", self.system))
    }

    /// The thing in words.
    #[must_use]
    pub const fn say<T>(&self, what: T) -> Spoken<'_, T> {
        Spoken { names: self, what }
    }
}

/// Something in words, with names.
#[derive(Clone, Copy, Debug)]
pub struct Spoken<'a, T> {
    pub(super) names: &'a Names,
    pub(super) what: T,
}

impl fmt::Display for Spoken<'_, Decision> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.names.say(self.what.action).fmt(f)
    }
}

impl fmt::Display for Spoken<'_, Action> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.what {
            Action::Act { .. } => "acts",
            Action::Hold(_) => "holds",
            Action::Standby(_) => "stands by",
            Action::Acquire => "takes",
            Action::Yield { .. } => "yields",
            Action::Stop(_) => "stops",
        })?;
        write_object(f, self.names, self.what)
    }
}

/// The action in words, as it is said behind "would".
pub(super) fn write_would(
    f: &mut fmt::Formatter<'_>,
    names: &Names,
    action: Action,
) -> fmt::Result {
    f.write_str(match action {
        Action::Act { .. } => "act",
        Action::Hold(_) => "hold",
        Action::Standby(_) => "stand by",
        Action::Acquire => "take",
        Action::Yield { .. } => "yield",
        Action::Stop(_) => "stop",
    })?;
    write_object(f, names, action)
}

/// What stands behind the verb.
fn write_object(f: &mut fmt::Formatter<'_>, names: &Names, action: Action) -> fmt::Result {
    match action {
        Action::Act { endpoint, .. } => write!(f, " against {}", names.endpoint(endpoint)),
        Action::Acquire => f.write_str(" the shard"),
        Action::Yield { to, why } => {
            write!(f, " to {}: {}", names.region(to), names.say(why))
        }
        Action::Hold(why) | Action::Standby(why) | Action::Stop(why) => {
            write!(f, ": {}", names.say(why))
        }
    }
}

impl fmt::Display for Spoken<'_, Why> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            Why::Down => f.write_str("its own probe says that it is down"),
            Why::NoLease => f.write_str("its session is over, or the lease store does not answer"),
            Why::OwnedBy(region) => write!(f, "{} owns the shard", self.names.region(region)),
            Why::After(region) => write!(f, "{} is before it", self.names.region(region)),
            Why::NobodyLive => f.write_str("no region that may own the shard is live"),
            Why::Pinned => f.write_str("an operator pinned the shard there"),
            Why::Drained => f.write_str("an operator drains this region"),
            Why::FailBack => f.write_str("that region is preferred, stable and caught up"),
            Why::Cannot(obstacle) => obstacle.fmt(f),
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Barred(Bar::Unlisted) => "the region is not among those of the flow",
            Self::Barred(Bar::Forbidden) => "the flow's data may not be in the region",
            Self::Barred(Bar::Unlinked) => "the region has no way to an endpoint of the flow",
            Self::Down => "the region is down",
            Self::NoLease => "the region's session is over or not known",
            Self::NoneActive => "no endpoint says that it is the active one",
            Self::SeveralActive => "several endpoints say that they are the active one",
            Self::Unreachable => "it reaches no endpoint that may be used",
        })
    }
}
