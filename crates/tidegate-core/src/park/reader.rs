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
        take: impl FnMut(Met) -> bool,
    ) -> Result<Place, ReadError> {
        self.walk_to((from, None), bytes_max, take)
    }

    /// Like [`ParkReader::walk`], and meets nothing at or behind `until`, which is the `through` of some mark.
    ///
    /// # Errors
    /// The park cannot be read.
    pub fn walk_to(
        &self,
        (from, until): (Place, Option<Place>),
        bytes_max: u64,
        mut take: impl FnMut(Met) -> bool,
    ) -> Result<Place, ReadError> {
        let mut walk = Walk {
            at: from,
            until,
            bytes_left: bytes_max,
        };
        for _ in 1..TRIES {
            match self.walk_once(&mut walk, &mut take) {
                Err(ReadError::Trimmed { .. }) => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(walk.at),
            }
        }
        self.walk_once(&mut walk, &mut take)?;
        Ok(walk.at)
    }

    fn walk_once(
        &self,
        walk: &mut Walk,
        take: &mut impl FnMut(Met) -> bool,
    ) -> Result<(), ReadError> {
        loop {
            let (line, through) = {
                let index = self.index();
                (index.at(walk.at), index.through)
            };
            let Some(line) = line else {
                let end = walk.until.or(through);
                walk.at = end.map_or(walk.at, |end| end.max(walk.at));
                return Ok(());
            };
            for frame in self.log.read(line.frame, STEP_BYTES)? {
                if !self.index().holds(frame.number()) {
                    continue;
                }
                walk.bytes_left = walk.bytes_left.saturating_sub(frame.bytes().len() as u64);
                if !self.meet(&frame, walk, take)? || walk.bytes_left == 0 {
                    return Ok(());
                }
            }
        }
    }

    /// Meets one frame; gives whether to go on.
    fn meet(
        &self,
        frame: &Frame,
        walk: &mut Walk,
        take: &mut impl FnMut(Met) -> bool,
    ) -> Result<bool, ReadError> {
        for (_, entry) in self.log.entries(frame)? {
            let Entry::Park(entry) = entry else {
                continue;
            };
            match entry {
                ParkEntry::Event(parked) if parked.place >= walk.at => {
                    let place = parked.place;
                    if walk.ends_at(place) {
                        return Ok(false);
                    }
                    if !take(Met::Event(parked)) {
                        // It was not taken, so it is met again.
                        walk.at = place;
                        return Ok(false);
                    }
                    walk.at = place.behind();
                }
                ParkEntry::Passed(runs) => {
                    // A mark stands between frames, never within one.
                    if runs.first().is_some_and(|run| walk.ends_at(run.first)) {
                        return Ok(false);
                    }
                    if let Some((hours, end)) = passed(&runs, walk.at) {
                        take(Met::Passed(hours));
                        walk.at = end;
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

/// How far a walk has come.
struct Walk {
    at: Place,
    until: Option<Place>,
    bytes_left: u64,
}

impl Walk {
    /// Ends the walk if this place is at or behind its end.
    fn ends_at(&mut self, place: Place) -> bool {
        match self.until {
            Some(until) if place >= until => {
                self.at = self.at.max(until);
                true
            }
            _ => false,
        }
    }
}

/// Events of the runs at or after `from`, and the place behind the last one; `None` if there are none.
fn passed(runs: &[PassedRun], from: Place) -> Option<(Vec<HourTally>, Place)> {
    let mut hours = Vec::new();
    let mut end = None;
    for run in runs {
        let hour = Hour::of(run.appended);
        for (place, id) in run.events().filter(|(place, _)| *place >= from) {
            HourTally::note(&mut hours, hour, Tally::of(&id));
            end = Some(place.behind());
        }
    }
    Some((hours, end?))
}
