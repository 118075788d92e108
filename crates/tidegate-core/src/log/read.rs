//! The reader of the embedded log: finds the segment, then the place in it, then reads a page.

use std::io;
use std::sync::Arc;

use tidegate_types::position::FrameNumber;
use tidegate_types::time::UnixMillis;

use super::disk::Disk;
use super::engine::{Bounds, Damage, LogReader, ReadError};
use super::frame::Frame;
use super::scan::Frames;
use super::segment::{Extent, Footer, INDEX_STEP_BYTES, IndexEntry, SEGMENT_HEADER_BYTES, Segment};
use super::view::{Shared, View};

/// The most one read gives, in bytes: bounds the memory a reader can ask for.
const READ_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Reads an embedded log.
#[derive(Debug)]
pub(super) struct Reader<D: Disk>(pub(super) Arc<Shared<D>>);

/// A segment with a place in it where a frame begins.
struct Located<F> {
    name: String,
    file: Arc<F>,
    extent: Extent,
    start: IndexEntry,
}

/// What a segment is searched by.
#[derive(Clone, Copy)]
enum Key {
    Frame(FrameNumber),
    Time(UnixMillis),
}

impl Key {
    /// Whether all frames of the extent come before it.
    fn is_after(self, extent: &Extent) -> bool {
        match self {
            Self::Frame(frame) => extent.last < frame,
            Self::Time(time) => extent.frames() == 0 || extent.last_time < time,
        }
    }

    /// The last index entry that is surely not behind it, else the first frame.
    fn start(self, extent: &Extent, index: &[IndexEntry]) -> IndexEntry {
        let behind = index.partition_point(|entry| match self {
            Self::Frame(frame) => entry.frame <= frame,
            Self::Time(time) => entry.time < time,
        });
        let found = behind.checked_sub(1).and_then(|at| index.get(at));
        found.copied().unwrap_or(IndexEntry {
            frame: extent.first,
            time: extent.first_time,
            offset: SEGMENT_HEADER_BYTES,
        })
    }
}

impl<D: Disk> Reader<D> {
    /// The first segment that reaches the key, `None` if none does.
    fn locate(&self, key: Key) -> Result<Option<Located<D::File>>, ReadError> {
        let (name, extent, start, file) = {
            let view = self.0.view();
            let Some(segment) = Self::segment(&view, key) else {
                return Ok(None);
            };
            let index = segment.index.as_ref();
            let start = index.map(|index| key.start(&segment.extent, index));
            let file = segment.file.clone();
            (segment.name.clone(), segment.extent, start, file)
        };
        let io_error = |source| ReadError::Io {
            segment: name.clone(),
            source,
        };
        let file = match file {
            Some(file) => file,
            None => match self.0.disk.open(&name) {
                Ok(file) => Arc::new(file),
                // Trimmed since the view was looked at.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    let first = self.bounds().first.max(extent.last.next());
                    return Err(ReadError::Trimmed { first });
                }
                Err(error) => return Err(io_error(error)),
            },
        };
        let start = match start {
            Some(start) => start,
            None => {
                let footer = Footer::read(&*file).map_err(io_error)?;
                let index = footer.map(|footer| footer.index).unwrap_or_default();
                key.start(&extent, &index)
            }
        };
        Ok(Some(Located {
            name,
            file,
            extent,
            start,
        }))
    }

    fn segment(view: &View<D::File>, key: Key) -> Option<&Segment<D::File>> {
        let at = match key {
            Key::Frame(_) => view
                .segments
                .partition_point(|segment| key.is_after(&segment.extent)),
            // Segments without frames make times not strictly sorted: look at each.
            Key::Time(_) => view
                .segments
                .iter()
                .position(|segment| !key.is_after(&segment.extent))?,
        };
        view.segments.get(at)
    }

    /// Calls `take` with the frames from the located place on, until it says `false` or the segment ends.
    fn walk(
        located: &Located<D::File>,
        page_bytes: usize,
        mut take: impl FnMut(Frame) -> bool,
    ) -> Result<(), ReadError> {
        let file = &*located.file;
        let start = located.start.offset;
        let mut frames = Frames::new(file, start, located.extent.end, page_bytes);
        let mut number = located.start.frame;
        while number <= located.extent.last {
            let corrupt = |offset, problem| {
                ReadError::Corrupt(Box::new(Damage {
                    segment: located.name.clone(),
                    offset,
                    frame: number,
                    problem,
                }))
            };
            let offset = frames.offset();
            let read = frames.next().map_err(|source| ReadError::Io {
                segment: located.name.clone(),
                source,
            })?;
            let frame = read.map_err(|error| corrupt(offset, error.to_string()))?;
            if frame.number() != number {
                let problem = format!("frame {} stands there", frame.number());
                return Err(corrupt(offset, problem));
            }
            number = number.next();
            if !take(frame) {
                break;
            }
        }
        Ok(())
    }
}

impl<D: Disk> LogReader for Reader<D> {
    fn bounds(&self) -> Bounds {
        self.0.view().bounds()
    }

    fn read(&self, from: FrameNumber, bytes_max: usize) -> Result<Vec<Frame>, ReadError> {
        let from = from.max(FrameNumber(1));
        {
            let view = self.0.view();
            let bounds = view.bounds();
            if from < bounds.first {
                let first = bounds.first;
                return Err(ReadError::Trimmed { first });
            }
            if from > bounds.head.frame {
                return match &view.damage {
                    Some(damage) => Err(ReadError::Corrupt(Box::new(damage.as_ref().clone()))),
                    None => Ok(Vec::new()),
                };
            }
        }
        let Some(located) = self.locate(Key::Frame(from))? else {
            return Ok(Vec::new());
        };
        let bytes_max = bytes_max.clamp(1, READ_BYTES_MAX);
        let page_bytes = bytes_max + INDEX_STEP_BYTES;
        let mut found = Vec::new();
        let mut bytes = 0;
        Self::walk(&located, page_bytes, |frame| {
            if frame.number() >= from {
                bytes += frame.bytes().len();
                found.push(frame);
            }
            bytes < bytes_max
        })?;
        Ok(found)
    }

    fn frame_at_time(&self, time: UnixMillis) -> Result<FrameNumber, ReadError> {
        let after_head = self.bounds().head.frame.next();
        let Some(located) = self.locate(Key::Time(time))? else {
            return Ok(after_head);
        };
        let mut found = after_head;
        Self::walk(&located, INDEX_STEP_BYTES, |frame| {
            let reached = frame.header().time >= time;
            if reached {
                found = frame.number();
            }
            !reached
        })?;
        Ok(found)
    }
}
