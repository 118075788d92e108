//! The frame in the making.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use tidegate_types::position::{FrameNumber, Incarnation};
use tidegate_types::time::UnixMillis;

use super::{
    CHECK, CRC, FRAME_HEADER_BYTES, FRAME_VERSION, FrameHash, FrameHeader, MAGIC, hash,
    header_check,
};
use crate::log::FRAME_BYTES_MAX;
use crate::log::codec::{Encoder, length};
use crate::log::entry::EncodedEntry;

/// Entries that will become one frame.
///
/// Its bytes lie together with room for the header in front, so that an append fills the header in
/// and writes them without a second copy. It is used again and again: see [`FrameDraft::clear`].
#[derive(Debug)]
pub struct FrameDraft {
    bytes: Vec<u8>,
    count: u32,
}

/// What an append knows of a frame besides its entries.
#[derive(Clone, Copy, Debug)]
pub(in crate::log) struct Stamp {
    pub(in crate::log) incarnation: Incarnation,
    pub(in crate::log) number: FrameNumber,
    pub(in crate::log) time: UnixMillis,
    pub(in crate::log) prev: FrameHash,
}

impl Default for FrameDraft {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameDraft {
    /// An empty draft.
    #[must_use]
    pub fn new() -> Self {
        Self {
            bytes: vec![0; FRAME_HEADER_BYTES],
            count: 0,
        }
    }

    /// Adds an entry and gives its index in the frame, or `None` if the frame would be too large
    /// with it: then append what is there first.
    #[must_use]
    pub fn push(&mut self, entry: &EncodedEntry) -> Option<u32> {
        if self.len().saturating_add(entry.len()) > FRAME_BYTES_MAX {
            return None;
        }
        let index = self.count;
        self.bytes.extend_from_slice(entry.as_bytes());
        self.count = self.count.saturating_add(1);
        Some(index)
    }

    /// Length of the frame it would become, in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many entries it has.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether it has no entries.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Makes it empty and keeps its memory.
    pub fn clear(&mut self) {
        self.bytes.truncate(FRAME_HEADER_BYTES);
        self.count = 0;
    }

    /// Fills the header in, and gives the whole frame, its header and its hash.
    pub(in crate::log) fn seal(&mut self, stamp: &Stamp) -> (&[u8], FrameHeader, FrameHash) {
        let len = length(self.bytes.len());
        let mut front = Vec::with_capacity(FRAME_HEADER_BYTES);
        let mut out = Encoder(&mut front);
        out.fixed(&MAGIC);
        out.u32(len);
        out.u32(0);
        out.u8(FRAME_VERSION);
        out.u8(0);
        out.fixed(&[0; 2]);
        out.u64(stamp.incarnation.0);
        out.u64(stamp.number.0);
        out.u64(stamp.time.0);
        out.fixed(&stamp.prev);
        out.u32(self.count);
        self.put(0, &front);
        let check = self.bytes.first_chunk().map_or(0, header_check);
        self.put(CHECK.start, &check.to_le_bytes());
        let crc = crc32fast::hash(self.bytes.get(CRC.end..).unwrap_or_default());
        self.put(CRC.start, &crc.to_le_bytes());
        let header = FrameHeader {
            len,
            crc,
            incarnation: stamp.incarnation,
            number: stamp.number,
            time: stamp.time,
            prev: stamp.prev,
            count: self.count,
        };
        (&self.bytes, header, hash(&self.bytes))
    }

    /// Puts a field of the header in its place.
    fn put(&mut self, at: usize, field: &[u8]) {
        let place = self.bytes.get_mut(at..at.saturating_add(field.len()));
        if let Some(place) = place {
            place.copy_from_slice(field);
        }
    }
}
