//! The parks of the flows on one machine: each a log of its own on a disk of its own, which stops when
//! the machine does.

use tidegate_core::deliver::Restored;
use tidegate_core::log::entry::ParkMark;
use tidegate_core::log::memdisk::{Crash, Faults};
use tidegate_core::log::recovery::OpenError;
use tidegate_core::park::{Need, Park, ParkError, ParkOptions, ParkReader};
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use crate::disk::SimDisk;
use crate::random::Random;
use crate::scenario::{FLOWS, ORIGIN, OnFull, Sabotage, park_settings};

/// All of them, in the order of the flows.
#[derive(Debug)]
pub(crate) struct Parks {
    pub(crate) stores: Vec<Store>,
    /// The first frame that the log would keep if no flow held it.
    pub(crate) wanted: FrameNumber,
}

/// The park of one flow.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) disk: SimDisk,
    pub(crate) quota: u64,
    pub(crate) on_full: OnFull,
    /// Whether it was ever opened.
    begun: bool,
    pub(crate) park: Option<Park<SimDisk>>,
    /// There is no room, until something is let go of.
    pub(crate) full: bool,
    pub(crate) work: Option<Work>,
    /// Bytes that count for no quota: marks, and what tells of events that the flow does not want.
    pub(crate) beyond: u64,
    /// After a failure it waits until then.
    pub(crate) retry_at: UnixMillis,
}

/// What is being parked. The node may die between any two steps of it.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) target: FrameNumber,
    /// How the flow stood at the beginning, and a frame that this is at least as new as.
    pub(crate) state: Restored,
    pub(crate) as_of: FrameNumber,
    pub(crate) need: Need,
    /// Everything before this was taken.
    pub(crate) from: Place,
    /// There was no room for the next one.
    pub(crate) full: bool,
    pub(crate) stage: Stage,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Take,
    /// It is being said what is given up.
    Telling,
    Mark,
}

impl Store {
    fn new(disk_seed: u64, sabotage: Option<Sabotage>, random: &mut Random) -> Self {
        let (quota, on_full) = park_settings(random);
        let unsynced = sabotage == Some(Sabotage::ParkUnsynced);
        let sabotage = unsynced.then_some(Sabotage::SkipSync);
        Self {
            disk: SimDisk::new(disk_seed, sabotage),
            quota,
            on_full,
            begun: false,
            park: None,
            full: false,
            work: None,
            beyond: 0,
            retry_at: UnixMillis(0),
        }
    }

    /// Opens the park, or begins it.
    ///
    /// # Errors
    /// The disk failed, or the park is damaged, which is told as a text.
    pub(crate) fn open(&mut self, now: UnixMillis) -> Result<(), OpenFailure> {
        let options = ParkOptions {
            origin: ORIGIN.to_owned(),
            quota: self.quota,
        };
        match Park::open(self.disk.clone(), &options, now) {
            Ok((park, None)) => {
                self.begun = true;
                self.park = Some(park);
                Ok(())
            }
            Ok((_, Some(damage))) => Err(OpenFailure::Damaged(damage.to_string())),
            Err(_) if self.disk.stopped() => Err(OpenFailure::Disk),
            Err(ParkError::Open(OpenError::Io { .. })) => Err(OpenFailure::Disk),
            Err(error) => Err(OpenFailure::Damaged(error.to_string())),
        }
    }

    /// Up to where everything the flow needs is parked.
    pub(crate) fn through(&self) -> Option<Place> {
        let mark = self.park.as_ref()?.last_mark()?;
        Some(mark.through)
    }

    pub(crate) fn reader(&self) -> Option<ParkReader> {
        self.park.as_ref().map(Park::reader)
    }

    pub(crate) fn events(&self) -> u64 {
        self.park.as_ref().map_or(0, |park| park.status().events)
    }
}

/// Why a park could not be opened.
#[derive(Debug)]
pub(crate) enum OpenFailure {
    Disk,
    Damaged(String),
}

impl Parks {
    pub(crate) fn new(random: &mut Random, sabotage: Option<Sabotage>) -> Self {
        let store = |_| {
            let seed = random.next();
            Store::new(seed, sabotage, random)
        };
        Self {
            stores: FLOWS.iter().map(store).collect(),
            wanted: FrameNumber(0),
        }
    }

    /// Opens those there are.
    pub(crate) fn start(&mut self, now: UnixMillis) -> Result<(), OpenFailure> {
        for store in self.stores.iter_mut().filter(|store| store.begun) {
            store.open(now)?;
        }
        Ok(())
    }

    /// What they say of their flows.
    pub(crate) fn marks(&self) -> Vec<ParkMark> {
        let parks = self.stores.iter().filter_map(|store| store.park.as_ref());
        parks.filter_map(Park::last_mark).cloned().collect()
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stores.iter().any(|store| store.disk.stopped())
    }

    /// The machine goes down; gives whether something was being parked.
    pub(crate) fn crash(&mut self, how: Crash) -> bool {
        let mut busy = false;
        for store in &mut self.stores {
            busy |= store.work.take().is_some();
            store.park = None;
            store.full = false;
            store.retry_at = UnixMillis(0);
            store.disk.crash(how);
        }
        self.wanted = FrameNumber(0);
        busy
    }

    /// Nothing goes wrong with their disks any more.
    pub(crate) fn heal(&self) {
        for store in &self.stores {
            store.disk.set_faults(Faults::default());
            store.disk.limit(None);
        }
    }
}
