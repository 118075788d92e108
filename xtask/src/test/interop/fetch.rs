//! Getting a suite ready: its scripts copied, its libraries fetched as pinned.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::report::Tally;
use crate::workspace::Workspace;

const NODE_PINS: &str = "package-lock.json";
const PYTHON_PINS: &str = "requirements.txt";
/// Folders of one suite may nest this deep; more is a mistake (a link in a circle).
const FOLDER_DEPTH_MAX: usize = 8;

/// The Python of a prepared suite.
pub(super) fn python_of(folder: &Path) -> PathBuf {
    folder.join("venv/bin/python")
}

/// The tools that the suite needs and that do not run here.
pub(super) fn missing_tools(workspace: &Workspace, source: &Path) -> Vec<&'static str> {
    let mut missing = Vec::new();
    if source.join(NODE_PINS).exists() {
        missing.extend(
            ["node", "npm"]
                .into_iter()
                .filter(|tool| !runs(workspace.command(tool).arg("--version"))),
        );
    }
    let modules = ["-c", "import ensurepip, venv"];
    if source.join(PYTHON_PINS).exists() && !runs(workspace.command("python3").args(modules)) {
        missing.push("python3 with venv");
    }
    missing
}

fn runs(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success())
}

/// Copies the suite's files and fetches what they pin, unless the same pins were fetched before.
///
/// # Errors
/// When a file cannot be copied or something cannot be fetched.
pub(super) fn prepare(workspace: &Workspace, source: &Path, folder: &Path) -> Result<()> {
    copy(source, folder, 0)?;
    once(source, folder, NODE_PINS, || {
        let args = [
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ];
        must(workspace.command("npm").args(args).current_dir(folder))
    })?;
    once(source, folder, PYTHON_PINS, || {
        let venv = folder.join("venv");
        must(
            workspace
                .command("python3")
                .args(["-m", "venv", "--clear"])
                .arg(venv),
        )?;
        let args = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--requirement",
            PYTHON_PINS,
        ];
        must(
            workspace
                .command(python_of(folder))
                .args(args)
                .current_dir(folder),
        )
    })
}

/// Runs `fetch` if the suite has such pins and they are not those of the last fetch that went well.
fn once(
    source: &Path,
    folder: &Path,
    pins: &str,
    fetch: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let Ok(wanted) = fs::read(source.join(pins)) else {
        return Ok(());
    };
    let stamp = folder.join(format!(".{pins}.fetched"));
    if fs::read(&stamp).is_ok_and(|fetched| fetched == wanted) {
        return Ok(());
    }
    fetch()?;
    fs::write(&stamp, wanted).with_context(|| format!("cannot write {}", stamp.display()))
}

fn must(command: &mut Command) -> Result<()> {
    if process::run(command)? == Tally::PASSED {
        return Ok(());
    }
    bail!("what the suite needs was not fetched")
}

/// Copies a folder's files; what is in the way of running in the copy (`node_modules`) stays behind.
fn copy(source: &Path, target: &Path, depth: usize) -> Result<()> {
    if depth > FOLDER_DEPTH_MAX {
        bail!(
            "{} is deeper than {FOLDER_DEPTH_MAX} folders",
            source.display()
        );
    }
    fs::create_dir_all(target).with_context(|| format!("cannot create {}", target.display()))?;
    for entry in
        fs::read_dir(source).with_context(|| format!("cannot list {}", source.display()))?
    {
        let entry = entry?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        if entry.file_name() == "node_modules" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&from, &to, depth + 1)?;
        } else {
            fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::env;
    use std::process;

    #[test]
    fn the_same_pins_are_fetched_once_and_a_failed_fetch_is_repeated() {
        let folder = env::temp_dir().join(format!("tidegate-xtask-{}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(PYTHON_PINS), "svix==1.0.0").unwrap();
        let fetches = Cell::new(0);
        let fetch = |good: bool| {
            once(&folder, &folder, PYTHON_PINS, || {
                fetches.set(fetches.get() + 1);
                if good { Ok(()) } else { bail!("no network") }
            })
        };

        assert!(fetch(false).is_err());
        assert!(fetch(true).is_ok());
        assert!(fetch(true).is_ok());
        assert_eq!(fetches.get(), 2);

        fs::write(folder.join(PYTHON_PINS), "svix==1.0.1").unwrap();
        assert!(fetch(true).is_ok());
        assert_eq!(fetches.get(), 3);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_suite_without_such_pins_fetches_nothing() {
        let nowhere = Path::new("no-such-folder");
        assert!(once(nowhere, nowhere, NODE_PINS, || bail!("must not run")).is_ok());
    }
}
