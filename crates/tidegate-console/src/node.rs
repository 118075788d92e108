//! What the admin API asks of the process around it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_config::Config;
use utoipa::ToSchema;

use crate::view::{ChangeView, ProblemView};

/// The running process.
///
/// The calls may block for as long as reading a file takes; the API makes them off the runtime
/// where they do.
pub trait Node: Send + Sync + 'static {
    /// The configuration in force.
    fn config(&self) -> Arc<Config>;

    /// Whether requests should be sent here, and if not, why.
    fn readiness(&self) -> Readiness;

    /// The flows and what they have counted since the start.
    fn flows(&self) -> Vec<FlowStatus>;

    /// The feeds, and what they have given since the start.
    fn feeds(&self) -> Vec<FeedStatus>;

    /// All metrics, as OpenMetrics text.
    fn metrics_text(&self) -> String;

    /// Reads the configuration again and applies it. Blocks.
    ///
    /// # Errors
    /// It cannot be read, is invalid, or cannot be applied; then nothing has changed.
    fn reload(&self) -> Result<Reloaded, ReloadRefusal>;
}

/// Whether a node is ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Requests are accepted.
    pub ready: bool,
    /// Why not; empty if it is ready.
    pub reasons: Vec<String>,
}

/// A flow and what it has counted since the start of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowStatus {
    /// Its name.
    pub flow: String,
    /// The external system.
    pub system: String,
    /// Its path on the public listener.
    pub path: String,
    /// The scheme it verifies by.
    pub scheme: String,
    /// New events that were kept.
    pub kept: u64,
    /// Repeats of events that were there already.
    pub repeats: u64,
    /// Events that were set aside as faults.
    pub faults: u64,
    /// Events its `when` left out.
    pub filtered: u64,
    /// Events that were not taken for want of room or a failing disk.
    pub refused: u64,
    /// Requests that could not be verified.
    pub unverified: u64,
    /// The mapping is switched off after overruns; everything becomes a fault until a reload.
    pub quarantined: bool,
    /// When the last event was taken in, RFC 3339; absent before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_event: Option<String>,
}

/// A feed that external systems fetch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedStatus {
    /// Its name.
    pub feed: String,
    /// The external system.
    pub system: String,
    /// Its path on the public listener.
    pub path: String,
    /// Who fetches it.
    pub consumers: Vec<ConsumerStatus>,
}

/// A consumer of a feed and what it was given since the start of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsumerStatus {
    /// Its name.
    pub consumer: String,
    /// Pages, empty ones included.
    pub pages: u64,
    /// Events.
    pub events: u64,
    /// Frames between the position it presented last and the end of the log.
    pub behind_frames: u64,
}

/// What a reload did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// What differs from the configuration before.
    pub changes: Vec<ChangeView>,
    /// What is doubtful in the new one.
    pub warnings: Vec<ProblemView>,
}

/// Why a reload changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReloadRefusal {
    /// The file cannot be read.
    #[error("the configuration cannot be read: {0}")]
    Unreadable(String),
    /// The file has errors.
    #[error("the configuration has errors; the one in force stays")]
    Invalid(Vec<ProblemView>),
    /// The file is valid, but this process cannot take it on.
    #[error("the configuration cannot be applied: {0}")]
    NotApplied(String),
}
