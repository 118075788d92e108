//! The form of an answer between regions.
//!
//! ```text
//! magic "TGP1" u32 | version u8 = 1 | time u64 | waited ms u32
//! | lives u32, each: incarnation u64, first u64, head u64, hash [32], ended u8
//! | frames u32, each: length u32, the frame as it stands on disk
//! ```
//!
//! Little-endian. Every frame carries its own checksum, and names the hash of the one before.

use std::time::Duration;

use bytes::Bytes;
use tidegate_types::position::{FrameNumber, Incarnation};
use tidegate_types::time::UnixMillis;

use super::{Answer, LIVES_MAX, Span};
use crate::log::codec::{Decoder, Encoder, FieldError, length};
use crate::log::engine::Head;
use crate::log::frame::{Frame, FrameError};
use crate::log::{FRAME_BYTES_MAX, FrameHash};

/// The media type of an answer.
pub const MEDIA_TYPE: &str = "application/vnd.tidegate.frames; version=1";

const MAGIC: [u8; 4] = *b"TGP1";
const VERSION: u8 = 1;
/// Fields before the lives, and the count of the frames.
const FIXED_BYTES: usize = 4 + 1 + 8 + 4 + 4 + 4;
const SPAN_BYTES: usize = 8 + 8 + 8 + 32 + 1;

/// The most bytes of an answer to someone who asked for `bytes_max` bytes of frames: the last frame
/// may begin just below that, and each has its length before it.
#[must_use]
pub const fn answer_bytes_max(bytes_max: usize) -> usize {
    let frames = bytes_max.saturating_add(FRAME_BYTES_MAX);
    // A frame with a single entry of a few bytes has more than 80.
    let lengths = frames / 16;
    frames
        .saturating_add(lengths)
        .saturating_add(FIXED_BYTES + LIVES_MAX * SPAN_BYTES)
}

/// Bytes that are not an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// Something else than an answer.
    #[error("this is not an answer of a Tidegate peer")]
    Magic,
    /// A later program made it.
    #[error("the answer has version {0}, this program reads version {VERSION}")]
    Version(u8),
    /// A field is not what it should be.
    #[error("the answer {0}")]
    Field(#[from] FieldError),
    /// More lives than there can be.
    #[error("the answer names {0} lives, more than {LIVES_MAX}")]
    Lives(u32),
    /// A frame is damaged.
    #[error("a frame of the answer is damaged: {0}")]
    Frame(#[from] FrameError),
}

/// The bytes of an answer.
#[must_use]
pub fn encode(answer: &Answer) -> Vec<u8> {
    let frames: usize = answer
        .frames
        .iter()
        .map(|frame| frame.bytes().len().saturating_add(4))
        .fold(0, usize::saturating_add);
    let spans = answer.spans.len().saturating_mul(SPAN_BYTES);
    let capacity = FIXED_BYTES.saturating_add(spans).saturating_add(frames);
    let mut bytes = Vec::with_capacity(capacity);
    let mut out = Encoder(&mut bytes);
    out.fixed(&MAGIC);
    out.u8(VERSION);
    out.u64(answer.time.0);
    out.u32(u32::try_from(answer.waited.as_millis()).unwrap_or(u32::MAX));
    out.u32(length(answer.spans.len()));
    for span in &answer.spans {
        out.u64(span.head.incarnation.0);
        out.u64(span.first.0);
        out.u64(span.head.frame.0);
        out.fixed(&span.head.hash);
        out.u8(u8::from(span.ended));
    }
    out.u32(length(answer.frames.len()));
    for frame in &answer.frames {
        out.bytes(frame.bytes());
    }
    bytes
}

/// The answer in `bytes`; its frames are checked each by itself and share the memory.
///
/// # Errors
/// See [`MessageError`].
pub fn decode(bytes: &Bytes) -> Result<Answer, MessageError> {
    let mut fields = Decoder::new(bytes);
    if fields.array::<4>().map_err(|_| MessageError::Magic)? != MAGIC {
        return Err(MessageError::Magic);
    }
    match fields.u8()? {
        VERSION => {}
        other => return Err(MessageError::Version(other)),
    }
    let time = UnixMillis(fields.u64()?);
    let waited = Duration::from_millis(fields.u32()?.into());
    let count = fields.u32()?;
    if usize::try_from(count).is_ok_and(|count| count > LIVES_MAX) {
        return Err(MessageError::Lives(count));
    }
    let mut spans = Vec::new();
    for _ in 0..count {
        spans.push(span(&mut fields)?);
    }
    let encoded = fields.list(Decoder::bytes)?;
    fields.finish()?;
    let mut frames = Vec::with_capacity(encoded.len());
    for bytes in &encoded {
        let frame = Frame::decode(bytes)?;
        if frame.bytes().len() != bytes.len() {
            return Err(FieldError::Trailing.into());
        }
        frames.push(frame);
    }
    Ok(Answer {
        spans,
        time,
        waited,
        frames,
    })
}

fn span(fields: &mut Decoder<'_>) -> Result<Span, FieldError> {
    let incarnation = Incarnation(fields.u64()?);
    let first = FrameNumber(fields.u64()?);
    let frame = FrameNumber(fields.u64()?);
    let hash: FrameHash = fields.array()?;
    let ended = match fields.u8()? {
        0 => false,
        1 => true,
        other => return Err(FieldError::Code(other)),
    };
    Ok(Span {
        first,
        head: Head {
            incarnation,
            frame,
            hash,
        },
        ended,
    })
}
