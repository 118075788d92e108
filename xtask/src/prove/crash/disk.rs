//! A look at the log's files without changing them: what a recovery would write is dropped.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use tidegate_core::log::disk::{Disk, DiskFile};

/// The folder of a log that no process has open.
#[derive(Debug)]
pub(crate) struct ReadOnly(pub(crate) PathBuf);

/// One of its files.
#[derive(Debug)]
pub(crate) struct ReadOnlyFile(File);

impl Disk for ReadOnly {
    type File = ReadOnlyFile;

    fn create(&self, _name: &str, _len: u64) -> io::Result<ReadOnlyFile> {
        Err(io::Error::other("there is no log"))
    }

    fn open(&self, name: &str) -> io::Result<ReadOnlyFile> {
        File::open(self.0.join(name)).map(ReadOnlyFile)
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().into_string()
                && name.ends_with(".segment")
            {
                files.push((name, entry.metadata()?.len()));
            }
        }
        Ok(files)
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn sync_dir(&self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for ReadOnlyFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(&self.0, buf, offset)
    }

    fn write_at(&self, _bytes: &[u8], _offset: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
