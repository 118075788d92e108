//! `timeline`: what happened to the node.

use tidegate_console::view::{SystemView, Timeline};
use tidegate_hub::clock::now;

use super::events::{PAGES_MAX, since};
use crate::cli::TimelineArgs;
use crate::client::{Node, query};
use crate::exit::Outcome;
use crate::output::Out;
use crate::table::Table;
use crate::when::short;

pub(crate) async fn timeline(node: &Node, args: &TimelineArgs, out: &Out) -> Outcome {
    let since = since("--since", args.since.as_deref())?;
    let mut entries: Vec<SystemView> = Vec::new();
    let mut after = None;
    for _ in 0..PAGES_MAX {
        let left = args.limit.saturating_sub(entries.len());
        let parameters = [
            ("since", since.clone()),
            ("after", after.take()),
            (
                "limit",
                Some(
                    left.clamp(1, tidegate_console::limits::PAGE_MAX)
                        .to_string(),
                ),
            ),
        ];
        let page: Timeline = node.get(&query("/api/v1/timeline", &parameters)).await?;
        entries.extend(page.entries.into_iter().take(left));
        after = page.next;
        if after.is_none() || entries.len() >= args.limit {
            break;
        }
    }
    if out.is_json() {
        return out.document(&entries);
    }
    let today = now().to_string();
    let mut table = Table::new(&["TIME", "WHAT", "TEXT"]);
    for entry in &entries {
        table.row([
            short(&entry.time, &today),
            entry.kind.clone(),
            entry.text.clone(),
        ]);
    }
    table.print(out, "nothing yet")?;
    if after.is_some() && entries.len() < args.limit {
        out.remark("the log goes further back; give `--since` a nearer time to look at less");
    }
    Ok(())
}
