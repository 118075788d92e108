//! All tests: ours, and those against software from outside.
//!
//! Stages run one after the other, each with its name, time and count. A stage fails when what it
//! needs is missing and nobody watches (`CI`); otherwise it says loudly that it was skipped.

mod interop;

use std::process::Stdio;

use anyhow::{Result, bail};

use crate::hygiene;
use crate::process::run_counted;
use crate::prove;
use crate::report::{Report, Tally};
use crate::workspace::Workspace;

/// A stage: its name, what it does and how it runs.
struct Stage {
    name: &'static str,
    about: &'static str,
    run: fn(&Workspace) -> Result<Tally>,
}

const STAGES: &[Stage] = &[
    Stage {
        name: "hygiene",
        about: "rules on the files themselves",
        run: files,
    },
    Stage {
        name: "workspace",
        about: "every test of every crate",
        run: crates,
    },
    Stage {
        name: "interop",
        about: "libraries from npm and PyPI against ours, both ways",
        run: interop::run,
    },
    Stage {
        name: "proofs",
        about: "kills and power losses of a real node, a short sample",
        run: prove::samples,
    },
];

/// Runs the named stages, or all.
///
/// # Errors
/// When a stage has not the name given. What fails inside a stage is counted.
pub(crate) fn run(workspace: &Workspace, only: &[String]) -> Result<Tally> {
    if let Some(unknown) = only
        .iter()
        .find(|name| STAGES.iter().all(|stage| stage.name != **name))
    {
        bail!("there is no stage called {unknown}; `cargo xtask test --list` names them");
    }
    let mut report = Report::default();
    for stage in STAGES {
        if only.is_empty() || only.iter().any(|name| name == stage.name) {
            report.part(stage.name, || (stage.run)(workspace));
        }
    }
    Ok(report.close())
}

/// Prints the stages.
pub(crate) fn list() {
    for stage in STAGES {
        println!("{:<12} {}", stage.name, stage.about);
    }
}

fn files(workspace: &Workspace) -> Result<Tally> {
    Ok(Tally::of(hygiene::run(workspace)?))
}

fn crates(workspace: &Workspace) -> Result<Tally> {
    let args = ["test", "--workspace", "--no-fail-fast"];
    run_counted(workspace.cargo().args(args), Stdio::null())
}
