//! A disk in memory that behaves as badly as a real one: it forgets what was not synced, tears
//! writes at sectors, fails on demand, fills up, and flips bits.
//!
//! Deterministic: what a crash keeps follows from the seed and the calls before. A sector is written
//! whole or not at all, which is what the log assumes of a disk.

mod file;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use file::MemFile;

use super::disk::Disk;
use file::FileState;

/// What is written whole or not at all, in bytes.
pub const SECTOR_BYTES: usize = 512;

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct MemDisk(Arc<Mutex<State>>);

/// What goes wrong next. Each counts down with the calls it is about, and happens when it reaches 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// The write that fails, after a part of it was done.
    pub write_fails_in: Option<u64>,
    /// The sync of a file that fails. What was written since the last one can be read, but part of it
    /// is not on disk and never will be, as Linux does it.
    pub sync_fails_in: Option<u64>,
    /// The creation of a file that fails.
    pub create_fails_in: Option<u64>,
    /// The read that fails.
    pub read_fails_in: Option<u64>,
    /// The call that changes something (a write, a sync, a creation, …) at which the machine stops: a
    /// write is begun, anything else is not, and every call fails until [`MemDisk::crash`].
    pub stops_in: Option<u64>,
    /// No sync does anything, although it says so: a defect that tests must notice.
    pub syncs_do_nothing: bool,
}

#[derive(Clone, Debug)]
struct State {
    /// Files by number; a file lives on while it has a name or somebody holds it.
    files: BTreeMap<u64, FileState>,
    next_file: u64,
    /// Names now, and names that survive a crash.
    names: BTreeMap<String, u64>,
    durable_names: BTreeMap<String, u64>,
    faults: Faults,
    capacity: u64,
    random: Random,
    /// Counts crashes: files opened before one fail from then on.
    life: u64,
    stopped: bool,
    writes: u64,
    syncs: u64,
}

/// What becomes of writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// All of them are lost.
    LoseAll,
    /// The process dies and the machine goes on: all can be read, and is still not on disk.
    KeepAll,
    /// Each sector is kept or lost by chance, in any order.
    Tear,
    /// Of the last write so many bytes are kept, everything before it is.
    KeepBytes(usize),
}

impl MemDisk {
    /// An empty disk whose chances follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            files: BTreeMap::new(),
            next_file: 0,
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            faults: Faults::default(),
            capacity: u64::MAX,
            random: Random(seed),
            life: 0,
            stopped: false,
            writes: 0,
            syncs: 0,
        })))
    }

    /// An independent disk in the same state, what is not synced included.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    /// Whether the machine has stopped, as asked with [`Faults::stops_in`].
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.state().stopped
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what goes wrong next.
    pub fn set_faults(&self, faults: Faults) {
        self.state().faults = faults;
    }

    /// Sets how many bytes fit. What is there stays, even if it is more.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// Writes and syncs of files so far.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let state = self.state();
        (state.writes, state.syncs)
    }

    /// Length in bytes of the last write to a file that was not synced, if there is one.
    #[must_use]
    pub fn unsynced_bytes(&self) -> Option<usize> {
        let state = self.state();
        let pending = state.files.values().find_map(FileState::last_write);
        pending.map(<[u8]>::len)
    }

    /// The machine stops. Whoever has a file open gets errors from now on; the disk can be opened anew.
    pub fn crash(&self, how: Crash) {
        let mut state = self.state();
        let State {
            files,
            names,
            durable_names,
            random,
            ..
        } = &mut *state;
        for file in files.values_mut() {
            file.crash(how, random);
        }
        match how {
            Crash::LoseAll => names.clone_from(durable_names),
            Crash::KeepAll => {}
            Crash::KeepBytes(_) => durable_names.clone_from(names),
            Crash::Tear => tear_names(names, durable_names, random),
        }
        let named: Vec<u64> = names
            .values()
            .chain(durable_names.values())
            .copied()
            .collect();
        files.retain(|number, _| named.contains(number));
        state.life += 1;
        state.stopped = false;
        state.faults = Faults::default();
    }

    /// Flips a bit of a file, on disk and in the cache. Nothing happens behind its end.
    pub fn flip_bit(&self, name: &str, offset: u64, bit: u8) {
        let mut state = self.state();
        let number = state.names.get(name).copied();
        if let Some(file) = number.and_then(|number| state.files.get_mut(&number)) {
            file.flip_bit(offset, bit);
        }
    }

    /// The content of a file, as a reader sees it.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.state();
        let number = state.names.get(name)?;
        Some(state.files.get(number)?.content().to_vec())
    }
}

/// Each creation and removal since the last sync of the directory is kept or lost by chance.
fn tear_names(
    names: &mut BTreeMap<String, u64>,
    durable: &mut BTreeMap<String, u64>,
    random: &mut Random,
) {
    let mut all = durable.clone();
    all.extend(names.iter().map(|(name, number)| (name.clone(), *number)));
    all.retain(|name, number| {
        let changed = names.get(name) != durable.get(name);
        let now = names.contains_key(name);
        let kept = if changed && random.chance() {
            !now
        } else {
            now
        };
        if !kept {
            return false;
        }
        *number = names
            .get(name)
            .or_else(|| durable.get(name))
            .copied()
            .unwrap_or(*number);
        true
    });
    names.clone_from(&all);
    *durable = all;
}

impl State {
    /// To be called where something changes; fails if the machine has stopped or does so here.
    fn step(&mut self) -> io::Result<()> {
        self.stopped |= due(&mut self.faults.stops_in);
        self.running()
    }

    fn running(&self) -> io::Result<()> {
        if self.stopped {
            return Err(io::Error::other("the machine stopped as asked"));
        }
        Ok(())
    }

    fn file(&mut self, number: u64, life: u64) -> io::Result<&mut FileState> {
        if life != self.life {
            return Err(io::Error::other("the machine was stopped"));
        }
        let file = self.files.get_mut(&number);
        file.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn taken(&self) -> u64 {
        let named = self
            .names
            .values()
            .filter_map(|number| self.files.get(number));
        named.map(|file| file.content().len() as u64).sum()
    }
}

impl Disk for MemDisk {
    type File = MemFile;

    fn create(&self, name: &str, len: u64) -> io::Result<MemFile> {
        let mut state = self.state();
        state.step()?;
        if due(&mut state.faults.create_fails_in) {
            return Err(io::Error::other("creation failed as asked"));
        }
        if state.names.contains_key(name) {
            return Err(io::Error::from(io::ErrorKind::AlreadyExists));
        }
        if state.taken().saturating_add(len) > state.capacity {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        let number = state.next_file;
        state.next_file += 1;
        state.files.insert(number, FileState::zeros(len)?);
        state.names.insert(name.to_owned(), number);
        let life = state.life;
        drop(state);
        Ok(MemFile::new(self.clone(), number, life))
    }

    fn open(&self, name: &str) -> io::Result<MemFile> {
        let state = self.state();
        state.running()?;
        let number = state.names.get(name).copied();
        let number = number.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let life = state.life;
        drop(state);
        Ok(MemFile::new(self.clone(), number, life))
    }

    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let state = self.state();
        let length = |number| {
            state
                .files
                .get(number)
                .map_or(0, |file| file.content().len())
        };
        let names = state.names.iter();
        Ok(names
            .map(|(name, number)| (name.clone(), length(number) as u64))
            .collect())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.running()?;
        let removed = state.names.remove(name);
        state.step()?;
        removed
            .map(|_| ())
            .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.state();
        state.step()?;
        if !state.faults.syncs_do_nothing {
            state.durable_names = state.names.clone();
        }
        Ok(())
    }
}

/// Counts a fault down; whether it happens now.
fn due(counter: &mut Option<u64>) -> bool {
    match counter {
        Some(0) => {
            *counter = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is not 0; the slight bias of the remainder does not matter here.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit as u64).unwrap_or(0)
    }

    const fn chance(&mut self) -> bool {
        self.next() & 1 == 1
    }
}
