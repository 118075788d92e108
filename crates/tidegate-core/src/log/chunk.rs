//! Entries larger than a frame: split into chunks in consecutive frames, and put together again.
//!
//! A series fills whole frames: one [`Chunk`] in each, then a frame whose only entry is [`Joined`].
//! It never crosses a segment, so trimming cannot take half of it. A series that a crash cut short has
//! no end, and readers pass over its chunks.

use bytes::Bytes;
use tidegate_types::position::FrameNumber;

use super::engine::{LogReader, ReadError};
use super::entry::{Chunk, EncodedEntry, Entry, EntryError, Joined, decode_entry, encode_entry};
use super::frame::{FRAME_HEADER_BYTES, Frame};
use super::{ENTRY_BYTES_MAX, FRAME_BYTES_MAX};

/// The largest piece. 64 bytes are more than enough for the other fields of a chunk or its end.
const PIECE_BYTES: usize = FRAME_BYTES_MAX - FRAME_HEADER_BYTES - 64;

/// How many chunks go before the end of the series.
pub(super) const fn chunks_before_end(entry: &EncodedEntry) -> usize {
    entry.len().saturating_sub(1) / PIECE_BYTES
}

/// Bytes of all frames of the series, a little more at most.
pub(super) const fn series_bytes(entry: &EncodedEntry) -> usize {
    (chunks_before_end(entry) + 1) * FRAME_BYTES_MAX
}

/// The encoded entries of the series, one for each frame, the first of which is `first`.
pub(super) fn split(
    entry: &EncodedEntry,
    first: FrameNumber,
) -> impl Iterator<Item = EncodedEntry> + '_ {
    let before_end = chunks_before_end(entry);
    let total_len = entry.len() as u64;
    let pieces = entry.as_bytes().chunks(PIECE_BYTES).zip(0_u32..);
    pieces.map(move |(piece, index)| {
        let bytes = Bytes::copy_from_slice(piece);
        encode_entry(&if (index as usize) < before_end {
            Entry::Chunk(Chunk {
                group: first.0,
                index,
                bytes,
            })
        } else {
            Entry::Joined(Joined {
                group: first.0,
                chunks: index,
                total_len,
                first,
                tail: bytes,
            })
        })
    })
}

/// The entry that stands at a place: what was decoded there or, at the end of a series, the whole of it.
pub(super) fn whole<R: LogReader + ?Sized>(
    reader: &R,
    frame: &Frame,
    index: u32,
    entry: Result<Entry, EntryError>,
) -> Result<Entry, ReadError> {
    let unreadable = |source| ReadError::Entry {
        frame: frame.number(),
        index,
        source,
    };
    match entry.map_err(unreadable)? {
        Entry::Joined(end) => {
            let incomplete = || ReadError::Chunks {
                frame: frame.number(),
                index,
            };
            let bytes = join(reader, frame, &end)?.ok_or_else(incomplete)?;
            decode_entry(&bytes).map_err(unreadable)
        }
        entry => Ok(entry),
    }
}

/// The bytes of a series, `None` if its frames do not hold what its end says.
fn join<R: LogReader + ?Sized>(
    reader: &R,
    frame: &Frame,
    end: &Joined,
) -> Result<Option<Bytes>, ReadError> {
    let last = end.first.0.checked_add(u64::from(end.chunks));
    let Ok(total) = usize::try_from(end.total_len) else {
        return Ok(None);
    };
    if last != Some(frame.number().0) || total > ENTRY_BYTES_MAX {
        return Ok(None);
    }
    let mut joined = Vec::with_capacity(total);
    let mut next = end.first;
    let mut index = 0;
    while index < end.chunks {
        let frames = reader.read(next, READ_BYTES)?;
        if frames.is_empty() {
            return Ok(None);
        }
        for part in frames.iter().take((end.chunks - index) as usize) {
            match part.entry(0) {
                Some(Ok(Entry::Chunk(chunk)))
                    if chunk.group == end.group && chunk.index == index =>
                {
                    joined.extend_from_slice(&chunk.bytes);
                }
                _ => return Ok(None),
            }
            if joined.len() > total {
                return Ok(None);
            }
            index += 1;
            next = part.number().next();
        }
    }
    joined.extend_from_slice(&end.tail);
    Ok((joined.len() == total).then(|| Bytes::from(joined)))
}

/// How much is read at a time while a series is put together.
const READ_BYTES: usize = 4 * 1024 * 1024;
