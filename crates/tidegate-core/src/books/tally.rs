//! A number of events with a digest of their identities, and the hour they belong to.

use tidegate_types::id::EventId;
use tidegate_types::time::UnixMillis;

/// So many events, and the sum of their identities modulo 2^128.
///
/// The sum does not depend on the order, and other than with an exclusive or, an event that is counted twice does not
/// vanish. It tells mistakes, not forgers: who chooses identities can make two sets with the same sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// The sum.
    pub digest: u128,
}

impl Tally {
    /// One event.
    #[must_use]
    pub const fn of(id: &EventId) -> Self {
        Self {
            count: 1,
            digest: u128::from_be_bytes(*id.as_bytes()),
        }
    }

    /// Nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0 && self.digest == 0
    }

    /// Adds events.
    pub const fn add(&mut self, other: Self) {
        self.count = self.count.wrapping_add(other.count);
        self.digest = self.digest.wrapping_add(other.digest);
    }

    /// Takes events away that were added before.
    pub const fn remove(&mut self, other: Self) {
        self.count = self.count.wrapping_sub(other.count);
        self.digest = self.digest.wrapping_sub(other.digest);
    }
}

impl std::iter::Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |mut sum, tally| {
            sum.add(tally);
            sum
        })
    }
}

/// An hour of append: whole hours since 1970, UTC, of the frame's time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour(pub u32);

impl Hour {
    /// The hour of a time.
    #[must_use]
    pub fn of(time: UnixMillis) -> Self {
        Self(u32::try_from(time.0 / MILLIS).unwrap_or(u32::MAX))
    }

    /// When it begins.
    #[must_use]
    pub const fn begin(self) -> UnixMillis {
        UnixMillis((self.0 as u64).saturating_mul(MILLIS))
    }
}

const MILLIS: u64 = 3_600_000;

/// Events of one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HourTally {
    /// The hour in which they were appended.
    pub hour: Hour,
    /// The events.
    pub tally: Tally,
}

impl HourTally {
    /// Adds an event to the last of `hours` if that is its hour, else behind it.
    pub fn note(hours: &mut Vec<Self>, hour: Hour, tally: Tally) {
        match hours.last_mut().filter(|last| last.hour == hour) {
            Some(last) => last.tally.add(tally),
            None => hours.push(Self { hour, tally }),
        }
    }
}
