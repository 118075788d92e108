//! The breaker: leaves an endpoint alone that does not work, and finds out by itself when it does.
//!
//! ```text
//!             failures in a row, or a share of them
//!   Admitting ────────────────────────────────────► Rejecting(until) ◄─┐
//!       ▲                                                │ time        │ failed: twice as long
//!       └──────────────── worked ──────────────────── Probing ─────────┘
//! ```
//!
//! After it has closed, requests at once grow from one, by one with each success, so that what has
//! piled up does not fall on an endpoint that has just come back.

use std::time::Duration;

use tidegate_types::time::UnixMillis;

use super::settings::BreakerSettings;
use crate::random::Random;

/// Where the breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests go.
    Admitting,
    /// None goes until then.
    Rejecting(UnixMillis),
    /// One is on its way that shows whether the endpoint is back.
    Probing,
}

#[derive(Clone, Debug)]
pub(super) struct Breaker {
    state: BreakerState,
    in_a_row: u32,
    window_since: UnixMillis,
    answers: u32,
    failures: u32,
    /// Since when it is open.
    opened: UnixMillis,
    /// How long it was open the last time; zero if it is closed.
    open_for: Duration,
    /// Requests at once while it recovers.
    allowance: u32,
}

/// What a success changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worked {
    AsBefore,
    /// It was open for so long.
    Closed(Duration),
}

impl Breaker {
    pub(super) const fn new(now: UnixMillis) -> Self {
        Self {
            state: BreakerState::Admitting,
            in_a_row: 0,
            window_since: now,
            answers: 0,
            failures: 0,
            opened: now,
            open_for: Duration::ZERO,
            allowance: u32::MAX,
        }
    }

    pub(super) const fn state(&self) -> BreakerState {
        self.state
    }

    /// Whether a request that goes now is a probe; `None` if none may go.
    pub(super) fn admits(&self, now: UnixMillis, under_way: usize) -> Option<bool> {
        match self.state {
            BreakerState::Admitting => {
                let allowed = usize::try_from(self.allowance).unwrap_or(usize::MAX);
                (under_way < allowed).then_some(false)
            }
            BreakerState::Rejecting(until) => (now >= until).then_some(true),
            BreakerState::Probing => None,
        }
    }

    pub(super) const fn probe_sent(&mut self) {
        self.state = BreakerState::Probing;
    }

    /// The probe ended without saying anything: another may go.
    pub(super) const fn probe_lost(&mut self, now: UnixMillis) {
        if matches!(self.state, BreakerState::Probing) {
            self.state = BreakerState::Rejecting(now);
        }
    }

    /// The endpoint worked, whatever it said about the event.
    pub(super) fn worked(
        &mut self,
        now: UnixMillis,
        settings: &BreakerSettings,
        probe: bool,
    ) -> Worked {
        self.in_a_row = 0;
        self.count(now, settings, false);
        match self.state {
            BreakerState::Admitting => {
                self.allowance = self.allowance.saturating_add(1);
                Worked::AsBefore
            }
            BreakerState::Probing if probe => {
                let after = now.since(self.opened);
                *self = Self {
                    allowance: 1,
                    ..Self::new(now)
                };
                Worked::Closed(after)
            }
            // An answer to what was sent before it opened.
            BreakerState::Rejecting(_) | BreakerState::Probing => Worked::AsBefore,
        }
    }

    /// The endpoint failed. If that opened the breaker anew (not after a probe), until when.
    pub(super) fn failed(
        &mut self,
        now: UnixMillis,
        settings: &BreakerSettings,
        random: &mut Random,
        probe: bool,
    ) -> Option<UnixMillis> {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.count(now, settings, true);
        match self.state {
            BreakerState::Admitting if self.is_too_much(settings) => {
                self.opened = now;
                self.open_for = settings.open_min;
                Some(self.reject(now, random))
            }
            BreakerState::Probing if probe => {
                let doubled = self.open_for.saturating_mul(2);
                self.open_for = doubled.min(settings.open_max);
                self.reject(now, random);
                None
            }
            BreakerState::Admitting | BreakerState::Rejecting(_) | BreakerState::Probing => None,
        }
    }

    /// All times move by what the clock went back.
    pub(super) fn rebase(&mut self, back: Duration) {
        self.window_since = self.window_since.minus(back);
        self.opened = self.opened.minus(back);
        if let BreakerState::Rejecting(until) = &mut self.state {
            *until = until.minus(back);
        }
    }

    fn reject(&mut self, now: UnixMillis, random: &mut Random) -> UnixMillis {
        let until = now.plus(random.jitter(self.open_for));
        self.state = BreakerState::Rejecting(until);
        until
    }

    fn count(&mut self, now: UnixMillis, settings: &BreakerSettings, failure: bool) {
        if now.since(self.window_since) > settings.window {
            self.window_since = now;
            self.answers = 0;
            self.failures = 0;
        }
        self.answers = self.answers.saturating_add(1);
        self.failures = self.failures.saturating_add(u32::from(failure));
    }

    fn is_too_much(&self, settings: &BreakerSettings) -> bool {
        let share = u64::from(self.failures).saturating_mul(100);
        let limit = u64::from(self.answers).saturating_mul(u64::from(settings.failures_percent));
        self.in_a_row >= settings.failures_in_a_row.max(1)
            || (self.answers >= settings.answers_min.max(1) && share >= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> BreakerSettings {
        BreakerSettings::default()
    }

    fn fail(breaker: &mut Breaker, now: u64, probe: bool) -> Option<UnixMillis> {
        breaker.failed(UnixMillis(now), &settings(), &mut Random::new(1), probe)
    }

    fn until(breaker: &Breaker) -> u64 {
        match breaker.state() {
            BreakerState::Rejecting(until) => until.0,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn opens_probes_and_closes_by_itself() {
        let mut breaker = Breaker::new(UnixMillis(0));
        for _ in 0..4 {
            assert_eq!(fail(&mut breaker, 10, false), None);
        }
        assert!(fail(&mut breaker, 10, false).is_some());
        let first = until(&breaker);
        assert!((4_010..=6_010).contains(&first), "{first}");
        assert_eq!(breaker.admits(UnixMillis(first - 1), 0), None);
        assert_eq!(breaker.admits(UnixMillis(first), 0), Some(true));
        breaker.probe_sent();
        assert_eq!(breaker.admits(UnixMillis(first), 0), None);
        // What was sent before it opened changes nothing.
        assert_eq!(fail(&mut breaker, first, false), None);
        assert_eq!(
            breaker.worked(UnixMillis(first), &settings(), false),
            Worked::AsBefore
        );
        assert_eq!(breaker.state(), BreakerState::Probing);
        fail(&mut breaker, first, true);
        let second = until(&breaker) - first;
        assert!((8_000..=12_000).contains(&second), "{second}");
        breaker.probe_sent();
        let closed = breaker.worked(UnixMillis(60_010), &settings(), true);
        assert_eq!(closed, Worked::Closed(Duration::from_secs(60)));
        // It starts with one, and grows.
        assert_eq!(breaker.admits(UnixMillis(60_010), 1), None);
        breaker.worked(UnixMillis(60_010), &settings(), false);
        assert_eq!(breaker.admits(UnixMillis(60_010), 1), Some(false));
    }

    #[test]
    fn never_open_longer_than_the_most() {
        let mut breaker = Breaker::new(UnixMillis(0));
        for _ in 0..5 {
            fail(&mut breaker, 0, false);
        }
        for _ in 0..20 {
            let at = until(&breaker);
            breaker.probe_sent();
            fail(&mut breaker, at, true);
            assert!(until(&breaker) - at <= 72_000);
        }
    }

    #[test]
    fn a_share_of_failures_opens_it() {
        let mut breaker = Breaker::new(UnixMillis(0));
        let mut opened = false;
        for n in 0..40 {
            if n % 4 == 0 {
                breaker.worked(UnixMillis(n), &settings(), false);
            } else {
                opened |= fail(&mut breaker, n, false).is_some();
            }
        }
        assert!(opened);
    }

    #[test]
    fn half_of_the_answers_may_fail() {
        let mut breaker = Breaker::new(UnixMillis(0));
        for n in 0..400 {
            if n % 2 == 0 {
                breaker.worked(UnixMillis(n), &settings(), false);
            } else {
                assert_eq!(fail(&mut breaker, n, false), None);
            }
        }
    }

    #[test]
    fn a_probe_without_a_verdict_is_made_again() {
        let mut breaker = Breaker::new(UnixMillis(0));
        for _ in 0..5 {
            fail(&mut breaker, 0, false);
        }
        breaker.probe_sent();
        breaker.probe_lost(UnixMillis(9));
        assert_eq!(breaker.admits(UnixMillis(9), 3), Some(true));
    }
}
