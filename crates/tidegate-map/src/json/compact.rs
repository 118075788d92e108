//! Writing a part of a checked JSON text the way the interpreter would write it, without building values.

use super::scan::Scanner;
use super::{text, tree, write};

/// Appends the one value in `json`, which has been checked: without white space, escapes spelled one
/// way, of a key that stands twice only the last value.
pub(crate) fn append(json: &str, out: &mut Vec<u8>) {
    match json.as_bytes().first() {
        Some(b'{' | b'[') => {
            let start = out.len();
            if !containers(json, out) {
                out.truncate(start);
                if let Ok(value) = tree::read(json) {
                    let written = write::write(&value, out, usize::MAX);
                    debug_assert_eq!(written, Ok(()), "what was read from JSON can be written");
                }
            }
        }
        Some(b'"') => string(json.get(1..json.len() - 1).unwrap_or_default(), out),
        _ => number_or_literal(json.as_bytes(), out),
    }
}

/// Appends a string, given what stands between its quotes.
fn string(raw: &str, out: &mut Vec<u8>) {
    if text::is_canonical(raw.as_bytes()) {
        out.push(b'"');
        out.extend_from_slice(raw.as_bytes());
        out.push(b'"');
    } else {
        text::write(&text::decode(raw), out);
    }
}

/// Appends a number or literal. The interpreter keeps decimals as they are written; integers lose a
/// sign in front of zero.
fn number_or_literal(raw: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(if raw == b"-0" { b"0" } else { raw });
}

/// An open array or object: whether it is an object, and where the hashes of its keys begin.
struct Open {
    object: bool,
    hashes: usize,
}

/// Appends an array or object in one pass; `false` if two keys of an object may be the same.
fn containers(json: &str, out: &mut Vec<u8>) -> bool {
    let bytes = json.as_bytes();
    let mut scanner = Scanner::new(json);
    let mut open: Vec<Open> = Vec::new();
    let mut hashes: Vec<u64> = Vec::new();
    while let Some(byte) = scanner.next_token() {
        let start = scanner.at();
        match byte {
            b'{' | b'[' => {
                open.push(Open {
                    object: byte == b'{',
                    hashes: hashes.len(),
                });
                out.push(byte);
                scanner.take();
            }
            b'}' | b']' => {
                let Some(Open {
                    object,
                    hashes: first,
                }) = open.pop()
                else {
                    return false;
                };
                if object && !all_differ(&mut hashes, first) {
                    return false;
                }
                out.push(byte);
                scanner.take();
            }
            b',' | b':' => {
                out.push(byte);
                scanner.take();
            }
            b'"' => {
                let Ok((from, to)) = scanner.string() else {
                    return false;
                };
                let from_out = out.len();
                string(json.get(from..to).unwrap_or_default(), out);
                if open.last().is_some_and(|o| o.object) && scanner.next_token() == Some(b':') {
                    hashes.push(hash(&out[from_out..]));
                }
            }
            other => {
                if scanner.scalar(Some(other)).is_err() {
                    return false;
                }
                number_or_literal(&bytes[start..scanner.at()], out);
            }
        }
    }
    true
}

/// Whether the hashes from `first` on differ from each other; takes them away.
fn all_differ(hashes: &mut Vec<u64>, first: usize) -> bool {
    let keys = &mut hashes[first..];
    keys.sort_unstable();
    let differ = keys.windows(2).all(|pair| pair[0] != pair[1]);
    hashes.truncate(first);
    differ
}

/// FNV-1a (draft-eastlake-fnv). Two keys with one hash only cost the slow way, so it need not be strong.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compact(json: &str) -> String {
        let mut out = Vec::new();
        append(json, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn normalises() {
        for (json, expected) in [
            ("[ 1 , -0, -0.0, 1E5, 1.10 ]", "[1,0,-0.0,1E5,1.10]"),
            (r#"{ "a" : "\u00e9\/" , "b":{} }"#, r#"{"a":"é/","b":{}}"#),
            (r#"{"a":1,"b":2,"a":3}"#, r#"{"a":3,"b":2}"#),
            (r#"{"a":1,"\u0061":2}"#, r#"{"a":2}"#),
            (
                r#"{"x":{"a":1},"y":{"a":1},"a":["a","a"]}"#,
                r#"{"x":{"a":1},"y":{"a":1},"a":["a","a"]}"#,
            ),
            (r#""a\u007fb""#, r#""a\u007fb""#),
            ("-0", "0"),
            (
                "123456789012345678901234567890",
                "123456789012345678901234567890",
            ),
        ] {
            assert_eq!(compact(json), expected);
        }
    }

    proptest! {
        #[test]
        fn equals_reading_and_writing(json in crate::testing::json()) {
            let mut through = Vec::new();
            write::write(&tree::read(&json).unwrap(), &mut through, usize::MAX).unwrap();
            prop_assert_eq!(compact(json.trim()), String::from_utf8(through).unwrap());
        }
    }
}
