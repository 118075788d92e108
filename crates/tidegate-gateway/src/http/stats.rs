//! The figures of a listener.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The figures of one listener since its start, at one moment. All but `open` and `in_flight` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HttpStats {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections open now, those in a handshake included.
    pub open: u64,
    /// How often accepting stopped because `connections_max` were open.
    pub limit_reached: u64,
    /// Failed accepts, for example for want of file descriptors.
    pub accept_errors: u64,
    /// TLS handshakes that failed or took too long.
    pub tls_failed: u64,
    /// Connections ended for bytes that are no HTTP, or a head over its limits.
    pub malformed: u64,
    /// Connections ended because a head did not arrive in time.
    pub head_timeouts: u64,
    /// Requests answered 503 because the handler took too long.
    pub request_timeouts: u64,
    /// Connections ended because the peer took no byte of an answer in time.
    pub write_timeouts: u64,
    /// Connections ended because nothing was asked for long.
    pub idle_closed: u64,
    /// Handlers that panicked; each was answered 500.
    pub panics: u64,
    /// Requests whose head was read.
    pub requests: u64,
    /// Requests whose answer is not finished.
    pub in_flight: u64,
    /// Answers by the first digit of their status, 1 to 5; others count at 0.
    pub answers: [u64; 6],
    /// Bytes read from peers, inside TLS.
    pub bytes_read: u64,
    /// Bytes written to peers, inside TLS.
    pub bytes_written: u64,
}

/// What one connection counts. Only its own tasks write, so no cache line travels between cores
/// with each request; the registry adds the tallies up when somebody asks.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: AtomicU64,
    pub(super) finished: AtomicU64,
    pub(super) panics: AtomicU64,
    pub(super) request_timeouts: AtomicU64,
    pub(super) answers: [AtomicU64; 6],
    pub(super) bytes_read: AtomicU64,
    pub(super) bytes_written: AtomicU64,
}

impl Tally {
    pub(super) fn answered(&self, status: http::StatusCode) {
        let class = usize::from(status.as_u16() / 100);
        if let Some(count) = self.answers.get(class).or_else(|| self.answers.first()) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// Adds this connection's figures to `stats`.
    pub(super) fn add_to(&self, stats: &mut HttpStats) {
        // Finished first: read the other way round, a request between the two would be negative.
        let finished = self.finished.load(Relaxed);
        let requests = self.requests.load(Relaxed);
        stats.requests += requests;
        stats.in_flight += requests.saturating_sub(finished);
        stats.panics += self.panics.load(Relaxed);
        stats.request_timeouts += self.request_timeouts.load(Relaxed);
        for (sum, count) in stats.answers.iter_mut().zip(&self.answers) {
            *sum += count.load(Relaxed);
        }
        stats.bytes_read += self.bytes_read.load(Relaxed);
        stats.bytes_written += self.bytes_written.load(Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn answers_are_counted_by_class() {
        let tally = Tally::default();
        tally.answered(StatusCode::ACCEPTED);
        tally.answered(StatusCode::SERVICE_UNAVAILABLE);
        tally.answered(StatusCode::from_u16(777).unwrap());
        let mut stats = HttpStats::default();
        tally.add_to(&mut stats);
        assert_eq!(stats.answers, [1, 0, 1, 0, 0, 1]);
    }
}
