//! `plan`: what every flow does in every disruption.

mod table;

use std::path::PathBuf;

use tidegate_config::plan::{Diff, Difference, Plan, sheet};

use crate::cli::PlanArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::{Out, Tone};
use crate::source::{Source, Usable};
use crate::table::Table;

/// Shows the plan, the sheet of a partner, or what a change does.
///
/// # Errors
/// A configuration cannot be read or used, or what is named is not in it.
pub(crate) fn plan(source: &Source, args: &PlanArgs, out: &Out) -> Outcome<Exit> {
    if let [old, new] = args.diff.as_slice() {
        return diff(source, (old, new), out);
    }
    let Usable { config, .. } = source.usable_for_any_region(out)?;
    if let Some(system) = &args.partner {
        let names = config.systems.iter().map(|it| it.name.as_str());
        let page = sheet(&config, system).ok_or_else(|| unknown("system", system, names))?;
        out.text(&page)?;
        return Ok(Exit::Success);
    }
    let mut plan = Plan::of(&config);
    for name in &args.flow {
        if !plan.flows.iter().any(|flow| flow.flow == *name) {
            let names = plan.flows.iter().map(|flow| flow.flow.as_str());
            return Err(unknown("flow", name, names));
        }
    }
    plan.flows
        .retain(|flow| args.flow.is_empty() || args.flow.contains(&flow.flow));
    if out.is_json() {
        out.document(&plan.to_json())?;
    } else {
        table::print(&plan, out)?;
    }
    Ok(Exit::Success)
}

fn unknown<'name>(what: &str, name: &str, known: impl Iterator<Item = &'name str>) -> Failure {
    let known: Vec<&str> = known.collect();
    let failure = Failure::told(Exit::NotFound, format!("there is no {what} `{name}`"));
    failure.cure(format!("one of: {}", known.join(", ")))
}

fn diff(source: &Source, (old, new): (&PathBuf, &PathBuf), out: &Out) -> Outcome<Exit> {
    let plan = |file| {
        let usable = source.of_file(file).usable_for_any_region(out)?;
        Ok::<Plan, Failure>(Plan::of(&usable.config))
    };
    let diff = plan(old)?.diff(&plan(new)?);
    if out.is_json() {
        out.document(&diff.to_json())?;
    } else {
        show(&diff, out)?;
    }
    Ok(if diff.weakens() {
        Exit::Weaker
    } else {
        Exit::Success
    })
}

fn show(diff: &Diff, out: &Out) -> Outcome {
    let lists = [
        ("weaker", Tone::Bad, &diff.weaker),
        ("stronger", Tone::Good, &diff.stronger),
    ];
    for (word, tone, list) in lists {
        if !list.is_empty() {
            out.line(&out.paint(tone, word))?;
            let mut table = Table::new(&["FLOW", "DISRUPTION", "WHAT", "OLD", "NEW"]);
            for Difference {
                flow,
                disruption,
                what,
                old,
                new,
                ..
            } in list
            {
                let old = if old.is_empty() { "-" } else { old };
                let new = if new.is_empty() { "-" } else { new };
                table.row([flow, disruption, *what, old, new].map(str::to_owned));
            }
            table.print(out, "")?;
            out.line("")?;
        }
    }
    for (word, names) in [("added", &diff.added), ("removed", &diff.removed)] {
        if !names.is_empty() {
            out.line(&format!("{word}: {}", names.join(", ")))?;
        }
    }
    if *diff == Diff::default() {
        out.line("nothing differs in what holds")?;
    }
    Ok(())
}
