//! Bodies under a content encoding. What comes out is never longer than allowed.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use tidegate_wire::content::decode_body;

use crate::input::byte;

/// The most that may come out.
const MAX: usize = 64 * 1024;

/// `encoding byte, body`.
pub fn run(data: &[u8]) {
    let (encoding, body) = byte(data);
    let encodings = [
        None,
        Some("gzip"),
        Some("deflate"),
        Some("identity"),
        Some("x-gzip"),
        Some("br"),
    ];
    let encoding = encodings
        .get(usize::from(encoding) % encodings.len())
        .copied()
        .flatten();
    if let Ok(decoded) = decode_body(encoding, &Bytes::copy_from_slice(body), MAX) {
        assert!(decoded.len() <= MAX, "more came out than is allowed");
    }
}

/// A text under every encoding, and one that grows beyond the limit.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    [b"{\"n\":1}".to_vec(), vec![b'x'; 2 * MAX]]
        .iter()
        .flat_map(|text| [(1, gzip(text)), (2, zlib(text)), (2, deflate(text))])
        .filter_map(|(encoding, body)| Some([vec![encoding], body.ok()?].concat()))
        .collect()
}

fn gzip(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text)?;
    encoder.finish()
}

fn zlib(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text)?;
    encoder.finish()
}

fn deflate(text: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text)?;
    encoder.finish()
}
