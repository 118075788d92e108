//! What makes a spec unusable.

use tidegate_types::secret::Secret;

use super::KEYS_MAX;

/// What makes a spec unusable. Keys are named by their place in the list, from 1 on; their values are
/// never shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// No key at all.
    #[error("no key is given; give at least one")]
    NoKeys,
    /// More than [`KEYS_MAX`].
    #[error("{0} keys are given and at most {KEYS_MAX} are tried; remove those that are retired")]
    TooManyKeys(usize),
    /// An empty key: anybody could sign with it.
    #[error("key {0} is empty; check where the secret comes from")]
    EmptyKey(usize),
    /// A key of Standard Webhooks that is not base64.
    #[error(
        "key {0} is not base64 after its prefix; copy it whole from the sender, for example whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    )]
    NotBase64(usize),
    /// An Ed25519 key of another length.
    #[error("key {key} has {bytes} bytes; {expected}")]
    KeyLength {
        /// Which key, from 1 on.
        key: usize,
        /// How many bytes it has.
        bytes: usize,
        /// What is right.
        expected: &'static str,
    },
    /// A private key whose halves do not belong together.
    #[error(
        "key {0} is not an Ed25519 key pair: its public half does not belong to its private half"
    )]
    KeyPair(usize),
    /// A credential that cannot stand in a header.
    #[error("key {0} has characters that cannot stand in its header; use visible ASCII characters")]
    KeyCharacters(usize),
    /// A user name with a colon.
    #[error(
        "user {0} contains a colon, which basic authentication cannot carry; choose a name without it"
    )]
    UserColon(usize),
    /// A placeholder nobody knows.
    #[error(
        "the template has the unknown placeholder {{{0}}}; known are {{body}}, {{timestamp}}, {{id}}, {{method}}, {{path}}, {{query}} and {{header:NAME}}"
    )]
    UnknownPlaceholder(String),
    /// A brace without its partner.
    #[error(
        "the template has an opening brace without a closing one; write placeholders as {{body}}"
    )]
    OpenBrace,
    /// Too long or too many placeholders.
    #[error("the template is longer than {0} bytes; sign fewer parts")]
    TemplateLength(usize),
    /// `{timestamp}` without a source.
    #[error("the template signs {{timestamp}} but no header or list key is named for it; name one")]
    TimestampUnplaced,
    /// A timestamp outside the signature.
    #[error(
        "a timestamp is named but the template does not sign {{timestamp}}, so a replay could carry any time; put it in the template or remove it"
    )]
    TimestampUnsigned,
    /// A list key without a list.
    #[error(
        "the timestamp is taken from the list key {0} but the header is no list; name the list key of the signature too"
    )]
    TimestampWithoutList(String),
    /// `{id}` without a source.
    #[error("the template signs {{id}} but no header is named for it; name one")]
    IdUnplaced,
    /// An id outside the signature.
    #[error(
        "an id header is named but the template does not sign {{id}}, so a replay could carry any id; put it in the template or remove it"
    )]
    IdUnsigned,
    /// A public key cannot sign.
    #[error(
        "key {0} is a public key, which can verify but not sign; give the private key (whsk_…)"
    )]
    CannotSign(usize),
}

/// Refuses no keys, too many, and empty ones.
pub(in crate::signature) fn check_keys<'a>(
    keys: impl ExactSizeIterator<Item = &'a Secret>,
) -> Result<(), SpecError> {
    match keys.len() {
        0 => return Err(SpecError::NoKeys),
        1..=KEYS_MAX => {}
        more => return Err(SpecError::TooManyKeys(more)),
    }
    let mut numbered = (1..).zip(keys);
    match numbered.find(|(_, key)| key.expose().is_empty()) {
        Some((number, _)) => Err(SpecError::EmptyKey(number)),
        None => Ok(()),
    }
}
