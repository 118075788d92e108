//! The validation handshake of "HTTP 1.1 Web Hooks for Event Delivery" 1.0.2, section 4: before it sends,
//! a sender asks with OPTIONS whether it may. It says nothing about who the sender is.
//!
//! A `WebHook-Request-Callback` is ignored: consent is given in the answer or not at all, and no address a
//! stranger names is ever called.

use http::header::ALLOW;
use http::{HeaderMap, HeaderName, HeaderValue};

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const REQUEST_RATE: HeaderName = HeaderName::from_static("webhook-request-rate");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// Longest origin: it is a DNS name (RFC 1035, section 2.3.4).
const ORIGIN_BYTES_MAX: usize = 255;

/// Who may send, and how fast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakePolicy {
    /// Which origins are allowed.
    pub origins: AllowedOrigins,
    /// Most requests per minute that are granted; `None` for no limit.
    pub rate_per_minute: Option<u32>,
}

/// Which origins may send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// All of them.
    Any,
    /// These DNS names, compared without regard to case.
    Listed(Vec<String>),
}

/// Why no consent is given. The answer then has none of the consenting headers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeRefusal {
    /// It is an OPTIONS request of another kind.
    #[error("header webhook-request-origin is missing, so this is no handshake")]
    NotHandshake,
    /// A header that is not as the specification wants it.
    #[error("header {0} does not have the form of the specification")]
    Malformed(HeaderName),
    /// An origin that is not on the list.
    #[error("origin {0:?} is not allowed here; add it to the allowed origins of the flow")]
    OriginNotAllowed(String),
}

/// The headers that give consent to the OPTIONS request with these `headers`, under `policy`.
///
/// The granted rate is the asked one, or the policy's if that is lower.
///
/// # Errors
/// Why no consent is given.
pub fn handshake(
    headers: &HeaderMap,
    policy: &HandshakePolicy,
) -> Result<Vec<(HeaderName, HeaderValue)>, HandshakeRefusal> {
    let given = headers
        .get(REQUEST_ORIGIN)
        .ok_or(HandshakeRefusal::NotHandshake)?;
    let malformed = || HandshakeRefusal::Malformed(REQUEST_ORIGIN);
    let origin = given.to_str().map_err(|_| malformed())?.trim_ascii();
    if origin.is_empty() || origin.len() > ORIGIN_BYTES_MAX {
        return Err(malformed());
    }
    let allowed = match &policy.origins {
        AllowedOrigins::Any => HeaderValue::from_static("*"),
        AllowedOrigins::Listed(origins) => {
            if !origins.iter().any(|one| one.eq_ignore_ascii_case(origin)) {
                return Err(HandshakeRefusal::OriginNotAllowed(origin.to_owned()));
            }
            given.clone()
        }
    };
    let asked = headers.get(REQUEST_RATE).map(rate).transpose()?;
    let granted = match (asked, policy.rate_per_minute) {
        (Some(asked), Some(most)) => HeaderValue::from(asked.min(most)),
        (Some(rate), None) | (None, Some(rate)) => HeaderValue::from(rate),
        (None, None) => HeaderValue::from_static("*"),
    };
    let methods = HeaderValue::from_static("OPTIONS, POST");
    Ok(vec![
        (ALLOW, methods),
        (ALLOWED_ORIGIN, allowed),
        (ALLOWED_RATE, granted),
    ])
}

/// A positive number of requests per minute.
fn rate(value: &HeaderValue) -> Result<u32, HandshakeRefusal> {
    let text = value.to_str().ok().map(str::trim_ascii);
    text.filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .filter(|rate| *rate > 0)
        .ok_or(HandshakeRefusal::Malformed(REQUEST_RATE))
}
