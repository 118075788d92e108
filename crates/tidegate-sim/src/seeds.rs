//! Many seeds, and whether together they did enough to mean something.

use std::fmt;

use crate::report::Outcome;

/// Violating seeds that are kept with their traces; the others are only counted.
const KEPT_MAX: usize = 5;

/// A world that can be played from a seed.
pub trait Playable {
    /// What is counted in it.
    type Report: Counted;

    /// Plays it to its end or to the first violation.
    fn play(&self, seed: u64) -> Outcome<Self::Report>;
}

/// What is counted in a run, or in several together. Shown as one figure a line.
pub trait Counted: Default + fmt::Display {
    /// Adds another run to this one.
    fn add(&mut self, other: &Self);

    /// What one run did too little of, if it held, to mean something.
    fn too_little(&self) -> Option<String>;

    /// What all runs together did too little of.
    fn shortfalls(&self) -> Vec<String>;
}

/// A run of consecutive seeds.
#[derive(Clone, Debug)]
pub struct Seeds<P> {
    /// What is played.
    pub scenario: P,
    /// The first seed.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// What a run of seeds came to.
#[derive(Clone, Debug, Default)]
pub struct Verdict<R> {
    /// Seeds that were played.
    pub seeds: u64,
    /// What they did together.
    pub total: R,
    /// Seeds in which something did not hold.
    pub violating: u64,
    /// The first of them.
    pub violations: Vec<Outcome<R>>,
    /// Seeds that did too little.
    too_short: Vec<String>,
}

impl<P: Playable> Seeds<P> {
    /// Plays all seeds; `progress` is told of each.
    #[must_use]
    pub fn run(&self, mut progress: impl FnMut(&Outcome<P::Report>)) -> Verdict<P::Report> {
        let mut verdict = Verdict::default();
        for seed in self.first..self.first.saturating_add(self.count) {
            let outcome = self.scenario.play(seed);
            progress(&outcome);
            verdict.take(outcome);
        }
        verdict
    }
}

impl<R: Counted> Verdict<R> {
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
        shortfalls.extend(self.total.shortfalls());
        shortfalls
    }

    fn take(&mut self, outcome: Outcome<R>) {
        self.seeds += 1;
        self.total.add(&outcome.report);
        if !outcome.violations.is_empty() {
            self.violating += 1;
            if self.violations.len() < KEPT_MAX {
                self.violations.push(outcome);
            }
        } else if let Some(too_little) = outcome.report.too_little() {
            self.too_short
                .push(format!("seed {} {too_little}", outcome.seed));
        }
    }
}

impl<R: Counted> fmt::Display for Verdict<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.violations {
            writeln!(f, "{outcome}")?;
        }
        writeln!(f, "seeds {:>34}", self.seeds)?;
        self.total.fmt(f)?;
        for shortfall in self.shortfalls() {
            writeln!(f, "too little: {shortfall}")?;
        }
        writeln!(f, "seeds with a violation {:>17}", self.violating)
    }
}
