//! What survives a restart: where the source was read up to, in bytes.

use bytes::Bytes;
use tidegate_types::time::UnixMillis;

use super::settings::{Paging, Settings};
use crate::log::codec::{Decoder, Encoder};
use crate::log::entry::{FieldError, Polled};

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Position {
    /// What the source begins with.
    Start,
    /// What follows a token of theirs.
    Token(String),
    /// The page with this number.
    Page(u64),
}

/// Where a flow stands. Changed only when the change is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kept {
    /// What the next request asks for.
    pub(super) position: Position,
    /// The newest item of all rounds that have ended.
    pub(super) mark: Option<UnixMillis>,
    /// The round that is under way.
    pub(super) round: Option<Round>,
    /// The `ETag` of the first request of the next round.
    pub(super) etag: String,
    /// What the `ETag` was given for: see [`Settings::request`].
    pub(super) request: [u8; 16],
}

/// A round under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Round {
    /// When it began.
    pub(super) began: UnixMillis,
    /// It asks for what is as new as this.
    pub(super) since: Option<UnixMillis>,
    /// The newest item it has seen.
    pub(super) newest: Option<UnixMillis>,
}

/// The cursor of a flow cannot be read: it is of a later version, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor of the flow {0}")]
pub struct KeptError(#[from] FieldError);

const VERSION: u8 = 1;

mod code {
    pub(super) const START: u8 = 0;
    pub(super) const TOKEN: u8 = 1;
    pub(super) const PAGE: u8 = 2;
}

impl Kept {
    pub(super) const fn new(request: [u8; 16]) -> Self {
        Self {
            position: Position::Start,
            mark: None,
            round: None,
            etag: String::new(),
            request,
        }
    }

    /// What the log says, as far as it fits the settings: a flow that pages in another way than before
    /// begins its round anew, and an `ETag` of another request is forgotten.
    pub(super) fn restore(settings: &Settings, polled: &Polled) -> Result<Self, KeptError> {
        let mut kept = Self::decode(&polled.cursor)?;
        kept.etag.clone_from(&polled.etag);
        let fits = match kept.position {
            Position::Start => true,
            Position::Token(_) => settings.paging == Paging::Token,
            Position::Page(_) => matches!(settings.paging, Paging::Number { .. }),
        };
        if !fits {
            kept.position = Position::Start;
            kept.round = None;
        }
        if settings.mark.is_none() {
            kept.mark = None;
        }
        if !fits || kept.request != settings.request {
            kept.etag.clear();
        }
        kept.request = settings.request;
        Ok(kept)
    }

    pub(super) fn encode(&self) -> Bytes {
        let mut bytes = Vec::new();
        let mut out = Encoder(&mut bytes);
        out.u8(VERSION);
        out.fixed(&self.request);
        match &self.position {
            Position::Start => out.u8(code::START),
            Position::Token(token) => {
                out.u8(code::TOKEN);
                out.text(token);
            }
            Position::Page(number) => {
                out.u8(code::PAGE);
                out.u64(*number);
            }
        }
        time(&mut out, self.mark);
        out.u8(u8::from(self.round.is_some()));
        if let Some(round) = &self.round {
            out.u64(round.began.0);
            time(&mut out, round.since);
            time(&mut out, round.newest);
        }
        Bytes::from(bytes)
    }

    fn decode(bytes: &Bytes) -> Result<Self, FieldError> {
        let mut fields = Decoder::new(bytes);
        match fields.u8()? {
            VERSION => {}
            other => return Err(FieldError::Code(other)),
        }
        let kept = Self {
            request: fields.array()?,
            position: match fields.u8()? {
                code::START => Position::Start,
                code::TOKEN => Position::Token(fields.text()?),
                code::PAGE => Position::Page(fields.u64()?),
                other => return Err(FieldError::Code(other)),
            },
            mark: read_time(&mut fields)?,
            round: if read_flag(&mut fields)? {
                Some(Round {
                    began: UnixMillis(fields.u64()?),
                    since: read_time(&mut fields)?,
                    newest: read_time(&mut fields)?,
                })
            } else {
                None
            },
            etag: String::new(),
        };
        fields.finish()?;
        Ok(kept)
    }
}

fn time(out: &mut Encoder<'_>, time: Option<UnixMillis>) {
    out.u8(u8::from(time.is_some()));
    if let Some(time) = time {
        out.u64(time.0);
    }
}

fn read_flag(fields: &mut Decoder<'_>) -> Result<bool, FieldError> {
    match fields.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(FieldError::Code(other)),
    }
}

fn read_time(fields: &mut Decoder<'_>) -> Result<Option<UnixMillis>, FieldError> {
    Ok(if read_flag(fields)? {
        Some(UnixMillis(fields.u64()?))
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn position() -> impl Strategy<Value = Position> {
        prop_oneof![
            Just(Position::Start),
            ".{0,20}".prop_map(Position::Token),
            any::<u64>().prop_map(Position::Page),
        ]
    }

    proptest! {
        #[test]
        fn round_trips(
            position in position(), request: [u8; 16], mark: Option<u64>,
            round: Option<(u64, Option<u64>, Option<u64>)>,
        ) {
            let round = round.map(|(began, since, newest)| Round {
                began: UnixMillis(began), since: since.map(UnixMillis), newest: newest.map(UnixMillis),
            });
            let kept = Kept { position, mark: mark.map(UnixMillis), round, etag: String::new(), request };
            let bytes = kept.encode();
            prop_assert_eq!(Kept::decode(&bytes), Ok(kept));
            for cut in 0..bytes.len() {
                prop_assert!(Kept::decode(&bytes.slice(..cut)).is_err());
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(kept) = Kept::decode(&Bytes::from(bytes.clone())) {
                prop_assert_eq!(kept.encode(), Bytes::from(bytes));
            }
        }
    }
}
