//! What regions tell each other.

use super::paths::{Path, SystemId};
use crate::region::{EndpointId, RegionId, RegionSet};

/// What one region tells the others each second.
///
/// Regions, systems and endpoints stand here by their places in the reader's own configuration; on
/// the wire they have names, since two regions may run different versions of the file for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Who tells it.
    pub from: RegionId,
    /// Which life of the region: the wall time in milliseconds at which its process started.
    pub life: u64,
    /// Grows with each report of that life, so that an old one that comes late is told apart.
    pub number: u64,
    /// Its own verdict of itself.
    pub up: bool,
    /// Its session lets it start effects.
    pub lease_ok: bool,
    /// The other regions that are up by its verdict.
    pub hears: RegionSet,
    /// The regions whose logs it holds to their ends.
    pub caught_up: RegionSet,
    /// How it reaches external systems. A pair that is missing is not known.
    pub paths: Vec<PathReport>,
}

/// How the region reaches one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathReport {
    /// Of which external system.
    pub system: SystemId,
    /// Which of its endpoints.
    pub endpoint: EndpointId,
    /// How it is reached and what it says.
    pub path: Path,
}
