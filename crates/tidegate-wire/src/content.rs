//! Content encodings (RFC 9110, section 8.4), decoded up to a limit.

use std::io::Read;

use bytes::Bytes;
use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// What an answer to an unknown encoding lists in `accept-encoding` (RFC 9110, section 12.5.3).
pub const ACCEPTED: &str = "gzip, deflate";

/// Capacity to begin with, as a multiple of the compressed size: JSON shrinks about fourfold.
const EXPANSION_GUESS: usize = 4;

/// Why a body cannot be decoded.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// An encoding nobody here knows, or several on top of each other. Answer: 415.
    #[error("content-encoding {0:?} is not accepted; send gzip, deflate or none")]
    Unknown(String),
    /// The bytes are not what the encoding says. Answer: 400.
    #[error("the body is not valid {encoding}")]
    Corrupt {
        /// The encoding.
        encoding: &'static str,
        /// What the decoder says.
        #[source]
        source: std::io::Error,
    },
    /// It would grow beyond the limit. Answer: 413.
    #[error("the body has more than {max} bytes once decoded")]
    TooLarge {
        /// The limit in bytes.
        max: usize,
    },
}

/// The body without its content encoding: as it is for none or `identity`, else decoded, at most `max` bytes.
///
/// Decoding stops as soon as the limit is passed, so a body made to explode costs no more than `max`
/// bytes of memory. `deflate` is read with the zlib header the standard asks for, and without it, as
/// some senders write it.
///
/// # Errors
/// See [`ContentError`].
pub fn decode_body(
    encoding: Option<&str>,
    body: &Bytes,
    max: usize,
) -> Result<Bytes, ContentError> {
    let encoding = encoding.unwrap_or_default().trim_ascii();
    let is = |name: &str| encoding.eq_ignore_ascii_case(name);
    if encoding.is_empty() || is("identity") {
        return if body.len() > max {
            Err(ContentError::TooLarge { max })
        } else {
            Ok(body.clone())
        };
    }
    if is("gzip") || is("x-gzip") {
        read("gzip", MultiGzDecoder::new(body.as_ref()), body.len(), max)
    } else if is("deflate") && has_zlib_header(body) {
        read("deflate", ZlibDecoder::new(body.as_ref()), body.len(), max)
    } else if is("deflate") {
        read(
            "deflate",
            DeflateDecoder::new(body.as_ref()),
            body.len(),
            max,
        )
    } else {
        Err(ContentError::Unknown(encoding.chars().take(64).collect()))
    }
}

/// Whether the first two bytes are a zlib header (RFC 1950, section 2.2).
fn has_zlib_header(body: &[u8]) -> bool {
    match body {
        [cmf, flg, ..] => cmf & 0x0f == 8 && u16::from_be_bytes([*cmf, *flg]).is_multiple_of(31),
        _ => false,
    }
}

fn read(
    encoding: &'static str,
    decoder: impl Read,
    compressed: usize,
    max: usize,
) -> Result<Bytes, ContentError> {
    let guess = compressed.saturating_mul(EXPANSION_GUESS).min(max);
    let mut decoded = Vec::with_capacity(guess);
    // One byte more than allowed tells "exactly the limit" from "beyond it".
    let limit = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    decoder
        .take(limit)
        .read_to_end(&mut decoded)
        .map_err(|source| ContentError::Corrupt { encoding, source })?;
    if decoded.len() > max {
        Err(ContentError::TooLarge { max })
    } else {
        Ok(decoded.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use proptest::prelude::*;

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn raw_deflate(data: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(encoding: &str, body: Vec<u8>, max: usize) -> Result<Bytes, ContentError> {
        decode_body(Some(encoding), &body.into(), max)
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000, "{}", bomb.len());
        let error = decode("gzip", bomb, 1 << 20).unwrap_err();
        assert!(
            matches!(error, ContentError::TooLarge { max: 1_048_576 }),
            "{error}"
        );
    }

    #[test]
    fn decoding_stops_one_byte_past_the_limit() {
        let endless = std::io::repeat(0).take(1 << 20);
        let mut endless = std::io::BufReader::with_capacity(1, endless);
        let result = read("gzip", &mut endless, 1, 1000);
        assert!(matches!(result, Err(ContentError::TooLarge { max: 1000 })));
        let left = endless.get_ref().limit();
        assert_eq!((1 << 20) - left, 1001);
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        assert_eq!(decode("gzip", gzip(&[7; 100]), 100).unwrap().len(), 100);
        assert!(matches!(
            decode("gzip", gzip(&[7; 101]), 100),
            Err(ContentError::TooLarge { .. })
        ));
        assert!(decode_body(None, &Bytes::from_static(b"ab"), 2).is_ok());
        assert!(matches!(
            decode_body(Some("identity"), &Bytes::from_static(b"abc"), 2),
            Err(ContentError::TooLarge { max: 2 })
        ));
    }

    #[test]
    fn all_members_of_a_gzip_file_count() {
        let both = [gzip(b"one "), gzip(b"two")].concat();
        assert_eq!(decode("GZIP", both, 100).unwrap(), "one two");
    }

    #[test]
    fn unknown_encodings_are_named() {
        for encoding in ["br", "gzip, gzip", "zstd"] {
            let error = decode(encoding, gzip(b"x"), 100).unwrap_err();
            assert!(
                matches!(&error, ContentError::Unknown(name) if name == encoding),
                "{error}"
            );
        }
    }

    #[test]
    fn damaged_bodies_are_refused() {
        let mut cut = gzip(b"hello hello hello");
        cut.truncate(cut.len() - 4);
        assert!(matches!(
            decode("gzip", cut, 100),
            Err(ContentError::Corrupt { .. })
        ));
        let mut wrong = gzip(b"hello hello hello");
        let crc = wrong.len() - 8;
        wrong[crc] ^= 1;
        assert!(matches!(
            decode("gzip", wrong, 100),
            Err(ContentError::Corrupt { .. })
        ));
        assert!(matches!(
            decode("gzip", b"plain".to_vec(), 100),
            Err(ContentError::Corrupt { .. })
        ));
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(data in prop::collection::vec(any::<u8>(), 0..2000)) {
            prop_assert_eq!(decode("gzip", gzip(&data), 2000).unwrap(), &data[..]);
            prop_assert_eq!(decode("deflate", zlib(&data), 2000).unwrap(), &data[..]);
            prop_assert_eq!(decode("deflate", raw_deflate(&data), 2000).unwrap(), data);
        }

        #[test]
        fn any_bytes_are_decoded_or_refused(data in prop::collection::vec(any::<u8>(), 0..300)) {
            for encoding in ["gzip", "deflate"] {
                if let Ok(decoded) = decode(encoding, data.clone(), 1000) {
                    prop_assert!(decoded.len() <= 1000);
                }
            }
        }
    }
}
