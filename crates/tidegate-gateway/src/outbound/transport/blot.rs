//! Answers end up in records that people read. A server that sends our own credential back (in an error
//! page, in a debugging header) must not carry it there.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use memchr::memmem::Finder;

use super::super::outcome::{Answer, BodyEnd};
use super::super::proxy::Proxy;

/// What must not come back of one request.
pub(super) struct Secrets(Vec<Vec<u8>>);

impl Secrets {
    /// Of the headers those marked as sensitive, and that for the proxy: whole without their scheme, and
    /// of Basic the password in clear text too. Of the query what the proof added to it.
    pub(super) fn of(
        headers: &HeaderMap,
        query: &str,
        before: &str,
        proxy: Option<&Proxy>,
    ) -> Self {
        let of_proxy = proxy.and_then(|proxy| proxy.authorization.as_ref());
        let sensitive = headers.values().chain(of_proxy);
        let mut secrets: Vec<Vec<u8>> = Vec::new();
        for value in sensitive.filter(|value| value.is_sensitive()) {
            let bytes = value.as_bytes();
            secrets.extend(bytes.strip_prefix(b"Basic ").and_then(password));
            let mut words = bytes.split(|byte| *byte == b' ');
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
            // Linear in time, whatever they send.
            let finder = Finder::new(secret);
            if let Some(clean) = without(&answer.body, &finder) {
                answer.body = Bytes::from(clean);
            }
            if answer.body_end != BodyEnd::Whole {
                let kept = answer
                    .body
                    .len()
                    .saturating_sub(begun(&answer.body, secret));
                if kept < answer.body.len() {
                    let whole = answer.body.get(..kept).unwrap_or_default();
                    answer.body = Bytes::from([whole, BLOT.as_bytes()].concat());
                }
            }
            for value in answer.headers.values_mut() {
                if let Some(clean) = without(value.as_bytes(), &finder) {
                    *value = HeaderValue::from_bytes(&clean)
                        .unwrap_or_else(|_| HeaderValue::from_static(BLOT));
                }
            }
        }
    }
}

/// The password of `user:password` in base64.
fn password(pair: &[u8]) -> Option<Vec<u8>> {
    let pair = STANDARD.decode(pair).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    pair.get(colon.saturating_add(1)..).map(<[u8]>::to_vec)
}

/// `None` if the secret is not in `bytes`.
fn without(bytes: &[u8], secret: &Finder<'_>) -> Option<Vec<u8>> {
    let mut clean = Vec::new();
    let mut behind = 0;
    for place in secret.find_iter(bytes) {
        clean.extend_from_slice(bytes.get(behind..place).unwrap_or_default());
        clean.extend_from_slice(BLOT.as_bytes());
        behind = place.saturating_add(secret.needle().len());
    }
    if behind == 0 {
        return None;
    }
    clean.extend_from_slice(bytes.get(behind..).unwrap_or_default());
    Some(clean)
}

/// How many bytes at the end of a body that was cut off are the beginning of `secret`.
fn begun(bytes: &[u8], secret: &[u8]) -> usize {
    let longest = secret.len().saturating_sub(1).min(bytes.len());
    let fits = |count: &usize| bytes.ends_with(secret.get(..*count).unwrap_or(secret));
    (BEGUN_BYTES_MIN..=longest).rev().find(fits).unwrap_or(0)
}

const BLOT: &str = "[credential]";

/// Shorter ones would blot out what merely looks like them; they are no secrets worth the name.
const SECRET_BYTES_MIN: usize = 8;

/// Fewer bytes of a secret at the end of a cut body tell nothing of it.
const BEGUN_BYTES_MIN: usize = 4;

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn every_occurrence_is_blotted_out() {
        let secret = Finder::new(b"secret-1");
        assert_eq!(without(b"abc", &secret), None);
        let clean = without(b"secret-1 and secret-1secret-1", &secret).unwrap();
        assert_eq!(clean, b"[credential] and [credential][credential]");
    }

    #[test]
    fn what_is_a_secret() {
        let mut headers = HeaderMap::new();
        for text in ["Bearer the-token", "Basic dXNlcjp0aGUtcGFzc3dvcmQ="] {
            let mut value = HeaderValue::from_static(text);
            value.set_sensitive(true);
            headers.append("authorization", value);
        }
        headers.insert("x", HeaderValue::from_static("not-a-secret"));
        let secrets = Secrets::of(&headers, "a=1&key=key-in-query", "a=1", None);
        assert_eq!(
            secrets.0,
            [
                b"the-token".to_vec(),
                b"the-password".to_vec(),
                b"dXNlcjp0aGUtcGFzc3dvcmQ=".to_vec(),
                b"key-in-query".to_vec()
            ]
        );
    }

    #[test]
    fn the_beginning_of_a_secret_at_a_cut() {
        assert_eq!(begun(b"a secre", b"secret-1"), 5);
        assert_eq!(begun(b"sec", b"secret-1"), 0);
        assert_eq!(begun(b"secret-", b"secret-1"), 7);
        assert_eq!(begun(b"secret-1", b"secret-1"), 0);
        assert_eq!(begun(b"", b"secret-1"), 0);
    }

    #[test]
    fn a_body_made_to_look_like_a_secret_takes_no_time() {
        let body = vec![b'a'; 16 * 1024 * 1024];
        let secret = [vec![b'a'; 12 * 1024], vec![b'b']].concat();
        let start = Instant::now();
        assert_eq!(without(&body, &Finder::new(&secret)), None);
        // Comparing at every place, as `windows` does, takes longer even when it is optimised.
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}
