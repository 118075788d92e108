//! How a sender proves itself, in plain values: what the configuration builds.

mod caution;
mod error;
mod presets;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::header::AUTHORIZATION;
use tidegate_types::secret::Secret;

pub use caution::Caution;
pub use error::SpecError;
pub(super) use error::check_keys;
pub(super) use presets::hmac_of;

/// Most keys of one spec. Rotation needs two; ten leaves room for overlapping ones.
pub const KEYS_MAX: usize = 10;

/// How far a signature's timestamp may be from our clock unless configured: five minutes, the
/// tolerance the libraries of Standard Webhooks, Stripe and Slack use.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_secs(300);

/// One scheme with its parameters. Several keys are tried in order, so that a key can be rotated
/// without losing a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// Standard Webhooks 1.0.0: `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    ///
    /// Keys: `whsec_` and base64 (HMAC-SHA256, `v1`; the prefix may be absent), `whpk_` and base64 of an
    /// Ed25519 public key (`v1a`, verifies), `whsk_` and base64 of an Ed25519 private key (signs and verifies).
    StandardWebhooks {
        /// The keys in their text form.
        keys: Vec<Secret>,
        /// How far the timestamp may be from now.
        tolerance: Duration,
    },
    /// Svix: as Standard Webhooks with headers `svix-*`; accepts `webhook-*` too.
    Svix {
        /// The keys in their text form.
        keys: Vec<Secret>,
        /// How far the timestamp may be from now.
        tolerance: Duration,
    },
    /// GitHub: `x-hub-signature-256`, HMAC-SHA256 of the body in hexadecimal. Signs no time and no id.
    Github {
        /// The webhook secrets.
        keys: Vec<Secret>,
    },
    /// Stripe: `stripe-signature: t=…,v1=…`, HMAC-SHA256 of `{timestamp}.{body}`.
    Stripe {
        /// The signing secrets, with their `whsec_`, which belongs to the key.
        keys: Vec<Secret>,
        /// How far the timestamp may be from now.
        tolerance: Duration,
    },
    /// Shopify: `x-shopify-hmac-sha256`, HMAC-SHA256 of the body in base64. Signs no time and no id.
    Shopify {
        /// The client secrets.
        keys: Vec<Secret>,
    },
    /// Slack: `x-slack-signature: v0=…` over `v0:{timestamp}:{body}` with `x-slack-request-timestamp`.
    Slack {
        /// The signing secrets.
        keys: Vec<Secret>,
        /// How far the timestamp may be from now.
        tolerance: Duration,
    },
    /// Any other HMAC.
    Hmac(HmacSpec),
    /// User and password in `authorization: Basic` (RFC 7617).
    Basic {
        /// Each pair is one key.
        credentials: Vec<Credentials>,
    },
    /// A token in `authorization: Bearer` (RFC 6750).
    Bearer {
        /// The tokens.
        tokens: Vec<Secret>,
    },
    /// A key in a header or query parameter of its own.
    ApiKey {
        /// Where it stands.
        place: KeyPlace,
        /// The keys.
        keys: Vec<Secret>,
    },
    /// Whoever reaches the path is believed. Only for tests and for senders that are authenticated
    /// elsewhere; [`Spec::cautions`] says so.
    DangerNone,
}

/// An HMAC scheme by its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacSpec {
    /// The header with the signature.
    pub header: HeaderName,
    /// The keys, used as they are.
    pub keys: Vec<Secret>,
    /// The hash.
    pub algorithm: Algorithm,
    /// How the signature is written.
    pub encoding: Encoding,
    /// What stands before the signature, for example `sha256=`; empty for nothing. With `list` it is
    /// expected before each signature of the list.
    pub prefix: String,
    /// What is signed: text with `{body}`, `{timestamp}`, `{id}`, `{method}`, `{path}`, `{query}`, `{header:NAME}`.
    pub template: String,
    /// Where the time of signing stands; `None` if there is none, then nothing prevents replays.
    pub timestamp: Option<TimestampSource>,
    /// How far the timestamp may be from now. No effect without `timestamp`.
    pub tolerance: Duration,
    /// The header whose value `{id}` stands for.
    pub id: Option<HeaderName>,
    /// Set if the header is a list `key=value,key=value`, as Stripe writes it: the key under which a
    /// signature stands in it, for example `v1`; it may come several times.
    pub list: Option<String>,
}

/// Where the time of signing stands. It is counted in seconds since 1970, or in milliseconds if the number
/// has twelve digits or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimestampSource {
    /// In a header of its own.
    Header(HeaderName),
    /// In the list of the signature header, under this key.
    ListKey(String),
}

/// Hash of an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-1: broken for other uses, still sound in an HMAC (RFC 6194); only where a sender knows nothing better.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How a signature is written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal; read in either case, written in lower case.
    Hex,
    /// Base64 with the standard alphabet and padding (RFC 4648, section 4).
    Base64,
}

/// A user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// User name; RFC 7617 allows no colon in it.
    pub user: String,
    /// Password.
    pub password: Secret,
}

/// Where an API key stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// In this header.
    Header(HeaderName),
    /// In this query parameter. Proxies log queries, so a header is better.
    Query(Arc<str>),
}

impl Spec {
    /// The scheme's name as it is written in the configuration and in metrics.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        match self {
            Self::StandardWebhooks { .. } => "standard-webhooks",
            Self::Svix { .. } => "svix",
            Self::Github { .. } => "github",
            Self::Stripe { .. } => "stripe",
            Self::Shopify { .. } => "shopify",
            Self::Slack { .. } => "slack",
            Self::Hmac(_) => "hmac",
            Self::Basic { .. } => "basic",
            Self::Bearer { .. } => "bearer",
            Self::ApiKey { .. } => "api-key",
            Self::DangerNone => "none",
        }
    }

    /// Whether a verified request of this scheme carries a signed message id.
    #[must_use]
    pub const fn signs_id(&self) -> bool {
        match self {
            Self::StandardWebhooks { .. } | Self::Svix { .. } => true,
            Self::Hmac(spec) => spec.id.is_some(),
            _ => false,
        }
    }

    /// Whether the scheme proves the body. If not, a request can be judged by its head alone.
    #[must_use]
    pub const fn signs_body(&self) -> bool {
        !matches!(
            self,
            Self::Basic { .. } | Self::Bearer { .. } | Self::ApiKey { .. } | Self::DangerNone
        )
    }

    /// Headers that carry a credential; originals are kept without them. Signatures are none: they
    /// prove one body only.
    #[must_use]
    pub fn secret_headers(&self) -> Vec<HeaderName> {
        match self {
            Self::Basic { .. } | Self::Bearer { .. } => vec![AUTHORIZATION],
            Self::ApiKey {
                place: KeyPlace::Header(name),
                ..
            } => vec![name.clone()],
            _ => Vec::new(),
        }
    }

    /// The query parameter that carries a credential, if one does; originals are kept without it
    /// ([`crate::form::without`]).
    #[must_use]
    pub fn secret_query_parameter(&self) -> Option<&str> {
        match self {
            Self::ApiKey {
                place: KeyPlace::Query(name),
                ..
            } => Some(name),
            _ => None,
        }
    }

    /// The time window, where the scheme has one.
    #[must_use]
    pub fn tolerance(&self) -> Option<Duration> {
        match self {
            Self::StandardWebhooks { tolerance, .. }
            | Self::Svix { tolerance, .. }
            | Self::Stripe { tolerance, .. }
            | Self::Slack { tolerance, .. } => Some(*tolerance),
            Self::Hmac(spec) => spec.timestamp.as_ref().map(|_| spec.tolerance),
            _ => None,
        }
    }
}
