//! What a flow that polls writes: how far its source was read.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use bytes::Bytes;
use tidegate_types::time::UnixMillis;

use super::flag;
use crate::log::codec::{Decoder, Encoder, FieldError};

/// How far a flow has read its source.
///
/// Everything that the source gave before `cursor` stands in the log before this entry, in the same
/// frame or in earlier ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// The flow.
    pub flow: String,
    /// Counts up with every entry of the flow, so that the newest is known whatever was copied forward.
    pub number: u64,
    /// When it was written.
    pub time: UnixMillis,
    /// Where the flow goes on, in the form of [`crate::poll`]; at most
    /// [`CURSOR_BYTES_MAX`](crate::poll::CURSOR_BYTES_MAX) and a little for what surrounds it.
    pub cursor: Bytes,
    /// The source's own name for the content of the last answer; empty if it gave none.
    pub etag: String,
    /// Items of the page that this entry covers.
    pub items: u32,
    /// How many of them were set aside.
    pub faults: u32,
    /// How many of them the flow leaves out.
    pub filtered: u32,
    /// Whether it was only copied forward, out of segments that were about to be removed.
    pub carried: bool,
}

pub(super) fn encode_polled(out: &mut Encoder<'_>, entry: &Polled) {
    out.text(&entry.flow);
    out.u64(entry.number);
    out.u64(entry.time.0);
    out.bytes(&entry.cursor);
    out.text(&entry.etag);
    out.u32(entry.items);
    out.u32(entry.faults);
    out.u32(entry.filtered);
    out.u8(if entry.carried { flag::CARRIED } else { 0 });
}

pub(super) fn decode_polled(fields: &mut Decoder<'_>) -> Result<Polled, FieldError> {
    Ok(Polled {
        flow: fields.text()?,
        number: fields.u64()?,
        time: UnixMillis(fields.u64()?),
        cursor: fields.bytes()?,
        etag: fields.text()?,
        items: fields.u32()?,
        faults: fields.u32()?,
        filtered: fields.u32()?,
        carried: match fields.u8()? {
            0 => false,
            flag::CARRIED => true,
            other => return Err(FieldError::Code(other)),
        },
    })
}
