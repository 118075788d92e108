//! The text form of a [`Vector`]: opaque for its reader, the same in every region.
//!
//! ```text
//! base64url( version u8 = 1 | feed: len u8, text | filter [u8; 8] | origins u8
//!            | per origin: len u8, text, incarnation varint, frame varint, index + 1 varint
//!            | HMAC-SHA256 [u8; 32] over all before it )
//! ```
//!
//! `index + 1` is 0 for a whole frame. The key of the HMAC (RFC 2104) is itself
//! `HMAC-SHA256(secret, "tidegate feed cursor" 0x00 feed)`, so that each feed has its own. Base64url
//! is that of RFC 4648, section 5, without padding.

mod bytes;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::{digest, hmac};
use tidegate_types::secret::Secret;

use self::bytes::Reader;
use super::Vector;

/// The longest cursor that is looked at, in characters. With the most origins and the longest names
/// one has about 4,300.
pub const CURSOR_CHARS_MAX: usize = 6144;

/// The least length of a secret for cursors, in bytes: as many as an attacker would have to guess
/// for half of the security of the hash (RFC 2104, section 3, discourages fewer than its output).
pub const KEY_BYTES_MIN: usize = 16;

const VERSION: u8 = 1;
const TAG_BYTES: usize = 32;
const FILTER_BYTES: usize = 8;

/// What a feed gives out of all events, as a number: a position means something only together with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FilterHash([u8; FILTER_BYTES]);

impl FilterHash {
    /// The first eight bytes of the SHA-256 of the parts, each behind its length.
    #[must_use]
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut hash = [0; FILTER_BYTES];
        for (to, from) in hash.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        Self(hash)
    }
}

/// The secrets of a feed's cursors: the first one seals, all of them open.
#[derive(Clone)]
pub struct CursorKeys {
    feed: String,
    secrets: Vec<hmac::Key>,
    sealing: hmac::Key,
}

impl fmt::Debug for CursorKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CursorKeys")
            .field("feed", &self.feed)
            .finish_non_exhaustive()
    }
}

/// Why a text is not a cursor that can be gone on from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// It is not the text of any cursor.
    #[error("this is not a cursor; send it exactly as it was given")]
    Malformed,
    /// It was made by a later version.
    #[error("the cursor has version {0}, which this gateway does not know")]
    UnknownVersion(u8),
    /// It was changed, or sealed with a key that is not in use any more.
    #[error("the cursor is not one of this gateway; send it exactly as it was given")]
    Tampered,
    /// It belongs to another feed.
    #[error("the cursor belongs to another feed")]
    OtherFeed,
    /// The feed gives other events than when the cursor was made.
    #[error("the feed gives other events than when the cursor was made")]
    OtherFilter(Box<Vector>),
}

impl CursorKeys {
    /// The keys of the cursors of `feed`. `None` without a secret.
    #[must_use]
    pub fn new(feed: &str, secrets: &[Secret]) -> Option<Self> {
        let secrets = secrets
            .iter()
            .map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.expose()));
        let secrets: Vec<hmac::Key> = secrets.collect();
        let sealing = key_of(secrets.first()?, feed);
        Some(Self {
            feed: feed.to_owned(),
            secrets,
            sealing,
        })
    }

    /// The text of a cursor.
    #[must_use]
    pub fn seal(&self, filter: FilterHash, vector: &Vector) -> String {
        let mut out = vec![VERSION];
        bytes::put_name(&mut out, &self.feed);
        out.extend_from_slice(&filter.0);
        bytes::put_vector(&mut out, vector);
        let tag = hmac::sign(&self.sealing, &out);
        out.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(out)
    }

    /// The position that a cursor of this feed, with this filter, stands for.
    ///
    /// # Errors
    /// See [`CursorError`].
    pub fn open(&self, filter: FilterHash, text: &str) -> Result<Vector, CursorError> {
        if text.len() > CURSOR_CHARS_MAX {
            return Err(CursorError::Malformed);
        }
        let sealed = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| CursorError::Malformed)?;
        match sealed.first() {
            Some(&VERSION) => {}
            Some(version) => return Err(CursorError::UnknownVersion(*version)),
            None => return Err(CursorError::Malformed),
        }
        let (signed, tag) = sealed
            .split_last_chunk::<TAG_BYTES>()
            .ok_or(CursorError::Malformed)?;
        let mut reader = Reader(signed.get(1..).unwrap_or_default());
        let feed = reader.name().ok_or(CursorError::Malformed)?;
        let genuine = |secret| hmac::verify(&key_of(secret, feed), signed, tag).is_ok();
        if !self.secrets.iter().any(genuine) {
            return Err(CursorError::Tampered);
        }
        if feed != self.feed {
            return Err(CursorError::OtherFeed);
        }
        let made_for = reader
            .array::<FILTER_BYTES>()
            .ok_or(CursorError::Malformed)?;
        let vector = reader.vector().ok_or(CursorError::Malformed)?;
        if made_for == filter.0 {
            Ok(vector)
        } else {
            Err(CursorError::OtherFilter(Box::new(vector)))
        }
    }
}

fn key_of(secret: &hmac::Key, feed: &str) -> hmac::Key {
    let mut context = hmac::Context::with_key(secret);
    context.update(b"tidegate feed cursor\0");
    context.update(feed.as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref())
}

#[cfg(test)]
mod tests;
