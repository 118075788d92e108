//! The real disk: one directory of the file system.
//!
//! Plain calls of the standard library only (`pwrite64`, `fdatasync`, `fsync` through libc), so that tests
//! can put a layer that loses power in between.
//!
//! A segment is filled with zeros and synced before it is used: `fdatasync` behind a write into blocks
//! that are allocated and written costs less than half of one that must also journal a longer file or
//! new blocks. That takes a while, so the next one is prepared on a thread of its own as a **spare** and
//! only renamed when it is needed.

mod lock;
mod spare;

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tidegate_core::log::disk::{Disk, DiskFile};

pub use lock::{DirLock, LockError};
use spare::Spares;

/// A directory that belongs to this process alone as long as this lives.
#[derive(Debug)]
pub struct FsDisk {
    dir: PathBuf,
    spares: Spares,
    _lock: DirLock,
}

/// Why a directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// It cannot be made or read.
    #[error("the directory {} cannot be used", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process has it.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl FsDisk {
    /// Makes the directory if need be, and takes it for this process.
    ///
    /// # Errors
    /// It cannot be made, or another process has it.
    pub fn open(dir: &Path) -> Result<Self, DiskError> {
        let unusable = |source| DiskError::Directory {
            path: dir.to_owned(),
            source,
        };
        make_durable_dir(dir).map_err(unusable)?;
        let lock = DirLock::acquire(dir)?;
        let spares = Spares::new(dir);
        // Left by a process that ended meanwhile: it may not be filled to its end.
        spares.remove_left_over().map_err(unusable)?;
        Ok(Self {
            dir: dir.to_owned(),
            spares,
            _lock: lock,
        })
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Makes the directory and those above it, and makes their names durable.
fn make_durable_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    make_durable_dir(parent)?;
    match fs::create_dir(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => File::open(parent)?.sync_all(),
    }
}

impl Disk for FsDisk {
    type File = FsFile;

    fn create(&self, name: &str, len: u64) -> io::Result<FsFile> {
        self.spares.take(&self.dir.join(name), len).map(FsFile)
    }

    fn prepare(&self, len: u64) {
        self.spares.prepare(len);
    }

    fn open(&self, name: &str) -> io::Result<FsFile> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).open(self.dir.join(name))?;
        Ok(FsFile(file))
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name().into_string();
            let metadata = entry.metadata()?;
            match name {
                Ok(name) if metadata.is_file() && !is_ours(&name) => {
                    files.push((name, metadata.len()));
                }
                _ => {}
            }
        }
        Ok(files)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.dir.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }
}

/// Whether a file is the disk's own and none of the log.
fn is_ours(name: &str) -> bool {
    [lock::LOCK_NAME, spare::SPARE_NAME].contains(&name)
}

/// An open file.
#[derive(Debug)]
pub struct FsFile(File);

impl DiskFile for FsFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.0, buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
