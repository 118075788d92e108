//! Many seeds, and whether together they did enough to mean something.

use std::fmt;
use std::time::Duration;

use crate::report::{FaultKind, Outcome, Report, Situation};
use crate::scenario::Scenario;
use crate::world::run;

/// Virtual time that a seed must play at least.
pub const VIRTUAL_TIME_LEAST: Duration = Duration::from_secs(30);

/// Events that must be acknowledged in a seed at least.
pub const ACKNOWLEDGED_LEAST: u64 = 50;

/// Violating seeds that are kept with their traces; the others are only counted.
const KEPT_MAX: usize = 5;

/// One in so many faults of a run must be of each kind, at the least.
const FAULT_SHARE: u64 = 40;

/// A run of consecutive seeds.
#[derive(Clone, Debug)]
pub struct Seeds {
    /// What is played.
    pub scenario: Scenario,
    /// The first seed.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// What a run of seeds came to.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Seeds that were played.
    pub seeds: u64,
    /// What they did together.
    pub total: Report,
    /// Seeds in which something did not hold.
    pub violating: u64,
    /// The first of them.
    pub violations: Vec<Outcome>,
    /// Seeds that did too little.
    too_short: Vec<String>,
}

impl Seeds {
    /// Plays all seeds; `progress` is told of each.
    #[must_use]
    pub fn run(&self, mut progress: impl FnMut(&Outcome)) -> Verdict {
        let mut verdict = Verdict::default();
        for seed in self.first..self.first.saturating_add(self.count) {
            let outcome = run(&self.scenario, seed);
            progress(&outcome);
            verdict.take(outcome);
        }
        verdict
    }
}

impl Verdict {
    /// Whether everything held, and enough was done.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.violating == 0 && self.seeds > 0 && self.shortfalls().is_empty()
    }

    /// Adds another run of seeds.
    pub fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.total.add(&other.total);
        self.violating += other.violating;
        self.violations.extend(other.violations);
        self.violations.truncate(KEPT_MAX);
        self.too_short.extend(other.too_short);
    }

    /// What was too little for the run to mean something.
    #[must_use]
    pub fn shortfalls(&self) -> Vec<String> {
        let mut shortfalls = self.too_short.clone();
        let all: u64 = self.total.faults.values().sum();
        for fault in FaultKind::ALL {
            let count = self.total.faults.get(fault).copied().unwrap_or_default();
            if count == 0 || count < all / FAULT_SHARE {
                shortfalls.push(format!("{fault} struck {count} times in {all} faults"));
            }
        }
        for situation in Situation::ALL {
            if !self.total.situations.contains_key(situation) {
                shortfalls.push(format!("{situation} was never reached"));
            }
        }
        shortfalls
    }

    fn take(&mut self, outcome: Outcome) {
        self.seeds += 1;
        self.total.add(&outcome.report);
        if !outcome.violations.is_empty() {
            self.violating += 1;
            if self.violations.len() < KEPT_MAX {
                self.violations.push(outcome);
            }
            return;
        }
        let Report {
            virtual_time,
            acknowledged,
            ..
        } = outcome.report;
        let seed = outcome.seed;
        if virtual_time < VIRTUAL_TIME_LEAST {
            self.too_short
                .push(format!("seed {seed} played {virtual_time:?} only"));
        }
        if acknowledged < ACKNOWLEDGED_LEAST {
            self.too_short.push(format!(
                "seed {seed} acknowledged {acknowledged} events only"
            ));
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.violations {
            writeln!(f, "{outcome}")?;
        }
        let total = &self.total;
        writeln!(f, "seeds {:>34}", self.seeds)?;
        writeln!(f, "virtual time {:>25} s", total.virtual_time.as_secs())?;
        writeln!(f, "steps {:>34}", total.steps)?;
        writeln!(f, "acknowledged {:>27}", total.acknowledged)?;
        writeln!(f, "events in logs {:>25}", total.events)?;
        writeln!(f, "events fed to consumers {:>16}", total.fed)?;
        writeln!(f, "events settled by flows {:>16}", total.delivered)?;
        writeln!(f, "events endpoints processed {:>13}", total.processed)?;
        writeln!(f, "faults")?;
        for (fault, count) in &total.faults {
            writeln!(f, "  {fault:<28} {count:>9}")?;
        }
        writeln!(f, "situations")?;
        for (situation, count) in &total.situations {
            writeln!(f, "  {situation:<28} {count:>9}")?;
        }
        for shortfall in self.shortfalls() {
            writeln!(f, "too little: {shortfall}")?;
        }
        writeln!(f, "seeds with a violation {:>17}", self.violating)
    }
}
