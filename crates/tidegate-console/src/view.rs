//! The JSON of the API. The command line reads answers with the same types.

mod books;
mod event;
mod fault;
mod mirrors;
mod status;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use books::{BookRow, BooksView, TallyView};
pub use event::{EventView, RawView};
pub use fault::{FaultList, FaultSummaryView, FaultView};
pub use mirrors::{CopyView, LifeView, MirrorView};
pub use status::{LogView, NodeView, ParkView, Status, SubscriptionView, ViewsView};

/// A page of events.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// The events, in the order that was asked for.
    pub events: Vec<EventView>,
    /// How far this page looked.
    pub scanned: Scanned,
    /// Give it as `after` to go on; absent when everything was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What followed in the log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TailPage {
    /// The events, oldest first; empty if none came in time.
    pub events: Vec<EventView>,
    /// Give it as `after` to go on.
    pub next: String,
}

/// How far a page looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Scanned {
    /// Frames of the log.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A page of the timeline.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Timeline {
    /// System events, newest first.
    pub entries: Vec<SystemView>,
    /// How far this page looked.
    pub scanned: Scanned,
    /// Give it as `after` to go on; absent when everything was looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Something worth recording that happened to the node.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SystemView {
    /// When, RFC 3339.
    pub time: String,
    /// What, a fixed word such as `started`.
    pub kind: String,
    /// The same for people.
    pub text: String,
    /// Further facts, by name.
    pub tags: std::collections::BTreeMap<String, String>,
    /// Where it stands in the log.
    pub position: String,
}

/// A difference between two configurations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangeView {
    /// The part, as a path in the file: `flows.github-events`.
    pub part: String,
    /// `added`, `removed` or `changed`.
    pub change: String,
    /// It takes effect only after a restart.
    pub needs_restart: bool,
}

/// A problem of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemView {
    /// Its stable code, for example `TG-0105`.
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    /// What is wrong.
    pub message: String,
    /// The file.
    pub file: String,
    /// Line, from 1 on.
    pub line: u64,
    /// Column in characters, from 1 on.
    pub column: u64,
    /// A few words at the place itself.
    pub label: String,
    /// What cures it.
    pub help: String,
}
