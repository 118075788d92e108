//! `faults`: what could not be processed.

mod cure;

use tidegate_console::limits::PAGE_MAX;
use tidegate_console::view::{FaultList, FaultSummaryView, FaultView};
use tidegate_hub::clock::now;

use super::events::{PAGES_MAX, print_event, print_raw};
use crate::cli::FaultsCommand;
use crate::client::{Node, below, query};
use crate::exit::Outcome;
use crate::output::{Out, Tone};
use crate::table::{Table, plain};
use crate::when::short;

pub(super) use cure::{operator, patiently};

pub(crate) async fn faults(node: &Node, command: FaultsCommand, out: &Out) -> Outcome {
    match command {
        FaultsCommand::List { flow, cause, limit } => list(node, flow, cause, limit, out).await,
        FaultsCommand::Show { id } => show(node, &id, out).await,
        FaultsCommand::Resubmit {
            which,
            superseded,
            new_key,
        } => cure::resubmit(node, &which, (superseded, new_key), out).await,
        FaultsCommand::Discard { which, reason } => cure::discard(node, &which, &reason, out).await,
    }
}

async fn list(
    node: &Node,
    flow: Option<String>,
    cause: Option<String>,
    limit: usize,
    out: &Out,
) -> Outcome {
    let (faults, open) = found(node, flow, cause, limit).await?;
    if out.is_json() {
        return out.document(&faults);
    }
    print_list(&faults, out)?;
    if open > faults.len() as u64 {
        out.remark(&format!("{} of {open} open faults", faults.len()));
    }
    Ok(())
}

/// The open faults that are wanted, and how many there are in all.
async fn found(
    node: &Node,
    flow: Option<String>,
    cause: Option<String>,
    limit: usize,
) -> Outcome<(Vec<FaultSummaryView>, u64)> {
    let mut faults: Vec<FaultSummaryView> = Vec::new();
    let (mut after, mut open) = (None, 0);
    for _ in 0..PAGES_MAX {
        let left = limit.saturating_sub(faults.len());
        let parameters = [
            ("flow", flow.clone()),
            ("cause", cause.clone()),
            ("after", after.take()),
            ("limit", Some(left.clamp(1, PAGE_MAX).to_string())),
        ];
        let page: FaultList = node.get(&query("/api/v1/faults", &parameters)).await?;
        open = page.open;
        faults.extend(page.faults.into_iter().take(left));
        after = page.next;
        if after.is_none() || faults.len() >= limit {
            break;
        }
    }
    Ok((faults, open))
}

fn print_list(faults: &[FaultSummaryView], out: &Out) -> Outcome {
    let today = now().to_string();
    let mut table = Table::new(&["TIME", "FLOW", "CAUSE", "BLAME", "ID", "MESSAGE"]);
    for fault in faults {
        let FaultSummaryView {
            flow,
            cause,
            blame,
            id,
            message,
            ..
        } = fault.clone();
        table.row([short(&fault.time, &today), flow, cause, blame, id, message]);
    }
    table.print(out, "no open faults")
}

async fn show(node: &Node, id: &str, out: &Out) -> Outcome {
    let view: FaultView = node.get(&below("/api/v1/faults", id)).await?;
    if out.is_json() {
        return out.document(&view);
    }
    let fault = &view.fault;
    let lines = [
        ("id", &fault.id),
        ("flow", &fault.flow),
        ("cause", &fault.cause),
        ("blame", &fault.blame),
        ("message", &fault.message),
        ("time", &fault.time),
        ("external id", &fault.external_id),
        ("position", &fault.position),
    ];
    for (name, value) in lines.into_iter().filter(|(_, value)| !value.is_empty()) {
        out.line(&format!(
            "{} {}",
            out.paint(Tone::Strong, &format!("{name:<12}")),
            plain(value)
        ))?;
    }
    if let Some(event) = &view.event {
        out.line(&out.paint(Tone::Strong, "\nmapped before it failed"))?;
        print_event(event, out)?;
    }
    print_raw(&view.raw, out)
}
