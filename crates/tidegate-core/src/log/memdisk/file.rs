//! A file of the disk in memory: what a reader sees, what is on disk, and what lies between.

use std::io;

use super::{Crash, MemDisk, Random, SECTOR_BYTES, due};
use crate::log::disk::DiskFile;

/// An open file of a [`MemDisk`].
#[derive(Debug)]
pub struct MemFile {
    disk: MemDisk,
    number: u64,
    life: u64,
}

/// One change that was not synced.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Write { offset: usize, bytes: Vec<u8> },
    SetLen(usize),
}

#[derive(Clone, Debug)]
pub(super) struct FileState {
    cached: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Op>,
}

impl FileState {
    pub(super) fn zeros(len: u64) -> io::Result<Self> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        Ok(Self {
            cached: vec![0; len],
            durable: vec![0; len],
            pending: Vec::new(),
        })
    }

    pub(super) fn content(&self) -> &[u8] {
        &self.cached
    }

    pub(super) fn last_write(&self) -> Option<&[u8]> {
        self.pending.iter().rev().find_map(|op| match op {
            Op::Write { bytes, .. } => Some(bytes.as_slice()),
            Op::SetLen(_) => None,
        })
    }

    pub(super) fn flip_bit(&mut self, offset: u64, bit: u8) {
        let Ok(offset) = usize::try_from(offset) else {
            return;
        };
        for content in [&mut self.cached, &mut self.durable] {
            if let Some(byte) = content.get_mut(offset) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    fn change(&mut self, op: Op) {
        op.apply(&mut self.cached);
        self.pending.push(op);
    }

    fn sync(&mut self) {
        for op in self.pending.drain(..) {
            op.apply(&mut self.durable);
        }
    }

    /// A failed sync: part of what was written reaches the disk, and the rest will never be tried again.
    fn fail_sync(&mut self, random: &mut Random) {
        for op in self.pending.drain(..) {
            op.tear(&mut self.durable, random);
        }
    }

    pub(super) fn crash(&mut self, how: Crash, random: &mut Random) {
        if how == Crash::KeepAll {
            return;
        }
        let last = self.pending.len().saturating_sub(1);
        for (at, op) in self.pending.drain(..).enumerate() {
            match (how, op) {
                (Crash::LoseAll | Crash::KeepAll, _) => {}
                (Crash::Tear, op) => op.tear(&mut self.durable, random),
                (Crash::KeepBytes(kept), Op::Write { offset, mut bytes }) if at == last => {
                    bytes.truncate(kept);
                    Op::Write { offset, bytes }.apply(&mut self.durable);
                }
                (Crash::KeepBytes(_), op) => op.apply(&mut self.durable),
            }
        }
        self.cached.clone_from(&self.durable);
    }
}

impl Op {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => {
                let end = offset + bytes.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                if let Some(place) = content.get_mut(*offset..end) {
                    place.copy_from_slice(bytes);
                }
            }
            Self::SetLen(len) => content.resize(*len, 0),
        }
    }

    /// Applies the sectors that chance keeps.
    fn tear(&self, content: &mut Vec<u8>, random: &mut Random) {
        let Self::Write { offset, bytes } = self else {
            if random.chance() {
                self.apply(content);
            }
            return;
        };
        let mut from = 0;
        while from < bytes.len() {
            let sector_left = SECTOR_BYTES - (offset + from) % SECTOR_BYTES;
            let to = bytes.len().min(from + sector_left);
            if random.chance() {
                let part = Self::Write {
                    offset: offset + from,
                    bytes: bytes.get(from..to).unwrap_or_default().to_vec(),
                };
                part.apply(content);
            }
            from = to;
        }
    }
}

impl MemFile {
    pub(super) const fn new(disk: MemDisk, number: u64, life: u64) -> Self {
        Self { disk, number, life }
    }
}

impl DiskFile for MemFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.running()?;
        if due(&mut state.faults.read_fails_in) {
            return Err(io::Error::other("read failed as asked"));
        }
        let content = state.file(self.number, self.life)?.content();
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let rest = content.get(from..).unwrap_or_default();
        let len = rest.len().min(buf.len());
        if let (Some(to), Some(from)) = (buf.get_mut(..len), rest.get(..len)) {
            to.copy_from_slice(from);
        }
        Ok(len)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let mut state = self.disk.state();
        state.running()?;
        state.writes += 1;
        let growth = (offset + bytes.len())
            .saturating_sub(state.file(self.number, self.life)?.content().len());
        let full = growth > 0 && state.taken().saturating_add(growth as u64) > state.capacity;
        let fails = due(&mut state.faults.write_fails_in);
        let part = state.random.below(bytes.len() + 1);
        let file = state.file(self.number, self.life)?;
        let done = if full {
            0
        } else if fails {
            part
        } else {
            bytes.len()
        };
        file.change(Op::Write {
            offset,
            bytes: bytes.get(..done).unwrap_or_default().to_vec(),
        });
        state.step()?;
        if full {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        if fails {
            return Err(io::Error::other("write failed as asked"));
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut guard = self.disk.state();
        let state = &mut *guard;
        state.step()?;
        state.syncs += 1;
        let fails = due(&mut state.faults.sync_fails_in);
        let nothing = state.faults.syncs_do_nothing;
        state.file(self.number, self.life)?;
        let Some(file) = state.files.get_mut(&self.number) else {
            return Ok(());
        };
        if fails {
            file.fail_sync(&mut state.random);
            return Err(io::Error::other("sync failed as asked"));
        }
        if !nothing {
            file.sync();
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        let mut state = self.disk.state();
        state.file(self.number, self.life)?.change(Op::SetLen(len));
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        Ok(state.file(self.number, self.life)?.content().len() as u64)
    }
}
