//! How the bytes of the fuzzer become the arguments of what is tested.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Most headers of one input; the listener takes fewer than a hundred.
const HEADERS_MAX: usize = 64;

/// The first byte, and the rest; 0 if there is none.
pub(crate) fn byte(data: &[u8]) -> (u8, &[u8]) {
    data.split_first()
        .map_or((0, data), |(first, rest)| (*first, rest))
}

/// What stands before the next `mark`, and what follows it.
pub(crate) fn piece(data: &[u8], mark: u8) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == mark) {
        Some(at) => (
            data.get(..at).unwrap_or_default(),
            data.get(at.saturating_add(1)..).unwrap_or_default(),
        ),
        None => (data, &[]),
    }
}

/// Lines `name:value` up to an empty line, then the body.
pub(crate) fn message(data: &[u8]) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    let mut rest = data;
    for _ in 0..HEADERS_MAX {
        let (line, after) = piece(rest, b'\n');
        rest = after;
        if line.is_empty() {
            break;
        }
        let (name, value) = piece(line, b':');
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            headers.append(name, value);
        }
    }
    (headers, Bytes::copy_from_slice(rest))
}
