//! Start: memory and time of an idle node, and of one that opens a log of many events again.
//!
//! Time is from the start of the process to the first `/readyz` that says 200. The log is filled through
//! the hub's front door, so identities, frames and views are those of a node, and its files are in the
//! page cache when it is opened, as after a restart of the process.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use serde_json::{Value, json};

use super::build::{Builds, Built, release};
use super::conditions::conditions;
use super::node::{Folder, Node, on_disk};
use crate::catalogue::{Item, again_optimised};
use crate::workspace::Workspace;

pub(crate) const ITEM: Item = Item {
    name: "start",
    about: "memory and start of an idle node, and of one that opens a long log again",
    run,
};

/// What is promised: MB, seconds, and seconds for [`PROMISED_EVENTS`].
const IDLE_MB: f64 = 60.0;
const START_S: f64 = 0.3;
const REOPEN_S: f64 = 2.0;
const PROMISED_EVENTS: u64 = 10_000_000;

/// How long a node is left alone before its memory is read.
const SETTLE: Duration = Duration::from_secs(1);

#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench start", about = ITEM.about)]
struct Options {
    /// Print one JSON object at the end, and everything else on standard error
    #[arg(long)]
    json: bool,
    /// Events in the long log
    #[arg(long, default_value_t = PROMISED_EVENTS)]
    events: u64,
    /// Bytes of the body of each
    #[arg(long, default_value_t = 200)]
    body: u64,
    /// Starts of each kind; the slowest counts
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Keep the long log in this folder, and use it if it is there
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    #[command(flatten)]
    builds: Builds,
}

fn run(workspace: &Workspace, args: &[String]) -> Result<bool> {
    let options = Options::parse_from(
        std::iter::once("cargo xtask bench start").chain(args.iter().map(String::as_str)),
    );
    if let Some(done) = again_optimised(workspace, "bench", ITEM.name, args)? {
        return Ok(done);
    }
    let built = release(workspace, &options.builds)?;
    let folder = Folder::new(workspace, ITEM.name)?;
    let conditions = conditions(workspace, folder.path())?;
    let idle = Starts::measure(&built, folder.path(), options.rounds)?;
    eprintln!("empty: {idle}");
    let long = match &options.keep {
        Some(kept) => {
            std::fs::create_dir_all(kept)?;
            on_disk(kept)?;
            kept.canonicalize()?
        }
        None => folder.path().join("long"),
    };
    fill(&built, &long, &options)?;
    let reopened = Starts::measure(&built, &long, options.rounds)?;
    eprintln!("{} events: {reopened}", options.events);
    let kept = idle.rss_mb <= IDLE_MB
        && idle.slowest() <= START_S
        && (options.events < PROMISED_EVENTS || reopened.slowest() <= REOPEN_S);
    if options.json {
        let json = json!({
            "bench": "start",
            "idle_mb": idle.rss_mb,
            "start_s": idle.slowest(),
            "reopen_s": reopened.slowest(),
            "reopen_events": options.events,
            "reopen_body": options.body,
            "reopened_mb": reopened.rss_mb,
            "promised": { "idle_mb": IDLE_MB, "start_s": START_S, "reopen_s": REOPEN_S, "reopen_events": PROMISED_EVENTS },
            "idle": idle.json(),
            "reopened": reopened.json(),
            "conditions": conditions,
        });
        println!("{json}");
    } else {
        println!("conditions: {conditions}");
        println!("empty: {idle} (promised {START_S} s, {IDLE_MB} MB)");
        println!(
            "{} events of {} bytes: {reopened} (promised {REOPEN_S} s)",
            options.events, options.body
        );
    }
    Ok(kept)
}

/// Fills `folder/data`, unless it was filled before with as many.
fn fill(built: &Built, folder: &Path, options: &Options) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let (data, mark) = (folder.join("data"), folder.join("filled"));
    let wanted = format!("{} events of {} bytes", options.events, options.body);
    if std::fs::read_to_string(&mark).is_ok_and(|text| text == wanted) {
        return Ok(());
    }
    if data.exists() {
        std::fs::remove_dir_all(&data)?;
    }
    eprintln!("filling a log with {wanted} …");
    let mut command = Command::new(&built.hub_data);
    command.arg("fill").arg(&data);
    command.args([options.events.to_string(), options.body.to_string()]);
    let status = command.status().context("the filler does not start")?;
    ensure!(status.success(), "the log could not be filled: {status}");
    std::fs::write(mark, wanted).context("cannot write beside the log")
}

/// Starts of one kind.
#[derive(Debug)]
struct Starts {
    seconds: Vec<f64>,
    rss_mb: f64,
}

impl Starts {
    /// Starts and ends a node on `folder/data`, again and again.
    fn measure(built: &Built, folder: &Path, rounds: u32) -> Result<Self> {
        let mut starts = Self {
            seconds: Vec::new(),
            rss_mb: 0.0,
        };
        for _ in 0..rounds {
            let node = Node::start(&built.tidegate, folder)?;
            starts.seconds.push(node.ready_after.as_secs_f64());
            thread::sleep(SETTLE);
            starts.rss_mb = starts.rss_mb.max(node.program.rss_mb()?);
            node.program.stop()?;
        }
        Ok(starts)
    }

    fn slowest(&self) -> f64 {
        self.seconds.iter().copied().fold(0.0, f64::max)
    }

    fn json(&self) -> Value {
        json!({ "seconds": self.seconds, "rss_mb": self.rss_mb })
    }
}

impl fmt::Display for Starts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds: Vec<String> = self.seconds.iter().map(|s| format!("{s:.3}")).collect();
        write!(
            f,
            "ready after {} s, {:.1} MB",
            seconds.join(" "),
            self.rss_mb
        )
    }
}
