//! The reading side of a park.

use std::sync::{Arc, PoisonError, RwLock};

use tidegate_types::position::Place;

use super::index::{Index, Line};
use crate::books::{Hour, HourTally, Tally};
use crate::log::engine::{LogReader, ReadError};
use crate::log::entry::{Entry, ParkEntry, ParkedEvent, PassedRun};
use crate::log::frame::Frame;

/// Bytes of the park read at a time.
const STEP_BYTES: usize = 1 << 20;

/// How often a page is begun again because what it was reading was let go meanwhile. Each time the
/// flow has come further, so twice is rare already.
const TRIES: usize = 3;

/// Reads what is parked. Clones read the same park.
#[derive(Clone)]
pub struct ParkReader {
    pub(super) log: Arc<dyn LogReader>,
    pub(super) index: Arc<RwLock<Index>>,
}

impl std::fmt::Debug for ParkReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParkReader").finish_non_exhaustive()
    }
}

/// What a walk meets.
#[derive(Debug)]
pub enum Met {
    /// An event.
    Event(Box<ParkedEvent>),
    /// Events that the flow did not want, by the hour in which they were appended.
    Passed(Vec<HourTally>),
}

impl ParkReader {
    /// What the flow needs of the log before this place is parked; `None`: nothing is.
    #[must_use]
    pub fn through(&self) -> Option<Place> {
        self.index().through
    }

    /// Meets what is parked from `from` on, in order, through about `bytes_max` bytes of the park,
    /// until `take` says `false` to an event. Gives the place before which everything was met.
    ///
    /// # Errors
    /// The park cannot be read.
    pub fn walk(
        &self,
        from: Place,
        bytes_max: u64,
        mut take: impl FnMut(Met) -> bool,
    ) -> Result<Place, ReadError> {
        let (mut at, mut bytes) = (from, 0_u64);
        for _ in 1..TRIES {
            match self.walk_once(&mut at, &mut bytes, bytes_max, &mut take) {
                Err(ReadError::Trimmed { .. }) => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(at),
            }
        }
        self.walk_once(&mut at, &mut bytes, bytes_max, &mut take)?;
        Ok(at)
    }

    fn walk_once(
        &self,
        at: &mut Place,
        bytes: &mut u64,
        bytes_max: u64,
        take: &mut impl FnMut(Met) -> bool,
    ) -> Result<(), ReadError> {
        loop {
            let (line, through) = {
                let index = self.index();
                (index.at(*at), index.through)
            };
            let Some(line) = line else {
                *at = through.map_or(*at, |through| through.max(*at));
                return Ok(());
            };
            for frame in self.log.read(line.frame, STEP_BYTES)? {
                if !self.index().holds(frame.number()) {
                    continue;
                }
                *bytes = bytes.saturating_add(frame.bytes().len() as u64);
                if !self.meet(&frame, at, take)? || *bytes >= bytes_max {
                    return Ok(());
                }
            }
        }
    }

    /// Meets one frame; gives whether to go on.
    fn meet(
        &self,
        frame: &Frame,
        at: &mut Place,
        take: &mut impl FnMut(Met) -> bool,
    ) -> Result<bool, ReadError> {
        for (_, entry) in self.log.entries(frame)? {
            let Entry::Park(entry) = entry else {
                continue;
            };
            match entry {
                ParkEntry::Event(parked) if parked.place >= *at => {
                    let place = parked.place;
                    if !take(Met::Event(parked)) {
                        // It was not taken, so it is met again.
                        *at = place;
                        return Ok(false);
                    }
                    *at = place.behind();
                }
                ParkEntry::Passed(runs) => {
                    if let Some((hours, end)) = passed(&runs, *at) {
                        take(Met::Passed(hours));
                        *at = end;
                    }
                }
                ParkEntry::Event(_) | ParkEntry::Mark(_) => {}
            }
        }
        Ok(true)
    }

    /// The parked event that stood at this place.
    ///
    /// # Errors
    /// The park cannot be read.
    pub fn event(&self, place: Place) -> Result<Option<ParkedEvent>, ReadError> {
        let line = self.index().at(place);
        let Some(line) = line.filter(|line| line.first <= place) else {
            return Ok(None);
        };
        let Some(frame) = self.frame(line)? else {
            return Ok(None);
        };
        for (_, entry) in self.log.entries(&frame)? {
            if let Entry::Park(entry) = entry
                && let ParkEntry::Event(parked) = entry
                && parked.place == place
            {
                return Ok(Some(*parked));
            }
        }
        Ok(None)
    }

    fn frame(&self, line: Line) -> Result<Option<Frame>, ReadError> {
        match self.log.read(line.frame, 1) {
            Ok(frames) => Ok(frames.into_iter().next()),
            // Let go meanwhile, since it is not needed.
            Err(ReadError::Trimmed { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn index(&self) -> std::sync::RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Events of the runs at or after `from`, and the place behind the last one; `None` if there are none.
fn passed(runs: &[PassedRun], from: Place) -> Option<(Vec<HourTally>, Place)> {
    let mut hours = Vec::new();
    let mut end = None;
    for run in runs {
        let hour = Hour::of(run.appended);
        for (id, index) in run.ids.iter().zip(run.first.index..) {
            let place = Place { index, ..run.first };
            if place >= from {
                HourTally::note(&mut hours, hour, Tally::of(id));
                end = Some(place.behind());
            }
        }
    }
    Some((hours, end?))
}
