//! The signatures a request offers, decoded into a fixed buffer on the stack.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use subtle::ConstantTimeEq;

use super::{Encoding, SIGNATURES_MAX};

/// The longest signature of any scheme: HMAC-SHA512 and Ed25519 have 64 bytes.
const SIGNATURE_BYTES_MAX: usize = 64;

/// Base64 of anything up to the longest signature, decoded, with room for what the decoder
/// estimates ahead.
const BUFFER_BYTES: usize = SIGNATURE_BYTES_MAX + 8;

/// Up to [`SIGNATURES_MAX`] decoded signatures.
pub(super) struct Candidates {
    list: [[u8; SIGNATURE_BYTES_MAX]; SIGNATURES_MAX],
    count: usize,
    bytes: usize,
}

/// Why a signature was not added.
pub(super) enum Rejected {
    /// There are [`SIGNATURES_MAX`] already.
    TooMany,
    /// It is not in the encoding of the scheme or has another length.
    Malformed,
}

impl Candidates {
    /// None yet; each will have `bytes` bytes, at most 64.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            list: [[0; SIGNATURE_BYTES_MAX]; SIGNATURES_MAX],
            count: 0,
            bytes: bytes.min(SIGNATURE_BYTES_MAX),
        }
    }

    /// Decodes `text` and adds it.
    pub(super) fn add(&mut self, text: &str, encoding: Encoding) -> Result<(), Rejected> {
        let bytes = self.bytes;
        let slot = self.list.get_mut(self.count).ok_or(Rejected::TooMany)?;
        let slot = slot.get_mut(..bytes).ok_or(Rejected::Malformed)?;
        match encoding {
            Encoding::Hex => hex::decode_to_slice(text, slot).map_err(|_| Rejected::Malformed)?,
            Encoding::Base64 => {
                let mut buffer = [0; BUFFER_BYTES];
                let length = STANDARD
                    .decode_slice(text, &mut buffer)
                    .map_err(|_| Rejected::Malformed)?;
                let decoded = buffer
                    .get(..length)
                    .filter(|decoded| decoded.len() == bytes);
                slot.copy_from_slice(decoded.ok_or(Rejected::Malformed)?);
            }
        }
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    /// The decoded signatures.
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.list
            .iter()
            .take(self.count)
            .filter_map(|one| one.get(..self.bytes))
    }

    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether one of them is `expected`, in time that depends on their number only.
    pub(super) fn contain(&self, expected: &[u8]) -> bool {
        let found = self
            .iter()
            .fold(0, |found, one| found | one.ct_eq(expected).unwrap_u8());
        found == 1
    }
}
