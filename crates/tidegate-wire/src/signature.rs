//! Signature schemes of webhooks: verifying what others sign, and signing as they do.
//!
//! A [`Spec`] says in plain values how a sender proves itself; it is built by the configuration.
//! [`Verifier`] and [`Signer`] are made from it once, with all keys prepared, and are then used for
//! every request. Comparisons take the same time whatever the forger sent.
//!
//! The signature is checked before the timestamp, so a refusal as too old or too new always means a
//! genuine message that came late or a clock that is off, never a forgery.
//!
//! ```
//! use http::{HeaderMap, HeaderValue};
//! use tidegate_types::{secret::Secret, time::UnixMillis};
//! use tidegate_wire::signature::{Request, Spec, Verifier};
//!
//! // The example of GitHub's documentation.
//! let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
//! let mut headers = HeaderMap::new();
//! headers.insert("x-hub-signature-256", HeaderValue::from_static(signature));
//! let body = b"Hello, World!";
//! let request = Request { method: "POST", path: "/in/github", query: "", headers: &headers, body };
//!
//! let keys = vec![Secret::new("the new secret"), Secret::new("It's a Secret to Everybody")];
//! let verified = Verifier::new(&Spec::Github { keys })?.verify(UnixMillis(0), &request)?;
//! assert_eq!(verified.key_index, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod candidates;
mod credential;
mod field;
mod hmac;
mod refusal;
mod signer;
pub mod slack;
mod spec;
mod standard;
mod window;

use http::HeaderMap;
use tidegate_types::time::UnixMillis;

pub use field::Field;
pub use refusal::Refusal;
pub use signer::{SignError, Signed, Signer};
pub use spec::{
    Algorithm, Caution, Credentials, DEFAULT_TOLERANCE, Encoding, HmacSpec, KEYS_MAX, KeyPlace,
    Spec, SpecError, TimestampSource,
};

/// Most signatures in one header that are looked at. During a rotation a sender signs with two or
/// three keys; each one more is an HMAC comparison a forger can make us do.
pub const SIGNATURES_MAX: usize = 16;

/// Longest value of a header that carries signatures: sixteen of the longest kind fit in it.
pub const SIGNATURE_HEADER_BYTES_MAX: usize = 4096;

/// Longest message id. It becomes the external id of the event and stands in the ledger.
pub const ID_BYTES_MAX: usize = 512;

/// What a scheme looks at of a request. The body is as it was sent, before content decoding.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Method, for example `POST`.
    pub method: &'a str,
    /// Path without the query, as it was sent.
    pub path: &'a str,
    /// Query without the `?`, as it was sent; empty if there was none.
    pub query: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The body, byte for byte.
    pub body: &'a [u8],
}

/// Proof that a request was checked and is genuine under the scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<'a> {
    /// Which of the configured keys matched, from 0 on; tells when an old key can be retired.
    pub key_index: usize,
    /// The message id, where the scheme signs one.
    pub external_id: Option<&'a str>,
    /// When the sender signed, where the scheme signs that.
    pub timestamp: Option<UnixMillis>,
}

/// Checks requests against one [`Spec`]. Cheap to share, holds no state.
#[derive(Debug)]
pub struct Verifier(Kind);

#[derive(Debug)]
enum Kind {
    Standard(standard::Standard),
    Hmac(Box<hmac::Hmac>),
    Credential(credential::Credential),
    None,
}

impl Kind {
    fn new(spec: &Spec) -> Result<Self, SpecError> {
        if let Some(spec) = spec::hmac_of(spec) {
            return Ok(Self::Hmac(Box::new(hmac::Hmac::new(&spec)?)));
        }
        Ok(match spec {
            Spec::StandardWebhooks { keys, tolerance } => Self::Standard(standard::Standard::new(
                keys,
                *tolerance,
                standard::Dialect::Standard,
            )?),
            Spec::Svix { keys, tolerance } => Self::Standard(standard::Standard::new(
                keys,
                *tolerance,
                standard::Dialect::Svix,
            )?),
            Spec::DangerNone => Self::None,
            _ => Self::Credential(credential::Credential::new(spec)?),
        })
    }
}

impl Verifier {
    /// Prepares the keys of `spec`.
    ///
    /// # Errors
    /// What is wrong with the spec, with its cure; see [`SpecError`].
    pub fn new(spec: &Spec) -> Result<Self, SpecError> {
        Kind::new(spec).map(Self)
    }

    /// Checks one request at the time `now`.
    ///
    /// # Errors
    /// Why it is refused, for the operator. A sender is told no more than that it was refused.
    pub fn verify<'a>(
        &self,
        now: UnixMillis,
        request: &Request<'a>,
    ) -> Result<Verified<'a>, Refusal> {
        match &self.0 {
            Kind::Standard(standard) => standard.verify(now, request),
            Kind::Hmac(hmac) => hmac.verify(now, request),
            Kind::Credential(credential) => credential.verify(request),
            Kind::None => Ok(Verified {
                key_index: 0,
                external_id: None,
                timestamp: None,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
