//! Points in time. Nothing here reads a clock: time is always a parameter.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;

/// Wall time in milliseconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// Its text form is RFC 3339 in UTC with milliseconds, for example `2026-11-21T10:00:00.000Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// This time plus `duration`; stays at the largest value instead of wrapping.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This time minus `duration`; stays at zero instead of wrapping.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long ago `earlier` was; zero if it is later (clocks step back).
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since the epoch, as signature schemes count them.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0 / 1000
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = i64::try_from(self.0)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok());
        match shown {
            Some(timestamp) => write!(f, "{timestamp:.3}"),
            None => write!(f, "{}ms", self.0),
        }
    }
}

impl FromStr for UnixMillis {
    type Err = InvalidTime;

    fn from_str(text: &str) -> Result<Self, InvalidTime> {
        let timestamp: Timestamp = text.parse().map_err(|_| InvalidTime)?;
        u64::try_from(timestamp.as_millisecond())
            .map(Self)
            .map_err(|_| InvalidTime)
    }
}

/// Milliseconds since the machine was started, the time it slept included, on one node's own clock
/// (`CLOCK_BOOTTIME`, clock_gettime(2)): it never steps, and means nothing on another node.
///
/// Deadlines of leases are counted in it: a wall clock can be set, and a clock that stands still
/// while the machine sleeps would take a lease for young that ran out long ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BootMillis(pub u64);

impl BootMillis {
    /// This time plus so many milliseconds; stays at the largest value instead of wrapping.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds since `earlier`; zero if that is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The text is not a time at or after 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as in RFC 3339, for example 2026-11-21T10:00:00Z")]
pub struct InvalidTime;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn shows_rfc_3339() {
        assert_eq!(
            UnixMillis(1_795_255_200_123).to_string(),
            "2026-11-21T10:00:00.123Z"
        );
        assert_eq!(
            "2026-11-21T11:00:00.123+01:00".parse(),
            Ok(UnixMillis(1_795_255_200_123))
        );
        assert_eq!("yesterday".parse::<UnixMillis>(), Err(InvalidTime));
        assert_eq!(
            "1969-12-31T23:59:59Z".parse::<UnixMillis>(),
            Err(InvalidTime)
        );
    }

    proptest! {
        #[test]
        fn text_round_trips(ms in 0_u64..253_402_300_799_000) {
            prop_assert_eq!(UnixMillis(ms).to_string().parse(), Ok(UnixMillis(ms)));
        }
    }
}
