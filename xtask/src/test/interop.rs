//! Tests against software from outside: one folder `tests/interop/SUITE` for each suite.
//!
//! A suite's folder is copied to `target/interop/SUITE`, what its `package-lock.json` and its
//! `requirements.txt` pin is fetched there, and then the steps in its `suite.json` run. The
//! checkout stays as it is, and a suite whose pins have not changed fetches nothing.

mod fetch;
mod steps;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::report::Tally;
use crate::workspace::Workspace;

/// Runs every suite.
///
/// # Errors
/// When the folder of the suites cannot be listed. What fails inside a suite is counted.
pub(super) fn run(workspace: &Workspace) -> Result<Tally> {
    let sources = workspace.root().join("tests/interop");
    let suites = folders(&sources)?;
    if suites.is_empty() {
        println!("SKIPPED: there is no suite in tests/interop");
        return Ok(Tally::SKIPPED);
    }
    let mut sum = Tally::default();
    for suite in suites {
        println!("--- {suite}");
        sum += run_one(workspace, &suite, &sources.join(&suite)).unwrap_or_else(|error| {
            println!("error in suite {suite}: {error:#}");
            Tally::FAILED
        });
    }
    Ok(sum)
}

fn run_one(workspace: &Workspace, suite: &str, source: &Path) -> Result<Tally> {
    let steps = steps::read(source)?;
    let missing = fetch::missing_tools(workspace, source).join(", ");
    if !missing.is_empty() {
        if workspace.is_unattended() {
            bail!("{missing} is missing");
        }
        println!("SKIPPED: suite {suite} needs {missing}");
        return Ok(Tally::SKIPPED);
    }
    let folder = workspace.target().join("interop").join(suite);
    fetch::prepare(workspace, source, &folder)?;

    let mut sum = Tally::default();
    for step in &steps {
        println!("--- {suite}: {}", step.name);
        sum += step.run(workspace, &folder)?;
    }
    Ok(sum)
}

/// The names of the folders in a folder, sorted; none if it does not exist.
fn folders(parent: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    if !parent.exists() {
        return Ok(names);
    }
    let entries =
        fs::read_dir(parent).with_context(|| format!("cannot list {}", parent.display()))?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            names.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}
