//! Standard Webhooks 1.0.0 and Svix, which is the same with other header names.
//!
//! Signed is `{id}.{timestamp}.{body}`. An id with a full stop is refused: with one, the same signed
//! bytes could be read as another id, another time and another body (specification, "Signature scheme").

mod keys;

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tidegate_types::secret::Secret;
use tidegate_types::time::UnixMillis;

use self::keys::{Content, Key};
use super::candidates::{Candidates, Rejected};
use super::field::header;
use super::spec::check_keys;
use super::window::{self, Window};
use super::{
    Encoding, Field, ID_BYTES_MAX, Refusal, Request, SIGNATURE_HEADER_BYTES_MAX, SIGNATURES_MAX,
    SignError, SpecError, Verified,
};

/// The header names of the specification.
static WEBHOOK: Names = Names {
    id: HeaderName::from_static("webhook-id"),
    timestamp: HeaderName::from_static("webhook-timestamp"),
    signature: HeaderName::from_static("webhook-signature"),
};

/// The header names of Svix.
static SVIX: Names = Names {
    id: HeaderName::from_static("svix-id"),
    timestamp: HeaderName::from_static("svix-timestamp"),
    signature: HeaderName::from_static("svix-signature"),
};

/// Identifier of HMAC-SHA256 signatures.
const SYMMETRIC: &str = "v1";

/// Identifier of Ed25519 signatures.
const ASYMMETRIC: &str = "v1a";

/// Longest text of a timestamp: the digits of the largest number.
const TIMESTAMP_BYTES_MAX: usize = 20;

/// Whose header names are used.
#[derive(Clone, Copy, Debug)]
pub(super) enum Dialect {
    /// `webhook-*`.
    Standard,
    /// `svix-*`; `webhook-*` is accepted too, since Svix can be told to send those.
    Svix,
}

/// One set of header names.
#[derive(Debug)]
struct Names {
    id: HeaderName,
    timestamp: HeaderName,
    signature: HeaderName,
}

/// The scheme with its keys prepared.
#[derive(Debug)]
pub(super) struct Standard {
    keys: Vec<Key>,
    window: Window,
    /// Used for signing and looked for first.
    names: &'static Names,
    /// Accepted too.
    also: Option<&'static Names>,
}

/// The signatures of a header by kind.
struct Offer {
    symmetric: Candidates,
    asymmetric: Candidates,
}

impl Standard {
    pub(super) fn new(
        keys: &[Secret],
        tolerance: Duration,
        dialect: Dialect,
    ) -> Result<Self, SpecError> {
        check_keys(keys.iter())?;
        let keys = (1..).zip(keys).map(|(number, key)| Key::parse(number, key));
        let keys = keys.collect::<Result<_, _>>()?;
        let (names, also) = match dialect {
            Dialect::Standard => (&WEBHOOK, None),
            Dialect::Svix => (&SVIX, Some(&WEBHOOK)),
        };
        Ok(Self {
            keys,
            window: Window(tolerance),
            names,
            also,
        })
    }

    /// Refuses keys that cannot sign.
    pub(super) fn check_signs(&self) -> Result<(), SpecError> {
        match (1..).zip(&self.keys).find(|(_, key)| !key.signs()) {
            Some((number, _)) => Err(SpecError::CannotSign(number)),
            None => Ok(()),
        }
    }

    pub(super) fn verify<'a>(
        &self,
        now: UnixMillis,
        request: &Request<'a>,
    ) -> Result<Verified<'a>, Refusal> {
        let names = self.names_of(request.headers)?;
        let id = header(request.headers, &names.id, ID_BYTES_MAX)?;
        if id.contains('.') {
            return Err(Refusal::Malformed(Field::Header(names.id.clone())));
        }
        let timestamp_text = header(request.headers, &names.timestamp, TIMESTAMP_BYTES_MAX)?;
        let timestamp = window::parse(timestamp_text, || Field::Header(names.timestamp.clone()))?;
        let offer = self.offer(request.headers, &names.signature)?;
        let content = Content {
            id,
            timestamp: timestamp_text,
            body: request.body,
        };
        let matches = |key: &Key| {
            let candidates = if key.is_symmetric() {
                &offer.symmetric
            } else {
                &offer.asymmetric
            };
            !candidates.is_empty() && key.verifies(&content, candidates)
        };
        let key_index = self
            .keys
            .iter()
            .position(matches)
            .ok_or(Refusal::Mismatch)?;
        self.window.check(now, timestamp)?;
        Ok(Verified {
            key_index,
            external_id: Some(id),
            timestamp: Some(timestamp),
        })
    }

    /// The three headers, with one signature per key.
    pub(super) fn sign(
        &self,
        now: UnixMillis,
        id: &str,
        request: &Request<'_>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
        if id.is_empty() || id.contains('.') || id.len() > ID_BYTES_MAX {
            return Err(SignError::Id);
        }
        let timestamp = now.seconds().to_string();
        let content = Content {
            id,
            timestamp: &timestamp,
            body: request.body,
        };
        let signatures: Vec<String> = self
            .keys
            .iter()
            .filter_map(|key| {
                let kind = if key.is_symmetric() {
                    SYMMETRIC
                } else {
                    ASYMMETRIC
                };
                key.sign(&content)
                    .map(|signature| format!("{kind},{signature}"))
            })
            .collect();
        let names = self.names;
        let signature =
            HeaderValue::from_str(&signatures.join(" ")).map_err(|_| SignError::Value)?;
        Ok(vec![
            (
                names.id.clone(),
                HeaderValue::from_str(id).map_err(|_| SignError::Id)?,
            ),
            (names.timestamp.clone(), HeaderValue::from(now.seconds())),
            (names.signature.clone(), signature),
        ])
    }

    /// The set of names whose signature header is there.
    fn names_of(&self, headers: &HeaderMap) -> Result<&'static Names, Refusal> {
        let mut sets = [Some(self.names), self.also].into_iter().flatten();
        sets.find(|names| headers.contains_key(&names.signature))
            .ok_or_else(|| Refusal::Missing(Field::Header(self.names.signature.clone())))
    }

    /// Reads `v1,BASE64 v1a,BASE64 …`; kinds that are not known are skipped, as the specification asks.
    fn offer(&self, headers: &HeaderMap, name: &HeaderName) -> Result<Offer, Refusal> {
        let field = || Field::Header(name.clone());
        let text = header(headers, name, SIGNATURE_HEADER_BYTES_MAX)?;
        let mut offer = Offer {
            symmetric: Candidates::new(keys::HMAC_BYTES),
            asymmetric: Candidates::new(keys::ED25519_BYTES),
        };
        for (index, entry) in text.split_ascii_whitespace().enumerate() {
            if index >= SIGNATURES_MAX {
                return Err(Refusal::Oversized(field()));
            }
            let (kind, signature) = entry
                .split_once(',')
                .ok_or_else(|| Refusal::Malformed(field()))?;
            let candidates = match kind {
                SYMMETRIC => &mut offer.symmetric,
                ASYMMETRIC => &mut offer.asymmetric,
                _ => continue,
            };
            candidates
                .add(signature, Encoding::Base64)
                .map_err(|rejected| match rejected {
                    Rejected::TooMany => Refusal::Oversized(field()),
                    Rejected::Malformed => Refusal::Malformed(field()),
                })?;
        }
        let usable = |key: &Key| {
            !if key.is_symmetric() {
                &offer.symmetric
            } else {
                &offer.asymmetric
            }
            .is_empty()
        };
        if self.keys.iter().any(usable) {
            Ok(offer)
        } else {
            Err(Refusal::Unsupported(field()))
        }
    }
}
