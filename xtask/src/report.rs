//! Counting and printing: what passed, what failed, what was skipped, how long it took.

use std::fmt;
use std::ops::AddAssign;
use std::time::{Duration, Instant};

use anyhow::Result;

/// How many checks passed, failed and were skipped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Tally {
    /// One check that passed.
    pub(crate) const PASSED: Self = Self {
        passed: 1,
        failed: 0,
        skipped: 0,
    };
    /// One check that failed.
    pub(crate) const FAILED: Self = Self {
        passed: 0,
        failed: 1,
        skipped: 0,
    };
    /// One check that was skipped.
    pub(crate) const SKIPPED: Self = Self {
        passed: 0,
        failed: 0,
        skipped: 1,
    };

    /// One check that passed if `good`.
    pub(crate) const fn of(good: bool) -> Self {
        if good { Self::PASSED } else { Self::FAILED }
    }

    /// Nothing failed and something passed: an empty run proves nothing.
    pub(crate) const fn is_success(self) -> bool {
        self.failed == 0 && self.passed > 0
    }

    /// Reads a closing line of a test program (`test result: ok. 3 passed; 0 failed; 1 ignored; …`).
    pub(crate) fn from_line(line: &str) -> Option<Self> {
        let (_, counts) = line
            .trim()
            .strip_prefix("test result: ")?
            .split_once(". ")?;
        let mut tally = Self::default();
        for part in counts.split(';') {
            let Some((count, what)) = part.trim().split_once(' ') else {
                continue;
            };
            let Ok(count) = count.parse() else { continue };
            match what {
                "passed" => tally.passed = count,
                "failed" => tally.failed = count,
                "ignored" => tally.skipped = count,
                _ => {}
            }
        }
        Some(tally)
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// The parts of a longer run, in the order in which they ran.
#[derive(Debug, Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    name: String,
    time: Duration,
    tally: Tally,
}

impl Report {
    /// Runs one part under its name; an error counts as one failure and ends only this part.
    pub(crate) fn part(&mut self, name: &str, run: impl FnOnce() -> Result<Tally>) {
        println!("\n=== {name}");
        let started = Instant::now();
        let tally = run().unwrap_or_else(|error| {
            println!("error: {error:#}");
            Tally::FAILED
        });
        let line = Line {
            name: name.to_owned(),
            time: started.elapsed(),
            tally,
        };
        println!("=== {line}");
        self.lines.push(line);
    }

    /// Prints a table of the parts and gives their sum.
    pub(crate) fn close(self) -> Tally {
        println!();
        let mut sum = Tally::default();
        for line in &self.lines {
            println!("{line}");
            sum += line.tally;
        }
        sum
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.tally {
            Tally { failed: 1.., .. } => "FAILED",
            Tally {
                passed: 0,
                skipped: 1..,
                ..
            } => "SKIPPED",
            _ => "ok",
        };
        let seconds = self.time.as_secs_f64();
        write!(
            f,
            "{:<22} {verdict:<8} {seconds:>7.1} s   {}",
            self.name, self.tally
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn closing_lines_of_test_programs_are_read() {
        let line = "test result: FAILED. 12 passed; 2 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.1s";
        assert_eq!(
            Tally::from_line(line),
            Some(Tally {
                passed: 12,
                failed: 2,
                skipped: 1
            })
        );
        assert_eq!(Tally::from_line("test codec::round_trip ... ok"), None);
        assert_eq!(Tally::from_line("the test result: ok. 1 passed"), None);
    }

    #[test]
    fn a_failing_part_fails_the_whole_and_the_others_still_run() {
        let mut report = Report::default();
        report.part("broken", || Err(anyhow!("no such thing")));
        report.part("good", || {
            Ok(Tally {
                passed: 4,
                ..Tally::default()
            })
        });
        let sum = report.close();
        assert_eq!(
            sum,
            Tally {
                passed: 4,
                failed: 1,
                skipped: 0
            }
        );
        assert!(!sum.is_success());
    }

    #[test]
    fn an_empty_run_is_no_success() {
        assert!(!Tally::default().is_success());
        assert!(!Tally::SKIPPED.is_success());
        assert!(Tally::PASSED.is_success());
    }
}
