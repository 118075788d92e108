//! Timestamps of signatures and how far they may be from now.

use std::time::Duration;

use tidegate_types::time::UnixMillis;

use super::{Field, Refusal};

/// From this number on a count since 1970 is in milliseconds: as seconds it would be the year 5138,
/// as milliseconds it is March 1973.
const MILLIS_FROM: u64 = 100_000_000_000;

/// How far a timestamp may be from now, in either direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window(pub Duration);

impl Window {
    /// Refuses a `signed` time outside the window around `now`.
    pub(super) fn check(self, now: UnixMillis, signed: UnixMillis) -> Result<(), Refusal> {
        let (age, ahead) = (now.since(signed), signed.since(now));
        if age > self.0 {
            return Err(Refusal::TooOld {
                age,
                tolerance: self.0,
            });
        }
        if ahead > self.0 {
            return Err(Refusal::TooNew {
                ahead,
                tolerance: self.0,
            });
        }
        Ok(())
    }
}

/// A count of seconds or milliseconds since 1970, decimal digits only.
pub(super) fn parse(text: &str, field: impl FnOnce() -> Field) -> Result<UnixMillis, Refusal> {
    let number = text
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse::<u64>().ok());
    match number.flatten() {
        Some(number) if number >= MILLIS_FROM => Ok(UnixMillis(number)),
        Some(seconds) => Ok(UnixMillis(seconds.saturating_mul(1000))),
        None => Err(Refusal::Malformed(field())),
    }
}
