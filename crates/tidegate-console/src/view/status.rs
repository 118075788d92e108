//! How a node is doing, as JSON.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::mirrors::{CopyView, MirrorView};
use crate::node::{DeliverStatus, FeedStatus, FlowStatus, PollStatus, Readiness};

/// How a node is doing.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// Which node it is.
    pub node: NodeView,
    /// Whether it is ready.
    pub readiness: Readiness,
    /// Its log.
    pub log: LogView,
    /// What is kept of the log for quick answers.
    pub views: ViewsView,
    /// Open faults.
    pub faults_open: u64,
    /// Its flows that receive.
    pub flows: Vec<FlowStatus>,
    /// Its flows that deliver.
    #[serde(default)]
    pub deliveries: Vec<DeliverStatus>,
    /// Its flows that poll.
    #[serde(default)]
    pub polls: Vec<PollStatus>,
    /// What flows that deliver keep outside the log, which was trimmed.
    #[serde(default)]
    pub parks: Vec<ParkView>,
    /// Its flows that serve.
    #[serde(default)]
    pub feeds: Vec<FeedStatus>,
    /// The copies of other regions' logs that are kept here.
    #[serde(default)]
    pub mirrors: Vec<MirrorView>,
    /// What other regions have of this one's log, as they say.
    #[serde(default)]
    pub copies: Vec<CopyView>,
    /// The subscriptions that have read something.
    pub subscriptions: Vec<SubscriptionView>,
}

/// Which node it is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct NodeView {
    /// The subsystem.
    pub subsystem: String,
    /// Our region.
    pub region: String,
    /// Account tag.
    pub account: String,
    /// Stage tag.
    pub stage: String,
    /// Version of the program.
    pub version: String,
    /// When it was started, RFC 3339.
    pub started: String,
    /// Seconds since then.
    pub uptime_seconds: u64,
}

/// How the log is doing.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct LogView {
    /// Which life of the log it is, in hexadecimal.
    pub incarnation: String,
    /// The oldest frame that is kept.
    pub first_frame: u64,
    /// The last frame.
    pub last_frame: u64,
    /// Segments.
    pub segments: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// Most bytes on disk.
    pub bytes_max: u64,
    /// When the oldest frame was appended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<String>,
    /// When the newest frame was appended, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// How often a failed write or sync made it go on in a new segment since the start.
    pub failures: u64,
    /// Segments the retention would remove but unread events hold.
    pub held_segments: u64,
    /// Where it is damaged; then it takes nothing more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub damage: Option<String>,
}

/// What a flow that delivers keeps outside the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParkView {
    /// The flow.
    pub flow: String,
    /// Events, with those that are settled but not let go yet.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes on disk, preallocated ones included.
    pub disk_bytes: u64,
    /// Most bytes on disk.
    pub quota_bytes: u64,
    /// There is no room for more.
    pub full: bool,
    /// Therefore the flow holds the log; else what has no room is given up.
    pub holds_log: bool,
    /// Events that had no room and were given up, since the start.
    pub discarded: u64,
}

/// How far the local views are.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ViewsView {
    /// The last frame they have applied.
    pub applied_frame: u64,
    /// Frames they are behind by.
    pub behind_frames: u64,
}

/// How far a subscription has read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SubscriptionView {
    /// Its name, `SERVICE/NAME`.
    pub name: String,
    /// The last entry it has dealt with.
    pub position: String,
    /// Frames of the log behind that, wanted by it or not.
    pub behind_frames: u64,
}
