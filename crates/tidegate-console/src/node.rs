//! What the admin API asks of the process around it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_config::Config;
use tidegate_core::log::entry::Fault;
use tidegate_hub::books::Closed;
use tidegate_types::id::EventId;
use tidegate_types::position::Place;
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

    /// The flows that poll, and how they do.
    fn polls(&self) -> Vec<PollStatus>;

    /// The feeds, and what they have given since the start.
    fn feeds(&self) -> Vec<FeedStatus>;

    /// The flows that deliver, and how they do.
    fn deliveries(&self) -> Vec<DeliverStatus>;

    /// Pauses a flow that delivers or polls, or lets it go on; durable when it is done.
    fn pause(&self, flow: String, paused: bool) -> Doing<'_, ()>;

    /// Tries again what was set aside.
    fn resubmit(&self, fault: OpenFault, how: ResubmitOptions) -> Doing<'_, Resubmitted>;

    /// Sends a settled event once more, and waits for the end of that.
    fn replay(&self, how: ReplayOptions) -> Doing<'_, Replayed>;

    /// Gives up what was set aside, for this reason.
    fn discard(&self, fault: OpenFault, reason: String, by: String) -> Doing<'_, ()>;

    /// All metrics, as OpenMetrics text.
    fn metrics_text(&self) -> String;

    /// Closes the books as they stand. Blocks.
    ///
    /// # Errors
    /// After a start the log is read first; or it cannot be read.
    fn books(&self) -> Result<Arc<Closed>, BooksRefusal>;

    /// Reads the configuration again and applies it. Blocks.
    ///
    /// # Errors
    /// It cannot be read, is invalid, or cannot be applied; then nothing has changed.
    fn reload(&self) -> Result<Reloaded, ReloadRefusal>;
}

/// A command under way.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, CommandRefusal>> + Send + 'a>>;

/// A fault that is open.
#[derive(Clone, Debug)]
pub struct OpenFault {
    /// The fault, as the log has it.
    pub fault: Fault,
    /// Where it stands.
    pub place: Place,
}

/// How a fault is tried again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResubmitOptions {
    /// Although later events of its key may have been delivered.
    pub superseded: bool,
    /// Under a new idempotency key.
    pub new_key: bool,
    /// Who asks.
    pub by: String,
}

/// What became of a fault that was resubmitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resubmitted {
    /// `sending`: its event is on its way, and the fault is closed once it has arrived; `kept`: it was
    /// taken in, and the fault is closed; `left-out`: the flow leaves it out now, and the fault is closed.
    pub outcome: String,
}

/// Which event is replayed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayOptions {
    /// The flow that shall send it.
    pub flow: String,
    /// The event.
    pub event: EventId,
    /// Although later events of its key were delivered.
    pub superseded: bool,
    /// Under a new idempotency key.
    pub new_key: bool,
    /// Only say whether it would be sent.
    pub dry_run: bool,
}

/// What became of an event that was replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replayed {
    /// The event.
    pub event: String,
    /// `delivered`: the endpoint took it; `failed`: it did not; `under-way`: that is not known yet;
    /// `passed-over`: the flow does not want it; `possible`: it would be sent.
    pub outcome: String,
    /// Why it failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// What whoever replays many events should know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplayPhase {
    /// The flow keeps the order of all its events, so they are to be handed in one after another.
    pub in_one_lane: bool,
}

/// A command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandRefusal {
    /// There is no such flow.
    #[error("{0}")]
    NotFound(String),
    /// It cannot be done as things stand.
    #[error("{0}")]
    Conflict(String),
    /// It may overwrite what is newer, and needs permission.
    #[error("{0}")]
    Superseded(String),
    /// Not now.
    #[error("{0}")]
    Busy(String),
}

/// A flow that delivers, and what it has counted since the start of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliverStatus {
    /// Its name.
    pub flow: String,
    /// The external system.
    pub system: String,
    /// The base address it calls.
    pub url: String,
    /// `starting`, `running`, `paused`, `gone` (the endpoint said so) or `waiting` (the endpoint asked
    /// for a pause).
    pub state: String,
    /// `closed`, `open` or `probing`.
    pub breaker: String,
    /// Until when it is open at least, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_until: Option<String>,
    /// Events delivered.
    pub delivered: u64,
    /// Events set aside as faults.
    pub set_aside: u64,
    /// Requests under way.
    pub under_way: u64,
    /// Events that wait for another attempt.
    pub retrying: u64,
    /// Settled events that an operator replays.
    #[serde(default)]
    pub replaying: u64,
    /// Keys that are held back.
    pub keys_held: u64,
    /// Frames between the first event that is not settled and the end of the log; 0 if all are.
    pub behind_frames: u64,
    /// The last failed attempt, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// When that was, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure_time: Option<String>,
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

/// A flow that polls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PollStatus {
    /// Its name.
    pub flow: String,
    /// The external system.
    pub system: String,
    /// The base address it asks.
    pub url: String,
    /// `starting`, `running`, `resting`, `failing`, `stuck` or `paused`.
    pub state: String,
    /// Failures in a row.
    pub failures: u32,
    /// Items it was given since the start of the process.
    pub items: u64,
    /// When the next request goes, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// When the source last gave an answer that could be used, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<String>,
    /// The newest item of all rounds that have ended, if the flow polls by time, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// The last failure, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
    /// When that was, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure_at: Option<String>,
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

/// Why the books are not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BooksRefusal {
    /// The log is still being read.
    #[error("the log is still being read for the books")]
    Reading,
    /// The log cannot be read.
    #[error("the log cannot be read: {0}")]
    Unreadable(String),
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
