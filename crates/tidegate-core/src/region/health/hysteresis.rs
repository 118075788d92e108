//! A verdict that does not flap.

use tidegate_types::time::BootMillis;

use super::{Settings, millis};

/// Whether something is up, from probes that pass or miss.
///
/// ```text
///            first pass                misses in a row, or silence as long
///   unknown ────────────► up ────────────────────────────────────────────► down
///                          ▲                                                 │
///                          └──────────────── passes in a row ────────────────┘
/// ```
///
/// What has just begun has not flapped yet, so one pass is enough for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hysteresis {
    verdict: Verdict,
    /// Probes in a row that said the opposite of the verdict.
    against: u32,
    /// The last probe.
    told: BootMillis,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verdict {
    #[default]
    Unknown,
    Up,
    Down,
}

impl Hysteresis {
    /// A probe ended.
    pub fn handle(&mut self, passed: bool, settings: &Settings, now: BootMillis) {
        if self.verdict != Verdict::Unknown && self.is_silent(settings, now) {
            *self = Self {
                verdict: Verdict::Down,
                ..Self::default()
            };
        }
        self.told = now;
        let (turns, needed, other) = match self.verdict {
            Verdict::Unknown => (passed, 1, Verdict::Up),
            Verdict::Up => (!passed, settings.misses, Verdict::Down),
            Verdict::Down => (passed, settings.passes, Verdict::Up),
        };
        self.against = if turns {
            self.against.saturating_add(1)
        } else {
            0
        };
        if self.against >= needed.max(1) {
            self.verdict = other;
            self.against = 0;
        }
    }

    /// Whether it is up at this time.
    #[must_use]
    pub fn is_up(&self, settings: &Settings, now: BootMillis) -> bool {
        self.verdict == Verdict::Up && !self.is_silent(settings, now)
    }

    /// Nothing was told for as long as the misses would have taken that make it down: then whoever
    /// should have told is stuck. One period more, since the first miss is told at its end.
    fn is_silent(&self, settings: &Settings, now: BootMillis) -> bool {
        let misses = u64::from(settings.misses.saturating_add(1));
        now.since(self.told) > millis(settings.every).saturating_mul(misses)
    }
}
