//! Chance for jitter, from a seed. Nothing here needs to be hard to guess.

use std::time::Duration;

/// A small generator: SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
/// generators", OOPSLA 2014, figure 16).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 80 % and 120 % of the duration, so that what failed together does not come together.
    pub(crate) fn jitter(&mut self, duration: Duration) -> Duration {
        let permille = 800_u64.saturating_add(self.next() % 401);
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(millis.saturating_mul(permille) / 1000)
    }

    /// Anything from nothing to the duration.
    pub(crate) fn up_to(&mut self, duration: Duration) -> Duration {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.next() % millis.saturating_add(1).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_stays_within_a_fifth_and_moves() {
        let mut random = Random::new(7);
        let drawn: Vec<_> = (0..200)
            .map(|_| random.jitter(Duration::from_secs(10)))
            .collect();
        let (least, most) = (drawn.iter().min().unwrap(), drawn.iter().max().unwrap());
        assert!(*least >= Duration::from_secs(8) && *least < Duration::from_secs(9));
        assert!(*most <= Duration::from_secs(12) && *most > Duration::from_secs(11));
        assert_eq!(random.jitter(Duration::ZERO), Duration::ZERO);
    }
}
