//! Answers end up in records that people read. A server that sends our own credential back (in an error
//! page, in a debugging header) must not carry it there.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};

use super::super::outcome::Answer;

/// What must not come back of one request.
pub(super) struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    /// Of the headers those marked as sensitive, whole and without their scheme; of the query what
    /// the proof added to it.
    pub(super) fn of(headers: &HeaderMap, query: &str, before: &str) -> Self {
        let sensitive = headers.values().filter(|value| value.is_sensitive());
        let mut secrets: Vec<Vec<u8>> = Vec::new();
        for value in sensitive {
            let mut words = value.as_bytes().split(|byte| *byte == b' ');
            secrets.extend(words.next_back().map(<[u8]>::to_vec));
        }
        if let Some(added) = query.strip_prefix(before) {
            let value = added.split_once('=').map(|(_, value)| value);
            secrets.extend(value.map(|value| value.as_bytes().to_vec()));
        }
        secrets.retain(|secret| secret.len() >= SECRET_BYTES_MIN);
        Self(secrets)
    }

    /// Takes them out of an answer.
    pub(super) fn blot(&self, answer: &mut Answer) {
        for secret in &self.0 {
            if let Some(clean) = without(&answer.body, secret) {
                answer.body = Bytes::from(clean);
            }
            for value in answer.headers.values_mut() {
                if let Some(clean) = without(value.as_bytes(), secret) {
                    *value = HeaderValue::from_bytes(&clean)
                        .unwrap_or_else(|_| HeaderValue::from_static(BLOT));
                }
            }
        }
    }
}

/// `None` if `secret` is not in `bytes`.
fn without(bytes: &[u8], secret: &[u8]) -> Option<Vec<u8>> {
    let mut next = find(bytes, secret)?;
    let mut clean = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        clean.extend_from_slice(rest.get(..next).unwrap_or_default());
        clean.extend_from_slice(BLOT.as_bytes());
        rest = rest
            .get(next.saturating_add(secret.len())..)
            .unwrap_or_default();
        match find(rest, secret) {
            Some(found) => next = found,
            None => break,
        }
    }
    clean.extend_from_slice(rest);
    Some(clean)
}

fn find(bytes: &[u8], secret: &[u8]) -> Option<usize> {
    bytes
        .windows(secret.len())
        .position(|window| window == secret)
}

const BLOT: &str = "[credential]";

/// Shorter ones would blot out what merely looks like them; they are no secrets worth the name.
const SECRET_BYTES_MIN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_occurrence_is_blotted_out() {
        assert_eq!(without(b"abc", b"secret-1"), None);
        let clean = without(b"secret-1 and secret-1secret-1", b"secret-1").unwrap();
        assert_eq!(clean, b"[credential] and [credential][credential]");
    }

    #[test]
    fn what_is_a_secret() {
        let mut headers = HeaderMap::new();
        let mut value = HeaderValue::from_static("Bearer the-token");
        value.set_sensitive(true);
        headers.insert("authorization", value);
        headers.insert("x", HeaderValue::from_static("not-a-secret"));
        let secrets = Secrets::of(&headers, "a=1&key=key-in-query", "a=1");
        assert_eq!(secrets.0, [b"the-token".to_vec(), b"key-in-query".to_vec()]);
    }
}
