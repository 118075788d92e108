//! What works and is weaker than it may look.

use std::fmt;
use std::time::Duration;

use super::{Algorithm, DEFAULT_TOLERANCE, HmacSpec, KeyPlace, Spec};

/// Keys shorter than this are worth a [`Caution`]: 128 bits is the least that cannot be searched.
const KEY_BYTES_ADVISED: usize = 16;

/// A tolerance above this is worth a [`Caution`]: a captured request can be replayed that long.
const TOLERANCE_ADVISED: Duration = Duration::from_secs(3600);

/// Something that works and is weaker than the operator may think; for `check`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caution {
    /// Nothing is verified.
    NotVerified,
    /// A key has fewer than 16 bytes.
    ShortKey {
        /// Which key, from 1 on.
        key: usize,
        /// How many bytes it has.
        bytes: usize,
    },
    /// SHA-1 is used.
    Sha1,
    /// The body is not part of what is signed, so it could be exchanged.
    BodyUnsigned,
    /// A captured request can be replayed for this long.
    LongTolerance(Duration),
    /// The key stands in the query, which proxies log.
    KeyInQuery,
}

impl fmt::Display for Caution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotVerified => {
                f.write_str("nothing is verified: whoever reaches the path is believed")
            }
            Self::ShortKey { key, bytes } => write!(
                f,
                "key {key} has {bytes} bytes; fewer than {KEY_BYTES_ADVISED} can be found by trying"
            ),
            Self::Sha1 => f.write_str("SHA-1 is used; choose sha256 if the sender can"),
            Self::BodyUnsigned => {
                f.write_str("the template does not sign {body}: it could be exchanged")
            }
            Self::LongTolerance(tolerance) => write!(
                f,
                "a captured request can be replayed for {}s; {}s is usual",
                tolerance.as_secs(),
                DEFAULT_TOLERANCE.as_secs()
            ),
            Self::KeyInQuery => f.write_str(
                "the key stands in the query, which proxies log; use a header if the sender can",
            ),
        }
    }
}

impl Spec {
    /// What of it is weaker than it may look.
    #[must_use]
    pub fn cautions(&self) -> Vec<Caution> {
        let mut cautions = Vec::new();
        if *self == Self::DangerNone {
            cautions.push(Caution::NotVerified);
        }
        if let Self::ApiKey {
            place: KeyPlace::Query(_),
            ..
        } = self
        {
            cautions.push(Caution::KeyInQuery);
        }
        if let Self::Hmac(spec) = self {
            if spec.algorithm == Algorithm::Sha1 {
                cautions.push(Caution::Sha1);
            }
            if !spec.template.contains("{body}") {
                cautions.push(Caution::BodyUnsigned);
            }
        }
        if let Some(tolerance) = self
            .tolerance()
            .filter(|tolerance| *tolerance > TOLERANCE_ADVISED)
        {
            cautions.push(Caution::LongTolerance(tolerance));
        }
        for (index, bytes) in self.key_lengths().into_iter().enumerate() {
            if bytes < KEY_BYTES_ADVISED {
                cautions.push(Caution::ShortKey {
                    key: index.saturating_add(1),
                    bytes,
                });
            }
        }
        cautions
    }

    fn key_lengths(&self) -> Vec<usize> {
        match self {
            Self::Basic { credentials } => credentials
                .iter()
                .map(|one| one.password.expose().len())
                .collect(),
            Self::StandardWebhooks { keys, .. }
            | Self::Svix { keys, .. }
            | Self::Github { keys }
            | Self::Stripe { keys, .. }
            | Self::Shopify { keys }
            | Self::Slack { keys, .. }
            | Self::Hmac(HmacSpec { keys, .. })
            | Self::Bearer { tokens: keys }
            | Self::ApiKey { keys, .. } => keys.iter().map(|key| key.expose().len()).collect(),
            Self::DangerNone => Vec::new(),
        }
    }
}
