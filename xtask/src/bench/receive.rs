//! Receive: verified, deduplicated, mapped and synced, against the same HTTP stack that only reads.
//!
//! Both run side by side and take turns within one run, under the same load; a figure without its
//! baseline of the same minute says little. The ratio at 1 KiB is that of the number of connections
//! at which we look worse.

mod case;
mod report;
mod wrk;

use anyhow::{Context, Result};
use clap::Parser;

pub(super) use case::round3;

use super::build::{Builds, release};
use super::conditions::conditions;
use super::node::Folder;
use crate::catalogue::{Item, again_optimised};
use crate::workspace::Workspace;

pub(crate) const ITEM: Item = Item {
    name: "receive",
    about: "requests/s, latency and memory of receive, beside the bare HTTP stack",
    run,
};

/// The body that the promised ratio is about.
const PROMISED_BODY: usize = 1024;

/// The least ratio that is promised there.
const PROMISED_RATIO: f64 = 0.6;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench receive", about = ITEM.about)]
struct Options {
    /// Print one JSON object at the end, and everything else on standard error
    #[arg(long)]
    json: bool,
    /// Counted seconds for each side of each case, over all rounds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// How often the two sides take turns
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    rounds: u32,
    /// Keep-alive connections
    #[arg(long, value_delimiter = ',', default_values_t = [64, 256])]
    connections: Vec<usize>,
    /// Bytes of a body
    #[arg(long, value_delimiter = ',', default_values_t = [PROMISED_BODY, 24 * 1024])]
    body: Vec<usize>,
    #[command(flatten)]
    builds: Builds,
}

fn run(workspace: &Workspace, args: &[String]) -> Result<bool> {
    let options = Options::parse_from(
        std::iter::once("cargo xtask bench receive").chain(args.iter().map(String::as_str)),
    );
    if let Some(done) = again_optimised(workspace, "bench", ITEM.name, args)? {
        return Ok(done);
    }
    let built = release(workspace, &options.builds)?;
    let folder = Folder::new(workspace, ITEM.name)?;
    let conditions = conditions(workspace, folder.path())?;
    let mut cases = Vec::new();
    for body in &options.body {
        for connections in &options.connections {
            let shape = case::Shape {
                body: *body,
                connections: *connections,
                seconds: options.seconds,
                rounds: options.rounds,
            };
            let case = case::run(&built, folder.path(), shape)
                .with_context(|| format!("{connections} connections, {body} bytes"))?;
            eprintln!("{case}");
            cases.push(case);
        }
    }
    let report = report::Report::new(&cases, &options, conditions)?;
    if options.json {
        println!("{}", report.json());
    } else {
        print!("{report}");
    }
    Ok(report.is_kept())
}
