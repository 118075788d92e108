//! The canonical request: one spelling for all spellings of the same request.

use std::collections::BTreeMap;

use http::header::{
    AUTHORIZATION, CONNECTION, EXPECT, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use ring::digest::{SHA256, digest};

use super::key::push_escaped;
use super::{ALGORITHM, Style};
use crate::signature::Request;

/// Changed or added on the way, or about one connection only; never signed.
const UNSIGNED: [HeaderName; 9] = [
    AUTHORIZATION,
    CONNECTION,
    EXPECT,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    USER_AGENT,
    HeaderName::from_static("x-amzn-trace-id"),
];

/// What is hashed and signed of a request.
pub(super) struct Canonical {
    text: String,
    signed_headers: String,
}

impl Canonical {
    /// Of `request` with the headers `added`, which replace those of their names.
    pub(super) fn new(
        request: &Request<'_>,
        added: &[(HeaderName, HeaderValue)],
        body_hash: &str,
        style: Style,
    ) -> Self {
        let headers = headers(request, added);
        let names: Vec<&str> = headers.keys().copied().collect();
        let signed_headers = names.join(";");
        let mut text = format!(
            "{}\n{}\n{}\n",
            request.method,
            path(request.path, style.normalize_path),
            query(request.query)
        );
        for (name, value) in &headers {
            text.push_str(name);
            text.push(':');
            text.push_str(value);
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&signed_headers);
        text.push('\n');
        text.push_str(body_hash);
        Self {
            text,
            signed_headers,
        }
    }

    #[cfg(test)]
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn signed_headers(&self) -> &str {
        &self.signed_headers
    }

    /// What the key of the day signs.
    pub(super) fn string_to_sign(&self, stamp: &str, scope: &str) -> String {
        let hash = hex::encode(digest(&SHA256, self.text.as_bytes()));
        format!("{ALGORITHM}\n{stamp}\n{scope}\n{hash}")
    }
}

/// Names sorted, values of one name joined by commas, each trimmed and its runs of blanks made one.
fn headers<'a>(
    request: &'a Request<'_>,
    added: &'a [(HeaderName, HeaderValue)],
) -> BTreeMap<&'a str, String> {
    let replaced = |name: &HeaderName| added.iter().any(|(other, _)| other == name);
    let own = request
        .headers
        .iter()
        .filter(|(name, _)| !UNSIGNED.contains(name) && !replaced(name));
    let all = own.chain(added.iter().map(|(name, value)| (name, value)));
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in all {
        let value = String::from_utf8_lossy(value.as_bytes());
        let words: Vec<&str> = value.split_ascii_whitespace().collect();
        let joined = headers.entry(name.as_str());
        joined
            .and_modify(|joined| joined.push(','))
            .or_default()
            .push_str(&words.join(" "));
    }
    headers
}

/// The path as it is sent, escaped once more: `%3D` on the wire is `%253D` here.
fn path(path: &str, normalize: bool) -> String {
    let mut canonical = String::with_capacity(path.len());
    for byte in if normalize {
        normalized(path)
    } else {
        path.to_owned()
    }
    .bytes()
    {
        if byte == b'/' {
            canonical.push('/');
        } else {
            push_encoded(&mut canonical, byte);
        }
    }
    if canonical.is_empty() {
        canonical.push('/');
    }
    canonical
}

/// Without dot segments and empty segments (RFC 3986, section 5.2.4, and AWS's rule on slashes).
fn normalized(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    let mut normalized = format!("/{}", kept.join("/"));
    if path.ends_with('/') && !kept.is_empty() {
        normalized.push('/');
    }
    normalized
}

/// Names and values decoded, encoded again in one spelling, and sorted.
fn query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|piece| !piece.is_empty())
        .map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            (encoded(name), encoded(value))
        })
        .collect();
    pairs.sort();
    let joined: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    joined.join("&")
}

fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in percent_decode_str(text) {
        push_encoded(&mut encoded, byte);
    }
    encoded
}

/// Everything is escaped but the unreserved characters of RFC 3986, section 2.3.
fn push_encoded(out: &mut String, byte: u8) {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        out.push(char::from(byte));
    } else {
        push_escaped(out, byte);
    }
}
