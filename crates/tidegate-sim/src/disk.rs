//! The node's disk: the one in memory, with the two defects that can be made of it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate_core::log::disk::{Disk, DiskFile};
use tidegate_core::log::embedded::{EmbeddedLog, OpenOptions};
use tidegate_core::log::frame::FrameHeader;
use tidegate_core::log::memdisk::{Crash, Faults, MemDisk, MemFile};
use tidegate_types::time::UnixMillis;

use crate::scenario::Sabotage;

/// Where the checksum of a frame stands, and from where on it counts.
const CRC_AT: usize = 8;
const CRC_FROM: usize = 12;

/// A disk in memory, honest unless it is sabotaged.
#[derive(Clone, Debug)]
pub(crate) struct SimDisk {
    inner: MemDisk,
    sabotage: Option<Sabotage>,
    /// Syncs that were promised and not done.
    late: Arc<Mutex<Vec<Arc<MemFile>>>>,
}

#[derive(Debug)]
pub(crate) struct SimFile {
    inner: Arc<MemFile>,
    late: Option<Arc<Mutex<Vec<Arc<MemFile>>>>>,
}

impl SimDisk {
    pub(crate) fn new(seed: u64, sabotage: Option<Sabotage>) -> Self {
        let disk = Self {
            inner: MemDisk::new(seed),
            sabotage,
            late: Arc::default(),
        };
        disk.set_faults(Faults::default());
        disk
    }

    /// Sets what goes wrong next, besides the sabotage.
    pub(crate) fn set_faults(&self, faults: Faults) {
        let syncs_do_nothing = self.sabotage == Some(Sabotage::SkipSync);
        self.inner.set_faults(Faults {
            syncs_do_nothing,
            ..faults
        });
    }

    /// Takes no more than `more` bytes beyond what is there; no limit if `None`.
    pub(crate) fn limit(&self, more: Option<u64>) {
        let list = self.inner.list().unwrap_or_default();
        let taken: u64 = list.iter().map(|(_, bytes)| bytes).sum();
        self.inner
            .set_capacity(more.map_or(u64::MAX, |more| taken + more));
    }

    /// Whether the machine has stopped in the middle of a call.
    pub(crate) fn stopped(&self) -> bool {
        self.inner.stopped()
    }

    pub(crate) fn crash(&self, how: Crash) {
        self.late().clear();
        self.inner.crash(how);
        self.set_faults(Faults::default());
    }

    /// Does the syncs that were promised.
    pub(crate) fn catch_up(&self) {
        for file in self.late().drain(..) {
            // Whoever asked was told long ago that all is well.
            drop(file.sync_data());
        }
    }

    /// Makes a torn frame at the end pass for a good one, as if its checksum were not checked.
    pub(crate) fn believe_torn_tail(&self, options: &OpenOptions, now: UnixMillis) -> Option<()> {
        let (_, report) = EmbeddedLog::open(self.inner.fork(), options.clone(), now).ok()?;
        let cut = report.cut?;
        let content = self.inner.content(&cut.segment)?;
        let frame = content.get(usize::try_from(cut.offset).ok()?..)?;
        let len = FrameHeader::decode(frame).ok()?.len();
        let crc = crc32fast::hash(frame.get(CRC_FROM..len)?);
        let file = self.inner.open(&cut.segment).ok()?;
        file.write_at(&crc.to_le_bytes(), cut.offset + CRC_AT as u64)
            .ok()?;
        file.sync_data().ok()
    }

    fn late(&self) -> MutexGuard<'_, Vec<Arc<MemFile>>> {
        self.late.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, inner: MemFile) -> SimFile {
        let late = self.sabotage == Some(Sabotage::AcknowledgeBeforeSync);
        SimFile {
            inner: Arc::new(inner),
            late: late.then(|| Arc::clone(&self.late)),
        }
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn create(&self, name: &str, len: u64) -> io::Result<SimFile> {
        Ok(self.file(self.inner.create(name, len)?))
    }

    fn open(&self, name: &str) -> io::Result<SimFile> {
        Ok(self.file(self.inner.open(name)?))
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        self.inner.list()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.inner.remove(name)
    }

    fn sync_dir(&self) -> io::Result<()> {
        self.inner.sync_dir()
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        let Some(late) = &self.late else {
            return self.inner.sync_data();
        };
        late.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::clone(&self.inner));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}
