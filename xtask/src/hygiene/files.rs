//! Which files there are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::workspace::{Workspace, stdout};

/// Folders nest this deep at most; more is a mistake (a link in a circle).
const FOLDER_DEPTH_MAX: usize = 16;

/// The names of all tracked files, relative to the root, with `/`.
///
/// # Errors
/// When git does not run here: the rules are about what is handed over, and only git knows that.
pub(crate) fn tracked(workspace: &Workspace) -> Result<Vec<String>> {
    // A checkout that belongs to another user (a container, a mounted folder) is safe to list.
    let args = ["-c", "safe.directory=*", "ls-files", "-z"];
    let listing = stdout(workspace.command("git").args(args))?;
    Ok(listing.split_terminator('\0').map(str::to_owned).collect())
}

/// All files below a folder, sorted.
///
/// # Errors
/// When a folder cannot be listed.
pub(crate) fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect(folder, 0, &mut files)?;
    files.sort();
    Ok(files)
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    if depth > FOLDER_DEPTH_MAX {
        bail!(
            "{} is deeper than {FOLDER_DEPTH_MAX} folders",
            folder.display()
        );
    }
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), depth + 1, files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
