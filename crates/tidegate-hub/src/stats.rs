//! What the hub counts. Plain atomics: others turn them into metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets of [`HubStats::append_seconds`], in seconds.
pub const APPEND_BUCKETS: [f64; 10] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0,
];

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub struct HubStats {
    /// Frames appended.
    pub frames: AtomicU64,
    /// Entries in them.
    pub entries: AtomicU64,
    /// Appends that failed (full disk, failed write or sync).
    pub append_failures: AtomicU64,
    /// The last frame the views have applied.
    pub applied: AtomicU64,
    /// Open faults.
    pub faults_open: AtomicU64,
    /// How often the views could not be written.
    pub view_failures: AtomicU64,
    /// Segments the retention would remove but unfinished work holds.
    pub held_segments: AtomicU64,
    /// Whole passes of the background check over the log.
    pub scrub_passes: AtomicU64,
    /// Bytes the background check has read.
    pub scrubbed_bytes: AtomicU64,
    /// 1 once the background check has found a bad frame.
    pub scrub_damaged: AtomicU64,
    append_buckets: [AtomicU64; APPEND_BUCKETS.len() + 1],
    append_nanos: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    /// Upper bound in seconds and how many were at or below it, cumulative; the last is infinite.
    pub buckets: Vec<(f64, u64)>,
    /// Sum in seconds.
    pub sum: f64,
}

impl HubStats {
    pub(crate) fn appended(&self, entries: u64, took: Duration) {
        add(&self.frames, 1);
        add(&self.entries, entries);
        let seconds = took.as_secs_f64();
        let bucket = APPEND_BUCKETS.iter().position(|bound| seconds <= *bound);
        let bucket = bucket.unwrap_or(APPEND_BUCKETS.len());
        if let Some(bucket) = self.append_buckets.get(bucket) {
            add(bucket, 1);
        }
        add(
            &self.append_nanos,
            u64::try_from(took.as_nanos()).unwrap_or(u64::MAX),
        );
    }

    /// How long appends took, write and sync together.
    #[must_use]
    pub fn append_seconds(&self) -> Histogram {
        let mut total = 0;
        let bounds = APPEND_BUCKETS.iter().copied().chain([f64::INFINITY]);
        let buckets = bounds.zip(&self.append_buckets).map(|(bound, count)| {
            total += count.load(Ordering::Relaxed);
            (bound, total)
        });
        Histogram {
            buckets: buckets.collect(),
            sum: Duration::from_nanos(self.append_nanos.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

/// Adds to a counter. Counters are statistics: no other memory depends on them.
pub(crate) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_histogram_is_cumulative() {
        let stats = HubStats::default();
        stats.appended(3, Duration::from_micros(200));
        stats.appended(1, Duration::from_secs(2));
        let histogram = stats.append_seconds();
        assert_eq!(histogram.buckets.first(), Some(&(0.0001, 0)));
        assert_eq!(histogram.buckets.get(1), Some(&(0.000_25, 1)));
        assert_eq!(histogram.buckets.last().map(|(_, count)| *count), Some(2));
        assert!((histogram.sum - 2.0002).abs() < 1e-9);
        assert_eq!(stats.entries.load(Ordering::Relaxed), 4);
    }
}
