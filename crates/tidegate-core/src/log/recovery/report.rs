//! What an open found, in figures and in words.

use std::fmt;
use std::io;

use tidegate_types::position::FrameNumber;

use crate::log::engine::{Damage, Head};
use crate::log::segment::SEGMENT_VERSION;

/// What opening a log found. [`fmt::Display`] says it in one sentence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveryReport {
    /// The last good frame.
    pub head: Option<Head>,
    /// Whether there was nothing, and a new incarnation was begun.
    pub new_log: bool,
    /// Segments that are served.
    pub segments: u64,
    /// Frames that are served.
    pub frames: u64,
    /// Bytes on disk of these segments.
    pub bytes: u64,
    /// Bytes of frames that were read and checked whole.
    pub scanned_bytes: u64,
    /// The torn end that was cut.
    pub cut: Option<CutTail>,
    /// Segments that lacked their footer and have one now.
    pub footers_repaired: u64,
    /// Files removed whose creation had been cut short.
    pub unfinished_removed: u64,
    /// Where the log is damaged. It serves what stands before, and takes nothing more.
    pub damage: Option<Damage>,
}

/// The end of a write that was never acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutTail {
    /// Name of the file.
    pub segment: String,
    /// Place in the file, in bytes.
    pub offset: u64,
    /// How many bytes were zeroed.
    pub bytes: u64,
    /// The frame it would have become.
    pub frame: FrameNumber,
}

impl fmt::Display for RecoveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let frame = self.head.map_or(FrameNumber(0), |head| head.frame);
        if self.new_log {
            write!(f, "new log")?;
        } else {
            write!(
                f,
                "log at frame {frame}: {} frames in {} segments, {} bytes",
                self.frames, self.segments, self.bytes
            )?;
        }
        if let Some(cut) = &self.cut {
            write!(
                f,
                "; cut {} bytes of the unacknowledged frame {} at byte {} of {}",
                cut.bytes, cut.frame, cut.offset, cut.segment
            )?;
        }
        if self.footers_repaired > 0 {
            write!(f, "; repaired {} footers", self.footers_repaired)?;
        }
        if self.unfinished_removed > 0 {
            write!(
                f,
                "; removed {} unfinished segments",
                self.unfinished_removed
            )?;
        }
        if let Some(damage) = &self.damage {
            write!(f, "; {damage}")?;
        }
        Ok(())
    }
}

/// Why a log was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The options make no log.
    #[error("the log cannot be opened so: {0}")]
    Options(String),
    /// The disk failed.
    #[error("the disk failed at {place} while the log was opened")]
    Io {
        /// Name of the file.
        place: String,
        /// What the disk says.
        source: io::Error,
    },
    /// It is the log of another region.
    #[error(
        "the data directory holds the log of region {found}, not of {expected}; \
         start with that region or with another data directory"
    )]
    Origin {
        /// Whose log it is.
        found: String,
        /// Whose was asked for.
        expected: String,
    },
    /// A later program wrote it.
    #[error(
        "segment {segment} has format version {version}, this program reads version \
         {SEGMENT_VERSION}; start the program that wrote it"
    )]
    Version {
        /// Name of the file.
        segment: String,
        /// The version.
        version: u8,
    },
    /// Nothing of it can be served.
    #[error(transparent)]
    Damaged(Damage),
}

impl OpenError {
    pub(super) fn io(place: &str) -> impl Fn(io::Error) -> Self + use<> {
        let place = place.to_owned();
        move |source| Self::Io {
            place: place.clone(),
            source,
        }
    }
}
