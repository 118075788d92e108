//! Looking through the log in either direction, bounded.

use tidegate_core::log::engine::{LogReader, ReadError};
use tidegate_core::log::entry::Entry;
use tidegate_core::log::frame::Frame;
use tidegate_hub::query::Found;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use crate::limits::{PAGE_BYTES_MAX, SCAN_BYTES_MAX, SCAN_FRAMES_MAX};
use crate::view::Scanned;

/// Bytes of frames read in one step forwards.
const STEP_BYTES: usize = 1 << 20;

/// What to look for, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Search {
    /// Newest entries first.
    pub(crate) backwards: bool,
    /// Go on behind this place, in the direction of the search.
    pub(crate) after: Option<Place>,
    /// Nothing appended before.
    pub(crate) since: Option<UnixMillis>,
    /// Nothing appended later.
    pub(crate) until: Option<UnixMillis>,
    /// Entries at most.
    pub(crate) limit: usize,
    /// Bytes of the log at most.
    pub(crate) scan_bytes: u64,
}

/// What a search found.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// Entries in the order of the search.
    pub(crate) found: Vec<Found>,
    /// The last place that was looked at; where to go on.
    pub(crate) reached: Option<Place>,
    /// Everything was looked at.
    pub(crate) at_end: bool,
    /// How much was looked at.
    pub(crate) scanned: Scanned,
    bytes: usize,
}

impl Search {
    /// From the newest entry backwards, without bounds of time.
    pub(crate) const fn newest(limit: usize) -> Self {
        Self {
            backwards: true,
            after: None,
            since: None,
            until: None,
            limit,
            scan_bytes: SCAN_BYTES_MAX,
        }
    }

    /// Looks. Blocks on the disk.
    ///
    /// # Errors
    /// See [`ReadError`]; `Trimmed` if what follows `after` was removed meanwhile.
    pub(crate) fn run(
        &self,
        reader: &dyn LogReader,
        mut wanted: impl FnMut(&Entry) -> bool,
    ) -> Result<Sweep, ReadError> {
        let mut sweep = Sweep {
            found: Vec::new(),
            reached: self.after,
            at_end: false,
            scanned: Scanned {
                frames: 0,
                bytes: 0,
            },
            bytes: 0,
        };
        if self.limit == 0 {
            return Ok(sweep);
        }
        if self.backwards {
            self.back(reader, &mut sweep, &mut wanted)?;
        } else {
            self.forth(reader, &mut sweep, &mut wanted)?;
        }
        Ok(sweep)
    }

    fn forth(
        &self,
        reader: &dyn LogReader,
        sweep: &mut Sweep,
        wanted: &mut impl FnMut(&Entry) -> bool,
    ) -> Result<(), ReadError> {
        let mut next = match (self.after, self.since) {
            // The largest index stands for the end of a frame, which may be gone or not be there yet.
            (Some(after), _) if after.index == u32::MAX => after.frame.next(),
            (Some(after), _) => after.frame,
            (None, Some(since)) => reader.frame_at_time(since)?,
            (None, None) => reader.bounds().first,
        };
        loop {
            let frames = reader.read(next, STEP_BYTES)?;
            if frames.is_empty() {
                sweep.at_end = true;
                return Ok(());
            }
            for frame in &frames {
                if self.until.is_some_and(|until| frame.header().time > until) {
                    sweep.at_end = true;
                    return Ok(());
                }
                let entries = reader.entries(frame)?;
                if !self.look(frame, entries.into_iter(), sweep, wanted) {
                    return Ok(());
                }
                next = frame.number().next();
            }
            if self.is_enough(sweep) {
                return Ok(());
            }
        }
    }

    fn back(
        &self,
        reader: &dyn LogReader,
        sweep: &mut Sweep,
        wanted: &mut impl FnMut(&Entry) -> bool,
    ) -> Result<(), ReadError> {
        let bounds = reader.bounds();
        let newest = match self.until {
            Some(until) => before(reader.frame_at_time(UnixMillis(until.0.saturating_add(1)))?),
            None => bounds.head.frame,
        };
        let mut number = self.after.map_or(newest, |after| after.frame.min(newest));
        loop {
            if number < bounds.first || number.0 == 0 {
                sweep.at_end = true;
                return Ok(());
            }
            let frame = match reader.read(number, 1) {
                Ok(frames) => frames.into_iter().next(),
                // Removed while we looked: the log begins later now.
                Err(ReadError::Trimmed { .. }) => None,
                Err(error) => return Err(error),
            };
            let Some(frame) = frame else {
                sweep.at_end = true;
                return Ok(());
            };
            if self.since.is_some_and(|since| frame.header().time < since) {
                sweep.at_end = true;
                return Ok(());
            }
            let entries = reader.entries(&frame)?;
            if !self.look(&frame, entries.into_iter().rev(), sweep, wanted) {
                return Ok(());
            }
            number = before(number);
            if self.is_enough(sweep) {
                return Ok(());
            }
        }
    }

    /// Looks at the entries of a frame; `false` if the page is full.
    fn look(
        &self,
        frame: &Frame,
        entries: impl Iterator<Item = (u32, Entry)>,
        sweep: &mut Sweep,
        wanted: &mut impl FnMut(&Entry) -> bool,
    ) -> bool {
        let header = frame.header();
        sweep.scanned.frames += 1;
        sweep.scanned.bytes += frame.bytes().len() as u64;
        for (index, entry) in entries {
            let place = Place {
                incarnation: header.incarnation,
                frame: header.number,
                index,
            };
            let behind = |after: Place| {
                if self.backwards {
                    place < after
                } else {
                    place > after
                }
            };
            if !self.after.is_none_or(behind) {
                continue;
            }
            if wanted(&entry) {
                sweep.bytes = sweep.bytes.saturating_add(payload_bytes(&entry));
                let full = sweep.found.len() >= self.limit || sweep.bytes > PAGE_BYTES_MAX;
                if full && !sweep.found.is_empty() {
                    return false;
                }
                sweep.found.push(Found {
                    place,
                    appended: header.time,
                    entry,
                });
            }
            sweep.reached = Some(place);
        }
        true
    }

    fn is_enough(&self, sweep: &Sweep) -> bool {
        sweep.scanned.bytes >= self.scan_bytes || sweep.scanned.frames >= SCAN_FRAMES_MAX
    }
}

const fn before(number: FrameNumber) -> FrameNumber {
    FrameNumber(number.0.saturating_sub(1))
}

/// What an entry takes of a page.
fn payload_bytes(entry: &Entry) -> usize {
    match entry {
        Entry::Event(entry) => entry.event.data.len(),
        Entry::Fault(fault) => fault.raw.body.len(),
        _ => 0,
    }
}
