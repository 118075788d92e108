//! One case: a size of bodies and a number of connections, both sides in turn.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::wrk;
use crate::bench::build::Built;
use crate::bench::load::{self, Latencies, Load, Outcome};
use crate::bench::node::Node;
use crate::bench::program::Program;
use crate::workspace::stdout;

/// Not counted at the beginning of each turn, while connections are opened and caches warm up.
const WARM_UP: Duration = Duration::from_secs(1);

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) body: usize,
    pub(super) connections: usize,
    pub(super) seconds: u64,
    pub(super) rounds: u32,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) shape: Shape,
    pub(super) ours: Side,
    pub(super) baseline: Side,
    /// Requests/s of wrk at the baseline, if it is installed.
    pub(super) wrk_per_s: Option<f64>,
    /// Memory of the node before and after the load, in MB.
    pub(super) idle_mb: f64,
    pub(super) rss_mb: f64,
    /// Events acknowledged, which is also how many stand in the log.
    pub(super) acknowledged: u64,
}

/// One of the two sides.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// Requests per second of each round.
    pub(super) rounds: Vec<f64>,
    pub(super) latencies: Latencies,
    requests: u64,
    cpu: Duration,
}

impl Side {
    /// Over all rounds.
    #[expect(clippy::cast_precision_loss, reason = "a handful of rounds")]
    pub(super) fn per_s(&self) -> f64 {
        self.rounds.iter().sum::<f64>() / self.rounds.len().max(1) as f64
    }

    /// Processor time of the server for one request, in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub(super) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.requests.max(1) as f64
    }

    /// One turn against `program`.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    fn turn(&mut self, program: &Program, load: Load) -> Result<Outcome> {
        let before = program.cpu()?;
        let outcome = load::run(load)?;
        self.cpu += program.cpu()?.saturating_sub(before);
        let all = outcome.kept + outcome.repeats + outcome.refused;
        ensure!(
            outcome.kept == all,
            "of {all} answers {} told of repeats and {} were not 200",
            outcome.repeats,
            outcome.refused
        );
        self.requests += all;
        self.rounds
            .push(outcome.counted as f64 / load.seconds.as_secs_f64());
        self.latencies.add(&outcome.latencies);
        Ok(outcome)
    }
}

/// Measures one case with fresh processes and an empty data directory.
///
/// # Errors
/// When anything was not as it should be: then there is no figure.
pub(super) fn run(built: &Built, folder: &Path, shape: Shape) -> Result<Case> {
    let data = folder.join("data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let mut bare = Program::start(Command::new(&built.bare).arg("127.0.0.1:0"))?;
    let bare_address = bare.first_line()?.parse().context("no address")?;
    let node = Node::start(&built.tidegate, folder)?;
    let idle_mb = node.program.rss_mb()?;

    let (mut ours, mut baseline) = (Side::default(), Side::default());
    let mut acknowledged = 0;
    for round in 0..shape.rounds {
        let load = Load {
            address: bare_address,
            connections: shape.connections,
            body_bytes: shape.body,
            warm_up: WARM_UP,
            seconds: Duration::from_secs(shape.seconds) / shape.rounds,
            first: u64::from(round) << 32,
        };
        baseline.turn(&bare, load)?;
        let load = Load {
            address: node.public,
            ..load
        };
        acknowledged += ours.turn(&node.program, load)?.kept;
    }
    let rss_mb = node.program.rss_mb()?;
    let wrk_per_s = wrk::per_s(folder, bare_address, shape)?;
    bare.kill();
    node.program.stop()?;
    let kept = count(built, &data)?;
    ensure!(
        kept == acknowledged,
        "{acknowledged} events were acknowledged and {kept} stand in the log"
    );
    fs::remove_dir_all(&data)?;
    Ok(Case {
        shape,
        ours,
        baseline,
        wrk_per_s,
        idle_mb,
        rss_mb,
        acknowledged,
    })
}

/// Events in the log of a data directory that nobody has open.
fn count(built: &Built, data: &Path) -> Result<u64> {
    let text = stdout(Command::new(&built.hub_data).arg("count").arg(data))?;
    text.trim().parse().context("no count")
}

impl Case {
    pub(super) fn ratio(&self) -> f64 {
        self.ours.per_s() / self.baseline.per_s()
    }

    pub(super) fn json(&self) -> Value {
        let side = |side: &Side| {
            json!({
                "per_s": side.per_s().round(),
                "rounds": side.rounds.iter().map(|rate| rate.round()).collect::<Vec<_>>(),
                "p50_ms": round3(side.latencies.quantile_ms(0.5)),
                "p99_ms": round3(side.latencies.quantile_ms(0.99)),
                "cpu_us_per_request": round3(side.cpu_us()),
            })
        };
        json!({
            "body": self.shape.body,
            "connections": self.shape.connections,
            "ratio": round3(self.ratio()),
            "ours": side(&self.ours),
            "baseline": side(&self.baseline),
            "wrk_at_baseline_per_s": self.wrk_per_s.map(f64::round),
            "idle_mb": round3(self.idle_mb),
            "rss_mb": round3(self.rss_mb),
            "acknowledged_and_in_log": self.acknowledged,
        })
    }
}

/// To three decimals.
pub(in crate::bench) fn round3(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shape {
            body, connections, ..
        } = self.shape;
        let (ours, baseline) = (&self.ours, &self.baseline);
        writeln!(
            f,
            "{body:>6} B {connections:>4} connections: {:>7.0}/s of {:>7.0}/s, ratio {:.3}; p50 {:.2} ms, p99 {:.2} ms; {:.0} MB",
            ours.per_s(),
            baseline.per_s(),
            self.ratio(),
            ours.latencies.quantile_ms(0.5),
            ours.latencies.quantile_ms(0.99),
            self.rss_mb,
        )?;
        let wrk = self.wrk_per_s.map_or_else(
            || "is not installed".to_owned(),
            |rate| format!("{rate:.0}/s"),
        );
        write!(
            f,
            "{:>25} CPU {:.1} µs of {:.1} µs a request; wrk at the baseline {wrk}",
            "",
            ours.cpu_us(),
            baseline.cpu_us(),
        )
    }
}
