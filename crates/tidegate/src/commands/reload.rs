//! `reload`: the node reads its configuration again.

use tidegate_console::Reloaded;

use crate::client::Node;
use crate::exit::Outcome;
use crate::output::{Out, Tone};

pub(crate) async fn reload(node: &Node, out: &Out) -> Outcome {
    let reloaded: Reloaded = node.post("/api/v1/reload").await?;
    if out.is_json() {
        return out.document(&reloaded);
    }
    for warning in &reloaded.warnings {
        let place = format!("{}:{}:{}", warning.file, warning.line, warning.column);
        let label = out.paint(Tone::Warn, "warning");
        out.line(&format!(
            "{label} {} at {place}: {}",
            warning.code, warning.message
        ))?;
    }
    if reloaded.changes.is_empty() {
        return out.line("in force; nothing has changed");
    }
    out.line(&out.paint(Tone::Good, "in force"))?;
    for change in &reloaded.changes {
        let restart = if change.needs_restart {
            " (takes effect after a restart)"
        } else {
            ""
        };
        out.line(&format!("  {} {}{restart}", change.change, change.part))?;
    }
    Ok(())
}
