//! Pausing a flow: two cursors in the log say when it was last paused and last resumed, and the later one
//! counts. So it stays paused over restarts, and checkpoints carry it.

use tidegate_core::receive::intake::{Answer, Content, Refusal};
use tidegate_hub::hub::Hub;
use tidegate_types::position::Place;

/// Whether an operator has paused the flow.
pub(crate) fn is_paused(hub: &Hub, flow: &str) -> bool {
    let cursors = hub.cursors();
    let [paused, resumed] = cursor_names(flow).map(|name| cursors.get(&name).copied());
    paused > resumed
}

/// Writes that a flow is paused, or goes on; durable when it returns.
pub(crate) async fn write(hub: &Hub, flow: &str, paused: bool) -> Result<(), Refusal> {
    let [pause, resume] = cursor_names(flow);
    let head = *hub.head().borrow();
    let cursor = Content::Cursor {
        subscription: if paused { pause } else { resume },
        place: Place {
            incarnation: head.incarnation,
            frame: head.frame,
            index: u32::MAX,
        },
    };
    if let Answer::Refused(refusal) = hub.offer(cursor).await {
        return Err(refusal);
    }
    let (kind, what) = if paused {
        ("flow-paused", "is paused")
    } else {
        ("flow-resumed", "goes on")
    };
    let text = format!("flow {flow} {what}");
    hub.record(kind, &text, &[("flow", flow.to_owned())]);
    Ok(())
}

/// No subscription has such names.
fn cursor_names(flow: &str) -> [String; 2] {
    [
        format!("flows:{flow}/paused"),
        format!("flows:{flow}/resumed"),
    ]
}
