//! The binary content mode: attributes in `ce-` headers, data as the body (HTTP protocol binding, section 3.1).

use std::borrow::Cow;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use super::draft::Draft;
use super::error::{DecodeError, Fault, Problems};
use super::{ATTRIBUTE_BYTES_MAX, CloudEvent};

/// What a header value escapes: space, `"`, `%`, and all that is not printable ASCII (section 3.1.3.2).
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

const PREFIX: &str = "ce-";

/// Longest header value: every byte of the longest attribute may be escaped.
const VALUE_BYTES_MAX: usize = 3 * ATTRIBUTE_BYTES_MAX;

/// Whether a request that is of no CloudEvents media type has attributes in headers. One of the required
/// ones is enough, so that a half-made event is told what it lacks.
pub(super) fn is_binary(headers: &HeaderMap) -> bool {
    ["ce-specversion", "ce-id", "ce-source", "ce-type"]
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// The event of a request in binary mode.
pub(super) fn decode(headers: &HeaderMap, body: &Bytes) -> Result<CloudEvent, DecodeError> {
    let mut draft = Draft::new(0);
    for (name, value) in headers {
        if name == CONTENT_TYPE {
            match value.to_str() {
                Ok(text) => draft.set("datacontenttype", text.trim_ascii()),
                Err(_) => draft.fault("datacontenttype", Fault::Characters),
            }
            continue;
        }
        let Some(attribute) = name.as_str().strip_prefix(PREFIX) else {
            continue;
        };
        if attribute == "datacontenttype" {
            draft.fault(attribute, Fault::Forbidden);
        } else if value.len() > VALUE_BYTES_MAX {
            draft.fault(attribute, Fault::TooLong);
        } else {
            let unquoted = unquote(value.as_bytes());
            match percent_decode(&unquoted).decode_utf8() {
                Ok(text) => draft.set(attribute, &text),
                Err(_) => draft.fault(attribute, Fault::Characters),
            }
        }
    }
    draft
        .finish(body.clone())
        .map_err(|problems| DecodeError::Invalid(Problems(problems)))
}

/// Headers and body of `event` in binary mode.
///
/// # Errors
/// The name of an extension that is no attribute name, or a media type that cannot stand in a header.
pub fn encode_binary(event: &CloudEvent) -> Result<(HeaderMap, Bytes), InvalidAttribute> {
    let mut headers = HeaderMap::new();
    let time = super::time_text(event);
    let attributes = [
        ("specversion", Some("1.0")),
        ("id", Some(event.id.as_str())),
        ("source", Some(event.source.as_str())),
        ("type", Some(event.kind.as_str())),
        ("subject", event.subject.as_deref()),
        ("time", time.as_deref()),
        ("dataschema", event.dataschema.as_deref()),
    ];
    let attributes = attributes
        .into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, value)));
    let extensions = event
        .extensions
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in attributes.chain(extensions) {
        let invalid = || InvalidAttribute(name.to_owned());
        let header = HeaderName::try_from(format!("{PREFIX}{name}")).map_err(|_| invalid())?;
        let escaped: Cow<'_, str> = utf8_percent_encode(value, ESCAPED).into();
        headers.append(
            header,
            HeaderValue::from_str(&escaped).map_err(|_| invalid())?,
        );
    }
    if let Some(content_type) = &event.datacontenttype {
        let value = HeaderValue::from_str(content_type);
        let value = value.map_err(|_| InvalidAttribute("datacontenttype".to_owned()))?;
        headers.insert(CONTENT_TYPE, value);
    }
    Ok((headers, event.data.clone()))
}

/// An attribute that cannot stand in a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("attribute {0:?} cannot stand in a header")]
pub struct InvalidAttribute(pub String);

/// Takes quoted strings out of their quotes and unescapes them, as earlier versions of the
/// specification wrote values (RFC 7230, section 3.2.6).
fn unquote(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'"') {
        return Cow::Borrowed(value);
    }
    let (mut text, mut quoted, mut escaped) = (Vec::with_capacity(value.len()), false, false);
    for b in value {
        match b {
            _ if escaped => {
                text.push(*b);
                escaped = false;
            }
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => text.push(*b),
        }
    }
    Cow::Owned(text)
}
