//! The frame: one group commit, the unit that is written, synced, shipped and checked.
//!
//! ```text
//! magic "TGF1" u32 | len u32 | crc u32 | version u8 | flags u8 | check u16 | incarnation u64
//! number u64 | time u64 | prev [32] | count u32 | entries
//! ```
//!
//! Little-endian. `len` counts the whole frame. `crc` is the CRC-32 of everything after it. `check`
//! folds the CRC-32 of the other header fields to 16 bits: it lets a reader trust `len` although
//! the entries are damaged, which is what tells a torn last frame from damage further up.
//! `prev` is the SHA-256 of the whole frame before; before frame 1 stands the [`genesis`] hash.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod draft;

use bytes::Bytes;
use tidegate_types::position::{FrameNumber, Incarnation};
use tidegate_types::time::UnixMillis;

pub use draft::FrameDraft;
pub(super) use draft::Stamp;

use super::codec::Decoder;
use super::entry::{ENTRY_HEADER_BYTES, Entry, EntryError, decode_entry};
use super::{FRAME_BYTES_MAX, FrameHash};

/// Bytes of a frame before its entries.
pub const FRAME_HEADER_BYTES: usize = 76;

/// The version of the format this program writes, and the only one it reads.
pub const FRAME_VERSION: u8 = 1;

pub(super) const MAGIC: [u8; 4] = *b"TGF1";
/// Where the CRC stands; it covers all that follows.
const CRC: std::ops::Range<usize> = 8..12;
/// Where the check of the header stands.
const CHECK: std::ops::Range<usize> = 14..16;

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Length of the whole frame in bytes.
    pub len: u32,
    /// CRC-32 of what stands after it.
    pub crc: u32,
    /// Which life of the log.
    pub incarnation: Incarnation,
    /// Which frame of it.
    pub number: FrameNumber,
    /// When it was appended; never before the frame before.
    pub time: UnixMillis,
    /// Hash of the frame before.
    pub prev: FrameHash,
    /// How many entries it holds.
    pub count: u32,
}

/// Bytes that are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Fewer bytes than the frame has.
    #[error("the frame has {need} bytes, of which {have} are there")]
    Short {
        /// Bytes that are there.
        have: usize,
        /// Bytes that are needed.
        need: usize,
    },
    /// Something else stands here.
    #[error("no frame begins here")]
    Magic,
    /// The header is damaged.
    #[error("the header of the frame is damaged")]
    Header,
    /// A later program wrote it.
    #[error("the frame has format version {0}, this program reads version {FRAME_VERSION}")]
    Version(u8),
    /// The entries are damaged.
    #[error("the checksum of the frame does not match")]
    Checksum,
    /// The checksum matches, yet the entries do not fill the frame: it was written by a defect.
    #[error("the entries of the frame do not fill it")]
    Entries,
}

impl FrameHeader {
    /// Reads the header at the front of `bytes`, which may go on behind the frame or end before it.
    ///
    /// # Errors
    /// No header of a known version stands there whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        let short = FrameError::Short {
            have: bytes.len(),
            need: FRAME_HEADER_BYTES,
        };
        if !bytes.starts_with(&MAGIC) {
            let beginning = MAGIC.starts_with(bytes);
            return Err(if beginning { short } else { FrameError::Magic });
        }
        let header: &[u8; FRAME_HEADER_BYTES] = bytes.first_chunk().ok_or(short)?;
        let bytes = Bytes::copy_from_slice(header);
        let mut fields = Decoder::new(&bytes);
        Self::fields(header, &mut fields).map_err(|_| short)?
    }

    fn fields(
        header: &[u8; FRAME_HEADER_BYTES],
        fields: &mut Decoder<'_>,
    ) -> Result<Result<Self, FrameError>, super::codec::FieldError> {
        let _magic: [u8; 4] = fields.array()?;
        let len = fields.u32()?;
        let crc = fields.u32()?;
        let version = fields.u8()?;
        let _flags = fields.u8()?;
        let check = u16::from_le_bytes(fields.array()?);
        if check != header_check(header) {
            return Ok(Err(FrameError::Header));
        }
        if version != FRAME_VERSION {
            return Ok(Err(FrameError::Version(version)));
        }
        let header = Self {
            len,
            crc,
            incarnation: Incarnation(fields.u64()?),
            number: FrameNumber(fields.u64()?),
            time: UnixMillis(fields.u64()?),
            prev: fields.array()?,
            count: fields.u32()?,
        };
        let in_bounds = (FRAME_HEADER_BYTES..=FRAME_BYTES_MAX).contains(&header.len());
        Ok(if in_bounds {
            Ok(header)
        } else {
            Err(FrameError::Header)
        })
    }

    /// Length of the whole frame in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a frame is never empty")]
    pub const fn len(&self) -> usize {
        self.len as usize
    }
}

/// A frame that was read: its header was checked, its CRC matches, its entries fill it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    header: FrameHeader,
    bytes: Bytes,
}

impl Frame {
    /// Reads the frame at the front of `bytes`; what follows it is left alone.
    ///
    /// # Errors
    /// No whole, undamaged frame of a known version stands there.
    pub fn decode(bytes: &Bytes) -> Result<Self, FrameError> {
        let header = FrameHeader::decode(bytes)?;
        if bytes.len() < header.len() {
            return Err(FrameError::Short {
                have: bytes.len(),
                need: header.len(),
            });
        }
        let bytes = bytes.slice(..header.len());
        let covered = bytes.get(CRC.end..).unwrap_or_default();
        if crc32fast::hash(covered) != header.crc {
            return Err(FrameError::Checksum);
        }
        let frame = Self { header, bytes };
        let mut walk = frame.raw_entries();
        let counted = walk.by_ref().count();
        if walk.at != frame.bytes.len() || Ok(counted) != usize::try_from(header.count) {
            return Err(FrameError::Entries);
        }
        Ok(frame)
    }

    /// Its header.
    #[must_use]
    pub const fn header(&self) -> &FrameHeader {
        &self.header
    }

    /// Its number.
    #[must_use]
    pub const fn number(&self) -> FrameNumber {
        self.header.number
    }

    /// The whole frame as it stands on disk.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Its hash, which the next frame names.
    #[must_use]
    pub fn hash(&self) -> FrameHash {
        hash(&self.bytes)
    }

    /// Its entries as they stand in it, with their index; chunks and joined entries as such.
    pub fn entries(&self) -> impl Iterator<Item = (u32, Result<Entry, EntryError>)> + '_ {
        (0..).zip(self.raw_entries().map(|bytes| decode_entry(&bytes)))
    }

    /// One entry as it stands in it; `None` if it has fewer.
    #[must_use]
    pub fn entry(&self, index: u32) -> Option<Result<Entry, EntryError>> {
        let index = usize::try_from(index).ok()?;
        let bytes = self.raw_entries().nth(index)?;
        Some(decode_entry(&bytes))
    }

    fn raw_entries(&self) -> RawEntries<'_> {
        RawEntries {
            bytes: &self.bytes,
            at: FRAME_HEADER_BYTES,
        }
    }
}

/// Walks the encoded entries; stops at the first that does not fit.
struct RawEntries<'a> {
    bytes: &'a Bytes,
    at: usize,
}

impl Iterator for RawEntries<'_> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let prefix = self.bytes.get(self.at..)?.first_chunk()?;
        let len = usize::try_from(u32::from_le_bytes(*prefix)).ok()?;
        let end = self.at.checked_add(size_of::<u32>())?.checked_add(len)?;
        if end > self.bytes.len() || end < self.at.checked_add(ENTRY_HEADER_BYTES)? {
            return None;
        }
        let entry = self.bytes.slice(self.at..end);
        self.at = end;
        Some(entry)
    }
}

/// The hash that stands before the first frame of a log.
#[must_use]
pub fn genesis(origin: &str, incarnation: Incarnation) -> FrameHash {
    let mut bytes = b"tidegate log\0".to_vec();
    bytes.extend_from_slice(origin.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(&incarnation.0.to_le_bytes());
    hash(&bytes)
}

/// SHA-256.
pub(super) fn hash(bytes: &[u8]) -> FrameHash {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// The check of a header: CRC-32 over all its fields but `crc` and itself, folded to 16 bits.
fn header_check(header: &[u8; FRAME_HEADER_BYTES]) -> u16 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(header.get(..CRC.start).unwrap_or_default());
    crc.update(header.get(CRC.end..CHECK.start).unwrap_or_default());
    crc.update(header.get(CHECK.end..).unwrap_or_default());
    let [a, b, c, d] = crc.finalize().to_le_bytes();
    u16::from_le_bytes([a ^ c, b ^ d])
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests;
