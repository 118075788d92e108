//! Entries to bytes. Done on the threads of the requests, so that the appender only copies.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use tidegate_types::event::{Event, Raw};

use super::deliver::{encode_closed, encode_place, encode_receipts, encode_retrying};
use super::park::{ParkEntry, encode_given_up, encode_mark, encode_passed};
use super::poll::encode_polled;
use super::{Checkpoint, Chunk, Cursor, ENTRY_HEADER_BYTES, Entry, EventEntry, Fault, flag, kind};
use crate::log::FRAME_BYTES_MAX;
use crate::log::codec::{Encoder, length};
use crate::log::frame::FRAME_HEADER_BYTES;

/// An entry in its binary form, length and kind included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedEntry(Vec<u8>);

impl EncodedEntry {
    /// The bytes as they will stand in the frame.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Length in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "an entry is never empty")]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it fits a frame of its own. If not, it goes through `Engine::append_large`.
    #[must_use]
    pub const fn fits_frame(&self) -> bool {
        self.len() <= FRAME_BYTES_MAX - FRAME_HEADER_BYTES
    }
}

/// Encodes an event.
#[must_use]
pub fn encode_event(entry: &EventEntry) -> EncodedEntry {
    sealed(kind::EVENT, event_size(entry), |out| event(out, entry))
}

/// Encodes any entry.
#[must_use]
pub fn encode_entry(entry: &Entry) -> EncodedEntry {
    match entry {
        Entry::Event(entry) => encode_event(entry),
        Entry::Fault(entry) => {
            let size = raw_size(&entry.raw).saturating_add(SIZE_HINT);
            sealed(kind::FAULT, size, |out| fault(out, entry))
        }
        Entry::Cursor(entry) => sealed(kind::CURSOR, SIZE_HINT, |out| cursor(out, entry)),
        Entry::Checkpoint(entry) => {
            sealed(kind::CHECKPOINT, SIZE_HINT, |out| checkpoint(out, entry))
        }
        Entry::System(entry) => sealed(kind::SYSTEM, SIZE_HINT, |out| {
            out.text(&entry.kind);
            out.u64(entry.time.0);
            out.text(&entry.text);
            out.pairs(&entry.tags);
        }),
        Entry::Chunk(entry) => encode_chunk(entry),
        Entry::Joined(entry) => {
            let size = entry.tail.len().saturating_add(SIZE_HINT);
            sealed(kind::JOINED, size, |out| {
                out.u64(entry.group);
                out.u32(entry.chunks);
                out.u64(entry.total_len);
                out.u64(entry.first.0);
                out.bytes(&entry.tail);
            })
        }
        Entry::Polled(entry) => {
            let size = entry.cursor.len().saturating_add(SIZE_HINT);
            sealed(kind::POLLED, size, |out| encode_polled(out, entry))
        }
        Entry::Receipts(entry) => {
            let size = entry.done.len().saturating_mul(RECEIPT_BYTES);
            sealed(kind::RECEIPTS, size.saturating_add(SIZE_HINT), |out| {
                encode_receipts(out, entry);
            })
        }
        Entry::Retrying(entry) => sealed(kind::RETRYING, SIZE_HINT, |out| {
            encode_retrying(out, entry);
        }),
        Entry::FaultClosed(entry) => sealed(kind::FAULT_CLOSED, SIZE_HINT, |out| {
            encode_closed(out, entry);
        }),
        Entry::GivenUp(entry) => sealed(kind::GIVEN_UP, SIZE_HINT, |out| {
            encode_given_up(out, entry);
        }),
        Entry::Park(entry) => park(entry),
        Entry::Unknown { kind, payload } => sealed(*kind, payload.len(), |out| out.fixed(payload)),
    }
}

fn park(entry: &ParkEntry) -> EncodedEntry {
    match entry {
        ParkEntry::Event(parked) => {
            let size = event_size(&parked.event).saturating_add(SIZE_HINT);
            sealed(kind::PARKED_EVENT, size, |out| {
                encode_place(out, parked.place);
                out.u64(parked.appended.0);
                event(out, &parked.event);
            })
        }
        ParkEntry::Passed(runs) => sealed(kind::PARK_PASSED, SIZE_HINT, |out| {
            encode_passed(out, runs);
        }),
        ParkEntry::Mark(mark) => sealed(kind::PARK_MARK, SIZE_HINT, |out| encode_mark(out, mark)),
    }
}

/// A first capacity that spares small entries a second allocation.
const SIZE_HINT: usize = 256;

/// Place, identity, outcome, attempts, time.
const RECEIPT_BYTES: usize = 20 + 16 + 17 + 4 + 8;

fn encode_chunk(entry: &Chunk) -> EncodedEntry {
    let size = entry.bytes.len().saturating_add(SIZE_HINT);
    sealed(kind::CHUNK, size, |out| {
        out.u64(entry.group);
        out.u32(entry.index);
        out.bytes(&entry.bytes);
    })
}

/// Writes length and kind around the payload that `write` makes.
fn sealed(kind: u8, size: usize, write: impl FnOnce(&mut Encoder<'_>)) -> EncodedEntry {
    let mut bytes = Vec::with_capacity(size.saturating_add(ENTRY_HEADER_BYTES));
    let mut out = Encoder(&mut bytes);
    out.u32(0);
    out.u8(kind);
    write(&mut out);
    let len = length(bytes.len().saturating_sub(size_of::<u32>()));
    if let Some(place) = bytes.first_chunk_mut() {
        *place = len.to_le_bytes();
    }
    EncodedEntry(bytes)
}

fn event(out: &mut Encoder<'_>, entry: &EventEntry) {
    let event = &entry.event;
    let same_body = event.raw.as_ref().is_some_and(|raw| raw.body == event.data);
    let raw_flag = if event.raw.is_some() { flag::RAW } else { 0 };
    let body_flag = if same_body { flag::SAME_BODY } else { 0 };
    out.fixed(event.id.as_bytes());
    out.fixed(&entry.fingerprint);
    out.u8(raw_flag | body_flag);
    out.u64(event.time.0);
    out.u64(event.received.0);
    out.text(&event.flow);
    out.text(&event.external_id);
    out.text(&event.kind);
    out.text(&event.key);
    out.text(&event.content_type);
    out.pairs(&event.attributes);
    out.bytes(&event.data);
    if let Some(raw) = &event.raw {
        out.pairs(&raw.headers);
        out.text(&raw.query);
        if !same_body {
            out.bytes(&raw.body);
        }
    }
}

fn fault(out: &mut Encoder<'_>, fault: &Fault) {
    let mapped = if fault.event.is_some() {
        flag::MAPPED
    } else {
        0
    };
    let carried = if fault.carried { flag::CARRIED } else { 0 };
    out.fixed(fault.id.as_bytes());
    out.fixed(&fault.fingerprint);
    out.u8(mapped | carried);
    out.u8(fault.cause.code());
    out.u8(fault.blame.code());
    out.u64(fault.time.0);
    out.text(&fault.flow);
    out.text(&fault.external_id);
    out.text(&fault.message);
    out.pairs(&fault.raw.headers);
    out.text(&fault.raw.query);
    out.bytes(&fault.raw.body);
    if let Some(entry) = &fault.event {
        event(out, entry);
    }
}

fn cursor(out: &mut Encoder<'_>, cursor: &Cursor) {
    out.text(&cursor.subscription);
    out.u64(cursor.place.incarnation.0);
    out.u64(cursor.place.frame.0);
    out.u32(cursor.place.index);
    out.u64(cursor.time.0);
}

fn checkpoint(out: &mut Encoder<'_>, checkpoint: &Checkpoint) {
    out.u64(checkpoint.oldest.0);
    out.u64(checkpoint.time.0);
    out.u64(checkpoint.faults_open);
    out.u32(length(checkpoint.cursors.len()));
    for entry in &checkpoint.cursors {
        cursor(out, entry);
    }
}

/// The size of an encoded event, a little more at most: only a capacity, never a limit.
fn event_size(entry: &EventEntry) -> usize {
    let event: &Event = &entry.event;
    let raw = event.raw.as_ref().map_or(0, |raw| {
        let body = if raw.body == event.data {
            raw.body.len()
        } else {
            0
        };
        raw_size(raw).saturating_sub(body)
    });
    [
        SIZE_HINT,
        event.flow.len(),
        event.external_id.len(),
        event.kind.len(),
        event.key.len(),
        event.content_type.len(),
        pairs_size(&event.attributes),
        event.data.len(),
        raw,
    ]
    .iter()
    .fold(0, |sum: usize, part| sum.saturating_add(*part))
}

fn raw_size(raw: &Raw) -> usize {
    pairs_size(&raw.headers)
        .saturating_add(raw.query.len())
        .saturating_add(raw.body.len())
}

fn pairs_size(pairs: &[(String, String)]) -> usize {
    pairs.iter().fold(0, |sum: usize, (name, value)| {
        sum.saturating_add(name.len())
            .saturating_add(value.len())
            .saturating_add(8)
    })
}
