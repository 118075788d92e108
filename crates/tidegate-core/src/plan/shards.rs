//! Which shards a flow has, and which region each prefers.

use super::facts::{Division, Does, Flow, Layout, Subsystem, System};
use crate::region::{EndpointId, RegionId};

/// Shards of a flow that behave alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shards {
    /// Which ones.
    pub which: Which,
    /// The regions that may act for them, the preferred one first. Empty for an open flow.
    pub preferences: Vec<RegionId>,
}

/// Which shards of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// None: every region takes part.
    Open,
    /// The one there is.
    Whole,
    /// So many of the key shards, those that prefer one region.
    Keys {
        /// The region.
        first: RegionId,
        /// How many.
        count: u16,
        /// Of how many.
        of: u16,
    },
    /// What one region took in.
    Origin(RegionId),
    /// One of their parts.
    Part(EndpointId),
}

/// The shards of a flow, those that behave alike together.
#[must_use]
pub fn shards(subsystem: &Subsystem, system: &System, flow: &Flow) -> Vec<Shards> {
    match flow.does {
        Does::Receive { .. } | Does::Serve => vec![Shards {
            which: Which::Open,
            preferences: Vec::new(),
        }],
        Does::Poll { .. } if system.layout == Layout::Partitioned => system
            .endpoints()
            .map(|part| Shards {
                which: Which::Part(part),
                preferences: from(subsystem, system, system.nearest(part)),
            })
            .collect(),
        Does::Poll { .. } => vec![whole(subsystem, system)],
        Does::Deliver { division, .. } => match division {
            Division::Whole => vec![whole(subsystem, system)],
            Division::Origins => subsystem
                .ids()
                .map(|origin| Shards {
                    which: Which::Origin(origin),
                    preferences: from(subsystem, system, Some(origin)),
                })
                .collect(),
            Division::Keys(count) => by_keys(subsystem, system, count),
        },
    }
}

fn whole(subsystem: &Subsystem, system: &System) -> Shards {
    let active = system.near.first().copied().flatten();
    Shards {
        which: Which::Whole,
        preferences: from(subsystem, system, active),
    }
}

fn by_keys(subsystem: &Subsystem, system: &System, of: u16) -> Vec<Shards> {
    let regions = subsystem.regions.max(1);
    let mut found: Vec<Shards> = Vec::new();
    for start in subsystem.ids().take(usize::from(of)) {
        // Shards k, k + n, k + 2n, … below `of`.
        let count = (usize::from(of) - start.index()).div_ceil(regions);
        let count = u16::try_from(count).unwrap_or(of);
        let preferences = from(subsystem, system, Some(start));
        let alike = found.iter_mut().find(|it| it.preferences == preferences);
        if let Some(Which::Keys { count: known, .. }) = alike.map(|it| &mut it.which) {
            *known += count;
            continue;
        }
        let first = preferences.first().copied().unwrap_or(start);
        let which = Which::Keys { first, count, of };
        found.push(Shards { which, preferences });
    }
    found
}

/// The regions that may call the system, from `start` on in a circle. A region without a line, or that
/// is not allowed, is no choice at all.
fn from(subsystem: &Subsystem, system: &System, start: Option<RegionId>) -> Vec<RegionId> {
    let start = start.map_or(0, RegionId::index);
    let ids: Vec<RegionId> = subsystem.ids().collect();
    let (before, behind) = ids.split_at(start.min(ids.len()));
    let circle = behind.iter().chain(before).copied();
    circle
        .filter(|region| system.callers().contains(*region))
        .collect()
}
