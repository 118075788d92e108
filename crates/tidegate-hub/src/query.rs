//! Questions about what the log holds. Everything here blocks on the disk: call it off the runtime.

use std::time::Duration;

use tidegate_core::deliver::Restored;
use tidegate_core::log::engine::{LogReader, ReadError};
use tidegate_core::log::entry::{Entry, EventEntry, Fault, Polled};
use tidegate_core::receive::ledger::Ledger as _;
use tidegate_core::view::FaultSummary;
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::time::UnixMillis;

use crate::hub::Hub;
use crate::views::ViewsError;

/// Bytes of frames read in one step of a scan.
const STEP_BYTES: usize = 1 << 20;

/// How long a question waits for the views. They are further behind only under the heaviest load.
const VIEWS_WAIT: Duration = Duration::from_secs(2);

/// A question could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The log could not be read.
    #[error("the log cannot be read")]
    Log(#[from] ReadError),
    /// The views could not be read.
    #[error("the local views cannot be read")]
    Views(#[from] ViewsError),
    /// The views are behind the log, and the question is about what was written last.
    #[error("the local views have not caught up with the log")]
    Behind,
    /// The ledger could not be read.
    #[error(transparent)]
    Ledger(#[from] tidegate_core::receive::ledger::LedgerError),
}

/// An entry and where it stands.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it stands.
    pub place: Place,
    /// When its frame was appended.
    pub appended: UnixMillis,
    /// The entry.
    pub entry: Entry,
}

/// A piece of a scan.
#[derive(Clone, Debug)]
pub struct Page {
    /// What was found, in the order of the scan.
    pub found: Vec<Found>,
    /// The last place that was looked at: where the next page goes on. `None` if there was nothing.
    pub scanned_to: Option<Place>,
    /// Everything up to here was looked at. Other than `scanned_to` it says when a frame was looked
    /// at whole (its index is `u32::MAX` then), so that a reader is known to need it no more.
    pub through: Option<Place>,
    /// The scan reached the end of the log.
    pub at_end: bool,
}

impl Page {
    /// A frame was looked at whole.
    fn done_with(&mut self, incarnation: Incarnation, frame: FrameNumber) {
        let place = |index| Place {
            incarnation,
            frame,
            index,
        };
        // Frames with nothing but chunks count too, or a page could end where it began.
        self.scanned_to = self.scanned_to.max(Some(place(0)));
        self.through = Some(place(u32::MAX));
    }
}

/// Bounds of one page.
#[derive(Clone, Copy, Debug)]
pub struct PageLimits {
    /// Entries at most.
    pub entries: usize,
    /// Bytes of found entries at most; one entry is always given.
    pub entry_bytes: usize,
    /// Bytes of the log to look through at most.
    pub scan_bytes: u64,
}

impl Hub {
    /// The event or fault with this identity. Whatever was acknowledged before the call is found:
    /// the views, which follow within milliseconds, are waited for.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn find(&self, id: &EventId) -> Result<Option<Found>, QueryError> {
        let mut known = self.views().known(id)?;
        if known.is_none() && self.settled(VIEWS_WAIT) {
            known = self.views().known(id)?;
        }
        known.map_or(Ok(None), |known| self.at(known.place))
    }

    /// The entry at a place; `None` if it was removed.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn at(&self, place: Place) -> Result<Option<Found>, QueryError> {
        let reader = self.reader();
        let entry = match reader.read_entry(place.frame, place.index) {
            Ok(entry) => entry,
            Err(ReadError::Trimmed { .. } | ReadError::NoEntry { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let frame = reader.read(place.frame, 1)?;
        let appended = frame
            .first()
            .map_or(UnixMillis(0), |frame| frame.header().time);
        Ok(Some(Found {
            place,
            appended,
            entry,
        }))
    }

    /// Entries after `after` (from the oldest on if `None`) that are `wanted`, in the order of the log.
    ///
    /// # Errors
    /// See [`QueryError`]; `ReadError::Trimmed` if what follows `after` was removed meanwhile.
    pub fn scan(
        &self,
        after: Option<Place>,
        limits: PageLimits,
        mut wanted: impl FnMut(&Entry) -> bool,
    ) -> Result<Page, QueryError> {
        self.scan_timed(after, limits, |_, entry| wanted(entry))
    }

    /// Like [`Hub::scan`], for those who go by when the frame of an entry was appended as well.
    ///
    /// # Errors
    /// See [`Hub::scan`].
    pub fn scan_timed(
        &self,
        after: Option<Place>,
        limits: PageLimits,
        wanted: impl FnMut(UnixMillis, &Entry) -> bool,
    ) -> Result<Page, QueryError> {
        scan_log(&*self.reader(), after, limits, wanted)
    }

    /// The place just before the last `entries` entries that are `wanted`, looking back through
    /// `scan_bytes` of the log at most: where a tail begins.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn tail_start(
        &self,
        entries: usize,
        scan_bytes: u64,
        mut wanted: impl FnMut(&Entry) -> bool,
    ) -> Result<Option<Place>, QueryError> {
        let reader = self.reader();
        let bounds = reader.bounds();
        let (mut number, mut count, mut scanned) = (bounds.head.frame, 0_usize, 0_u64);
        while number >= bounds.first && number.0 > 0 {
            let Some(frame) = read_one(&*reader, number)? else {
                break;
            };
            for (index, entry) in reader.entries(&frame)?.into_iter().rev() {
                if wanted(&entry) {
                    if count == entries {
                        let incarnation = frame.header().incarnation;
                        return Ok(Some(Place {
                            incarnation,
                            frame: number,
                            index,
                        }));
                    }
                    count = count.saturating_add(1);
                }
            }
            scanned = scanned.saturating_add(frame.bytes().len() as u64);
            if scanned >= scan_bytes {
                let incarnation = frame.header().incarnation;
                let before = FrameNumber(number.0.saturating_sub(1));
                return Ok(Some(Place {
                    incarnation,
                    frame: before,
                    index: u32::MAX,
                }));
            }
            number = FrameNumber(number.0.saturating_sub(1));
        }
        Ok(None)
    }

    /// How far a flow that polls has read its source, with everything that was acknowledged before the
    /// call.
    ///
    /// # Errors
    /// See [`QueryError`]; `Behind` is worth another try.
    pub fn polled(&self, flow: &str) -> Result<Option<Polled>, QueryError> {
        if !self.settled(VIEWS_WAIT) {
            return Err(QueryError::Behind);
        }
        Ok(self.views().polled(flow)?.map(|(polled, _)| polled))
    }

    /// Where a shard of a flow that delivers stands, with everything that was acknowledged before the
    /// call; `None` if it never began. For its start: it copies all of it.
    ///
    /// # Errors
    /// [`QueryError::Behind`]: from an older state events would be sent again.
    pub fn delivery_state(&self, flow: &str, shard: u16) -> Result<Option<Restored>, QueryError> {
        if !self.settled(VIEWS_WAIT) {
            return Err(QueryError::Behind);
        }
        Ok(self.views().delivered(flow, shard))
    }

    /// The open faults from the newest to the oldest.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn faults(
        &self,
        before: Option<&FaultSummary>,
        limit: usize,
        wanted: impl FnMut(&FaultSummary) -> bool,
    ) -> Result<Vec<(FaultSummary, Fault)>, QueryError> {
        self.settled(VIEWS_WAIT);
        let summaries = self.views().faults(before, limit, wanted)?;
        let mut faults = Vec::with_capacity(summaries.len());
        for summary in summaries {
            if let Some(Found {
                entry: Entry::Fault(fault),
                ..
            }) = self.at(summary.place)?
            {
                faults.push((summary, *fault));
            }
        }
        Ok(faults)
    }
}

/// As [`Hub::scan_timed`], of any log: one life of a mirror, for one.
///
/// # Errors
/// See [`Hub::scan`].
pub fn scan_log(
    reader: &dyn LogReader,
    after: Option<Place>,
    limits: PageLimits,
    mut wanted: impl FnMut(UnixMillis, &Entry) -> bool,
) -> Result<Page, QueryError> {
    let mut page = Page {
        found: Vec::new(),
        scanned_to: after,
        through: after,
        at_end: false,
    };
    let mut next = match after {
        None => reader.bounds().first,
        // What is done with a whole frame does not need it to be there any more.
        Some(place) if place.index == u32::MAX => place.frame.next(),
        Some(place) => place.frame,
    };
    let (mut scanned, mut bytes) = (0_u64, 0_usize);
    loop {
        let frames = match reader.read(next, STEP_BYTES) {
            Ok(frames) => frames,
            // Whoever asked for the oldest gets what is the oldest now.
            Err(ReadError::Trimmed { first }) if after.is_none() && first > next => {
                next = first;
                continue;
            }
            // Trimmed meanwhile: what was met so far is whole.
            Err(ReadError::Trimmed { .. }) if page.through > after => return Ok(page),
            Err(error) => return Err(error.into()),
        };
        if frames.is_empty() {
            page.at_end = true;
            return Ok(page);
        }
        for frame in &frames {
            let header = frame.header();
            let entries = match reader.entries(frame) {
                Err(ReadError::Trimmed { .. }) if page.through > after => return Ok(page),
                entries => entries?,
            };
            for (index, entry) in entries {
                let place = Place {
                    incarnation: header.incarnation,
                    frame: header.number,
                    index,
                };
                if after.is_some_and(|after| place <= after) {
                    continue;
                }
                if wanted(header.time, &entry) {
                    bytes = bytes.saturating_add(weight(&entry));
                    if !page.found.is_empty()
                        && (page.found.len() >= limits.entries || bytes > limits.entry_bytes)
                    {
                        return Ok(page);
                    }
                    page.found.push(Found {
                        place,
                        appended: header.time,
                        entry,
                    });
                }
                page.scanned_to = Some(place);
                page.through = Some(place);
            }
            page.done_with(header.incarnation, header.number);
            next = frame.number().next();
            scanned = scanned.saturating_add(frame.bytes().len() as u64);
        }
        if scanned >= limits.scan_bytes {
            return Ok(page);
        }
    }
}

fn read_one(
    reader: &dyn LogReader,
    number: FrameNumber,
) -> Result<Option<tidegate_core::log::frame::Frame>, ReadError> {
    match reader.read(number, 1) {
        Ok(frames) => Ok(frames.into_iter().next()),
        Err(ReadError::Trimmed { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What an entry takes of a page.
pub(crate) fn weight(entry: &Entry) -> usize {
    let event = |event: &EventEntry| {
        event.event.data.len() + event.event.raw.as_ref().map_or(0, |raw| raw.body.len())
    };
    match entry {
        Entry::Event(entry) => event(entry),
        Entry::Fault(fault) => fault.raw.body.len() + fault.event.as_ref().map_or(0, event),
        _ => 0,
    }
}
