//! A file system in a file, whose power can be cut.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::stdout;

/// Room for the logs of all lives; the file has holes.
const IMAGE_BYTES: u64 = 6 << 30;

/// How the power is cut; the numbers are those of `EXT4_IOC_SHUTDOWN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flag {
    /// The file system is frozen first: everything written so far is on disk.
    Default = 0,
    /// The journal is written, data is not.
    LogFlush = 1,
    /// Nothing more is written: a power loss.
    NoLogFlush = 2,
}

impl Flag {
    /// Mostly the hardest, the others in turn.
    pub(super) const fn of(loss: u32) -> Self {
        match loss % 6 {
            2 => Self::LogFlush,
            5 => Self::Default,
            _ => Self::NoLogFlush,
        }
    }
}

/// An ext4 file system on a loop device. It is unmounted when this is dropped.
#[derive(Debug)]
pub(super) struct Image {
    file: PathBuf,
    mount: PathBuf,
}

impl Image {
    /// Makes and mounts an empty one below `folder`.
    ///
    /// # Errors
    /// When this user or this machine may not, or a tool is missing.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let image = Self {
            file: folder.join("disk.ext4"),
            mount: folder.join("disk"),
        };
        // A run that was ended may have left it mounted.
        let _unmounted = stdout(Command::new("umount").arg(&image.mount));
        fs::create_dir_all(&image.mount)?;
        File::create(&image.file)?.set_len(IMAGE_BYTES)?;
        stdout(
            Command::new("mkfs.ext4")
                .args(["-q", "-F", "-E", "lazy_itable_init=1"])
                .arg(&image.file),
        )
        .context("mkfs.ext4 (package e2fsprogs) failed")?;
        image.mount()?;
        Ok(image)
    }

    /// Where it is mounted.
    pub(super) fn folder(&self) -> &Path {
        &self.mount
    }

    /// Cuts the power with the compiled helper.
    pub(super) fn cut(&self, helper: &Path, flag: Flag) -> Result<()> {
        stdout(
            Command::new(helper)
                .arg(&self.mount)
                .arg((flag as u8).to_string()),
        )?;
        Ok(())
    }

    /// The machine comes back: the journal is replayed. No process may use it.
    pub(super) fn restore(&self) -> Result<()> {
        stdout(Command::new("umount").arg(&self.mount))?;
        self.mount()
    }

    fn mount(&self) -> Result<()> {
        stdout(
            Command::new("mount")
                .args(["-o", "loop"])
                .arg(&self.file)
                .arg(&self.mount),
        )
        .context("a loop mount is not possible here")?;
        Ok(())
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // What stays mounted is unmounted by the next run.
        let _unmounted = stdout(Command::new("umount").arg(&self.mount));
        let _removed = fs::remove_file(&self.file);
    }
}
