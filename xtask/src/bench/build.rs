//! Release builds of what is measured.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;

/// What is measured.
#[derive(Debug)]
pub(crate) struct Built {
    /// The node.
    pub(crate) tidegate: PathBuf,
    /// The HTTP stack alone.
    pub(crate) bare: PathBuf,
    /// Takes and counts deliveries.
    pub(crate) sink: PathBuf,
    /// A bare client.
    pub(crate) caller: PathBuf,
    /// Fills and counts a hub's data directory.
    pub(crate) hub_data: PathBuf,
}

/// Which builds to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Builds {
    /// Measure this program instead of building one; it is called as `PROGRAM run --config FILE`
    #[arg(long, value_name = "PROGRAM")]
    program: Option<PathBuf>,
    /// Build nothing: measure what was built before
    #[arg(long)]
    no_build: bool,
}

/// Builds it all with optimisation, but for what `builds` says otherwise.
///
/// # Errors
/// When a build fails.
pub(crate) fn release(workspace: &Workspace, builds: &Builds) -> Result<Built> {
    let build = |args: &[&str]| -> Result<()> {
        let mut cargo = workspace.cargo();
        cargo.args(["build", "--release", "--quiet"]).args(args);
        let status = cargo
            .stdout(Stdio::null())
            .status()
            .context("cargo does not start")?;
        ensure!(status.success(), "cargo build {} failed", args.join(" "));
        Ok(())
    };
    if !builds.no_build {
        eprintln!("building …");
        if builds.program.is_none() {
            build(&["-p", "tidegate"])?;
        }
        build(&["-p", "tidegate-gateway", "--examples"])?;
        build(&["-p", "tidegate-hub", "--example", "hub_data"])?;
    }
    let release = workspace.target().join("release");
    Ok(Built {
        tidegate: builds
            .program
            .clone()
            .unwrap_or_else(|| release.join("tidegate")),
        bare: release.join("examples/bare"),
        sink: release.join("examples/sink"),
        caller: release.join("examples/caller"),
        hub_data: release.join("examples/hub_data"),
    })
}
