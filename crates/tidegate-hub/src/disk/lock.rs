//! One process per directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Name of the lock file.
pub(super) const LOCK_NAME: &str = "lock";

/// The longest process number that is read from a lock file.
const OWNER_BYTES_MAX: u64 = 32;

/// A directory taken for this process. It is let go when this is dropped or the process ends, however.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

/// Why a directory was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{} is in use by another process{owner}; stop that one, or use another data directory",
        path.display()
    )]
    Taken {
        /// The directory.
        path: PathBuf,
        /// Which process, as it is put in the message; empty if it is not known.
        owner: String,
    },
    /// The lock file cannot be made.
    #[error("the lock file {} cannot be used", path.display())]
    File {
        /// The lock file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl DirLock {
    /// Takes the directory, which must exist, by an exclusive lock on a file in it.
    ///
    /// # Errors
    /// Another process has it, or the lock file cannot be made.
    pub fn acquire(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join(LOCK_NAME);
        let unusable = |source| LockError::File {
            path: path.clone(),
            source,
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Taken {
                    path: dir.to_owned(),
                    owner: owner(&file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(unusable(source)),
        }
        write_owner(&mut file).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

/// Writes the number of this process, for the message the next one gives.
fn write_owner(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

fn owner(file: &File) -> String {
    let mut text = String::new();
    match file.take(OWNER_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => format!(" ({})", text.trim()),
        _ => String::new(),
    }
}
