//! Keeps the books of a hub's log: reads behind the writer, and closes them when it is asked.
//!
//! Nothing of it is stored. After a start it reads again what the log holds of the hours it counts, in
//! bounded steps, so that its caller can let others have the disk in between.

use std::sync::Arc;

use tidegate_core::books::{Balance, Books, Hour, Limits, Page, Pending};
use tidegate_core::log::engine::{LogReader, ReadError};
use tidegate_core::log::entry::{Entry, EventEntry};
use tidegate_core::log::frame::Frame;
use tidegate_core::park::{Met, ParkReader};
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use crate::hub::Hub;

/// Bytes of frames read at a time.
const READ_BYTES: usize = 4 << 20;

/// Bytes of log and parks that are looked through for what is pending. Beyond, hours are unknown: it is a
/// backlog of about a million events, and takes a second or two.
const PENDING_BYTES_MAX: u64 = 2 << 30;

/// How often it looks before it calls an hour odd.
const LOOKS_MAX: usize = 3;

/// The books of one hub.
#[derive(Debug)]
pub struct Bookkeeper {
    limits: Limits,
    books: Books,
    next: FrameNumber,
}

/// The books as they stood at one frame.
#[derive(Clone, Debug)]
pub struct Closed {
    /// The frame.
    pub frame: FrameNumber,
    /// The first hour that is counted whole.
    pub begin: Hour,
    /// One line for each flow and hour that has any event.
    pub pages: Vec<Page>,
}

impl Bookkeeper {
    /// Books of the last hours, as many as `limits` say, of which the log still holds the beginning.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn new(hub: &Hub, limits: Limits, now: UnixMillis) -> Result<Self, ReadError> {
        let reader = hub.reader();
        let hours = u32::try_from(limits.hours_max.saturating_sub(1)).unwrap_or(u32::MAX);
        let begin = Hour(Hour::of(now).0.saturating_sub(hours));
        let next = loop {
            match reader.frame_at_time(begin.begin()) {
                // Trimming goes on meanwhile; it ends at the head.
                Err(ReadError::Trimmed { .. }) => {}
                other => break other?,
            }
        };
        let bounds = reader.bounds();
        let trimmed = bounds.first > FrameNumber(1) && next <= bounds.first;
        // Of the oldest hour that is left, a part may be gone.
        let begin = if trimmed {
            whole_hour(&*reader, bounds.first)?.unwrap_or(begin)
        } else {
            begin
        };
        Ok(Self {
            limits,
            books: Books::new(limits, begin),
            next: next.max(bounds.first),
        })
    }

    /// Reads on, at most about `bytes`, and gives whether there is more. Never past what the views have
    /// taken in: where flows stand is known from there.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn follow(&mut self, hub: &Hub, bytes: u64) -> Result<bool, ReadError> {
        self.follow_to(&hub.reader(), hub.views().delivering_to(), bytes)
    }

    fn follow_to(
        &mut self,
        reader: &Arc<dyn LogReader>,
        last: FrameNumber,
        bytes: u64,
    ) -> Result<bool, ReadError> {
        let mut left = bytes;
        while self.next <= last && left > 0 {
            match self.read_on(&**reader, last) {
                Ok(0) => break,
                Ok(read) => left = left.saturating_sub(read),
                Err(ReadError::Trimmed { first }) => self.miss(&**reader, first)?,
                Err(error) => return Err(error),
            }
        }
        Ok(self.next <= last)
    }

    /// Reads some frames, and gives their bytes.
    fn read_on(&mut self, reader: &dyn LogReader, last: FrameNumber) -> Result<u64, ReadError> {
        let mut read: u64 = 0;
        let frames = reader.read(self.next, READ_BYTES)?;
        for frame in frames.iter().take_while(|frame| frame.number() <= last) {
            let entries = reader.entries(frame)?;
            self.books.frame(frame.number(), frame.header().time);
            for (index, entry) in entries {
                self.books.take(place(frame, index), &entry);
            }
            self.next = frame.number().next();
            read = read.saturating_add(frame.bytes().len() as u64);
        }
        Ok(read)
    }

    /// What was to be read has gone: the books begin anew, and judge from the next whole hour on.
    fn miss(&mut self, reader: &dyn LogReader, first: FrameNumber) -> Result<(), ReadError> {
        let begin = whole_hour(reader, first)?;
        self.books = Books::new(self.limits, begin.unwrap_or_else(|| self.books.begin()));
        self.next = first.max(self.next.next());
        Ok(())
    }

    /// Closes the books at the last frame that the views have taken in. `wanted` says whether a flow
    /// wants an event, as it does when it reads.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn close(
        &mut self,
        hub: &Hub,
        mut wanted: impl FnMut(&str, &EventEntry) -> bool,
    ) -> Result<Closed, ReadError> {
        let mut closed = self.close_once(hub, &mut wanted)?;
        // While it looked, log and parks may have let go of what a flow had not settled when it began to.
        for _ in 1..LOOKS_MAX {
            let odd = |page: &Page| matches!(page.balance, Balance::Odd { .. });
            if !closed.pages.iter().any(odd) {
                break;
            }
            closed = self.close_once(hub, &mut wanted)?;
        }
        Ok(closed)
    }

    fn close_once(
        &mut self,
        hub: &Hub,
        wanted: &mut impl FnMut(&str, &EventEntry) -> bool,
    ) -> Result<Closed, ReadError> {
        let reader = hub.reader();
        // The parks first: what was given up until they had come so far is in the views.
        let parks = hub.parked().readers();
        let (last, flows) = hub.views().delivering();
        self.follow_to(&reader, last, u64::MAX)?;
        let mut pending = self.books.pending(flows);
        let begin = pending.begin();
        let mut left = PENDING_BYTES_MAX;
        for (flow, through, park) in &parks {
            look_into(park, &mut pending, (flow, *through), &mut left)?;
        }
        if let Some(begin) = begin {
            look(&reader, &mut pending, (begin, last), left, wanted)?;
        }
        Ok(Closed {
            frame: last,
            begin: self.books.begin(),
            pages: self.books.close(&pending),
        })
    }
}

/// The first hour of which everything is there, if frame `first` is the first that is.
fn whole_hour(reader: &dyn LogReader, first: FrameNumber) -> Result<Option<Hour>, ReadError> {
    let mut first = first;
    let frames = loop {
        match reader.read(first, 1) {
            // Trimming goes on meanwhile; it ends at the head.
            Err(ReadError::Trimmed { first: later }) if later > first => first = later,
            other => break other?,
        }
    };
    let oldest = frames.first().map(|frame| Hour::of(frame.header().time));
    Ok(oldest.map(|hour| Hour(hour.0.saturating_add(1))))
}

/// Looks at what a flow has parked, before `through`.
fn look_into(
    park: &ParkReader,
    pending: &mut Pending,
    (flow, through): (&str, Place),
    left: &mut u64,
) -> Result<(), ReadError> {
    let Some((begin, low)) = pending.parked(flow, through) else {
        return Ok(());
    };
    // Of what stands before `low`, what the flow passes over is counted.
    let parts = [
        (begin, low.min(through), false),
        (low.max(begin), through, true),
    ];
    for (mut next, until, counts) in parts {
        while next < until {
            if *left == 0 {
                pending.stop_at(flow, next);
                return Ok(());
            }
            let bytes = (READ_BYTES as u64).min(*left);
            *left = left.saturating_sub(bytes);
            next = park.walk_to((next, Some(until)), bytes, |met| {
                match met {
                    Met::Event(parked) => {
                        let event = &parked.event.event;
                        let hour = Hour::of(parked.appended);
                        pending.take_parked(flow, hour, parked.place, (&event.id, &event.key));
                    }
                    Met::Passed(hours) if counts => pending.take_passed(flow, &hours),
                    Met::Passed(_) => {}
                }
                true
            })?;
        }
    }
    Ok(())
}

/// Looks at the events from `begin` on, up to the frame `last`.
fn look(
    reader: &Arc<dyn LogReader>,
    pending: &mut Pending,
    (begin, last): (Place, FrameNumber),
    mut left: u64,
    wanted: &mut impl FnMut(&str, &EventEntry) -> bool,
) -> Result<(), ReadError> {
    let mut next = begin.frame;
    while next <= last {
        let frames = match reader.read(next, READ_BYTES) {
            Ok(frames) => frames,
            Err(ReadError::Trimmed { first }) if first > next => {
                next = first;
                continue;
            }
            Err(error) => return Err(error),
        };
        let Some(end) = frames.last().map(Frame::number) else {
            break;
        };
        for frame in frames.iter().take_while(|frame| frame.number() <= last) {
            let hour = Hour::of(frame.header().time);
            let entries = match reader.entries(frame) {
                Err(ReadError::Trimmed { .. }) => Vec::new(),
                other => other?,
            };
            for (index, entry) in entries {
                let Entry::Event(event) = entry else {
                    continue;
                };
                let (id, key) = (event.event.id, event.event.key.clone());
                pending.take(hour, place(frame, index), (&id, &key), |flow| {
                    wanted(flow, &event)
                });
            }
            left = left.saturating_sub(frame.bytes().len() as u64);
        }
        next = end.next();
        if left == 0 && next <= last {
            pending.stop(Place::start_of(begin.incarnation, next));
            break;
        }
    }
    Ok(())
}

fn place(frame: &Frame, index: u32) -> Place {
    Place {
        incarnation: frame.header().incarnation,
        frame: frame.number(),
        index,
    }
}
