//! How many requests per time: a token bucket.

use std::time::Duration;

use tidegate_types::time::UnixMillis;

use super::settings::Rate;

/// Counts in microseconds of credit, so that rates above one in a millisecond are exact.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    rate: Option<Rate>,
    credit: u64,
    last: UnixMillis,
}

impl Pace {
    /// A full bucket.
    pub(super) fn new(rate: Option<Rate>, now: UnixMillis) -> Self {
        let mut pace = Self {
            rate,
            credit: 0,
            last: now,
        };
        pace.credit = pace.size();
        pace
    }

    /// A new rate. What was saved up is kept, as far as it fits.
    pub(super) fn set_rate(&mut self, now: UnixMillis, rate: Option<Rate>) {
        self.gain(now);
        let was_unlimited = self.rate.is_none();
        self.rate = rate;
        self.credit = if was_unlimited {
            self.size()
        } else {
            self.credit.min(self.size())
        };
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: UnixMillis) {
        self.gain(now);
        self.credit = self.credit.saturating_sub(self.cost());
    }

    /// When there is one: now, or later.
    pub(super) fn ready_at(&mut self, now: UnixMillis) -> UnixMillis {
        self.gain(now);
        let lacking = self.cost().saturating_sub(self.credit);
        now.plus(Duration::from_millis(lacking.div_ceil(1000)))
    }

    fn gain(&mut self, now: UnixMillis) {
        let gained = now.since(self.last).as_micros();
        let gained = u64::try_from(gained).unwrap_or(u64::MAX);
        self.credit = self.credit.saturating_add(gained).min(self.size());
        // A clock that went back gives nothing, and takes nothing.
        self.last = now;
    }

    fn cost(&self) -> u64 {
        self.rate.map_or(0, |rate| {
            u64::try_from(rate.every.as_micros())
                .unwrap_or(u64::MAX)
                .max(1)
        })
    }

    fn size(&self) -> u64 {
        let burst = self.rate.map_or(0, |rate| rate.burst.max(1));
        self.cost().saturating_mul(u64::from(burst))
    }
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests {
    use super::*;

    fn rate(every: Duration, burst: u32) -> Option<Rate> {
        Some(Rate { every, burst })
    }

    fn taken(pace: &mut Pace, now: UnixMillis) -> u32 {
        let mut count = 0;
        while pace.ready_at(now) == now && count < 10_000 {
            pace.take(now);
            count += 1;
        }
        count
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut pace = Pace::new(rate(Duration::from_millis(100), 3), UnixMillis(0));
        assert_eq!(taken(&mut pace, UnixMillis(0)), 3);
        assert_eq!(pace.ready_at(UnixMillis(0)), UnixMillis(100));
        assert_eq!(taken(&mut pace, UnixMillis(99)), 0);
        assert_eq!(taken(&mut pace, UnixMillis(250)), 2);
        assert_eq!(taken(&mut pace, UnixMillis(100_000)), 3);
    }

    #[test]
    fn rates_above_one_in_a_millisecond_hold() {
        let mut pace = Pace::new(rate(Duration::from_micros(300), 10), UnixMillis(0));
        let mut count = 0;
        for ms in 0..3000 {
            count += taken(&mut pace, UnixMillis(ms));
        }
        assert!((9_990..=10_010).contains(&count), "{count}");
    }

    #[test]
    fn a_clock_that_goes_back_does_not_stop_it() {
        let mut pace = Pace::new(rate(Duration::from_millis(100), 1), UnixMillis(1_000_000));
        pace.take(UnixMillis(1_000_000));
        assert_eq!(pace.ready_at(UnixMillis(10)), UnixMillis(110));
        assert_eq!(taken(&mut pace, UnixMillis(110)), 1);
    }

    #[test]
    fn without_a_rate_there_is_no_limit() {
        let mut pace = Pace::new(None, UnixMillis(0));
        assert_eq!(taken(&mut pace, UnixMillis(0)), 10_000);
    }
}
