//! Headers that requests may carry.

use http::{HeaderMap, HeaderName, HeaderValue};
use tidegate_wire::framing::is_framing;

/// Most headers of a request. Servers commonly take 100, and ours are added.
pub(super) const HEADERS_MAX: usize = 64;

/// Bytes of all names and values together. Servers commonly take 8 KiB for one and 16 to 64 KiB for all.
pub(super) const HEADERS_BYTES_MAX: usize = 32 * 1024;

/// Why a header cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderProblem {
    /// The name is no token (RFC 9110, section 5.1).
    #[error("{0:?} is no header name")]
    Name(String),
    /// The value has line breaks or other characters that are not printable ASCII.
    #[error("the value of {0} has characters other than printable ASCII")]
    Value(HeaderName),
    /// The header is the transport's own.
    #[error("{0} is written by the gateway itself and cannot be set")]
    Ours(HeaderName),
    /// Too many.
    #[error(
        "there are more than {HEADERS_MAX} headers, or more than {HEADERS_BYTES_MAX} bytes of them"
    )]
    TooMuch,
}

/// A header made of texts that a mapping produced.
///
/// # Errors
/// See [`HeaderProblem`].
pub fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), HeaderProblem> {
    let shown = || name.chars().take(64).collect();
    let name = HeaderName::try_from(name).map_err(|_| HeaderProblem::Name(shown()))?;
    check(&name, value.as_bytes())?;
    let value = HeaderValue::from_str(value).map_err(|_| HeaderProblem::Value(name.clone()))?;
    Ok((name, value))
}

/// Checks headers from outside of the transport.
pub(super) fn check_all(headers: &HeaderMap) -> Result<(), HeaderProblem> {
    let mut bytes = 0_usize;
    for (name, value) in headers {
        check(name, value.as_bytes())?;
        bytes = bytes
            .saturating_add(name.as_str().len())
            .saturating_add(value.len());
    }
    if headers.len() > HEADERS_MAX || bytes > HEADERS_BYTES_MAX {
        return Err(HeaderProblem::TooMuch);
    }
    Ok(())
}

fn check(name: &HeaderName, value: &[u8]) -> Result<(), HeaderProblem> {
    if is_framing(name.as_str()) {
        return Err(HeaderProblem::Ours(name.clone()));
    }
    let printable = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    if !value.iter().all(printable) {
        return Err(HeaderProblem::Value(name.clone()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn injections_are_refused() {
        for value in ["a\r\nx: y", "a\nb", "a\rb", "a\0b", "é", "\u{7f}", "a\tb"] {
            let refused = header("x-own", value);
            assert!(matches!(refused, Err(HeaderProblem::Value(_))), "{value:?}");
        }
        for name in ["", "a b", "a:b", "a\r\nb", "é"] {
            assert!(
                matches!(header(name, "v"), Err(HeaderProblem::Name(_))),
                "{name:?}"
            );
        }
        for name in [
            "Host",
            "content-length",
            "Transfer-Encoding",
            "CONNECTION",
            "te",
            "expect",
        ] {
            assert!(
                matches!(header(name, "v"), Err(HeaderProblem::Ours(_))),
                "{name:?}"
            );
        }
        assert!(header("x-own", "a value").is_ok());
    }

    #[test]
    fn bounds_on_all_headers() {
        let mut headers = HeaderMap::new();
        for number in 0..HEADERS_MAX {
            headers.insert(
                HeaderName::try_from(format!("x-{number}")).unwrap(),
                HeaderValue::from_static("v"),
            );
        }
        assert_eq!(check_all(&headers), Ok(()));
        headers.append("x-0", HeaderValue::from_static("v"));
        assert_eq!(check_all(&headers), Err(HeaderProblem::TooMuch));
        let mut headers = HeaderMap::new();
        headers.insert(
            "x",
            HeaderValue::try_from("v".repeat(HEADERS_BYTES_MAX)).unwrap(),
        );
        assert_eq!(check_all(&headers), Err(HeaderProblem::TooMuch));
    }
}
