//! Basic authentication, bearer tokens and API keys: the sender shows a secret instead of signing.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue};
use ring::digest::{Digest, SHA256, digest};
use subtle::ConstantTimeEq;
use tidegate_types::secret::Secret;

use super::field::header;
use super::signer::Signed;
use super::spec::check_keys;
use super::{Field, KeyPlace, Refusal, Request, Spec, SpecError, Verified};
use crate::form;

/// Longest credential with its header around it.
const CREDENTIAL_BYTES_MAX: usize = 4096;

/// A scheme in which the sender shows a secret.
///
/// Kept and compared are SHA-256 digests, so that the comparison takes the same time for every length.
pub(super) struct Credential {
    place: Place,
    digests: Vec<Digest>,
}

#[derive(Debug)]
enum Place {
    /// `authorization: Basic base64(user:password)`.
    Basic,
    /// `authorization: Bearer token`.
    Bearer,
    Own(KeyPlace),
}

impl Credential {
    /// For the three schemes of this module; any other spec counts as one without keys.
    pub(super) fn new(spec: &Spec) -> Result<Self, SpecError> {
        let (place, shown) = shown(spec)?;
        let digests = shown
            .iter()
            .map(|secret| digest(&SHA256, secret.expose()))
            .collect();
        Ok(Self { place, digests })
    }

    pub(super) fn verify<'a>(&self, request: &Request<'a>) -> Result<Verified<'a>, Refusal> {
        let presented = match &self.place {
            Place::Basic => {
                let encoded = authorization(request, "basic")?;
                let decoded = STANDARD.decode(encoded);
                digest(
                    &SHA256,
                    &decoded.map_err(|_| Refusal::Malformed(Field::Header(AUTHORIZATION)))?,
                )
            }
            Place::Bearer => digest(&SHA256, authorization(request, "bearer")?.as_bytes()),
            Place::Own(KeyPlace::Header(name)) => digest(
                &SHA256,
                header(request.headers, name, CREDENTIAL_BYTES_MAX)?.as_bytes(),
            ),
            Place::Own(KeyPlace::Query(name)) => {
                let field = || Field::Query(name.clone());
                let pairs = form::parse(request.query.as_bytes());
                let pairs = pairs.map_err(|_| Refusal::Malformed(field()))?;
                let mut values = pairs.iter().filter(|(key, _)| **key == **name);
                let (_, value) = values.next().ok_or_else(|| Refusal::Missing(field()))?;
                if values.next().is_some() {
                    return Err(Refusal::Malformed(field()));
                }
                digest(&SHA256, value.as_bytes())
            }
        };
        let equal = |known: &Digest| bool::from(known.as_ref().ct_eq(presented.as_ref()));
        let key_index = self
            .digests
            .iter()
            .position(equal)
            .ok_or(Refusal::Mismatch)?;
        Ok(Verified {
            key_index,
            external_id: None,
            timestamp: None,
        })
    }
}

/// Names the place only: a digest of a short secret gives it away.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

/// What shows the first credential of `spec`.
pub(super) fn sign(spec: &Spec) -> Result<Signed, SpecError> {
    let (place, shown) = shown(spec)?;
    let secret = shown.first().ok_or(SpecError::NoKeys)?.expose();
    let value = |text: &[u8]| {
        let mut value = HeaderValue::from_bytes(text).map_err(|_| SpecError::KeyCharacters(1))?;
        value.set_sensitive(true);
        Ok(value)
    };
    let header = |name: HeaderName, value| Signed {
        headers: vec![(name, value)],
        query: None,
    };
    Ok(match place {
        Place::Basic => {
            let text = format!("Basic {}", STANDARD.encode(secret));
            header(AUTHORIZATION, value(text.as_bytes())?)
        }
        Place::Bearer => header(AUTHORIZATION, value(&[b"Bearer ", secret].concat())?),
        Place::Own(KeyPlace::Header(name)) => header(name, value(secret)?),
        Place::Own(KeyPlace::Query(name)) => {
            let text = str::from_utf8(secret).map_err(|_| SpecError::KeyCharacters(1))?;
            Signed {
                headers: Vec::new(),
                query: Some(form::write([(&*name, text)])),
            }
        }
    })
}

/// What `authorization` says after the given scheme, which is compared without regard to case
/// (RFC 9110, section 11.1).
fn authorization<'a>(request: &Request<'a>, scheme: &str) -> Result<&'a str, Refusal> {
    let malformed = || Refusal::Malformed(Field::Header(AUTHORIZATION));
    let text = header(request.headers, &AUTHORIZATION, CREDENTIAL_BYTES_MAX)?;
    let (given, rest) = text.split_once(' ').ok_or_else(malformed)?;
    if given.eq_ignore_ascii_case(scheme) {
        Ok(rest.trim_ascii())
    } else {
        Err(malformed())
    }
}

/// Where credentials stand and what is shown there, checked.
fn shown(spec: &Spec) -> Result<(Place, Vec<Secret>), SpecError> {
    let (place, secrets) = match spec {
        Spec::Basic { credentials } => {
            check_keys(credentials.iter().map(|one| &one.password))?;
            let pairs = (1..).zip(credentials).map(|(number, one)| {
                if one.user.contains(':') {
                    return Err(SpecError::UserColon(number));
                }
                Ok(Secret::new(
                    [one.user.as_bytes(), b":", one.password.expose()].concat(),
                ))
            });
            (Place::Basic, pairs.collect::<Result<_, _>>()?)
        }
        Spec::Bearer { tokens } => (Place::Bearer, tokens.clone()),
        Spec::ApiKey { place, keys } => (Place::Own(place.clone()), keys.clone()),
        _ => return Err(SpecError::NoKeys),
    };
    check_keys(secrets.iter())?;
    if !matches!(place, Place::Basic | Place::Own(KeyPlace::Query(_))) {
        let visible = |secret: &Secret| secret.expose().iter().all(u8::is_ascii_graphic);
        if let Some((number, _)) = (1..).zip(&secrets).find(|(_, secret)| !visible(secret)) {
            return Err(SpecError::KeyCharacters(number));
        }
    }
    Ok((place, secrets))
}
