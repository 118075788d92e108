//! The fields of a cursor. The reader checks every length against what is left.

use tidegate_types::name::is_name;
use tidegate_types::position::{FrameNumber, Incarnation, Place};

use crate::feed::{ORIGINS_MAX, Vector};

/// Bytes of the longest varint of 64 bits.
const VARINT_BYTES_MAX: u32 = 10;

pub(super) fn put_vector(out: &mut Vec<u8>, vector: &Vector) {
    // A vector never has more than `ORIGINS_MAX` origins.
    out.push(u8::try_from(vector.marks().len()).unwrap_or(u8::MAX));
    for (origin, mark) in vector.marks() {
        put_name(out, origin);
        put_varint(out, mark.incarnation.0);
        put_varint(out, mark.frame.0);
        put_varint(out, u64::from(mark.index.wrapping_add(1)));
    }
}

/// A name behind its length. Names have at most 63 bytes.
pub(super) fn put_name(out: &mut Vec<u8>, name: &str) {
    let bytes = name.as_bytes();
    let bytes = bytes.get(..usize::from(u8::MAX)).unwrap_or(bytes);
    out.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(bytes);
}

/// Seven bits per byte, least significant first; the high bit says that more follow (LEB128).
fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// What is left to read.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (found, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*found)
    }

    pub(super) fn name(&mut self) -> Option<&'a str> {
        let [len] = self.array()?;
        let (name, rest) = self.0.split_at_checked(usize::from(len))?;
        self.0 = rest;
        std::str::from_utf8(name).ok().filter(|name| is_name(name))
    }

    /// The rest, which must be a vector and nothing more.
    pub(super) fn vector(mut self) -> Option<Vector> {
        let [count] = self.array()?;
        if usize::from(count) > ORIGINS_MAX {
            return None;
        }
        let mut vector = Vector::default();
        for _ in 0..count {
            let origin = self.name()?;
            let incarnation = Incarnation(self.varint()?);
            let frame = FrameNumber(self.varint()?);
            let index = u32::try_from(self.varint()?).ok()?.wrapping_sub(1);
            vector.set(
                origin,
                Place {
                    incarnation,
                    frame,
                    index,
                },
            );
        }
        (self.0.is_empty() && vector.marks().len() == usize::from(count)).then_some(vector)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for step in 0..VARINT_BYTES_MAX {
            let [byte] = self.array()?;
            let shift = step.checked_mul(7)?;
            let bits = u64::from(byte & 0x7f);
            let placed = bits.checked_shl(shift)?;
            if placed >> shift != bits {
                return None;
            }
            value |= placed;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}
