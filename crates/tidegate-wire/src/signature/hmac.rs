//! HMAC schemes: GitHub, Stripe, Shopify, Slack and any other by its parts.

mod template;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;
use tidegate_types::time::UnixMillis;

use self::template::{Piece, Template};
use super::candidates::{Candidates, Rejected};
use super::field::header;
use super::spec::check_keys;
use super::window::{self, Window};
use super::{
    Algorithm, Encoding, Field, HmacSpec, ID_BYTES_MAX, Refusal, Request,
    SIGNATURE_HEADER_BYTES_MAX, SignError, SpecError, TimestampSource, Verified,
};

/// Most entries of a `key=value` list that are looked at: signatures and a few others.
const LIST_ENTRIES_MAX: usize = 2 * super::SIGNATURES_MAX;

/// Longest text of a timestamp: the digits of the largest number.
const TIMESTAMP_BYTES_MAX: usize = 20;

/// Longest value of a header that the template signs.
const SIGNED_HEADER_BYTES_MAX: usize = 4096;

/// An HMAC scheme with its keys prepared.
#[derive(Debug)]
pub(super) struct Hmac {
    header: HeaderName,
    keys: Vec<hmac::Key>,
    encoding: Encoding,
    prefix: String,
    template: Template,
    timestamp: Option<TimestampSource>,
    window: Window,
    id: Option<HeaderName>,
    list: Option<String>,
}

/// What a template is filled with.
#[derive(Clone, Copy)]
struct Parts<'a> {
    request: &'a Request<'a>,
    timestamp: &'a str,
    id: &'a str,
}

/// What the headers of a request say about the signature.
struct Offer<'a> {
    candidates: Candidates,
    timestamp: Option<&'a str>,
}

impl Hmac {
    pub(super) fn new(spec: &HmacSpec) -> Result<Self, SpecError> {
        check_keys(spec.keys.iter())?;
        let template = Template::parse(&spec.template)?;
        match (&spec.timestamp, template.signs(&Piece::Timestamp)) {
            (None, true) => return Err(SpecError::TimestampUnplaced),
            (Some(_), false) => return Err(SpecError::TimestampUnsigned),
            (Some(TimestampSource::ListKey(key)), true) if spec.list.is_none() => {
                return Err(SpecError::TimestampWithoutList(key.clone()));
            }
            _ => {}
        }
        match (&spec.id, template.signs(&Piece::Id)) {
            (None, true) => return Err(SpecError::IdUnplaced),
            (Some(_), false) => return Err(SpecError::IdUnsigned),
            _ => {}
        }
        let algorithm = match spec.algorithm {
            Algorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => hmac::HMAC_SHA256,
            Algorithm::Sha512 => hmac::HMAC_SHA512,
        };
        Ok(Self {
            header: spec.header.clone(),
            keys: spec
                .keys
                .iter()
                .map(|key| hmac::Key::new(algorithm, key.expose()))
                .collect(),
            encoding: spec.encoding,
            prefix: spec.prefix.clone(),
            template,
            timestamp: spec.timestamp.clone(),
            window: Window(spec.tolerance),
            id: spec.id.clone(),
            list: spec.list.clone(),
        })
    }

    pub(super) fn verify<'a>(
        &self,
        now: UnixMillis,
        request: &Request<'a>,
    ) -> Result<Verified<'a>, Refusal> {
        let offer = self.offer(request.headers)?;
        let (timestamp_text, timestamp) = self.timestamp(request.headers, &offer)?.unzip();
        let id = self
            .id
            .as_ref()
            .map(|name| header(request.headers, name, ID_BYTES_MAX));
        let id = id.transpose()?;
        let parts = Parts {
            request,
            timestamp: timestamp_text.unwrap_or_default(),
            id: id.unwrap_or_default(),
        };
        let mut matched = None;
        for (index, key) in self.keys.iter().enumerate() {
            if offer.candidates.contain(self.tag(key, &parts)?.as_ref()) {
                matched = Some(index);
                break;
            }
        }
        let key_index = matched.ok_or(Refusal::Mismatch)?;
        if let Some(signed) = timestamp {
            self.window.check(now, signed)?;
        }
        Ok(Verified {
            key_index,
            external_id: id,
            timestamp,
        })
    }

    /// Headers that prove `request` under every key of a list header, under the first key otherwise.
    pub(super) fn sign(
        &self,
        now: UnixMillis,
        id: &str,
        request: &Request<'_>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, SignError> {
        let timestamp = now.seconds().to_string();
        let parts = Parts {
            request,
            timestamp: &timestamp,
            id,
        };
        let used = if self.list.is_some() {
            self.keys.len()
        } else {
            1
        };
        let mut texts = Vec::with_capacity(used);
        for key in self.keys.iter().take(used) {
            let tag = self.tag(key, &parts).map_err(SignError::Unsignable)?;
            texts.push(format!("{}{}", self.prefix, self.write(tag.as_ref())));
        }
        let mut headers = Vec::new();
        let mut entries = Vec::new();
        match &self.timestamp {
            Some(TimestampSource::Header(name)) => {
                headers.push((name.clone(), HeaderValue::from(now.seconds())));
            }
            Some(TimestampSource::ListKey(key)) => entries.push(format!("{key}={timestamp}")),
            None => {}
        }
        if let Some(name) = &self.id {
            headers.push((
                name.clone(),
                HeaderValue::from_str(id).map_err(|_| SignError::Id)?,
            ));
        }
        let value = match &self.list {
            Some(key) => {
                entries.extend(texts.iter().map(|text| format!("{key}={text}")));
                entries.join(",")
            }
            None => texts.concat(),
        };
        let value = HeaderValue::from_str(&value).map_err(|_| SignError::Value)?;
        headers.push((self.header.clone(), value));
        Ok(headers)
    }

    /// The signatures of the header, and the timestamp if it stands in the same list.
    fn offer<'a>(&self, headers: &'a HeaderMap) -> Result<Offer<'a>, Refusal> {
        let text = header(headers, &self.header, SIGNATURE_HEADER_BYTES_MAX)?;
        let bytes = self
            .keys
            .first()
            .map_or(0, |key| key.algorithm().digest_algorithm().output_len());
        let mut offer = Offer {
            candidates: Candidates::new(bytes),
            timestamp: None,
        };
        let Some(signature_key) = &self.list else {
            self.add(&mut offer.candidates, text)?;
            return Ok(offer);
        };
        let timestamp_key = match &self.timestamp {
            Some(TimestampSource::ListKey(key)) => Some(key.as_str()),
            _ => None,
        };
        for (index, entry) in text.split(',').enumerate() {
            if index >= LIST_ENTRIES_MAX {
                return Err(Refusal::Oversized(self.field()));
            }
            let (key, value) = entry
                .trim_ascii()
                .split_once('=')
                .ok_or_else(|| Refusal::Malformed(self.field()))?;
            if key == signature_key {
                self.add(&mut offer.candidates, value)?;
            } else if Some(key) == timestamp_key && offer.timestamp.replace(value).is_some() {
                return Err(Refusal::Malformed(self.field()));
            }
        }
        if offer.candidates.is_empty() {
            return Err(Refusal::Unsupported(self.field()));
        }
        Ok(offer)
    }

    fn add(&self, candidates: &mut Candidates, text: &str) -> Result<(), Refusal> {
        let malformed = || Refusal::Malformed(self.field());
        let text = text
            .strip_prefix(self.prefix.as_str())
            .ok_or_else(malformed)?;
        candidates
            .add(text, self.encoding)
            .map_err(|rejected| match rejected {
                Rejected::TooMany => Refusal::Oversized(self.field()),
                Rejected::Malformed => malformed(),
            })
    }

    /// The timestamp as it is signed and as a time.
    fn timestamp<'a>(
        &self,
        headers: &'a HeaderMap,
        offer: &Offer<'a>,
    ) -> Result<Option<(&'a str, UnixMillis)>, Refusal> {
        let (text, name) = match &self.timestamp {
            None => return Ok(None),
            Some(TimestampSource::Header(name)) => {
                (header(headers, name, TIMESTAMP_BYTES_MAX)?, name)
            }
            Some(TimestampSource::ListKey(_)) => (
                offer
                    .timestamp
                    .ok_or_else(|| Refusal::Malformed(self.field()))?,
                &self.header,
            ),
        };
        let time = window::parse(text, || Field::Header(name.clone()))?;
        Ok(Some((text, time)))
    }

    /// The HMAC of the filled template, without building it in memory.
    fn tag(&self, key: &hmac::Key, parts: &Parts<'_>) -> Result<hmac::Tag, Refusal> {
        let mut context = hmac::Context::with_key(key);
        for piece in self.template.pieces() {
            context.update(match piece {
                Piece::Text(text) => text.as_bytes(),
                Piece::Body => parts.request.body,
                Piece::Timestamp => parts.timestamp.as_bytes(),
                Piece::Id => parts.id.as_bytes(),
                Piece::Method => parts.request.method.as_bytes(),
                Piece::Path => parts.request.path.as_bytes(),
                Piece::Query => parts.request.query.as_bytes(),
                Piece::Header(name) => {
                    header(parts.request.headers, name, SIGNED_HEADER_BYTES_MAX)?.as_bytes()
                }
            });
        }
        Ok(context.sign())
    }

    fn write(&self, tag: &[u8]) -> String {
        match self.encoding {
            Encoding::Hex => hex::encode(tag),
            Encoding::Base64 => STANDARD.encode(tag),
        }
    }

    fn field(&self) -> Field {
        Field::Header(self.header.clone())
    }
}
