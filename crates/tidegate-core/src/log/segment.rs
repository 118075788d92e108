//! The segment: a preallocated file of frames.
//!
//! ```text
//! header (256 bytes) | frames … | footer (once sealed; the file is cut behind it)
//! ```
//!
//! The header says which frame comes first and the hash of the frame before it, so that a segment
//! which replaces the end of another one (after a failed write) is recognised: the later sequence
//! wins from its first frame on. The footer holds the sparse index and the hash of the last frame, so
//! that a sealed segment need not be read at open. It is redundant: without it the frames are read.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tidegate_types::position::{FrameNumber, Incarnation};
use tidegate_types::time::UnixMillis;

use super::FrameHash;
use super::codec::{Decoder, Encoder, FieldError, length};
use super::disk::{DiskFile, read_full};
use super::frame::FrameHeader;

/// Bytes of a segment before its first frame.
pub(super) const SEGMENT_HEADER_BYTES: u64 = HEADER_LEN as u64;

/// The version of the segment format this program writes, and the only one it reads.
pub(super) const SEGMENT_VERSION: u8 = 1;

/// The largest nominal segment: bounds its footer.
pub(super) const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// One index entry for about so many bytes of frames.
pub(super) const INDEX_STEP_BYTES: usize = 64 * 1024;

pub(super) const HEADER_LEN: usize = 256;
const HEADER_MAGIC: [u8; 4] = *b"TGS1";
const FOOTER_MAGIC: [u8; 4] = *b"TGX1";
const TRAILER_MAGIC: [u8; 4] = *b"TGXE";
const TRAILER_LEN: usize = 8;
/// Magic, version and checksum, which the checksum leaves out.
const PREFIX_BYTES: usize = 12;
/// A footer with one index entry per step of the largest segment and of one series of chunks behind it.
const FOOTER_BYTES_MAX: usize = 512 * 1024;

/// What the front of a segment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) incarnation: Incarnation,
    pub(super) sequence: u64,
    pub(super) first: FrameNumber,
    pub(super) prev: FrameHash,
    pub(super) created: UnixMillis,
    pub(super) origin: String,
}

/// What stands where a segment header should.
#[derive(Debug)]
pub(super) enum HeaderState {
    Good(SegmentHeader),
    /// A later program wrote it.
    Version(u8),
    Bad,
}

/// Where a frame stands, one for about every [`INDEX_STEP_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexEntry {
    pub(super) frame: FrameNumber,
    pub(super) time: UnixMillis,
    pub(super) offset: u64,
}

/// What the end of a sealed segment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) incarnation: Incarnation,
    pub(super) extent: Extent,
    pub(super) hash: FrameHash,
    pub(super) index: Vec<IndexEntry>,
}

/// The frames of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first frame, whether it is there or not.
    pub(super) first: FrameNumber,
    /// The last one; the one before `first` if there is none.
    pub(super) last: FrameNumber,
    /// Time of the first frame; if there is none, that of the frame before.
    pub(super) first_time: UnixMillis,
    /// Time of the last frame, likewise.
    pub(super) last_time: UnixMillis,
    /// Offset behind the last frame.
    pub(super) end: u64,
}

/// A segment as the log keeps it in memory: about 200 bytes, and the index while it is not sealed.
#[derive(Debug)]
pub(super) struct Segment<F> {
    pub(super) name: String,
    pub(super) extent: Extent,
    /// Length of the file.
    pub(super) bytes: u64,
    /// The index, unless it is in the footer.
    pub(super) index: Option<Vec<IndexEntry>>,
    /// The file, while it is written to.
    pub(super) file: Option<Arc<F>>,
}

impl Extent {
    /// No frames yet.
    pub(super) const fn empty(first: FrameNumber, time: UnixMillis) -> Self {
        Self {
            first,
            last: FrameNumber(first.0.saturating_sub(1)),
            first_time: time,
            last_time: time,
            end: SEGMENT_HEADER_BYTES,
        }
    }

    pub(super) const fn frames(&self) -> u64 {
        self.last.next().0.saturating_sub(self.first.0)
    }

    /// Takes in the next frame, and notes it in the index where due.
    pub(super) fn push(&mut self, frame: &FrameHeader, index: &mut Vec<IndexEntry>) {
        let due = index
            .last()
            .is_none_or(|last| self.end >= last.offset + INDEX_STEP_BYTES as u64);
        if due {
            index.push(IndexEntry {
                frame: frame.number,
                time: frame.time,
                offset: self.end,
            });
        }
        if self.frames() == 0 {
            self.first_time = frame.time;
        }
        self.last = frame.number;
        self.last_time = frame.time;
        self.end += u64::from(frame.len);
    }
}

/// The name of the segment with this sequence; names sort as sequences do.
pub(super) fn segment_name(sequence: u64) -> String {
    format!("{sequence:016x}.segment")
}

/// The sequence in a name; `None` if it is not a segment's.
pub(super) fn sequence_of(name: &str) -> Option<u64> {
    let sequence = u64::from_str_radix(name.strip_suffix(".segment")?, 16).ok()?;
    (segment_name(sequence) == name).then_some(sequence)
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = prefix(HEADER_MAGIC);
        let mut out = Encoder(&mut bytes);
        out.u64(self.incarnation.0);
        out.u64(self.sequence);
        out.u64(self.first.0);
        out.u64(self.created.0);
        out.fixed(&self.prev);
        out.text(&self.origin);
        bytes.resize(HEADER_LEN, 0);
        checksum(bytes)
    }

    /// Reads the header of a file.
    pub(super) fn read(file: &impl DiskFile) -> io::Result<HeaderState> {
        let mut bytes = vec![0; HEADER_LEN];
        let read = read_full(file, &mut bytes, 0)?;
        bytes.truncate(read);
        Ok(match checked(&Bytes::from(bytes), HEADER_MAGIC) {
            Err(version) => version.map_or(HeaderState::Bad, HeaderState::Version),
            Ok(payload) => Self::fields(&payload).map_or(HeaderState::Bad, HeaderState::Good),
        })
    }

    fn fields(payload: &Bytes) -> Result<Self, FieldError> {
        let mut fields = Decoder::new(payload);
        Ok(Self {
            incarnation: Incarnation(fields.u64()?),
            sequence: fields.u64()?,
            first: FrameNumber(fields.u64()?),
            created: UnixMillis(fields.u64()?),
            prev: fields.array()?,
            origin: fields.text()?,
        })
    }
}

impl Footer {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = prefix(FOOTER_MAGIC);
        let mut out = Encoder(&mut bytes);
        out.u64(self.incarnation.0);
        out.u64(self.extent.first.0);
        out.u64(self.extent.last.0);
        out.u64(self.extent.first_time.0);
        out.u64(self.extent.last_time.0);
        out.u64(self.extent.end);
        out.fixed(&self.hash);
        out.u32(length(self.index.len()));
        for entry in &self.index {
            out.u64(entry.frame.0);
            out.u64(entry.time.0);
            out.u64(entry.offset);
        }
        let len = length(out.0.len()).saturating_add(length(TRAILER_LEN));
        out.u32(len);
        out.fixed(&TRAILER_MAGIC);
        checksum(bytes)
    }

    /// Reads the footer at the end of a file, `None` if there is no good one.
    pub(super) fn read(file: &impl DiskFile) -> io::Result<Option<Self>> {
        let file_len = file.len()?;
        let mut trailer = [0; TRAILER_LEN];
        let Some(trailer_at) = file_len.checked_sub(TRAILER_LEN as u64) else {
            return Ok(None);
        };
        read_full(file, &mut trailer, trailer_at)?;
        let [a, b, c, d, magic @ ..] = trailer;
        let len = u32::from_le_bytes([a, b, c, d]);
        match file_len.checked_sub(u64::from(len)) {
            Some(at) if magic == TRAILER_MAGIC => Self::read_at(file, at, len as usize),
            _ => Ok(None),
        }
    }

    /// Reads the footer that begins at `offset`, `None` if there is no good one.
    pub(super) fn find(file: &impl DiskFile, offset: u64) -> io::Result<Option<Self>> {
        Self::read_at(file, offset, FOOTER_BYTES_MAX)
    }

    fn read_at(file: &impl DiskFile, offset: u64, len: usize) -> io::Result<Option<Self>> {
        let mut magic = [0; FOOTER_MAGIC.len()];
        read_full(file, &mut magic, offset)?;
        if magic != FOOTER_MAGIC {
            return Ok(None);
        }
        let mut bytes = vec![0; len.min(FOOTER_BYTES_MAX)];
        let read = read_full(file, &mut bytes, offset)?;
        bytes.truncate(read);
        let footer = Self::whole(&Bytes::from(bytes));
        Ok(footer.filter(|footer| footer.extent.end == offset))
    }

    /// The footer at the front of `bytes`; its length follows from the count of its index.
    fn whole(bytes: &Bytes) -> Option<Self> {
        const FIXED: usize = PREFIX_BYTES + 6 * 8 + 32;
        const ENTRY: usize = 24;
        let count = bytes.get(FIXED..)?.first_chunk()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        let len = (FIXED + 4 + TRAILER_LEN).checked_add(count.checked_mul(ENTRY)?)?;
        let bytes = (len <= bytes.len()).then(|| bytes.slice(..len))?;
        let payload = checked(&bytes, FOOTER_MAGIC).ok()?;
        Self::fields(&payload).ok()
    }

    fn fields(payload: &Bytes) -> Result<Self, FieldError> {
        let mut fields = Decoder::new(payload);
        Ok(Self {
            incarnation: Incarnation(fields.u64()?),
            extent: Extent {
                first: FrameNumber(fields.u64()?),
                last: FrameNumber(fields.u64()?),
                first_time: UnixMillis(fields.u64()?),
                last_time: UnixMillis(fields.u64()?),
                end: fields.u64()?,
            },
            hash: fields.array()?,
            index: fields.list(|fields| {
                Ok(IndexEntry {
                    frame: FrameNumber(fields.u64()?),
                    time: UnixMillis(fields.u64()?),
                    offset: fields.u64()?,
                })
            })?,
        })
    }

    /// Writes the footer behind the last frame, makes it durable and cuts the file behind it.
    /// Gives the new length of the file.
    pub(super) fn write(&self, file: &impl DiskFile) -> io::Result<u64> {
        let bytes = self.encode();
        let len = self.extent.end + bytes.len() as u64;
        file.write_at(&bytes, self.extent.end)?;
        file.sync_data()?;
        file.set_len(len)?;
        file.sync_data()?;
        Ok(len)
    }
}

/// Magic, version, and room for the checksum.
fn prefix(magic: [u8; 4]) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend_from_slice(&[SEGMENT_VERSION, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

/// Fills the checksum in: CRC-32 of all but the checksum itself.
fn checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc_of(&bytes);
    if let Some(place) = bytes.get_mut(8..PREFIX_BYTES) {
        place.copy_from_slice(&crc.to_le_bytes());
    }
    bytes
}

fn crc_of(bytes: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(bytes.get(..8).unwrap_or_default());
    crc.update(bytes.get(PREFIX_BYTES..).unwrap_or_default());
    crc.finalize()
}

/// What stands behind a good prefix; else the version, if that is what is wrong.
fn checked(bytes: &Bytes, magic: [u8; 4]) -> Result<Bytes, Option<u8>> {
    let prefix: &[u8; PREFIX_BYTES] = bytes.first_chunk().ok_or(None)?;
    let [a, b, c, d, version, _, _, _, crc @ ..] = *prefix;
    if [a, b, c, d] != magic || u32::from_le_bytes(crc) != crc_of(bytes) {
        return Err(None);
    }
    if version != SEGMENT_VERSION {
        return Err(Some(version));
    }
    Ok(bytes.slice(PREFIX_BYTES..))
}

#[cfg(test)]
mod tests;
