//! `flows`: all flows, and what operators do to them.

use serde_json::json;
use tidegate_console::view::Status;

use crate::cli::FlowsCommand;
use crate::client::{Node, below};
use crate::exit::Outcome;
use crate::output::Out;
use crate::table::Table;

pub(crate) async fn flows(node: &Node, command: FlowsCommand, out: &Out) -> Outcome {
    let (flow, verb, told) = match &command {
        FlowsCommand::List => return list(node, out).await,
        FlowsCommand::Pause { flow } => (flow, "pause", "is paused"),
        FlowsCommand::Resume { flow } => (flow, "resume", "goes on"),
    };
    let path = format!("{}/{verb}", below("/api/v1/flows", flow));
    node.tell(&path).await?;
    if out.is_json() {
        return out.document(&json!({ "flow": flow, "paused": verb == "pause" }));
    }
    out.line(&format!("{flow} {told}"))
}

async fn list(node: &Node, out: &Out) -> Outcome {
    let status: Status = node.get("/api/v1/status").await?;
    let mut rows: Vec<[String; 5]> = Vec::new();
    for flow in &status.flows {
        let state = if flow.quarantined {
            "quarantined"
        } else {
            "running"
        };
        let what = format!("{} kept, {} faults", flow.kept, flow.faults);
        rows.push(row(&flow.flow, "receive", &flow.system, state, what));
    }
    for flow in &status.deliveries {
        let what = format!(
            "{} delivered, {} set aside, {} frames behind",
            flow.delivered, flow.set_aside, flow.behind_frames
        );
        let state = if flow.breaker == "closed" {
            flow.state.clone()
        } else {
            format!("{}, breaker {}", flow.state, flow.breaker)
        };
        rows.push(row(&flow.flow, "deliver", &flow.system, &state, what));
    }
    for poll in &status.polls {
        let what = format!("{} items, {} failures in a row", poll.items, poll.failures);
        rows.push(row(&poll.flow, "poll", &poll.system, &poll.state, what));
    }
    for feed in &status.feeds {
        let events: u64 = feed.consumers.iter().map(|it| it.events).sum();
        let what = format!("{events} events to {} consumers", feed.consumers.len());
        rows.push(row(&feed.feed, "serve", &feed.system, "running", what));
    }
    if out.is_json() {
        let all = rows.iter().map(|[flow, kind, system, state, _]| {
            json!({ "flow": flow, "kind": kind, "system": system, "state": state })
        });
        return out.document(&all.collect::<Vec<_>>());
    }
    let mut table = Table::new(&["FLOW", "KIND", "SYSTEM", "STATE", "SINCE THE START"]);
    for cells in rows {
        table.row(cells);
    }
    table.print(out, "no flows")
}

fn row(flow: &str, kind: &str, system: &str, state: &str, what: String) -> [String; 5] {
    let [flow, kind, system, state] = [flow, kind, system, state].map(str::to_owned);
    [flow, kind, system, state, what]
}
