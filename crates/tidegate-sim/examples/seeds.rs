//! Plays many seeds of a scenario and prints what they did.
//!
//! `seeds [--seeds N] [--first S] [--seed S] [--sabotage NAME]`; ends with 0 when everything held
//! and enough was done, with 1 when not, with 2 when it was called wrongly.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what it prints is its result"
)]

use std::process::ExitCode;
use std::thread;

use tidegate_sim::report::Outcome;
use tidegate_sim::scenario::{Sabotage, Scenario};
use tidegate_sim::seeds::{Seeds, Verdict};
use tidegate_sim::world::run;

const USAGE: &str = "usage: seeds [--seeds N] [--first S] [--seed S] [--sabotage NAME]";

/// What is asked for.
struct Asked {
    seeds: Seeds,
    /// Only this one, with its trace.
    one: Option<u64>,
}

fn main() -> ExitCode {
    match asked() {
        Ok(Asked {
            seeds,
            one: Some(seed),
        }) => {
            let outcome = run(&seeds.scenario, seed);
            println!(
                "{outcome}  {:#?}\n  digest {:016x}",
                outcome.report, outcome.digest
            );
            ExitCode::from(u8::from(!outcome.violations.is_empty()))
        }
        Ok(Asked { seeds, one: None }) => {
            let verdict = play(&seeds);
            print!("{verdict}");
            ExitCode::from(u8::from(!verdict.is_good()))
        }
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Plays the seeds on as many threads as the machine has; each seed stays on one.
fn play(seeds: &Seeds) -> Verdict {
    let threads = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let share = seeds.count.div_ceil(threads).max(1);
    let parts = (0..seeds.count).step_by(usize::try_from(share).unwrap_or(usize::MAX));
    let parts = parts.map(|at| Seeds {
        first: seeds.first + at,
        count: share.min(seeds.count - at),
        scenario: seeds.scenario.clone(),
    });
    let mut verdict = Verdict::default();
    thread::scope(|scope| {
        let running: Vec<_> = parts
            .map(|part| scope.spawn(move || part.run(told)))
            .collect();
        for part in running {
            match part.join() {
                Ok(part) => verdict.add(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    verdict
}

fn told(outcome: &Outcome) {
    if !outcome.violations.is_empty() {
        println!("violation in seed {}", outcome.seed);
    }
}

fn asked() -> Result<Asked, String> {
    let mut seeds = Seeds {
        scenario: Scenario::receive(),
        first: 0,
        count: 10_000,
    };
    let mut one = None;
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args
            .next()
            .ok_or_else(|| format!("{name} lacks its value"))?;
        let number = || {
            value
                .parse()
                .map_err(|_| format!("{value} is not a number"))
        };
        match name.as_str() {
            "--seeds" => seeds.count = number()?,
            "--first" => seeds.first = number()?,
            "--seed" => one = Some(number()?),
            "--sabotage" => {
                let mut all = Sabotage::ALL.into_iter();
                let found = all.find(|sabotage| sabotage.name() == value);
                seeds.scenario.sabotage =
                    Some(found.ok_or_else(|| format!("there is no sabotage {value}"))?);
            }
            _ => return Err(format!("{name} is not known")),
        }
    }
    Ok(Asked { seeds, one })
}
