//! Plays many seeds of a scenario and prints what they did.
//!
//! Ends with 0 when everything held and enough was done, with 1 when not, with 2 when it was
//! called wrongly.
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

const USAGE: &str = "usage: seeds [--seeds N] [--first S] [--seed S] [--sabotage NAME|all]
  --seeds N       how many, 10000 unless said
  --first S       the first of them, 0 unless said
  --seed S        only this one, with its trace
  --sabotage NAME with a defect made on purpose, which must be noticed; all: each of them in turn";

/// What is asked for.
struct Asked {
    seeds: Seeds,
    what: What,
}

enum What {
    Seeds,
    One(u64),
    Sabotages,
}

fn main() -> ExitCode {
    let Asked { seeds, what } = match asked() {
        Ok(asked) => asked,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let good = match what {
        What::One(seed) => {
            let outcome = run(&seeds.scenario, seed);
            println!(
                "{outcome}{:#?}\ndigest {:016x}",
                outcome.report, outcome.digest
            );
            outcome.violations.is_empty()
        }
        What::Seeds => {
            let verdict = play(&seeds);
            print!("{verdict}");
            verdict.is_good()
        }
        What::Sabotages => {
            // All are played, whatever the first ones say.
            let noticed = Sabotage::ALL.map(|sabotage| noticed(&seeds, sabotage));
            noticed.iter().all(|noticed| *noticed)
        }
    };
    ExitCode::from(u8::from(!good))
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

/// Plays seeds until the sabotage shows.
fn noticed(seeds: &Seeds, sabotage: Sabotage) -> bool {
    let scenario = seeds.scenario.clone().sabotaged(sabotage);
    let all = seeds.first..seeds.first.saturating_add(seeds.count);
    let caught = all
        .map(|seed| run(&scenario, seed))
        .find_map(|outcome| Some((outcome.seed, outcome.violations.into_iter().next()?)));
    let name = sabotage.name();
    match &caught {
        Some((seed, violation)) => println!("{name}: seed {seed}, {}", violation.rule),
        None => println!("{name}: NOT NOTICED"),
    }
    caught.is_some()
}

fn asked() -> Result<Asked, String> {
    let scenario = Scenario::receive();
    let mut seeds = Seeds {
        scenario,
        first: 0,
        count: 10_000,
    };
    let mut what = What::Seeds;
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
            "--seed" => what = What::One(number()?),
            "--sabotage" if value == "all" => what = What::Sabotages,
            "--sabotage" => {
                let mut all = Sabotage::ALL.into_iter();
                let found = all.find(|sabotage| sabotage.name() == value);
                let found = found.ok_or_else(|| format!("there is no sabotage {value}"))?;
                seeds.scenario.sabotage = Some(found);
            }
            _ => return Err(format!("{name} is not known")),
        }
    }
    Ok(Asked { seeds, what })
}
