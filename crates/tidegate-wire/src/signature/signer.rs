//! Signing as the senders do: for `send`, for tests, and for what we deliver.

use std::fmt;

use http::{HeaderName, HeaderValue};
use tidegate_types::time::UnixMillis;

use super::{Kind, Refusal, Request, Spec, SpecError, credential};

/// Signs requests under one [`Spec`]: with every key where a header can carry several signatures, with
/// the first key otherwise.
#[derive(Debug)]
pub struct Signer(Inner);

#[derive(Debug)]
enum Inner {
    Signs(Kind),
    /// A credential is the same for every request.
    Shows(Signed),
}

/// What is to be added to a request.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Signed {
    /// Headers to add.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// `name=value` to add to the query, encoded; only for API keys in the query.
    pub query: Option<String>,
}

/// The query is a credential and is not shown; headers that are one are marked sensitive.
impl fmt::Debug for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signed")
            .field("headers", &self.headers)
            .field("query", &self.query.as_ref().map(|_| "…"))
            .finish()
    }
}

/// Why a request cannot be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The id cannot stand in the header.
    #[error(
        "the message id is empty, too long, or has characters its header cannot carry (a full stop, for Standard Webhooks)"
    )]
    Id,
    /// The prefix or list key cannot stand in the header.
    #[error("the prefix or list key has characters a header cannot carry")]
    Value,
    /// A header the template signs is missing in the request.
    #[error("the request lacks what the template signs")]
    Unsignable(#[source] Refusal),
}

impl Signer {
    /// Prepares the keys of `spec`.
    ///
    /// # Errors
    /// What is wrong with the spec, or that a public key cannot sign.
    pub fn new(spec: &Spec) -> Result<Self, SpecError> {
        let kind = Kind::new(spec)?;
        match &kind {
            Kind::Credential(_) => {
                return credential::sign(spec).map(|shown| Self(Inner::Shows(shown)));
            }
            Kind::Standard(standard) => standard.check_signs()?,
            Kind::Hmac(_) | Kind::None => {}
        }
        Ok(Self(Inner::Signs(kind)))
    }

    /// What proves `request`, sent at `now`. `id` is the message id, for schemes that carry one.
    ///
    /// # Errors
    /// The id, or what the template asks for, cannot be signed.
    pub fn sign(
        &self,
        now: UnixMillis,
        id: &str,
        request: &Request<'_>,
    ) -> Result<Signed, SignError> {
        let headers = match &self.0 {
            Inner::Shows(shown) => return Ok(shown.clone()),
            Inner::Signs(Kind::Standard(standard)) => standard.sign(now, id, request)?,
            Inner::Signs(Kind::Hmac(hmac)) => hmac.sign(now, id, request)?,
            Inner::Signs(Kind::Credential(_) | Kind::None) => Vec::new(),
        };
        Ok(Signed {
            headers,
            query: None,
        })
    }
}
