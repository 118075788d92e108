//! The machine's notes as system events.

use tidegate_core::deliver::{HeldBy, Note};
use tidegate_hub::hub::Hub;

/// Writes a note onto the timeline, and a log line where somebody should look.
pub(super) fn record(hub: &Hub, flow: &str, note: &Note) {
    let (kind, text) = told(flow, note);
    match note {
        Note::BreakerOpened { .. }
        | Note::KeyBlocked { .. }
        | Note::EndpointGone { .. }
        | Note::FlowHeld { .. } => {
            tracing::warn!(flow, "{text}");
        }
        _ => tracing::info!(flow, "{text}"),
    }
    hub.record(kind, &text, &[("flow", flow.to_owned())]);
}

fn told(flow: &str, note: &Note) -> (&'static str, String) {
    match note {
        Note::BreakerOpened { until, blame, text } => (
            "breaker-opened",
            format!(
                "flow {flow}: its endpoint is left alone until {until}; blame {}: {text}",
                blame.name()
            ),
        ),
        Note::BreakerClosed { after } => (
            "breaker-closed",
            format!(
                "flow {flow}: its endpoint works again after {} s",
                after.as_secs()
            ),
        ),
        Note::Throttled { until, cut } => (
            "throttled",
            format!(
                "flow {flow}: its endpoint asked for a pause until {until}{}",
                if *cut {
                    " (it asked for a longer one)"
                } else {
                    ""
                }
            ),
        ),
        Note::KeyBlocked { key, fault } => (
            "key-blocked",
            format!("flow {flow}: {} waits for fault {fault}", lane(key)),
        ),
        Note::KeyUnblocked { key } => (
            "key-unblocked",
            format!("flow {flow}: {} goes on", lane(key)),
        ),
        Note::ResubmissionFailed { fault, text } => (
            "resubmission-failed",
            format!("flow {flow}: fault {fault} stays open: {text}"),
        ),
        Note::FlowHeld { limit } => (
            "flow-held",
            format!(
                "flow {flow}: nothing more is read, since too many {} wait",
                match limit {
                    HeldBy::Retrying => "events",
                    HeldBy::Keys => "keys",
                }
            ),
        ),
        Note::FlowReleased => ("flow-released", format!("flow {flow}: reading goes on")),
        Note::EndpointGone { status } => (
            "endpoint-gone",
            format!(
                "flow {flow}: its endpoint says with {status} that it is gone for good; resume the flow when it is back"
            ),
        ),
        Note::NotesLost { count } => (
            "notes-lost",
            format!("flow {flow}: {count} notes were lost"),
        ),
    }
}

fn lane(key: &str) -> String {
    if key.is_empty() {
        "the whole flow".to_owned()
    } else {
        format!("the key {key:?}")
    }
}
