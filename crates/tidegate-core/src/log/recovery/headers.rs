//! The headers of the segments: which there are, and in which order.

use std::sync::Arc;

use super::OpenError;
use crate::log::disk::{Disk, DiskFile};
use crate::log::embedded::OpenOptions;
use crate::log::scan::is_zero_from;
use crate::log::segment::{HeaderState, SEGMENT_HEADER_BYTES, SegmentHeader, sequence_of};

/// A segment of which only the header was read.
pub(super) struct Found<F> {
    pub(super) name: String,
    pub(super) file: Arc<F>,
    pub(super) bytes: u64,
    pub(super) header: SegmentHeader,
}

/// The headers of all segments, in order.
pub(super) struct Headers<F> {
    pub(super) found: Vec<Found<F>>,
    /// Name of the first segment that holds frames but no good header; what follows it is not read.
    pub(super) bad: Option<String>,
    /// Sequence of the next segment.
    pub(super) sequence: u64,
    pub(super) unfinished_removed: u64,
}

impl<F: DiskFile> Headers<F> {
    pub(super) fn read<D: Disk<File = F>>(
        disk: &D,
        options: &OpenOptions,
    ) -> Result<Self, OpenError> {
        let list = disk.list().map_err(OpenError::io("list of files"))?;
        let mut names: Vec<_> = list
            .into_iter()
            .filter_map(|(name, bytes)| Some((sequence_of(&name)?, name, bytes)))
            .collect();
        names.sort_unstable();
        let mut headers = Self {
            found: Vec::new(),
            bad: None,
            sequence: names.last().map_or(0, |(sequence, ..)| *sequence) + 1,
            unfinished_removed: 0,
        };
        for (sequence, name, bytes) in names {
            let io_error = OpenError::io(&name);
            let file = disk.open(&name).map_err(&io_error)?;
            match SegmentHeader::read(&file).map_err(&io_error)? {
                HeaderState::Version(version) => {
                    return Err(OpenError::Version {
                        segment: name,
                        version,
                    });
                }
                HeaderState::Good(header) if header.origin != options.origin => {
                    return Err(OpenError::Origin {
                        found: header.origin,
                        expected: options.origin.clone(),
                    });
                }
                HeaderState::Good(header) if header.sequence == sequence => {
                    headers.found.push(Found {
                        name,
                        file: Arc::new(file),
                        bytes,
                        header,
                    });
                }
                _ if is_zero_from(&file, SEGMENT_HEADER_BYTES).map_err(&io_error)? => {
                    // Its creation was cut short: it never held a frame.
                    disk.remove(&name).map_err(&io_error)?;
                    headers.unfinished_removed += 1;
                }
                _ => {
                    headers.bad = Some(name);
                    break;
                }
            }
        }
        // Always: a process that was killed between making a segment and syncing the directory left a
        // name that only the cache knows, and frames are about to be acknowledged in that segment.
        disk.sync_dir().map_err(OpenError::io("list of files"))?;
        Ok(headers)
    }
}
