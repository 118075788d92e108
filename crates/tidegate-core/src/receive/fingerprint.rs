//! What tells a repeat from another event under the same identity.

use ring::digest;

pub use crate::log::entry::Fingerprint;

/// The fingerprint of an event with this type, key and mapped data: the first half of a SHA-256
/// over the three (2^64 events before a chance collision is likely, at half the ledger's bytes).
///
/// Times and headers are left out on purpose: a sender that repeats an event sends it with new
/// ones. Two events with one identity and different fingerprints are a fault (`id-reused`).
#[must_use]
pub fn of_event(kind: &str, key: &str, data: &[u8]) -> Fingerprint {
    of_parts(&[kind.as_bytes(), key.as_bytes(), data])
}

/// The fingerprint of an original that could not be mapped: its body as it was sent.
#[must_use]
pub fn of_original(body: &[u8]) -> Fingerprint {
    of_parts(&[body])
}

/// Each part is preceded by its length, so that no two different lists give the same input.
fn of_parts(parts: &[&[u8]]) -> Fingerprint {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    let whole = context.finish();
    let mut half = Fingerprint::default();
    for (to, from) in half.iter_mut().zip(whole.as_ref()) {
        *to = *from;
    }
    half
}

/// In hexadecimal, as it stands in identities made from it.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_counts_and_borders_hold() {
        let base = of_event("a", "b", b"c");
        assert_eq!(base, of_event("a", "b", b"c"));
        for other in [
            of_event("ab", "", b"c"),
            of_event("a", "bc", b""),
            of_event("a", "b", b"d"),
            of_original(b"abc"),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn shows_as_hexadecimal() {
        assert_eq!(hex(&[0xa5; 16]), "a5".repeat(16));
    }
}
