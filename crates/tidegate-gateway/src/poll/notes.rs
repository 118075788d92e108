//! The machine's notes as system events.

use tidegate_core::poll::Note;
use tidegate_hub::hub::Hub;

/// Writes a note onto the timeline, and a log line where somebody should look.
pub(super) fn record(hub: &Hub, flow: &str, note: &Note) {
    let (kind, text) = told(flow, note);
    match note {
        Note::Failing { .. } | Note::Stuck(_) => tracing::warn!(flow, "{text}"),
        _ => tracing::info!(flow, "{text}"),
    }
    hub.record(kind, &text, &[("flow", flow.to_owned())]);
}

fn told(flow: &str, note: &Note) -> (&'static str, String) {
    match note {
        Note::Failing { blame, text } => (
            "poll-failing",
            format!(
                "flow {flow}: polls fail again and again; blame {}: {text}",
                blame.name()
            ),
        ),
        Note::Recovered { after } => (
            "poll-recovered",
            format!(
                "flow {flow}: its source answers again after {} s",
                after.as_secs()
            ),
        ),
        Note::Throttled { until, cut } => (
            "poll-throttled",
            format!(
                "flow {flow}: its source asked for a pause until {until}{}",
                if *cut {
                    " (it asked for a longer one)"
                } else {
                    ""
                }
            ),
        ),
        Note::Stuck(reason) => ("poll-stuck", format!("flow {flow}: {reason}")),
        Note::RoundCut { pages } => (
            "poll-round-cut",
            format!(
                "flow {flow}: a round ended after {pages} pages, and the next one goes on from there"
            ),
        ),
    }
}
