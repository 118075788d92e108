//! Deliver: a backlog sent in order of its keys, signed, with synced receipts, against a bare client at the same sink.
//!
//! Both sides send the same number of numbered bodies over as many connections, in turn. The sink tells repeats and what
//! came out of order, and a run with any of either gives no figure. The last case is another question: what a second
//! flow costs the first one whose endpoint takes requests and never answers.

mod case;
mod neighbour;

use anyhow::{Context as _, Result};
use clap::Parser;
use serde_json::{Value, json};

use self::case::{Case, Shape};
use self::neighbour::Neighbour;
use super::build::{Builds, release};
use super::conditions::conditions;
use super::node::Folder;
use super::receive::round3;
use crate::catalogue::{Item, again_optimised};
use crate::workspace::Workspace;

pub(crate) const ITEM: Item = Item {
    name: "deliver",
    about: "deliveries/s in order per key with synced receipts, beside a bare client",
    run,
};

/// The number of keys that the promised ratio is about, and the ratio.
const PROMISED_KEYS: u64 = 1000;
const PROMISED_RATIO: f64 = 0.5;

/// What a dead neighbour may cost: this share of the rate.
const NEIGHBOUR_SHARE: f64 = 0.05;

/// With one key each event waits for the receipt of the one before: so many times fewer are sent.
const ONE_KEY_DIVISOR: u64 = 50;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench deliver", about = ITEM.about)]
struct Options {
    /// Print one JSON object at the end, and everything else on standard error
    #[arg(long)]
    json: bool,
    /// Events of each round; fewer with one key
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(1000..))]
    events: u64,
    /// How often the two sides take turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    rounds: u32,
    /// Connections of either side
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=1024))]
    connections: u32,
    /// Bytes of a body
    #[arg(long, default_value_t = 1024)]
    body: usize,
    /// Keys of the events
    #[arg(long, value_delimiter = ',', default_values_t = [PROMISED_KEYS, 10_000, 1])]
    keys: Vec<u64>,
    /// Events behind the flow with a dead endpoint; 0 leaves that out
    #[arg(long, default_value_t = 1_000_000)]
    behind: u64,
    #[command(flatten)]
    builds: Builds,
}

fn run(workspace: &Workspace, args: &[String]) -> Result<bool> {
    let options = Options::parse_from(
        std::iter::once("cargo xtask bench deliver").chain(args.iter().map(String::as_str)),
    );
    if let Some(done) = again_optimised(workspace, "bench", ITEM.name, args)? {
        return Ok(done);
    }
    let built = release(workspace, &options.builds)?;
    let folder = Folder::new(workspace, ITEM.name)?;
    let conditions = conditions(workspace, folder.path())?;
    let mut cases = Vec::new();
    for &keys in &options.keys {
        let few = if keys == 1 { ONE_KEY_DIVISOR } else { 1 };
        let shape = Shape {
            keys,
            events: options.events / few,
            body: options.body,
            connections: options.connections,
            rounds: options.rounds,
        };
        let case =
            case::run(&built, folder.path(), shape).with_context(|| format!("{keys} keys"))?;
        eprintln!("{case}");
        cases.push(case);
    }
    let neighbour = match options.behind {
        0 => None,
        events => {
            let shape = Shape {
                keys: PROMISED_KEYS,
                events,
                body: options.body,
                connections: options.connections,
                rounds: 1,
            };
            let neighbour = neighbour::run(&built, folder.path(), shape, options.rounds)
                .context("beside a dead endpoint")?;
            eprintln!("{neighbour}");
            Some(neighbour)
        }
    };
    let promised = cases.iter().find(|case| case.shape.keys == PROMISED_KEYS);
    let kept = promised.is_none_or(|case| case.ratio() >= PROMISED_RATIO)
        && neighbour
            .as_ref()
            .is_none_or(|neighbour| neighbour.cost() <= NEIGHBOUR_SHARE);
    if options.json {
        let of = promised
            .or_else(|| cases.first())
            .context("there is no case")?;
        println!("{}", report(of, &cases, neighbour.as_ref(), &conditions));
    } else {
        println!("conditions: {conditions}");
        println!("promised: {PROMISED_RATIO} of the bare client with {PROMISED_KEYS} keys");
    }
    Ok(kept)
}

fn report(of: &Case, cases: &[Case], neighbour: Option<&Neighbour>, conditions: &Value) -> Value {
    json!({
        "bench": "deliver",
        "ours_per_s": of.ours_per_s().round(),
        "baseline_per_s": of.baseline_per_s().round(),
        "ratio": round3(of.ratio()),
        "p50_ms": of.call_ms.0,
        "p99_ms": of.call_ms.1,
        "rss_mb": round3(of.rss_mb),
        "promised": { "ratio": PROMISED_RATIO, "keys": PROMISED_KEYS, "neighbour_share": NEIGHBOUR_SHARE },
        "cases": cases.iter().map(Case::json).collect::<Vec<_>>(),
        "neighbour": neighbour.map(Neighbour::json),
        "conditions": conditions,
    })
}
