//! The embedded engine: segments on one disk, one writer.
//!
//! State of the tail: `Open` while frames can be written; `Sealed` when a new segment must be begun
//! first; `Failed` when moreover a write or sync of the last one failed, and what was acknowledged must
//! be read again. A failure never leads back to the same file: what the page cache says about it
//! cannot be believed.

mod copy;
mod roll;

use std::io;
use std::sync::Arc;

use tidegate_types::position::{FrameNumber, Incarnation};
use tidegate_types::time::UnixMillis;

pub(super) use roll::write_segment;

use super::chunk;
use super::disk::{Disk, DiskFile};
use super::engine::{
    AppendError, Engine, FullCause, Head, LogReader, LogStatus, TrimError, TrimPolicy, TrimReport,
};
use super::entry::EncodedEntry;
use super::frame::{FrameDraft, Stamp};
use super::read::Reader;
use super::segment::{Extent, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES, Segment};
use super::view::{Shared, View};
use super::{ENTRY_BYTES_MAX, FRAME_BYTES_MAX, trim};

/// How to open a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// The region whose log it is.
    pub origin: String,
    /// Nominal size of a segment in bytes, from 4 KiB to 1 GiB. Larger ones make retention coarser,
    /// smaller ones cost more files. The first one of a log is smaller, so that it starts soon.
    pub segment_bytes: u64,
    /// How many bytes the log may take on disk; when it is reached, appends are refused.
    pub size_max: u64,
    /// The most bytes of frames that one write holds, and so how much of its end a crash may tear:
    /// [`FRAME_BYTES_MAX`], since each frame is written by itself, or [`GROUP_BYTES_MAX`] for a copy.
    pub write_bytes: usize,
}

/// The most bytes of frames that [`EmbeddedLog::append_frames`] writes at once. Large enough that the sync
/// is a small part of the time it takes to write them; small enough that little is fetched again
/// after a crash.
pub const GROUP_BYTES_MAX: usize = 1024 * 1024;

impl OpenOptions {
    /// The usual: segments of 64 MiB, 50 GiB altogether.
    #[must_use]
    pub fn new(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            segment_bytes: 64 * 1024 * 1024,
            size_max: 50 * 1024 * 1024 * 1024,
            write_bytes: FRAME_BYTES_MAX,
        }
    }

    /// The usual for a copy of another log.
    #[must_use]
    pub fn copy(origin: &str) -> Self {
        Self {
            write_bytes: GROUP_BYTES_MAX,
            ..Self::new(origin)
        }
    }

    pub(super) fn problem(&self) -> Option<String> {
        let range = SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX;
        if self.origin.is_empty() || self.origin.len() > ORIGIN_BYTES_MAX {
            return Some(format!(
                "the origin must have 1 to {ORIGIN_BYTES_MAX} bytes"
            ));
        }
        if !(FRAME_BYTES_MAX..=GROUP_BYTES_MAX).contains(&self.write_bytes) {
            return Some(format!(
                "a write must have {FRAME_BYTES_MAX} to {GROUP_BYTES_MAX} bytes"
            ));
        }
        (!range.contains(&self.segment_bytes)).then(|| {
            format!("a segment must have {SEGMENT_BYTES_MIN} to {SEGMENT_BYTES_MAX} bytes")
        })
    }
}

/// The first segment of a new log has at most so many bytes, since the first start waits until it is
/// filled with zeros: 4 MiB take some tens of milliseconds. The next one is filled behind its back.
pub(super) const FIRST_SEGMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// The smallest segment: header and a few small frames, as tests like them.
const SEGMENT_BYTES_MIN: u64 = 4 * 1024;
/// The origin must fit the segment's header.
const ORIGIN_BYTES_MAX: usize = 128;

/// The embedded log on a disk.
#[derive(Debug)]
pub struct EmbeddedLog<D: Disk> {
    pub(super) options: OpenOptions,
    pub(super) shared: Arc<Shared<D>>,
    pub(super) tail: Tail<D::File>,
    pub(super) head: Head,
    /// Time of the last frame.
    pub(super) time: UnixMillis,
    /// Sequence of the next segment.
    pub(super) sequence: u64,
    pub(super) failures: u64,
    /// Where chunks are put into frames.
    pub(super) draft: FrameDraft,
}

/// Where the next frame goes.
#[derive(Debug)]
pub(super) enum Tail<F> {
    Open(Arc<F>),
    Sealed,
    Failed,
}

impl<D: Disk> EmbeddedLog<D> {
    /// The disk it stands on.
    pub fn disk(&self) -> &D {
        &self.shared.disk
    }

    /// Whether an entry can be appended without the log taking more than `size_max` bytes on disk.
    #[must_use]
    pub fn has_room(&self, entry: &EncodedEntry, draft: &FrameDraft, size_max: u64) -> bool {
        let bytes = if entry.fits_frame() {
            draft.len().saturating_add(entry.len())
        } else {
            draft.len().saturating_add(chunk::series_bytes(entry))
        };
        let bytes = bytes as u64;
        let (end, len) = self.last_bytes();
        // The last segment may have been begun beyond the limit, by what had to be appended.
        let taken = self.shared.view().bytes();
        if matches!(self.tail, Tail::Open(_)) && end.saturating_add(bytes) <= len {
            return taken <= size_max;
        }
        let next = (SEGMENT_HEADER_BYTES.saturating_add(bytes)).max(self.options.segment_bytes);
        taken.saturating_add(next) <= size_max
    }

    fn check(&self, expect: &Head) -> Result<(), AppendError> {
        if let Some(damage) = &self.shared.view().damage {
            return Err(AppendError::Corrupt(Box::new(damage.as_ref().clone())));
        }
        if *expect != self.head {
            return Err(AppendError::Conflict { head: self.head });
        }
        Ok(())
    }

    /// Gives the file and the offset for `bytes` more bytes, in a new segment if the last one has no room.
    fn room(&mut self, now: UnixMillis, bytes: u64) -> Result<(Arc<D::File>, u64), AppendError> {
        if let Tail::Open(file) = &self.tail {
            let (end, len) = self.last_bytes();
            let empty = end == SEGMENT_HEADER_BYTES;
            if empty || end + bytes <= len {
                return Ok((Arc::clone(file), end));
            }
        }
        let len = self.options.segment_bytes.max(SEGMENT_HEADER_BYTES + bytes);
        let file = self.begin_segment(now, len)?;
        Ok((file, SEGMENT_HEADER_BYTES))
    }

    /// Where the frames of the last segment end, and how long its file is.
    fn last_bytes(&self) -> (u64, u64) {
        let view = self.shared.view();
        let last = view.segments.back();
        last.map_or((SEGMENT_HEADER_BYTES, 0), |last| {
            (last.extent.end, last.bytes)
        })
    }

    fn last_extent(&self) -> Extent {
        let view = self.shared.view();
        let last = view.segments.back().map(|segment| segment.extent);
        last.unwrap_or_else(|| Extent::empty(self.head.frame.next(), self.time))
    }

    /// Writes and syncs one frame at a place with room.
    fn write(
        &mut self,
        now: UnixMillis,
        file: &D::File,
        offset: u64,
        draft: &mut FrameDraft,
    ) -> Result<Head, AppendError> {
        let number = self.head.frame.next();
        let time = now.max(self.time);
        let stamp = Stamp {
            incarnation: self.head.incarnation,
            number,
            time,
            prev: self.head.hash,
        };
        let (bytes, header, hash) = draft.seal(&stamp);
        let written = file.write_at(bytes, offset).and_then(|()| file.sync_data());
        if let Err(error) = written {
            return Err(self.recover(now, error));
        }
        self.time = time;
        self.head.frame = number;
        self.head.hash = hash;
        let mut view = self.shared.change();
        view.head = self.head;
        if let Some(Segment {
            extent,
            index: Some(index),
            bytes,
            ..
        }) = view.segments.back_mut()
        {
            extent.push(&header, index);
            *bytes = extent.end.max(*bytes);
        }
        Ok(self.head)
    }
}

/// What a failure of the disk means to the caller of an append.
fn failed(error: io::Error) -> AppendError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            AppendError::Full(FullCause::Disk)
        }
        _ => AppendError::Failed(error),
    }
}

impl<D: Disk> Engine for EmbeddedLog<D> {
    fn origin(&self) -> &str {
        &self.options.origin
    }

    fn head(&self) -> Head {
        self.head
    }

    fn append(
        &mut self,
        now: UnixMillis,
        expect: &Head,
        frame: &mut FrameDraft,
    ) -> Result<Head, AppendError> {
        self.check(expect)?;
        let (file, offset) = self.room(now, frame.len() as u64)?;
        self.write(now, &file, offset, frame)
    }

    fn append_large(
        &mut self,
        now: UnixMillis,
        expect: &Head,
        entry: &EncodedEntry,
    ) -> Result<Head, AppendError> {
        if entry.len() > ENTRY_BYTES_MAX {
            let bytes = entry.len();
            return Err(AppendError::TooLarge { bytes });
        }
        self.check(expect)?;
        let (file, mut offset) = self.room(now, chunk::series_bytes(entry) as u64)?;
        let mut draft = std::mem::take(&mut self.draft);
        let mut result = Ok(self.head);
        for piece in chunk::split(entry, self.head.frame.next()) {
            draft.clear();
            if draft.push(&piece).is_none() {
                result = Err(AppendError::TooLarge { bytes: piece.len() });
                break;
            }
            result = self.write(now, &file, offset, &mut draft);
            if result.is_err() {
                break;
            }
            offset += draft.len() as u64;
        }
        self.draft = draft;
        result
    }

    fn reader(&self) -> Arc<dyn LogReader> {
        Arc::new(Reader(Arc::clone(&self.shared)))
    }

    fn trim_plan(
        &self,
        now: UnixMillis,
        policy: &TrimPolicy,
        low_water: FrameNumber,
    ) -> TrimReport {
        trim::plan(&self.shared.view(), now, policy, low_water)
    }

    fn trim(
        &mut self,
        now: UnixMillis,
        policy: &TrimPolicy,
        low_water: FrameNumber,
    ) -> Result<TrimReport, TrimError> {
        let plan = self.trim_plan(now, policy, low_water);
        let mut done = TrimReport {
            oldest: self.shared.view().first(),
            held_by_low_water: plan.held_by_low_water,
            ..TrimReport::default()
        };
        let mut last = String::new();
        for _ in 0..plan.segments {
            let Some((name, extent, bytes)) = front(&self.shared.view()) else {
                break;
            };
            // One by one: a crash must not undo the removal of a segment and keep that of the next.
            let disk = &self.shared.disk;
            if let Err(source) = disk.sync_dir().and_then(|()| disk.remove(&name)) {
                return Err(TrimError {
                    segment: name,
                    done,
                    source,
                });
            }
            self.shared.change().segments.pop_front();
            done.segments += 1;
            done.frames += extent.frames();
            done.bytes += bytes;
            done.oldest = extent.last.next();
            last = name;
        }
        match self.shared.disk.sync_dir() {
            Err(source) if done.segments > 0 => Err(TrimError {
                segment: last,
                done,
                source,
            }),
            _ => Ok(done),
        }
    }

    fn status(&self) -> LogStatus {
        self.shared.view().status(self.failures)
    }
}

fn front<F>(view: &View<F>) -> Option<(String, Extent, u64)> {
    let segment = view.segments.front()?;
    Some((segment.name.clone(), segment.extent, segment.bytes))
}

/// The head of a log without frames.
pub(super) fn empty_head(origin: &str, incarnation: Incarnation) -> Head {
    Head {
        incarnation,
        frame: FrameNumber(0),
        hash: super::frame::genesis(origin, incarnation),
    }
}

#[cfg(test)]
mod tests;
