//! What is put under the process: compiled here from C, so that no switch of it is in the product.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

const DISK: &str = include_str!("shim.c");
const CUT: &str = include_str!("cut.c");

/// What the disk under a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Syncs do nothing.
    NoSync,
    /// What is not synced is lost at SIGKILL.
    Hold,
    /// The same, and syncs do nothing.
    HoldNoSync,
}

/// The compiled pieces.
#[derive(Debug)]
pub(super) struct Shim {
    disk: PathBuf,
    pub(super) cut: PathBuf,
}

impl Shim {
    /// Compiles both into `folder`.
    ///
    /// # Errors
    /// When there is no C compiler, or no Linux with glibc.
    pub(super) fn compile(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let shim = Self {
            disk: folder.join("disk.so"),
            cut: folder.join("cut"),
        };
        cc(
            folder,
            "disk.c",
            DISK,
            &shim.disk,
            &["-shared", "-fPIC", "-ldl", "-lpthread"],
        )?;
        cc(folder, "cut.c", CUT, &shim.cut, &[])?;
        Ok(shim)
    }

    /// The environment that puts the disk under a process.
    pub(super) fn env(&self, mode: Mode, seed: u64) -> Vec<(&'static str, String)> {
        let mode = match mode {
            Mode::NoSync => "nosync",
            Mode::Hold => "hold",
            Mode::HoldNoSync => "hold-nosync",
        };
        vec![
            ("LD_PRELOAD", self.disk.display().to_string()),
            ("TIDEGATE_PROOF_DISK", mode.to_owned()),
            ("TIDEGATE_PROOF_SEED", seed.to_string()),
        ]
    }
}

fn cc(folder: &Path, name: &str, text: &str, output: &Path, flags: &[&str]) -> Result<()> {
    let source = folder.join(name);
    fs::write(&source, text)?;
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(output)
        .arg(&source)
        .args(flags);
    let status = cc
        .status()
        .context("there is no C compiler (cc): install gcc and libc6-dev")?;
    ensure!(status.success(), "cc cannot compile {name}");
    Ok(())
}
