//! Under which conditions something was measured.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::available_parallelism;

use anyhow::Result;
use serde_json::{Value, json};

use super::node::file_system;
use crate::workspace::{Workspace, stdout};

/// The machine, the disk under `data`, the commit and the date.
///
/// # Errors
/// When the system does not tell.
pub(crate) fn conditions(workspace: &Workspace, data: &Path) -> Result<Value> {
    let said = |command: &mut Command| stdout(command).map(|text| text.trim().to_owned());
    let source = said(Command::new("df").args(["--output=source"]).arg(data))?;
    let source = source.lines().last().unwrap_or_default().to_owned();
    let changed = !said(
        workspace
            .command("git")
            .args(["status", "--porcelain", "-uno"]),
    )?
    .is_empty();
    Ok(json!({
        "machine": processor()?,
        "cpus": available_parallelism()?.get(),
        "memory_gb": memory_gb()?,
        "kernel": said(Command::new("uname").args(["-sr"]))?,
        "disk": source,
        "fs": file_system(data)?,
        "load_before": load()?,
        "commit": said(workspace.command("git").args(["rev-parse", "--short", "HEAD"]))?,
        "uncommitted_changes": changed,
        "date": said(Command::new("date").args(["-u", "+%Y-%m-%dT%H:%MZ"]))?,
    }))
}

/// Processes that were runnable over the last minute: what else went on.
fn load() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

fn processor() -> Result<String> {
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    Ok(line
        .unwrap_or(": unknown")
        .trim_start_matches([' ', '\t', ':'])
        .to_owned())
}

fn memory_gb() -> Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: u64 = line
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .map_or(Ok(0), |kib| kib.trim().parse())?;
    Ok(kib / 976_563)
}
