//! The plan as tables for people, one for each flow.

use tidegate_config::plan::{FlowPlan, Names, Plan, Together};
use tidegate_core::plan::{Actor, Doing, Risk};

use crate::exit::Outcome;
use crate::output::{Out, Tone};
use crate::table::Table;

/// What the codes mean, below the tables.
const LEGEND: &str = "\
loss    L0 none; L0r none if the sender tries for longer than the outage; Lt late until the region that alone
        has it returns, lost only with its disk; Lx lost on their side
repeats D0 none; Di what was under way; Dt that, and receipts or the cursor no other region had yet;
        Dw what is sent or read again on purpose; D2 everything. Before ids and keys drop them
order   Ok kept for each key; Ok† kept if handed over sealed, or the lock-delay was waited; On not promised
trigger T1 a session was silent; T2 another way is open; T3 another endpoint was promoted; T4 the front door";

pub(super) fn print(plan: &Plan, out: &Out) -> Outcome {
    for flow in &plan.flows {
        one(flow, out)?;
    }
    if plan.flows.is_empty() {
        return out.line("no flows");
    }
    out.line(&out.paint(Tone::Faint, LEGEND))
}

fn one(flow: &FlowPlan, out: &Out) -> Outcome {
    let kind = flow.kind.word();
    let (name, system) = (out.paint(Tone::Strong, &flow.flow), flow.names.system());
    out.line(&format!("{name}: {kind}, {system} ({})", flow.like))?;
    let mut table = Table::new(&["DISRUPTION", "LOSS", "REPEATS", "ORDER", "TRIGGER", "WHO"]);
    let together = flow.together();
    for row in &together {
        table.row([
            flow.names.told(row.disruption),
            row.guarantees.loss.to_string(),
            row.guarantees.duplicates.to_string(),
            row.guarantees.order.to_string(),
            triggers(row),
            who(&flow.names, row),
        ]);
    }
    table.print(out, "")?;
    risks(flow, &together, out)?;
    out.line("")
}

fn triggers(row: &Together) -> String {
    let codes: Vec<&str> = row.triggers.iter().map(|it| it.code()).collect();
    if codes.is_empty() {
        "-".to_owned()
    } else {
        codes.join("+")
    }
}

/// Who acts, and what the others do where not all act.
fn who(names: &Names, row: &Together) -> String {
    let said: Vec<String> = row
        .actors
        .iter()
        .map(|actor| one_of(names, *actor))
        .collect();
    let idle = row.actions.iter().find_map(|doing| match doing {
        Doing::Stop => Some("nobody acts"),
        Doing::Refuse => Some("refused (503)"),
        Doing::Wait => Some("nobody calls"),
        Doing::Act | Doing::Hold | Doing::Accept | Doing::Serve => None,
    });
    let all: Vec<String> = said.into_iter().chain(idle.map(str::to_owned)).collect();
    all.join(", ")
}

fn one_of(names: &Names, actor: Actor) -> String {
    let region = names.region(actor.region);
    match actor.endpoint {
        Some(endpoint) => format!("{region} \u{2194} {}", names.endpoint(endpoint)),
        None => format!("{region} holds"),
    }
}

/// Each risk once, with the number of disruptions it is there in.
fn risks(flow: &FlowPlan, together: &[Together], out: &Out) -> Outcome {
    let mut counted: Vec<(Risk, usize)> = Vec::new();
    for risk in together.iter().flat_map(|row| &row.risks) {
        match counted.iter_mut().find(|(known, _)| known == risk) {
            Some((_, count)) => *count += 1,
            None => counted.push((*risk, 1)),
        }
    }
    for (risk, count) in counted {
        let word = out.paint(Tone::Warn, "at risk");
        let plural = if count == 1 { "" } else { "s" };
        out.line(&format!(
            "{word} in {count} disruption{plural}: {}",
            risk.what()
        ))?;
        out.line(&format!("  {}: {}", flow.setting(risk), risk.cure()))?;
    }
    Ok(())
}
