//! Headers of a request that say where it ends, who it is for, or what belongs to one connection.
//!
//! Whoever makes the connection writes them. From anybody else they would smuggle in a second request,
//! change the host, or break the connection.

/// RFC 9110, sections 7.2 (`host`), 7.6.1 (the fields of one connection), 8.6, 10.1.1, 11.7 and 12.5.3
/// (no answer is decompressed); RFC 9112, section 6.1; RFC 7540, section 3.2.1.
const FRAMING: [&str; 14] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header of this name is written by whoever makes the connection, and by nobody else.
#[must_use]
pub fn is_framing(name: &str) -> bool {
    FRAMING.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::is_framing;

    #[test]
    fn in_any_case_and_only_whole_names() {
        for name in ["host", "Host", "TRANSFER-ENCODING", "te", "http2-settings"] {
            assert!(is_framing(name), "{name}");
        }
        for name in ["", "content-type", "hosts", "x-host", "authorization"] {
            assert!(!is_framing(name), "{name}");
        }
    }
}
