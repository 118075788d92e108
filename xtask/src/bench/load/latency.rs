//! How long answers took: counts in buckets that are 3 % wide, so a run of any length takes 16 KiB.

use std::time::Duration;

/// Buckets per doubling.
const STEPS: u32 = 32;

/// Up to 2^40 ns, 18 minutes.
const BUCKETS: usize = 36 * STEPS as usize;

/// A histogram.
#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    counts: Vec<u64>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            counts: vec![0; BUCKETS],
        }
    }
}

impl Latencies {
    pub(crate) fn note(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket(nanos).min(BUCKETS - 1);
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, count) in self.counts.iter_mut().zip(&other.counts) {
            *sum += count;
        }
    }

    /// The time within which `share` (0 to 1) of all answers came, in milliseconds; 0 if there was none.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts are far below 2^53, and buckets are 3 % wide"
    )]
    pub(crate) fn quantile_ms(&self, share: f64) -> f64 {
        let total: u64 = self.counts.iter().sum();
        let wanted = total as f64 * share;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen as f64 >= wanted {
                return end_of(bucket) as f64 / 1e6;
            }
        }
        0.0
    }
}

/// Below `2 * STEPS` each value has a bucket of its own; above, each doubling has `STEPS`.
fn bucket(nanos: u64) -> usize {
    let doubling = nanos
        .checked_ilog2()
        .unwrap_or(0)
        .saturating_sub(STEPS.ilog2());
    let step = nanos >> doubling;
    usize::try_from(u64::from(doubling * STEPS) + step).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn end_of(bucket: usize) -> u64 {
    let (bucket, steps) = (bucket as u64, u64::from(STEPS));
    let doubling = (bucket / steps).saturating_sub(1);
    let step = bucket - doubling * steps;
    ((step + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_that_ends_close_above_it() {
        for nanos in (0..100_000).chain([1 << 20, (1 << 30) + 12_345, 1 << 39]) {
            let end = end_of(bucket(nanos));
            assert!(nanos <= end && end <= nanos + nanos / 16, "{nanos} {end}");
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_noted() {
        let mut latencies = Latencies::default();
        assert!(latencies.quantile_ms(0.5) < f64::EPSILON);
        for ms in 1..=100 {
            latencies.note(Duration::from_millis(ms));
        }
        let near = |share, ms: f64| (latencies.quantile_ms(share) - ms).abs() < ms * 0.04;
        assert!(near(0.5, 50.0) && near(0.99, 99.0), "{latencies:?}");
    }
}
