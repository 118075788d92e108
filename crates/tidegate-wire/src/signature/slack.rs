//! Slack's handshake: it posts a signed `url_verification` and expects its challenge back.

use std::borrow::Cow;

use serde::Deserialize;

use super::Verified;

/// Longest body that can be a handshake. Real ones have fewer than 300 bytes; the limit spares every
/// other event a second look.
const BODY_BYTES_MAX: usize = 2048;

#[derive(Deserialize)]
struct Handshake<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    challenge: Cow<'a, str>,
}

/// The challenge to answer with as `text/plain`, if `body` is a handshake. It asks for the proof that the
/// request was verified, because answering anybody would tell a stranger that the address is live.
#[must_use]
pub fn challenge(_proof: &Verified<'_>, body: &[u8]) -> Option<String> {
    if body.len() > BODY_BYTES_MAX {
        return None;
    }
    let handshake: Handshake<'_> = serde_json::from_slice(body).ok()?;
    (handshake.kind == "url_verification").then(|| handshake.challenge.into_owned())
}
