//! What the log needs of a disk: one flat directory of files, blocking calls.
//!
//! The real one is in `tidegate-hub`; [`super::memdisk`] is one in memory that forgets what was not
//! synced, as a disk does at a power loss.

use std::fmt::Debug;
use std::io;

/// A directory of files that belongs to one log. Names hold no `/`.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Its files.
    type File: DiskFile;

    /// Makes a file of `len` zero bytes, whose content is on disk when this returns. Its name is
    /// there for good only after [`Disk::sync_dir`]. An existing file of that name is an error.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] if there is no room (nothing is left behind), or what the disk says.
    fn create(&self, name: &str, len: u64) -> io::Result<Self::File>;

    /// A hint that a file of `len` bytes will soon be created: time to prepare it in the background.
    fn prepare(&self, len: u64) {
        let _ = len;
    }

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`], or what the disk says.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// All files with their length in bytes, in any order.
    ///
    /// # Errors
    /// What the disk says.
    fn list(&self) -> io::Result<Vec<(String, u64)>>;

    /// Removes a file. Whoever has it open reads on.
    ///
    /// # Errors
    /// What the disk says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes creations and removals durable.
    ///
    /// # Errors
    /// What the disk says.
    fn sync_dir(&self) -> io::Result<()>;
}

/// An open file.
pub trait DiskFile: Debug + Send + Sync + 'static {
    /// Reads at `offset` and gives the number of bytes read, 0 only at the end of the file.
    ///
    /// # Errors
    /// What the disk says.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`. After an error any part of it may be there.
    ///
    /// # Errors
    /// What the disk says.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes all that was written durable. After an error nothing that was written since the last
    /// success may be believed, even if it can be read.
    ///
    /// # Errors
    /// What the disk says.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts the file or lengthens it with zeros; durable after [`DiskFile::sync_data`].
    ///
    /// # Errors
    /// What the disk says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Length in bytes.
    ///
    /// # Errors
    /// What the disk says.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    /// What the disk says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}

/// Reads until `buf` is full or the file ends, and gives the number of bytes read.
pub(super) fn read_full(file: &impl DiskFile, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
