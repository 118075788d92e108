//! Why a request is refused.

use std::time::Duration;

use super::Field;

/// Why a request is not taken for genuine. It is for logs and metrics: the sender gets the same bare
/// answer in every case, because the reason would help a forger.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header or parameter the scheme needs is not there.
    #[error("{0} is missing")]
    Missing(Field),
    /// It is there and does not have the form the scheme prescribes, or it is there twice.
    #[error("{0} does not have the form of this scheme")]
    Malformed(Field),
    /// It is longer than anything genuine, or lists too many signatures.
    #[error("{0} is longer or lists more signatures than is accepted")]
    Oversized(Field),
    /// It carries only signatures of kinds that the configured keys cannot check.
    #[error("{0} has no signature of a kind the configured keys can check")]
    Unsupported(Field),
    /// No configured key gives what was sent.
    #[error("no configured key matches what was sent")]
    Mismatch,
    /// Genuine, but signed longer ago than the tolerance: a replay, a slow path or a clock that is off.
    #[error("genuine but signed {}s ago, more than the tolerance of {}s", age.as_secs(), tolerance.as_secs())]
    TooOld {
        /// How long ago it was signed.
        age: Duration,
        /// What is tolerated.
        tolerance: Duration,
    },
    /// Genuine, but signed further in the future than the tolerance: one of the clocks is off.
    #[error("genuine but signed {}s in the future, more than the tolerance of {}s", ahead.as_secs(), tolerance.as_secs())]
    TooNew {
        /// How far ahead of our clock it was signed.
        ahead: Duration,
        /// What is tolerated.
        tolerance: Duration,
    },
}

impl Refusal {
    /// Every code there is, for metrics that announce their labels.
    pub const CODES: [&'static str; 7] = [
        "missing",
        "malformed",
        "oversized",
        "unsupported",
        "mismatch",
        "too-old",
        "too-new",
    ];

    /// A short stable name of the reason, for metrics and log fields.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Malformed(_) => "malformed",
            Self::Oversized(_) => "oversized",
            Self::Unsupported(_) => "unsupported",
            Self::Mismatch => "mismatch",
            Self::TooOld { .. } => "too-old",
            Self::TooNew { .. } => "too-new",
        }
    }
}
