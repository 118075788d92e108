//! From the values of the interpreter to JSON text.

use std::io::Write as _;

use jaq_json::{Num, Val};

use super::{scan, text};
use crate::limits::VALUE_DEPTH_MAX;

/// Why a value cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwritable {
    /// It holds a number that is none, or an infinite one.
    NotFinite,
    /// It holds an object with a key that is no string.
    Key,
    /// It holds a string of bytes.
    Bytes,
    /// It would be longer than allowed.
    Long,
    /// It is nested too deeply.
    Deep,
}

/// Appends `value` to `out`, compact, until `out` is longer than `bytes_max`.
pub(crate) fn write(value: &Val, out: &mut Vec<u8>, bytes_max: usize) -> Result<(), Unwritable> {
    value_at(value, out, bytes_max, 0)
}

/// Recursion ends at [`VALUE_DEPTH_MAX`].
fn value_at(
    value: &Val,
    out: &mut Vec<u8>,
    bytes_max: usize,
    depth: usize,
) -> Result<(), Unwritable> {
    if depth > VALUE_DEPTH_MAX {
        return Err(Unwritable::Deep);
    }
    match value {
        Val::Null => out.extend_from_slice(b"null"),
        Val::Bool(true) => out.extend_from_slice(b"true"),
        Val::Bool(false) => out.extend_from_slice(b"false"),
        Val::Num(number) => write_number(number, out)?,
        Val::TStr(bytes) => text::write(&String::from_utf8_lossy(bytes), out),
        Val::BStr(_) => return Err(Unwritable::Bytes),
        Val::Arr(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                value_at(item, out, bytes_max, depth + 1)?;
            }
            out.push(b']');
        }
        Val::Obj(map) => {
            out.push(b'{');
            for (i, (key, member)) in map.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                let Val::TStr(key) = key else {
                    return Err(Unwritable::Key);
                };
                text::write(&String::from_utf8_lossy(key), out);
                out.push(b':');
                value_at(member, out, bytes_max, depth + 1)?;
            }
            out.push(b'}');
        }
    }
    if out.len() > bytes_max {
        Err(Unwritable::Long)
    } else {
        Ok(())
    }
}

fn write_number(number: &Num, out: &mut Vec<u8>) -> Result<(), Unwritable> {
    match number {
        Num::Float(float) if !float.is_finite() => return Err(Unwritable::NotFinite),
        // A literal of the expression such as `01.5` keeps its text, which JSON does not have.
        Num::Dec(text) if scan::check(text).is_err() => {
            return write_number(&Num::from_dec_str(text), out);
        }
        _ => {}
    }
    write!(out, "{number}").map_err(|_| Unwritable::Long)
}
