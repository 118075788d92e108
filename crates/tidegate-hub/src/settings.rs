//! What a hub is told at its start and at a reload.

use std::path::PathBuf;
use std::time::Duration;

use tidegate_core::log::engine::TrimPolicy;
use tidegate_core::receive::intake::IntakeLimits;

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
}
