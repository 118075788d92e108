//! Where the workspace and its target directory are, and commands that run there.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The workspace that a task works on.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    unattended: bool,
}

impl Workspace {
    /// Asks cargo where the workspace is.
    ///
    /// # Errors
    /// When cargo does not run or the current directory is in no workspace.
    pub(crate) fn locate() -> Result<Self> {
        let metadata = metadata(Path::new("."), &["--no-deps"])?;
        let path = |key: &str| -> Result<PathBuf> {
            let path = metadata[key]
                .as_str()
                .with_context(|| format!("cargo metadata has no {key}"))?;
            Ok(PathBuf::from(path))
        };
        Ok(Self {
            root: path("workspace_root")?,
            target: path("target_directory")?,
            unattended: env::var_os("CI").is_some(),
        })
    }

    /// The folder that holds the root manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where builds go, and what the tests fetch.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Whether nobody is watching (`CI` is set): then what cannot run has failed.
    pub(crate) fn is_unattended(&self) -> bool {
        self.unattended
    }

    /// A command in the root folder, without the variables that belong to this program's own build.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        command(program, &self.root)
    }

    /// `cargo` in the root folder.
    pub(crate) fn cargo(&self) -> Command {
        self.command("cargo")
    }

    /// What `cargo metadata` says of the workspace and its dependencies on this platform.
    ///
    /// # Errors
    /// When cargo fails or its answer is no JSON.
    pub(crate) fn metadata(&self) -> Result<Value> {
        let platform = host(&self.root)?;
        metadata(&self.root, &["--filter-platform", &platform])
    }
}

fn metadata(folder: &Path, args: &[&str]) -> Result<Value> {
    let mut cargo = command("cargo", folder);
    cargo.args(["metadata", "--format-version", "1"]).args(args);
    let text = stdout(&mut cargo)?;
    serde_json::from_str(&text).context("cargo metadata printed no JSON")
}

fn host(folder: &Path) -> Result<String> {
    let text = stdout(command("rustc", folder).arg("-vV"))?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}

/// What a command prints on standard output.
///
/// # Errors
/// When it does not start, ends with a failure or prints what is no UTF-8.
pub(crate) fn stdout(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("{program} does not start"))?;
    if !output.status.success() {
        bail!(
            "{program} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("{program} printed no UTF-8"))
}

/// `cargo run` tells a program about its own package through variables. Build scripts that watch
/// them (that of `ring` does) would see other values than in a plain `cargo test` and be run again,
/// with all that depends on them.
fn command(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO"
        {
            command.env_remove(name.as_ref());
        }
    }
    command
}
