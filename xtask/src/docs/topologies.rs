//! The page of every topology: the plan of the example, as the code computes it.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use tidegate_config::SecretSource;
use tidegate_config::plan::{FlowPlan, Plan, Together};
use tidegate_core::plan::{Actor, Doing};

use super::Page;
use crate::workspace::Workspace;

/// The example, from the root.
const EXAMPLE: &str = "examples/every-topology";

/// How the names of its flows end, and what that says.
const HOSTINGS: [(&str, &str); 3] = [
    ("-other", "In another cloud"),
    ("-same", "In our cloud"),
    ("-onsite", "On premises"),
];

const HEAD: &str = "# Every topology

<!-- Made by `cargo xtask docs` from `examples/every-topology`; nothing here is written by hand. -->

This is the plan of `examples/every-topology/tidegate.yaml`: every kind of flow against every topology, from two regions.
Every line is computed, by the code that decides in production, in a small world with the disruption in it.
A test holds the lines of the four main disruptions against a table that was written by hand.

Our regions are `us-east-1` and `us-west-2`, each with an endpoint of theirs nearby, `east` and `west`.
An endpoint behind an arrow is called by, or calls, the region before it.
What the codes mean stands in [Regions](../regions.md#the-codes-of-guarantees).
";

/// The page as the example and the code say.
///
/// # Errors
/// When the example cannot be read or has errors.
pub(super) fn page(workspace: &Workspace) -> Result<Page> {
    let folder = workspace.root().join(EXAMPLE);
    let text = std::fs::read_to_string(folder.join("tidegate.yaml"))
        .with_context(|| format!("{EXAMPLE} cannot be read"))?;
    let loaded = tidegate_config::load(EXAMPLE, &text, Some("us-east-1"), &Beside(folder));
    let Some(config) = loaded.config else {
        bail!("{EXAMPLE} has errors:\n{}", loaded.report.render(false));
    };
    Ok(Page {
        path: "docs/src/reference/every-topology.md",
        text: render(&Plan::of(&config)),
    })
}

/// Secrets in files beside the configuration.
struct Beside(PathBuf);

impl SecretSource for Beside {
    fn env(&self, _: &str) -> Option<String> {
        None
    }

    fn file(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.0.join(path))
    }
}

fn render(plan: &Plan) -> String {
    let mut text = HEAD.to_owned();
    let mut reference: Vec<(String, Vec<String>)> = Vec::new();
    for (number, (suffix, title)) in HOSTINGS.iter().enumerate() {
        let flows = plan.flows.iter().filter(|flow| flow.flow.ends_with(suffix));
        text.push_str("\n## ");
        text.push_str(title);
        text.push('\n');
        if number > 0 {
            text.push_str("\nOnly what differs from the same flow in another cloud.\n");
        }
        for flow in flows {
            let stem = flow.flow.trim_end_matches(suffix).to_owned();
            let lines: Vec<String> = flow.together().iter().map(|it| line(flow, it)).collect();
            let known = reference.iter().find(|(name, _)| *name == stem);
            let shown = known.map_or_else(|| lines.clone(), |(_, known)| without(&lines, known));
            section(&mut text, flow, &shown);
            if number == 0 {
                reference.push((stem, lines));
            }
        }
    }
    text
}

/// The lines that are not among those that are known.
fn without(lines: &[String], known: &[String]) -> Vec<String> {
    let new = lines.iter().filter(|line| !known.contains(line));
    new.cloned().collect()
}

fn section(text: &mut String, flow: &FlowPlan, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let (name, kind) = (&flow.flow, flow.kind.word());
    // Writing to a string cannot fail.
    write!(
        text,
        "\n### `{name}`\n\n{kind}; {}\n\n| disruption | who | trigger | loss | repeats | order |\n| --- | --- | --- | --- | --- | --- |\n",
        flow.like
    )
    .unwrap_or_default();
    text.extend(lines.iter().map(String::as_str));
}

/// One line of a table. Endpoints go by their own names, so that systems can be compared.
fn line(flow: &FlowPlan, row: &Together) -> String {
    let told = flow.names.told(row.disruption);
    let told = told.replace(&format!("{}/", flow.names.system()), "");
    let triggers: Vec<&str> = row.triggers.iter().map(|it| it.code()).collect();
    let held = &row.guarantees;
    format!(
        "| {told} | {} | {} | {} | {} | {} |\n",
        who(flow, row),
        triggers.join("+"),
        held.loss,
        held.duplicates,
        held.order
    )
}

fn who(flow: &FlowPlan, row: &Together) -> String {
    let actor = |actor: &Actor| {
        let region = flow.names.region(actor.region);
        match actor.endpoint {
            Some(endpoint) => format!("{region} → {}", flow.names.endpoint(endpoint)),
            None => format!("{region} holds"),
        }
    };
    let mut said: Vec<String> = row.actors.iter().map(actor).collect();
    let nobody = row.actions.iter().find_map(|doing| match doing {
        Doing::Stop => Some("nobody acts"),
        Doing::Refuse => Some("refused"),
        Doing::Wait => Some("nobody calls"),
        Doing::Act | Doing::Hold | Doing::Accept | Doing::Serve => None,
    });
    said.extend(nobody.map(str::to_owned));
    said.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flow_of_another_cloud_has_a_table_and_others_what_differs() {
        let workspace = Workspace::locate().expect("tests run inside of the workspace");
        let page = page(&workspace).expect("the example has no errors");
        for kind in ["receive", "poll", "serve"] {
            for like in ["single", "standby", "shared", "parts"] {
                let heading = format!("### `{kind}-{like}-other`");
                assert!(page.text.contains(&heading), "{heading}");
            }
        }
        // Behind lines to both regions nothing differs; behind one line nobody takes over.
        assert!(page.text.contains("### `deliver-single-onsite`"));
        assert!(!page.text.contains("### `deliver-shared-onsite`"));
    }

    #[test]
    fn the_committed_page_is_the_generated_one() {
        let workspace = Workspace::locate().expect("tests run inside of the workspace");
        let page = page(&workspace).expect("the example has no errors");
        let path = workspace.root().join(page.path);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &page.text).expect("it can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(page.text == committed, "{}: UPDATE=1 writes it", page.path);
    }

    #[test]
    fn known_lines_are_left_out() {
        let lines = ["a".to_owned(), "b".to_owned()];
        assert_eq!(without(&lines, &lines[..1]), ["b"]);
    }
}
