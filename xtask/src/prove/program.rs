//! Builds of what is proved.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;

/// How something is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As it is shipped.
    Release,
    /// As `cargo test` builds it: there already when a sample runs.
    Development,
}

impl Profile {
    /// What the figures say of the build.
    pub(crate) const fn of(self, given: bool) -> &'static str {
        match self {
            _ if given => "a program that was given, not built here",
            Self::Release => "release",
            Self::Development => "development",
        }
    }
}

/// The node, built here unless `program` is given.
///
/// # Errors
/// When the build fails.
pub(crate) fn build(
    workspace: &Workspace,
    profile: Profile,
    program: Option<PathBuf>,
) -> Result<PathBuf> {
    if let Some(program) = program {
        return program
            .canonicalize()
            .with_context(|| format!("there is no {}", program.display()));
    }
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--quiet", "--package", "tidegate"]);
    if profile == Profile::Release {
        cargo.arg("--release");
    }
    let status = cargo.status().context("cargo does not start")?;
    ensure!(status.success(), "the node cannot be built");
    let folder = if profile == Profile::Release {
        "release"
    } else {
        "debug"
    };
    Ok(workspace.target().join(folder).join("tidegate"))
}
