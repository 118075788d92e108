//! What a hub is told at its start and at a reload.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::log::engine::TrimPolicy;
use tidegate_core::receive::intake::IntakeLimits;
use tidegate_types::event::Event;

/// What a hub is told at its start.
#[derive(Clone, Debug)]
pub struct HubSettings {
    /// The region whose log it is.
    pub origin: String,
    /// The data directory; made if it is missing. One process at a time may use it.
    pub data: PathBuf,
    /// Nominal size of a segment in bytes.
    pub segment_bytes: u64,
    /// Bounds of what waits in memory.
    pub limits: IntakeLimits,
    /// What can change without a restart.
    pub retention: Retention,
}

/// What to keep. Can change at a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// For how long and how much.
    pub policy: TrimPolicy,
    /// Bytes of the log on disk past which no event or fault is taken. Above `policy.size_max`, so
    /// that a trim comes before; what a trim itself writes is taken beyond it, so that a full log
    /// can be trimmed.
    pub size_max: u64,
    /// The named subscriptions, whose unread events hold the log.
    pub subscriptions: Vec<SubscriptionRetention>,
}

/// How far a subscription may hold the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRetention {
    /// Its name.
    pub name: String,
    /// Past this age its unread events no longer hold the log; `None`: they always do.
    pub lag_max: Option<Duration>,
    /// Where what it holds goes when the log shall be trimmed; `None`: it holds the log.
    pub park: Option<ParkRetention>,
}

/// The park of a flow that delivers, whose subscription says how far the flow needs the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkRetention {
    /// The flow.
    pub flow: String,
    /// Bytes on disk it may take.
    pub quota: u64,
    /// What happens when they are taken.
    pub on_full: OnFull,
    /// Which events go there.
    pub wants: Wants,
}

/// What happens when a park is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// The flow holds the log again, until that is full too.
    Hold,
    /// What has no room is given up; the timeline says how much and from where to where.
    Discard,
}

/// Which events a flow wants. One that says yes too often makes a park larger, no more. Two are equal if they are the same.
#[derive(Clone)]
pub struct Wants(pub Arc<dyn Fn(&Event) -> bool + Send + Sync>);

impl PartialEq for Wants {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Wants {}

impl fmt::Debug for Wants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wants")
    }
}
