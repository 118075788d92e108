//! The file that is filled with zeros ahead of time.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Name of the spare; there is at most one.
pub(super) const SPARE_NAME: &str = "next.spare";

/// How much is written at a time: little enough to stay in a processor's own cache.
const ZEROS: &[u8] = &[0; 64 * 1024];
/// How much is written between two syncs: a sync of the log must not wait behind a whole segment of zeros.
const SYNC_EVERY_BYTES: u64 = 4 * 1024 * 1024;

/// Makes the spare on a thread of its own.
#[derive(Debug)]
pub(super) struct Spares {
    path: PathBuf,
    making: Mutex<Option<Making>>,
}

/// A spare that is made or ready.
#[derive(Debug)]
struct Making {
    len: u64,
    thread: JoinHandle<io::Result<File>>,
}

impl Spares {
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            path: dir.join(SPARE_NAME),
            making: Mutex::new(None),
        }
    }

    pub(super) fn remove_left_over(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Begins a spare of `len` bytes, unless there is one already.
    pub(super) fn prepare(&self, len: u64) {
        let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if making.is_some() {
            return;
        }
        let path = self.path.clone();
        let thread = thread::Builder::new()
            .name("log-spare".to_owned())
            .spawn(move || create_zeros(&path, len));
        // Without a thread the file is made when it is needed, which is slower and as good.
        *making = thread.ok().map(|thread| Making { len, thread });
    }

    /// A file of `len` zeros under this name, from the spare if it has that length.
    pub(super) fn take(&self, path: &Path, len: u64) -> io::Result<File> {
        if path.try_exists()? {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        let mut making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        // A spare of another length stays for later.
        if let Some(ready) = making.take_if(|making| making.len == len)
            && let Ok(Ok(file)) = ready.thread.join()
        {
            return match fs::rename(&self.path, path) {
                Ok(()) => Ok(file),
                Err(error) => {
                    self.remove_left_over()?;
                    Err(error)
                }
            };
        }
        drop(making);
        create_zeros(path, len)
    }
}

impl Drop for Spares {
    /// Waits for the thread, so that nothing writes into the directory after it was let go.
    fn drop(&mut self) {
        let making = self
            .making
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(making) = making.take() {
            let _made: thread::Result<io::Result<File>> = making.thread.join();
            // If it stays, the next open removes it.
            let _removed: io::Result<()> = fs::remove_file(&self.path);
        }
    }
}

/// Makes a file of zeros that are on disk; leaves nothing behind if that fails.
fn create_zeros(path: &Path, len: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).open(path)?;
    match fill(&file, len) {
        Ok(()) => Ok(file),
        Err(error) => {
            let _removed: io::Result<()> = fs::remove_file(path);
            Err(error)
        }
    }
}

fn fill(file: &File, len: u64) -> io::Result<()> {
    let mut done = 0;
    while done < len {
        let part = usize::try_from(len - done).map_or(ZEROS.len(), |left| left.min(ZEROS.len()));
        file.write_all_at(ZEROS.get(..part).unwrap_or(ZEROS), done)?;
        done += part as u64;
        if done.is_multiple_of(SYNC_EVERY_BYTES) {
            file.sync_data()?;
        }
    }
    file.sync_all()
}
