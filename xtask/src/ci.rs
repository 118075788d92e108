//! Everything a change must pass. Each step runs even if one before it failed, so that one run
//! tells everything.

use anyhow::Result;

use crate::process::run as run_program;
use crate::report::{Report, Tally};
use crate::workspace::Workspace;
use crate::{deps, docs, test};

/// Runs the tests and then the checks; the sum counts each check as one.
///
/// # Errors
/// None of its own: what fails is counted.
pub(crate) fn run(workspace: &Workspace) -> Result<Tally> {
    let mut report = Report::default();
    report.part("test", || test::run(workspace, &[]));
    report.part("fmt", || cargo(workspace, &["fmt", "--all", "--check"]));
    report.part("clippy", || {
        cargo(
            workspace,
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ],
        )
    });
    report.part("rustdoc", || {
        cargo(workspace, &["doc", "--workspace", "--no-deps", "--quiet"])
    });
    report.part("deps", || Ok(Tally::of(deps::run(workspace)?)));
    report.part("deny", || {
        cargo(workspace, &["deny", "check", "bans", "licenses", "sources"])
    });
    report.part("docs", || Ok(Tally::of(docs::run(workspace, true)?)));
    Ok(report.close())
}

fn cargo(workspace: &Workspace, args: &[&str]) -> Result<Tally> {
    run_program(workspace.cargo().args(args))
}
