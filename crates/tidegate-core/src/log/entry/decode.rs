//! Bytes to entries. Bodies are slices of the frame, not copies.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::Bytes;
use tidegate_types::event::{Event, Raw};
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::time::UnixMillis;

use super::deliver::{decode_closed, decode_receipts, read_place, read_retrying};
use super::park::{ParkEntry, ParkedEvent, decode_given_up, decode_mark, decode_passed};
use super::poll::decode_polled;
use super::{
    Blame, Checkpoint, Chunk, Cursor, Entry, EventEntry, Fault, FaultCause, Joined, System, flag,
    kind,
};
use crate::log::codec::{Decoder, FieldError};

/// An entry that cannot be read although its frame is whole: it was written by a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an entry of kind {kind} {problem}")]
pub struct EntryError {
    /// Code of its kind, 0 if the entry is too short to have one.
    pub kind: u8,
    /// What is wrong with it.
    pub problem: FieldError,
}

/// Reads one entry, length and kind included.
///
/// # Errors
/// The bytes are not exactly one entry of a known kind, or one of an unknown kind.
pub fn decode_entry(bytes: &Bytes) -> Result<Entry, EntryError> {
    let unreadable = |problem| EntryError { kind: 0, problem };
    let mut fields = Decoder::new(bytes);
    let len = fields.u32().map_err(unreadable)?;
    let kind = fields.u8().map_err(unreadable)?;
    let counted = bytes.len().checked_sub(size_of::<u32>());
    if counted != usize::try_from(len).ok() {
        return Err(unreadable(FieldError::Short));
    }
    payload(kind, fields, bytes).map_err(|problem| EntryError { kind, problem })
}

fn payload(kind: u8, mut fields: Decoder<'_>, bytes: &Bytes) -> Result<Entry, FieldError> {
    let entry = match kind {
        kind::EVENT => Entry::Event(event(&mut fields)?),
        kind::FAULT => Entry::Fault(Box::new(fault(&mut fields)?)),
        kind::CURSOR => Entry::Cursor(cursor(&mut fields)?),
        kind::CHECKPOINT => Entry::Checkpoint(Checkpoint {
            oldest: FrameNumber(fields.u64()?),
            time: UnixMillis(fields.u64()?),
            faults_open: fields.u64()?,
            cursors: fields.list(cursor)?,
        }),
        kind::SYSTEM => Entry::System(System {
            kind: fields.text()?,
            time: UnixMillis(fields.u64()?),
            text: fields.text()?,
            tags: fields.pairs()?,
        }),
        kind::CHUNK => Entry::Chunk(Chunk {
            group: fields.u64()?,
            index: fields.u32()?,
            bytes: fields.bytes()?,
        }),
        kind::JOINED => Entry::Joined(Joined {
            group: fields.u64()?,
            chunks: fields.u32()?,
            total_len: fields.u64()?,
            first: FrameNumber(fields.u64()?),
            tail: fields.bytes()?,
        }),
        kind::POLLED => Entry::Polled(Box::new(decode_polled(&mut fields)?)),
        kind::RECEIPTS => Entry::Receipts(Box::new(decode_receipts(&mut fields)?)),
        kind::RETRYING => Entry::Retrying(Box::new(read_retrying(&mut fields)?)),
        kind::FAULT_CLOSED => Entry::FaultClosed(Box::new(decode_closed(&mut fields)?)),
        kind::GIVEN_UP => Entry::GivenUp(Box::new(decode_given_up(&mut fields)?)),
        kind::PARKED_EVENT => Entry::Park(ParkEntry::Event(Box::new(ParkedEvent {
            place: read_place(&mut fields)?,
            appended: UnixMillis(fields.u64()?),
            event: event(&mut fields)?,
        }))),
        kind::PARK_PASSED => Entry::Park(ParkEntry::Passed(decode_passed(&mut fields)?)),
        kind::PARK_MARK => {
            let mark = Box::new(decode_mark(&mut fields)?);
            Entry::Park(ParkEntry::Mark(mark))
        }
        _ => {
            let payload = bytes.slice(super::ENTRY_HEADER_BYTES..);
            return Ok(Entry::Unknown { kind, payload });
        }
    };
    fields.finish()?;
    Ok(entry)
}

fn event(fields: &mut Decoder<'_>) -> Result<EventEntry, FieldError> {
    let id = EventId::from_bytes(fields.array()?);
    let fingerprint = fields.array()?;
    let flags = known_flags(fields.u8()?, flag::RAW | flag::SAME_BODY)?;
    let mut event = Event {
        id,
        time: UnixMillis(fields.u64()?),
        received: UnixMillis(fields.u64()?),
        flow: fields.text()?,
        external_id: fields.text()?,
        kind: fields.text()?,
        key: fields.text()?,
        content_type: fields.text()?,
        attributes: fields.pairs()?,
        data: fields.bytes()?,
        raw: None,
    };
    if flags & flag::RAW != 0 {
        let headers = fields.pairs()?;
        let query = fields.text()?;
        let body = if flags & flag::SAME_BODY == 0 {
            fields.bytes()?
        } else {
            event.data.clone()
        };
        event.raw = Some(Raw {
            headers,
            query,
            body,
        });
    } else if flags != 0 {
        return Err(FieldError::Code(flags));
    }
    Ok(EventEntry { event, fingerprint })
}

fn fault(fields: &mut Decoder<'_>) -> Result<Fault, FieldError> {
    let id = EventId::from_bytes(fields.array()?);
    let fingerprint = fields.array()?;
    let flags = known_flags(fields.u8()?, flag::MAPPED | flag::CARRIED)?;
    Ok(Fault {
        id,
        fingerprint,
        carried: flags & flag::CARRIED != 0,
        cause: FaultCause::from_code(fields.u8()?),
        blame: Blame::from_code(fields.u8()?),
        time: UnixMillis(fields.u64()?),
        flow: fields.text()?,
        external_id: fields.text()?,
        message: fields.text()?,
        raw: Raw {
            headers: fields.pairs()?,
            query: fields.text()?,
            body: fields.bytes()?,
        },
        event: if flags & flag::MAPPED == 0 {
            None
        } else {
            Some(event(fields)?)
        },
    })
}

fn cursor(fields: &mut Decoder<'_>) -> Result<Cursor, FieldError> {
    Ok(Cursor {
        subscription: fields.text()?,
        place: Place {
            incarnation: Incarnation(fields.u64()?),
            frame: FrameNumber(fields.u64()?),
            index: fields.u32()?,
        },
        time: UnixMillis(fields.u64()?),
    })
}

const fn known_flags(flags: u8, known: u8) -> Result<u8, FieldError> {
    if flags & !known == 0 {
        Ok(flags)
    } else {
        Err(FieldError::Code(flags))
    }
}
