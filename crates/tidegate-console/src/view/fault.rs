//! A fault as JSON.

use serde::{Deserialize, Serialize};
use tidegate_core::log::entry::Fault;
use tidegate_hub::query::Found;
use utoipa::ToSchema;

use super::event::{EventView, RawView};

/// A page of faults.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FaultList {
    /// The open faults that are wanted, newest first.
    pub faults: Vec<FaultSummaryView>,
    /// Open faults of the node in all.
    pub open: u64,
    /// Give it as `after` to go on; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A fault in a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FaultSummaryView {
    /// Identity of the fault.
    pub id: String,
    /// The flow that set it aside.
    pub flow: String,
    /// What went wrong: `mapping`, `identity`, `id-reused`, `overrun`, `quarantined`, `format`,
    /// `exhausted`, `rejected` or `gone`.
    pub cause: String,
    /// Whose it is to repair: `us`, `them`, `path`, `proxy` or `operator`.
    pub blame: String,
    /// What went wrong, for people.
    pub message: String,
    /// When it was set aside, RFC 3339.
    pub time: String,
    /// The sender's identity of it, if that was found.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub external_id: String,
    /// Where it stands in the log.
    pub position: String,
}

/// A fault with all that is needed to understand it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FaultView {
    /// The fault.
    pub fault: FaultSummaryView,
    /// What had been mapped before it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventView>,
    /// The original request.
    pub raw: RawView,
}

impl FaultSummaryView {
    pub(crate) fn of(origin: &str, found: &Found, fault: &Fault) -> Self {
        Self {
            id: fault.id.to_string(),
            flow: fault.flow.clone(),
            cause: fault.cause.name().to_owned(),
            blame: fault.blame.name().to_owned(),
            message: fault.message.clone(),
            time: fault.time.to_string(),
            external_id: fault.external_id.clone(),
            position: found.place.of(origin).to_string(),
        }
    }
}

impl FaultView {
    pub(crate) fn of(origin: &str, found: &Found, fault: &Fault) -> Self {
        let summary = FaultSummaryView::of(origin, found, fault);
        let position = summary.position.clone();
        Self {
            event: fault
                .event
                .as_ref()
                .map(|entry| EventView::of(position, &entry.event)),
            raw: RawView::of(&fault.raw),
            fault: summary,
        }
    }
}
