//! The writing side of a park: a log of the same engine, with a quota.

use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use tidegate_types::event::Event;
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use super::Need;
use super::index::{Index, Line};
use super::reader::ParkReader;
use crate::log::disk::Disk;
use crate::log::embedded::{EmbeddedLog, OpenOptions};
use crate::log::engine::{AppendError, Damage, Engine, ReadError, TrimError, TrimPolicy};
use crate::log::entry::{
    EncodedEntry, Entry, EventEntry, ParkEntry, ParkMark, ParkedEvent, PassedRun, encode_entry,
};
use crate::log::frame::FrameDraft;
use crate::log::recovery::OpenError;

/// A park is let go of in pieces: a sixteenth of the quota, within these bounds.
const PIECES: u64 = 16;
/// A small park has a few pieces at least.
const SEGMENT_BYTES_MIN: u64 = 64 * 1024;
/// An empty park keeps one segment, so it should not be large.
const SEGMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes beyond the quota that the identities of passed events may take while nothing else is taken: 4 million of them.
const COUNTING_BYTES_MAX: u64 = 64 << 20;
/// Events that are passed in one entry at most: 16 bytes each, and 32 more if each is a run of its own.
const PASSED_MAX: usize = 4096;
/// Frames that fit a segment at least, unless an event is too large for that.
const FRAMES_MIN: u64 = 4;
/// Bytes of frames read in one step while opening.
const READ_BYTES: usize = 4 << 20;

/// How to open a park.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkOptions {
    /// The region whose log it stands beside.
    pub origin: String,
    /// How many bytes it may take on disk.
    pub quota: u64,
}

/// The park of a flow.
#[derive(Debug)]
pub struct Park<D: Disk> {
    log: EmbeddedLog<D>,
    quota: u64,
    draft: FrameDraft,
    /// The frame in the making; its number is not known yet.
    filling: Option<Line>,
    /// Frames without a mark behind them.
    pending: Vec<Line>,
    /// Events that are passed and not written yet, and how many.
    passed: Vec<PassedRun>,
    passed_count: usize,
    index: Arc<RwLock<Index>>,
    /// The last mark and where it stands.
    mark: Option<(FrameNumber, ParkMark)>,
}

/// What became of an event that was offered to a park.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It will be parked with the next mark.
    Parked,
    /// The flow does not want it.
    Passed,
    /// The flow needs it no more.
    Settled,
    /// There is no room for it.
    Full,
}

/// An event of the log that may have to be parked.
#[derive(Clone, Copy, Debug)]
pub struct Offered<'a> {
    /// Where it stands.
    pub place: Place,
    /// When its frame was appended.
    pub appended: UnixMillis,
    /// The event.
    pub event: &'a EventEntry,
}

/// What there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Whatever fits the quota.
    ToPark,
    /// The park is full, and what the flow wants is given up. What it does not want is counted all the same, beyond
    /// the quota: it was not lost.
    ToCount,
}

/// How a park is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParkStatus {
    /// Events that are parked, with those that are settled but not let go yet.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes on disk, preallocated ones included.
    pub disk_bytes: u64,
    /// How many it may take.
    pub quota: u64,
}

/// A park could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ParkError {
    /// It cannot be opened.
    #[error("the park cannot be opened")]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error("the park cannot be read")]
    Read(#[from] ReadError),
    /// It cannot be written.
    #[error("the park cannot be written")]
    Append(#[from] AppendError),
    /// What was let go cannot be removed.
    #[error("what was let go of the park cannot be removed")]
    Trim(#[from] TrimError),
}

impl<D: Disk> Park<D> {
    /// Opens the park on `disk`, or begins one there. What stands behind the last mark is not
    /// believed: it will be parked again. A damaged park gives what stands before the damage.
    ///
    /// # Errors
    /// See [`ParkError`].
    pub fn open(
        disk: D,
        options: &ParkOptions,
        now: UnixMillis,
    ) -> Result<(Self, Option<Damage>), ParkError> {
        let log_options = OpenOptions {
            segment_bytes: segment_bytes(options.quota),
            // The quota is kept here, since marks are taken beyond it.
            size_max: u64::MAX,
            ..OpenOptions::new(&options.origin)
        };
        let (log, report) = EmbeddedLog::open(disk, log_options, now)?;
        let mut park = Self {
            log,
            quota: options.quota,
            draft: FrameDraft::new(),
            filling: None,
            pending: Vec::new(),
            passed: Vec::new(),
            passed_count: 0,
            index: Arc::default(),
            mark: None,
        };
        park.reread()?;
        Ok((park, report.damage))
    }

    fn reread(&mut self) -> Result<(), ParkError> {
        let reader = self.log.reader();
        let bounds = reader.bounds();
        let mut next = bounds.first;
        while next <= bounds.head.frame {
            for frame in reader.read(next, READ_BYTES)? {
                next = frame.number().next();
                let mut mark = None;
                for (_, entry) in reader.entries(&frame)? {
                    let Entry::Park(entry) = entry else {
                        continue;
                    };
                    let bytes = frame.bytes().len() as u64;
                    match entry {
                        ParkEntry::Event(parked) => self.fill(parked.place, parked.place, 1, bytes),
                        ParkEntry::Passed(runs) => {
                            if let Some((first, last)) = span(&runs) {
                                self.fill(first, last, 0, bytes);
                            }
                        }
                        ParkEntry::Mark(found) => mark = Some(*found),
                    }
                }
                self.filled(frame.number(), frame.bytes().len() as u64);
                if let Some(mark) = mark {
                    self.commit(frame.number(), mark);
                }
            }
        }
        self.abandon();
        Ok(())
    }

    /// Takes an event of the log, in the order of places, from the last mark's `through` on. Nothing
    /// is parked before [`Park::mark`]; after an error or instead of it, call [`Park::abandon`].
    ///
    /// # Errors
    /// The park cannot be written.
    pub fn take(
        &mut self,
        now: UnixMillis,
        need: &Need,
        offered: Offered<'_>,
        room: Room,
        wants: impl FnOnce(&Event) -> bool,
    ) -> Result<Taken, ParkError> {
        let Offered {
            place,
            appended,
            event,
        } = offered;
        if !need.holds(place, &event.event.key) {
            // If it is unwanted, it is before `low` and was counted.
            return Ok(Taken::Settled);
        }
        if !wants(&event.event) {
            if need.counts(place) && !self.pass(now, (place, appended), event.event.id, room)? {
                return Ok(Taken::Full);
            }
            return Ok(Taken::Passed);
        }
        if room == Room::ToCount {
            return Ok(Taken::Full);
        }
        let parked = ParkedEvent {
            place,
            appended,
            event: event.clone(),
        };
        let entry = encode_entry(&Entry::Park(ParkEntry::Event(Box::new(parked))));
        if !self.log.has_room(&entry, &self.draft, self.quota) {
            return Ok(Taken::Full);
        }
        self.write_passed(now)?;
        self.push(now, &entry, (place, place), 1)?;
        Ok(Taken::Parked)
    }

    /// Counts an event that the flow does not want; gives whether there was room for that.
    fn pass(
        &mut self,
        now: UnixMillis,
        at: (Place, UnixMillis),
        id: EventId,
        room: Room,
    ) -> Result<bool, ParkError> {
        if self.passed_count >= PASSED_MAX {
            let quota = match room {
                Room::ToPark => self.quota,
                Room::ToCount => self.quota.saturating_add(COUNTING_BYTES_MAX),
            };
            let entry = Entry::Park(ParkEntry::Passed(self.passed.clone()));
            if !self.log.has_room(&encode_entry(&entry), &self.draft, quota) {
                return Ok(false);
            }
            self.write_passed(now)?;
        }
        self.passed_count = self.passed_count.saturating_add(1);
        PassedRun::note(&mut self.passed, at, id);
        Ok(true)
    }

    fn write_passed(&mut self, now: UnixMillis) -> Result<(), ParkError> {
        let runs = std::mem::take(&mut self.passed);
        self.passed_count = 0;
        let Some(places) = span(&runs) else {
            return Ok(());
        };
        let entry = encode_entry(&Entry::Park(ParkEntry::Passed(runs)));
        self.push(now, &entry, places, 0)
    }

    fn push(
        &mut self,
        now: UnixMillis,
        entry: &EncodedEntry,
        (first, last): (Place, Place),
        events: u64,
    ) -> Result<(), ParkError> {
        if !entry.fits_frame() {
            self.flush(now)?;
            let head = self.log.head();
            let head = self.log.append_large(now, &head, entry)?;
            self.fill(first, last, events, entry.len() as u64);
            self.filled(head.frame, entry.len() as u64);
            return Ok(());
        }
        // A frame should not need a segment of its own.
        let frame_max = segment_bytes(self.quota) / FRAMES_MIN;
        let len = self.draft.len().saturating_add(entry.len()) as u64;
        if len > frame_max && !self.draft.is_empty() {
            self.flush(now)?;
        }
        if self.draft.push(entry).is_none() {
            self.flush(now)?;
            if self.draft.push(entry).is_none() {
                let bytes = entry.len();
                return Err(AppendError::TooLarge { bytes }.into());
            }
        }
        self.fill(first, last, events, 0);
        Ok(())
    }

    /// Writes and syncs the frame in the making.
    fn flush(&mut self, now: UnixMillis) -> Result<FrameNumber, ParkError> {
        let head = self.log.head();
        if self.draft.is_empty() {
            return Ok(head.frame);
        }
        let bytes = self.draft.len() as u64;
        let head = self.log.append(now, &head, &mut self.draft)?;
        self.draft.clear();
        self.filled(head.frame, bytes);
        Ok(head.frame)
    }

    fn fill(&mut self, first: Place, last: Place, events: u64, bytes: u64) {
        let line = self.filling.get_or_insert(Line {
            first,
            last,
            frame: FrameNumber(0),
            events: 0,
            bytes,
        });
        line.last = line.last.max(last);
        line.events = line.events.saturating_add(events);
    }

    fn filled(&mut self, frame: FrameNumber, bytes: u64) {
        if let Some(line) = self.filling.take() {
            self.pending.push(Line {
                frame,
                bytes,
                ..line
            });
        }
    }

    /// Makes what was taken durable, and says up to where that is all the flow needs. When this
    /// returns, the log may be trimmed up to there as far as this flow is concerned.
    ///
    /// # Errors
    /// The park cannot be written; nothing is parked.
    pub fn mark(&mut self, now: UnixMillis, mark: ParkMark) -> Result<(), ParkError> {
        self.write_passed(now)?;
        let entry = Entry::Park(ParkEntry::Mark(Box::new(mark.clone())));
        let entry = encode_entry(&entry);
        if entry.fits_frame() {
            if self.draft.push(&entry).is_none() {
                self.flush(now)?;
                let bytes = entry.len();
                let pushed = self.draft.push(&entry);
                pushed.ok_or(AppendError::TooLarge { bytes })?;
            }
            self.flush(now)?;
        } else {
            self.flush(now)?;
            let head = self.log.head();
            self.log.append_large(now, &head, &entry)?;
        }
        self.commit(self.log.head().frame, mark);
        Ok(())
    }

    fn commit(&mut self, frame: FrameNumber, mark: ParkMark) {
        let lines = std::mem::take(&mut self.pending);
        self.index_mut().commit(lines, mark.through);
        self.mark = Some((frame, mark));
    }

    /// Takes back what was taken since the last mark. What of it is on disk is not believed.
    pub fn abandon(&mut self) {
        self.draft.clear();
        self.filling = None;
        self.pending.clear();
        self.passed.clear();
        self.passed_count = 0;
    }

    /// Lets go of everything before `place`, which the flow needs no more: whole segments, as long as
    /// they do not hold the last mark. Gives how many.
    ///
    /// # Errors
    /// A segment could not be removed.
    pub fn release(&mut self, now: UnixMillis, place: Place) -> Result<u64, ParkError> {
        let Some((marked, _)) = self.mark else {
            return Ok(0);
        };
        // Readers look here first, so they ask for nothing that goes.
        let first = self.index_mut().release(place);
        let low_water = first.map_or(marked, |first| first.min(marked));
        let everything = TrimPolicy {
            keep: std::time::Duration::ZERO,
            size_max: 0,
        };
        if self.log.trim_plan(now, &everything, low_water).segments == 0 {
            return Ok(0);
        }
        Ok(self.log.trim(now, &everything, low_water)?.segments)
    }

    /// The last mark.
    #[must_use]
    pub fn last_mark(&self) -> Option<&ParkMark> {
        self.mark.as_ref().map(|(_, mark)| mark)
    }

    /// A reader of this park.
    #[must_use]
    pub fn reader(&self) -> ParkReader {
        ParkReader {
            log: self.log.reader(),
            index: Arc::clone(&self.index),
        }
    }

    /// Changes the quota, from the next event on.
    pub const fn set_quota(&mut self, quota: u64) {
        self.quota = quota;
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> ParkStatus {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let (events, bytes) = index.sum();
        ParkStatus {
            events,
            bytes,
            disk_bytes: self.log.status().bytes,
            quota: self.quota,
        }
    }

    /// The disk it stands on.
    pub fn disk(&self) -> &D {
        self.log.disk()
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        // Nothing that holds the lock can leave the index half changed.
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The places of these runs.
fn span(runs: &[PassedRun]) -> Option<(Place, Place)> {
    Some((runs.first()?.first, runs.last()?.last()?))
}

fn segment_bytes(quota: u64) -> u64 {
    (quota / PIECES).clamp(SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX)
}
