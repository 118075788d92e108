//! The seam between the log and those who use it: what any engine does.
//!
//! [`super::conformance`] checks an engine against the words here.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tidegate_types::position::{FrameNumber, Incarnation};
use tidegate_types::time::UnixMillis;

use super::chunk;
use super::entry::{EncodedEntry, Entry, EntryError};
use super::frame::{Frame, FrameDraft};
use super::{ENTRY_BYTES_MAX, FrameHash};

/// The end of a log: its last frame. Frame 0 stands for "no frame yet", its hash is the genesis hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which life of the log.
    pub incarnation: Incarnation,
    /// The last frame.
    pub frame: FrameNumber,
    /// Its hash.
    pub hash: FrameHash,
}

/// What a log holds at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Which life of the log.
    pub incarnation: Incarnation,
    /// The oldest frame that is kept; the one after the head if there is none.
    pub first: FrameNumber,
    /// The last one.
    pub head: Head,
}

/// The writing side of a log. One thread owns it.
pub trait Engine: Send {
    /// The region whose log it is.
    fn origin(&self) -> &str;

    /// The last frame.
    fn head(&self) -> Head;

    /// Appends a frame after `expect`. It is written **and synced** when this returns `Ok`.
    ///
    /// The draft keeps its entries, so that a failed append can be tried again; clear it after success.
    ///
    /// # Errors
    /// See [`AppendError`]; unless it is `Conflict`, [`Engine::head`] is as before.
    fn append(
        &mut self,
        now: UnixMillis,
        expect: &Head,
        frame: &mut FrameDraft,
    ) -> Result<Head, AppendError>;

    /// Appends an entry that does not fit a frame, as chunks in consecutive frames.
    /// It then stands at index 0 of the new head.
    ///
    /// # Errors
    /// See [`AppendError`]. Some chunks may have been appended: ask [`Engine::head`] before the next
    /// append. Readers skip them.
    fn append_large(
        &mut self,
        now: UnixMillis,
        expect: &Head,
        entry: &EncodedEntry,
    ) -> Result<Head, AppendError>;

    /// A reader of this log, to be shared among threads.
    fn reader(&self) -> Arc<dyn LogReader>;

    /// What [`Engine::trim`] would remove now.
    fn trim_plan(&self, now: UnixMillis, policy: &TrimPolicy, low_water: FrameNumber)
    -> TrimReport;

    /// Removes what the policy does not keep, oldest first and in whole segments, but no frame from
    /// `low_water` on: the first one that holds unfinished work.
    ///
    /// Write the checkpoint first: call [`Engine::trim_plan`], append what must outlive the frames below
    /// its `oldest`, then pass that as `low_water`, so that no more goes than was planned.
    ///
    /// # Errors
    /// A segment could not be removed; those before it were.
    fn trim(
        &mut self,
        now: UnixMillis,
        policy: &TrimPolicy,
        low_water: FrameNumber,
    ) -> Result<TrimReport, TrimError>;

    /// How the log is doing.
    fn status(&self) -> LogStatus;
}

/// The reading side of a log. Sees synced frames only.
pub trait LogReader: Send + Sync {
    /// What the log holds at the moment.
    fn bounds(&self) -> Bounds;

    /// Frames in order from `from` on, together about `bytes_max` bytes, at least one, at most 8 MiB.
    /// Empty only if `from` is past the head. It may give fewer than there are: read on from the next.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn read(&self, from: FrameNumber, bytes_max: usize) -> Result<Vec<Frame>, ReadError>;

    /// The first frame that was appended at `time` or later; the one after the head if there is none.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn frame_at_time(&self, time: UnixMillis) -> Result<FrameNumber, ReadError>;

    /// The entry at this place; an entry in chunks is put together.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn read_entry(&self, frame: FrameNumber, index: u32) -> Result<Entry, ReadError> {
        let missing = ReadError::NoEntry { frame, index };
        let Some(found) = self.read(frame, 1)?.into_iter().next() else {
            return Err(missing);
        };
        match found.entry(index) {
            None => Err(missing),
            Some(entry) => chunk::whole(self, &found, index, entry),
        }
    }

    /// The entries of a frame with their index. Entries in chunks are put together at their place;
    /// lone chunks and entries of a later version are left out.
    ///
    /// # Errors
    /// See [`ReadError`].
    fn entries(&self, frame: &Frame) -> Result<Vec<(u32, Entry)>, ReadError> {
        let mut entries = Vec::new();
        for (index, entry) in frame.entries() {
            match chunk::whole(self, frame, index, entry)? {
                Entry::Chunk(_) | Entry::Unknown { .. } => {}
                entry => entries.push((index, entry)),
            }
        }
        Ok(entries)
    }

    /// Checks frames from `cursor` on, about `bytes_max` bytes, the hash chain included.
    ///
    /// # Errors
    /// A bad frame ([`ReadError::Corrupt`]), one that was trimmed meanwhile, or what the disk says.
    fn scrub(&self, cursor: &ScrubCursor, bytes_max: usize) -> Result<ScrubStep, ReadError> {
        let bounds = self.bounds();
        let behind = cursor.next < bounds.first;
        let from = if behind { bounds.first } else { cursor.next };
        let mut known = if behind { None } else { cursor.prev };
        let mut step = ScrubStep::default();
        let frames = self.read(from, bytes_max)?;
        for frame in &frames {
            if known.is_some_and(|hash| hash != frame.header().prev) {
                return Err(ReadError::Chain {
                    frame: frame.number(),
                });
            }
            known = Some(frame.hash());
            step.frames += 1;
            step.bytes += frame.bytes().len() as u64;
        }
        step.done = frames.is_empty();
        step.cursor = ScrubCursor {
            next: frames.last().map_or(from, |frame| frame.number().next()),
            prev: known,
        };
        Ok(step)
    }
}

/// Where a scrub stands. The default is the beginning of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubCursor {
    /// The next frame to check.
    pub next: FrameNumber,
    /// Hash of the frame before it, if that was checked.
    pub prev: Option<FrameHash>,
}

/// What one step of a scrub did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubStep {
    /// Where to go on.
    pub cursor: ScrubCursor,
    /// Frames that were checked.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether the head was reached.
    pub done: bool,
}

/// What to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrimPolicy {
    /// For how long after it was appended.
    pub keep: Duration,
    /// How many bytes on disk at most.
    pub size_max: u64,
}

/// What a trim removed, or would.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrimReport {
    /// Segments that were removed.
    pub segments: u64,
    /// Frames in them.
    pub frames: u64,
    /// Bytes on disk they took.
    pub bytes: u64,
    /// The first frame that is kept.
    pub oldest: FrameNumber,
    /// Segments the policy does not keep, which stay because of unfinished work.
    pub held_by_low_water: u64,
}

/// How a log is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStatus {
    /// What it holds.
    pub bounds: Bounds,
    /// Segments.
    pub segments: u64,
    /// Bytes on disk, preallocated ones included.
    pub bytes: u64,
    /// When the oldest frame was appended; `None` in an empty log.
    pub oldest: Option<UnixMillis>,
    /// When the newest frame was appended.
    pub newest: Option<UnixMillis>,
    /// How often since the start a failed write or sync made it go on in a new segment.
    pub failures: u64,
    /// Where it is damaged. Then it serves what stands before and takes nothing more.
    pub damage: Option<Damage>,
}

/// A bad place in the log that is no torn tail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "segment {segment} is damaged at byte {offset}, where frame {frame} should stand: {problem}; \
     restore the segment from a copy, or move the data directory away to begin a new log"
)]
pub struct Damage {
    /// Name of the file.
    pub segment: String,
    /// Place in the file, in bytes.
    pub offset: u64,
    /// The first frame that cannot be served.
    pub frame: FrameNumber,
    /// What is wrong.
    pub problem: String,
}

/// Why a frame was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The head is not what was expected.
    #[error("the log has moved on to frame {}", head.frame)]
    Conflict {
        /// Where it is.
        head: Head,
    },
    /// No room. Nothing is damaged, and appends work again when there is room.
    #[error("no room for more: {0}")]
    Full(FullCause),
    /// The entry is too large for any log.
    #[error("the entry has {bytes} bytes, more than the {ENTRY_BYTES_MAX} a log takes")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The disk failed. The frame is not in the log, which goes on behind the last frame it acknowledged.
    #[error("the disk failed while appending")]
    Failed(#[source] io::Error),
    /// The log is damaged further up.
    #[error(transparent)]
    Corrupt(Box<Damage>),
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FullCause {
    /// The disk is full.
    #[error("the disk is full")]
    Disk,
    /// The log has reached its limit.
    #[error("the log has reached its size limit")]
    SizeLimit,
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No: it will fail again.
    Never,
    /// At once, after checking against the new head.
    Recheck,
    /// At once, as it is.
    Now,
    /// When there is room again.
    Later,
}

impl AppendError {
    /// Whether trying again can help.
    #[must_use]
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Conflict { .. } => Retry::Recheck,
            Self::Full(_) => Retry::Later,
            Self::Failed(_) => Retry::Now,
            Self::TooLarge { .. } | Self::Corrupt(_) => Retry::Never,
        }
    }
}

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is too old: it was removed.
    #[error("the log begins at frame {first}, what was before is removed")]
    Trimmed {
        /// The oldest frame that is kept.
        first: FrameNumber,
    },
    /// It is damaged, or stands behind damage.
    #[error(transparent)]
    Corrupt(Box<Damage>),
    /// A frame does not name the hash of the frame before.
    #[error("frame {frame} does not follow from the frame before it")]
    Chain {
        /// The frame.
        frame: FrameNumber,
    },
    /// There is no such entry.
    #[error("the log has no entry {index} in frame {frame}")]
    NoEntry {
        /// The frame.
        frame: FrameNumber,
        /// The index.
        index: u32,
    },
    /// The frame is whole, but the entry cannot be read.
    #[error("entry {index} of frame {frame} cannot be read")]
    Entry {
        /// The frame.
        frame: FrameNumber,
        /// The index.
        index: u32,
        /// What is wrong with it.
        source: EntryError,
    },
    /// An entry in chunks is not complete.
    #[error("entry {index} of frame {frame} lacks some of its chunks")]
    Chunks {
        /// The frame.
        frame: FrameNumber,
        /// The index.
        index: u32,
    },
    /// The disk failed.
    #[error("the disk failed while reading segment {segment}")]
    Io {
        /// Name of the file.
        segment: String,
        /// What the disk says.
        source: io::Error,
    },
}

/// A trim that stopped half-way.
#[derive(Debug, thiserror::Error)]
#[error("segment {segment} could not be removed")]
pub struct TrimError {
    /// Name of the file.
    pub segment: String,
    /// What was removed before.
    pub done: TrimReport,
    /// What the disk says.
    pub source: io::Error,
}
