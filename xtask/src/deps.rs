//! The walls between the crates: who may depend on whom, and what the pure crates never see.

mod graph;
mod rules;
mod sources;

use anyhow::Result;

use self::graph::Graph;
use crate::workspace::Workspace;

/// Checks the dependency graph and the sources of the pure crates; prints what breaks and why.
///
/// # Errors
/// When cargo or a file cannot be read.
pub(crate) fn run(workspace: &Workspace) -> Result<bool> {
    let graph = Graph::from_metadata(&workspace.metadata()?)?;
    let mut breaches = rules::check(&graph);
    for name in rules::PURE {
        let folder = workspace.root().join("crates").join(name).join("src");
        breaches.extend(sources::check(workspace.root(), &folder)?);
    }
    for breach in &breaches {
        println!("{breach}");
    }
    match breaches.len() {
        0 => println!(
            "{} crates, {} of them pure: every wall stands",
            graph.members().count(),
            rules::PURE.len()
        ),
        count => println!("{count} breaches"),
    }
    Ok(breaches.is_empty())
}
