//! Keys of Standard Webhooks: HMAC-SHA256 and Ed25519, in their text forms.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use ring::hmac;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use tidegate_types::secret::Secret;

use super::Candidates;
use crate::signature::SpecError;

/// Length of an HMAC-SHA256.
pub(super) const HMAC_BYTES: usize = 32;

/// Length of an Ed25519 signature (RFC 8032, section 5.1.6).
pub(super) const ED25519_BYTES: usize = 64;

/// Length of an Ed25519 seed and of a public key.
const ED25519_KEY_BYTES: usize = 32;

/// Base64 of keys: people copy them without their padding, which libraries forgive.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key, prepared.
pub(super) enum Key {
    Hmac(hmac::Key),
    Public(UnparsedPublicKey<Vec<u8>>),
    Pair(Box<Ed25519KeyPair>),
}

/// What is signed.
pub(super) struct Content<'a> {
    pub(super) id: &'a str,
    pub(super) timestamp: &'a str,
    pub(super) body: &'a [u8],
}

impl Content<'_> {
    fn parts(&self) -> [&[u8]; 5] {
        [
            self.id.as_bytes(),
            b".",
            self.timestamp.as_bytes(),
            b".",
            self.body,
        ]
    }
}

impl Key {
    /// Reads key `number` (from 1 on) by its prefix; without one it is an HMAC key.
    pub(super) fn parse(number: usize, key: &Secret) -> Result<Self, SpecError> {
        let text = str::from_utf8(key.expose())
            .map_err(|_| SpecError::NotBase64(number))?
            .trim_ascii();
        let (kind, encoded) = match text.split_once('_') {
            Some((kind @ ("whsec" | "whsk" | "whpk"), encoded)) => (kind, encoded),
            _ => ("whsec", text),
        };
        let bytes = KEY_BASE64
            .decode(encoded)
            .map_err(|_| SpecError::NotBase64(number))?;
        if bytes.is_empty() {
            return Err(SpecError::EmptyKey(number));
        }
        match kind {
            "whpk" => Self::public(number, bytes),
            "whsk" => Self::pair(number, &bytes),
            _ => Ok(Self::Hmac(hmac::Key::new(hmac::HMAC_SHA256, &bytes))),
        }
    }

    fn public(number: usize, bytes: Vec<u8>) -> Result<Self, SpecError> {
        if bytes.len() != ED25519_KEY_BYTES {
            return Err(SpecError::KeyLength {
                key: number,
                bytes: bytes.len(),
                expected: "an Ed25519 public key (whpk_…) has 32",
            });
        }
        Ok(Self::Public(UnparsedPublicKey::new(&ED25519, bytes)))
    }

    /// A private key is the 32-byte seed, alone or followed by the public key.
    fn pair(number: usize, bytes: &[u8]) -> Result<Self, SpecError> {
        let pair = match bytes.split_at_checked(ED25519_KEY_BYTES) {
            Some((seed, [])) => Ed25519KeyPair::from_seed_unchecked(seed),
            Some((seed, public)) if public.len() == ED25519_KEY_BYTES => {
                Ed25519KeyPair::from_seed_and_public_key(seed, public)
            }
            _ => {
                return Err(SpecError::KeyLength {
                    key: number,
                    bytes: bytes.len(),
                    expected: "an Ed25519 private key (whsk_…) has 32, or 64 with its public key",
                });
            }
        };
        pair.map(|pair| Self::Pair(Box::new(pair)))
            .map_err(|_| SpecError::KeyPair(number))
    }

    /// Whether its signatures are HMACs.
    pub(super) const fn is_symmetric(&self) -> bool {
        matches!(self, Self::Hmac(_))
    }

    /// Whether it can sign.
    pub(super) const fn signs(&self) -> bool {
        !matches!(self, Self::Public(_))
    }

    /// Whether one of `candidates` is this key's signature of `content`.
    pub(super) fn verifies(&self, content: &Content<'_>, candidates: &Candidates) -> bool {
        match self {
            Self::Hmac(key) => candidates.contain(hmac_of(key, content).as_ref()),
            Self::Public(key) => {
                let message = content.parts().concat();
                candidates
                    .iter()
                    .any(|one| key.verify(&message, one).is_ok())
            }
            Self::Pair(pair) => {
                let message = content.parts().concat();
                let key = UnparsedPublicKey::new(&ED25519, pair.public_key());
                candidates
                    .iter()
                    .any(|one| key.verify(&message, one).is_ok())
            }
        }
    }

    /// The signature in base64; `None` for a public key.
    pub(super) fn sign(&self, content: &Content<'_>) -> Option<String> {
        match self {
            Self::Hmac(key) => Some(STANDARD.encode(hmac_of(key, content))),
            Self::Pair(pair) => Some(STANDARD.encode(pair.sign(&content.parts().concat()))),
            Self::Public(_) => None,
        }
    }
}

fn hmac_of(key: &hmac::Key, content: &Content<'_>) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in content.parts() {
        context.update(part);
    }
    context.sign()
}

/// Names the kind only: what is inside is secret.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hmac(_) => "Key::Hmac(…)",
            Self::Public(_) => "Key::Public(…)",
            Self::Pair(_) => "Key::Pair(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 1: seed, public key and signature of the empty message.
    const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    const SIGNATURE: &str = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";

    fn parse(prefix: &str, hex_parts: &[&str]) -> Result<Key, SpecError> {
        let bytes = hex::decode(hex_parts.concat()).unwrap();
        Key::parse(
            1,
            &Secret::new(format!("{prefix}_{}", STANDARD.encode(bytes))),
        )
    }

    #[test]
    fn ed25519_keys_are_those_of_rfc_8032() {
        for parts in [&[SEED][..], &[SEED, PUBLIC]] {
            let Ok(Key::Pair(pair)) = parse("whsk", parts) else {
                panic!("a key pair")
            };
            assert_eq!(hex::encode(pair.public_key().as_ref()), PUBLIC);
            assert_eq!(hex::encode(pair.sign(b"").as_ref()), SIGNATURE);
        }
        let Ok(Key::Public(public)) = parse("whpk", &[PUBLIC]) else {
            panic!("a public key")
        };
        assert!(public.verify(b"", &hex::decode(SIGNATURE).unwrap()).is_ok());
        assert!(
            public
                .verify(b"x", &hex::decode(SIGNATURE).unwrap())
                .is_err()
        );
    }

    #[test]
    fn wrong_keys_are_named_with_their_cure() {
        assert_eq!(
            parse("whsk", &[SEED, SEED]).unwrap_err(),
            SpecError::KeyPair(1)
        );
        for (prefix, parts) in [
            ("whpk", &[PUBLIC, PUBLIC][..]),
            ("whsk", &["00"]),
            ("whpk", &["00"]),
        ] {
            let error = parse(prefix, parts).unwrap_err();
            assert!(
                matches!(error, SpecError::KeyLength { key: 1, .. }),
                "{error}"
            );
        }
        assert_eq!(parse("whsec", &[]).unwrap_err(), SpecError::EmptyKey(1));
        assert_eq!(
            Key::parse(3, &Secret::new("whsec_?")).unwrap_err(),
            SpecError::NotBase64(3)
        );
    }
}
