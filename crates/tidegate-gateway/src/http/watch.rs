//! What a connection waits for, and how long it may (pure: time is a parameter).

use std::time::{Duration, Instant};

use super::settings::{CLOSE_TIMEOUT, ListenerSettings};

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// For the peer's part of a TLS handshake.
    Handshake,
    /// For the rest of a head, or the first head.
    Head,
    /// For the next request.
    Idle,
    /// For our handler, or a body it reads.
    Handler,
    /// For the peer to take bytes.
    Write,
    /// For our own stream to have something to say: as long as it likes.
    Stream,
    /// For the peer to see the end.
    Close,
}

/// A connection at one moment. As long as two are equal, nothing has moved in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Glimpse {
    pub(super) waiting: Waiting,
    /// Counts requests begun and finished, and writes the peer took. Bytes read do not count: a
    /// peer that sends one byte a second makes no progress.
    pub(super) progress: u32,
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Leave,
    /// Stop waiting: answer the request that is running with 503, or end the lingering.
    Expire,
    /// Say goodbye and close.
    Close,
    /// End it now, for this wait.
    Cut(Waiting),
}

/// The limits, in one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    handshake: Duration,
    head: Duration,
    idle: Duration,
    handler: Duration,
    write: Duration,
}

/// Follows one connection from look to look.
#[derive(Debug)]
pub(super) struct Watch {
    seen: Glimpse,
    since: Instant,
    expired: bool,
}

impl Limits {
    pub(super) fn of(settings: &ListenerSettings) -> Self {
        Self {
            handshake: settings.handshake_timeout,
            head: settings.header_read_timeout,
            idle: settings.idle_timeout,
            handler: settings.request_timeout,
            write: settings.write_timeout,
        }
    }

    /// How often to look: a quarter of the smallest limit, so none is exceeded by more than that.
    pub(super) fn interval(&self) -> Duration {
        let Self {
            handshake,
            head,
            idle,
            handler,
            write,
        } = *self;
        let least = handshake.min(head).min(idle).min(handler).min(write);
        (least / 4).clamp(INTERVAL_MIN, INTERVAL_MAX)
    }

    fn of_wait(&self, waiting: Waiting) -> Option<Duration> {
        match waiting {
            Waiting::Handshake => Some(self.handshake),
            Waiting::Head => Some(self.head),
            Waiting::Idle => Some(self.idle),
            Waiting::Handler => Some(self.handler),
            Waiting::Write => Some(self.write),
            Waiting::Stream => None,
            Waiting::Close => Some(CLOSE_TIMEOUT),
        }
    }
}

impl Watch {
    pub(super) fn new(now: Instant, seen: Glimpse) -> Self {
        Self {
            seen,
            since: now,
            expired: false,
        }
    }

    /// Looks again at `now`.
    pub(super) fn look(&mut self, now: Instant, glimpse: Glimpse, limits: &Limits) -> Verdict {
        if glimpse != self.seen {
            *self = Self::new(now, glimpse);
            return Verdict::Leave;
        }
        let Some(limit) = limits.of_wait(glimpse.waiting) else {
            return Verdict::Leave;
        };
        if now.saturating_duration_since(self.since) < limit {
            return Verdict::Leave;
        }
        match glimpse.waiting {
            // These end by themselves when told; a connection that has not moved a whole limit
            // after that is cut.
            Waiting::Handler | Waiting::Close if !self.expired => {
                self.since = now;
                self.expired = true;
                Verdict::Expire
            }
            Waiting::Idle => Verdict::Close,
            waiting => Verdict::Cut(waiting),
        }
    }
}

/// Finer looks would cost more than they bring, even for tests with limits of milliseconds.
const INTERVAL_MIN: Duration = Duration::from_millis(10);
/// With 10,000 connections one look costs well under a millisecond.
const INTERVAL_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        handshake: Duration::from_secs(10),
        head: Duration::from_secs(4),
        idle: Duration::from_secs(75),
        handler: Duration::from_secs(30),
        write: Duration::from_secs(20),
    };

    /// Looks once a second at a connection that does not move, until `seconds`; the last verdict but `Leave`.
    #[track_caller]
    fn check(waiting: Waiting, seconds: u64, want: &[(u64, Verdict)]) {
        let start = Instant::now();
        let glimpse = Glimpse {
            waiting,
            progress: 7,
        };
        let mut watch = Watch::new(start, glimpse);
        let seen: Vec<_> = (1..=seconds)
            .map(|second| {
                (
                    second,
                    watch.look(start + Duration::from_secs(second), glimpse, &LIMITS),
                )
            })
            .filter(|(_, verdict)| *verdict != Verdict::Leave)
            .take(want.len().max(1))
            .collect();
        assert_eq!(seen, want);
    }

    #[test]
    fn each_wait_has_its_end() {
        check(
            Waiting::Handshake,
            20,
            &[(10, Verdict::Cut(Waiting::Handshake))],
        );
        check(Waiting::Head, 20, &[(4, Verdict::Cut(Waiting::Head))]);
        check(Waiting::Idle, 80, &[(75, Verdict::Close)]);
        check(
            Waiting::Handler,
            80,
            &[(30, Verdict::Expire), (60, Verdict::Cut(Waiting::Handler))],
        );
        check(Waiting::Write, 80, &[(20, Verdict::Cut(Waiting::Write))]);
        check(
            Waiting::Close,
            80,
            &[(3, Verdict::Expire), (6, Verdict::Cut(Waiting::Close))],
        );
        check(Waiting::Stream, 10_000, &[]);
    }

    #[test]
    fn progress_starts_the_wait_anew() {
        let start = Instant::now();
        let at = |progress| Glimpse {
            waiting: Waiting::Head,
            progress,
        };
        let mut watch = Watch::new(start, at(0));
        for second in 1..100 {
            let progress = u32::try_from(second / 3).unwrap();
            let now = start + Duration::from_secs(second);
            assert_eq!(
                watch.look(now, at(progress), &LIMITS),
                Verdict::Leave,
                "{second}"
            );
        }
    }

    #[test]
    fn looks_are_a_quarter_of_the_smallest_limit() {
        assert_eq!(LIMITS.interval(), Duration::from_secs(1));
        let hasty = Limits {
            write: Duration::from_millis(200),
            ..LIMITS
        };
        assert_eq!(hasty.interval(), Duration::from_millis(50));
        let none = Limits {
            write: Duration::ZERO,
            ..LIMITS
        };
        assert_eq!(none.interval(), Duration::from_millis(10));
    }
}
