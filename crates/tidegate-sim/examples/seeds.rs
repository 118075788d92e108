//! Plays many seeds of a world and prints what they did.
//!
//! Ends with 0 when everything held and enough was done, with 1 when not, with 2 when it was
//! called wrongly.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what it prints is its result"
)]

use std::fmt::Debug;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use tidegate_sim::report::Outcome;
use tidegate_sim::scenario;
use tidegate_sim::seeds::{Playable, Seeds, Verdict};

const USAGE: &str = "usage: seeds [--world W] [--seeds N] [--first S] [--seed S] [--sabotage NAME|all]
  --world W       node: one region's node, which it is unless said
  --seeds N       how many, 10000 unless said
  --first S       the first of them, 0 unless said
  --seed S        only this one, with its trace
  --settle S      seconds in which the node must come to rest, as many as the scenario says unless said
  --sabotage NAME with a defect made on purpose, which must be noticed; all: each of them in turn";

/// What is asked for.
#[derive(Default)]
struct Asked {
    world: Option<String>,
    first: u64,
    count: Option<u64>,
    seed: Option<u64>,
    settle: Option<Duration>,
    sabotage: Option<String>,
}

/// A world, and its defects by name.
struct World<P: 'static> {
    scenario: P,
    sabotages: Vec<(&'static str, P)>,
}

fn main() -> ExitCode {
    let good = asked().and_then(|asked| match asked.world.as_deref() {
        None | Some("node") => node(&asked).play(&asked),
        Some(other) => Err(format!("there is no world {other}")),
    });
    match good {
        Ok(good) => ExitCode::from(u8::from(!good)),
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn node(asked: &Asked) -> World<scenario::Scenario> {
    let mut scenario = scenario::Scenario::receive();
    scenario.settle_max = asked.settle.unwrap_or(scenario.settle_max);
    let sabotaged = |it: scenario::Sabotage| (it.name(), scenario.clone().sabotaged(it));
    World {
        sabotages: scenario::Sabotage::ALL.map(sabotaged).into(),
        scenario,
    }
}

impl<P> World<P>
where
    P: Playable<Report: Debug + Send> + Clone + Send + Sync,
{
    fn play(self, asked: &Asked) -> Result<bool, String> {
        let seeds = |scenario: &P| Seeds {
            scenario: scenario.clone(),
            first: asked.first,
            count: asked.count.unwrap_or(10_000),
        };
        let scenario = match asked.sabotage.as_deref() {
            None => &self.scenario,
            Some("all") => {
                let all = self.sabotages.iter();
                // All are played, whatever the first ones say.
                let missed = all.filter(|(name, scenario)| !noticed(&seeds(scenario), name));
                return Ok(missed.count() == 0);
            }
            Some(asked) => {
                let found = self.sabotages.iter().find(|(name, _)| *name == asked);
                let (_, scenario) = found.ok_or_else(|| format!("there is no sabotage {asked}"))?;
                scenario
            }
        };
        if let Some(seed) = asked.seed {
            let outcome = scenario.play(seed);
            let digest = outcome.digest;
            println!("{outcome}{:#?}\ndigest {digest:016x}", outcome.report);
            return Ok(outcome.violations.is_empty());
        }
        let verdict = play(&seeds(scenario));
        print!("{verdict}");
        Ok(verdict.is_good())
    }
}

/// Plays the seeds on as many threads as the machine has; each seed stays on one.
fn play<P>(seeds: &Seeds<P>) -> Verdict<P::Report>
where
    P: Playable<Report: Send> + Clone + Send,
{
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

fn told<R>(outcome: &Outcome<R>) {
    if !outcome.violations.is_empty() {
        println!("violation in seed {}", outcome.seed);
    }
}

/// Plays seeds until the sabotage shows.
fn noticed<P: Playable>(seeds: &Seeds<P>, name: &str) -> bool {
    let all = seeds.first..seeds.first.saturating_add(seeds.count);
    let caught = all
        .map(|seed| seeds.scenario.play(seed))
        .find_map(|outcome| Some((outcome.seed, outcome.violations.into_iter().next()?)));
    match &caught {
        Some((seed, violation)) => println!("{name}: seed {seed}, {}", violation.rule),
        None => println!("{name}: NOT NOTICED"),
    }
    caught.is_some()
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked::default();
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
            "--world" => asked.world = Some(value),
            "--seeds" => asked.count = Some(number()?),
            "--first" => asked.first = number()?,
            "--seed" => asked.seed = Some(number()?),
            "--settle" => asked.settle = Some(Duration::from_secs(number()?)),
            "--sabotage" => asked.sabotage = Some(value),
            _ => return Err(format!("{name} is not known")),
        }
    }
    Ok(asked)
}
