//! One case: a number of keys, both sides in turn.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::bench::build::Built;
use crate::bench::node::Node;
use crate::bench::program::{Program, body_of};
use crate::bench::receive::round3;

/// Between two looks at the sink: a look costs it a request.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Without a delivery for so long the run has failed.
const STALLED_AFTER: Duration = Duration::from_secs(60);

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) keys: u64,
    pub(super) events: u64,
    pub(super) body: usize,
    pub(super) connections: u32,
    pub(super) rounds: u32,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) shape: Shape,
    /// Deliveries per second of each round.
    ours: Vec<f64>,
    baseline: Vec<f64>,
    /// Memory of the node at the end of its last round, in MB.
    pub(super) rss_mb: f64,
    /// Processor time of the node for one delivery, in microseconds.
    cpu_us: f64,
    /// Median and 99th percentile of a call, as far as the node's histogram tells, in ms.
    pub(super) call_ms: (Option<f64>, Option<f64>),
}

/// One turn of the node.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) per_s: f64,
    pub(super) rss_mb: f64,
    cpu: Duration,
    metrics: String,
}

/// Measures one case with fresh processes and data.
///
/// # Errors
/// When anything was not as it should be: then there is no figure.
pub(super) fn run(built: &Built, folder: &Path, shape: Shape) -> Result<Case> {
    let mut case = Case {
        shape,
        ours: Vec::new(),
        baseline: Vec::new(),
        rss_mb: 0.0,
        cpu_us: 0.0,
        call_ms: (None, None),
    };
    for _ in 0..shape.rounds {
        case.baseline.push(bare(built, shape)?);
        fill(built, folder, shape)?;
        let turn = ours(built, folder, shape, None)?;
        case.ours.push(turn.per_s);
        case.rss_mb = turn.rss_mb;
        case.cpu_us = turn.cpu.as_secs_f64() * 1e6 / f64_of(shape.events);
        case.call_ms = (
            quantile_ms(&turn.metrics, 0.5),
            quantile_ms(&turn.metrics, 0.99),
        );
    }
    Ok(case)
}

/// A sink for the events of `shape`, and its address.
fn sink(built: &Built, shape: Shape) -> Result<(Program, SocketAddr)> {
    let mut command = Command::new(&built.sink);
    command.arg("127.0.0.1:0");
    command.args([shape.keys.to_string(), shape.events.to_string()]);
    let mut sink = Program::start(&mut command)?;
    let address = sink.first_line()?.parse().context("no address")?;
    Ok((sink, address))
}

/// The rate of the bare client.
fn bare(built: &Built, shape: Shape) -> Result<f64> {
    let (sink, address) = sink(built, shape)?;
    let mut command = Command::new(&built.caller);
    command.arg(address.to_string());
    command.args([
        shape.connections.to_string(),
        shape.events.to_string(),
        shape.body.to_string(),
    ]);
    let status = command.status().context("the client does not start")?;
    ensure!(status.success(), "the bare client failed: {status}");
    let figures = Figures::of(address)?;
    sink.kill();
    // Without order: its connections overtake one another.
    ensure!(
        figures.distinct == shape.events && figures.repeats + figures.unreadable == 0,
        "the bare client delivered {figures:?}"
    );
    Ok(f64_of(figures.distinct) / figures.seconds)
}

/// Fills the node's data with the events.
pub(super) fn fill(built: &Built, folder: &Path, shape: Shape) -> Result<()> {
    let data = folder.join("data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let mut command = Command::new(&built.hub_data);
    command.arg("fill").arg(&data);
    command.args([
        shape.events.to_string(),
        shape.body.to_string(),
        shape.keys.to_string(),
    ]);
    let status = command.status().context("the filler does not start")?;
    ensure!(status.success(), "the log could not be filled: {status}");
    Ok(())
}

/// The node delivers what is in its data; beside it a flow to the endpoint `dead`, if there is one.
pub(super) fn ours(
    built: &Built,
    folder: &Path,
    shape: Shape,
    dead: Option<SocketAddr>,
) -> Result<Turn> {
    let (sink, address) = sink(built, shape)?;
    let mut flows = vec![("healthy", address)];
    flows.extend(dead.map(|dead| ("dead", dead)));
    fs::write(folder.join("webhook.txt"), WEBHOOK_SECRET)?;
    let configuration = |public: SocketAddr, admin: SocketAddr, data: &Path| {
        configuration(public, admin, data, &flows, shape.connections)
    };
    let node = Node::start_with(&built.tidegate, folder, configuration)?;
    let before = node.program.cpu()?;
    let figures = wait(address, shape)?;
    let cpu = node.program.cpu()?.saturating_sub(before);
    let rss_mb = node.program.rss_mb()?;
    let metrics = body_of(node.admin, "/metrics")?;
    node.program.stop()?;
    let after = Figures::of(address)?;
    sink.kill();
    ensure!(
        after.repeats + after.disordered + after.unreadable == 0,
        "the node delivered {after:?}"
    );
    Ok(Turn {
        per_s: f64_of(figures.distinct) / figures.seconds,
        rss_mb,
        cpu,
        metrics,
    })
}

/// Waits until the sink has all.
fn wait(sink: SocketAddr, shape: Shape) -> Result<Figures> {
    let (mut last, mut moved) = (0, Instant::now());
    loop {
        let figures = Figures::of(sink)?;
        if figures.distinct == shape.events {
            return Ok(figures);
        }
        if figures.distinct > last {
            (last, moved) = (figures.distinct, Instant::now());
        }
        if moved.elapsed() > STALLED_AFTER {
            bail!("nothing was delivered for {STALLED_AFTER:?}: {figures:?}");
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// A flow in order of keys for each of `flows`, from the oldest event on.
fn configuration(
    public: SocketAddr,
    admin: SocketAddr,
    data: &Path,
    flows: &[(&str, SocketAddr)],
    concurrency: u32,
) -> String {
    let mut text = format!(
        "subsystem: bench\nlisten: {{ public: \"{public}\", admin: \"{admin}\" }}\ndata: \"{}\"\nlogging: {{ level: warn }}\nsystems:\n",
        data.display()
    );
    let systems = flows.iter().map(|(name, address)| {
        format!("  {name}: {{ url: \"http://{address}\", private-ranges: [127.0.0.0/8] }}\n")
    });
    text.extend(systems);
    text += "flows:\n";
    let flows = flows.iter().map(|(name, _)| {
        format!(
            r#"  to-{name}:
    system: {name}
    deliver:
      on: ["*"]
      start: oldest
      order: per-key
      concurrency: {concurrency}
      sign: {{ scheme: standard-webhooks, secret: "${{file:./webhook.txt}}" }}
"#
        )
    });
    text.extend(flows);
    text
}

/// What a sink has counted.
#[derive(Debug)]
struct Figures {
    distinct: u64,
    repeats: u64,
    disordered: u64,
    unreadable: u64,
    seconds: f64,
}

impl Figures {
    fn of(sink: SocketAddr) -> Result<Self> {
        let text = body_of(sink, "/figures")?;
        let json: Value = serde_json::from_str(&text).context("the sink tells no figures")?;
        let count = |name: &str| json[name].as_u64().with_context(|| format!("no {name}"));
        Ok(Self {
            distinct: count("distinct")?,
            repeats: count("repeats")?,
            disordered: count("disordered")?,
            unreadable: count("unreadable")?,
            seconds: json["seconds"].as_f64().context("no seconds")?,
        })
    }
}

/// The upper bound of the bucket that holds this quantile of the time of calls, of the flow `to-healthy`.
fn quantile_ms(metrics: &str, quantile: f64) -> Option<f64> {
    let buckets: Vec<(f64, f64)> = metrics
        .lines()
        .filter(|line| line.starts_with(CALL_SECONDS) && line.contains("flow=\"to-healthy\""))
        .filter_map(|line| {
            let (_, bound) = line.split_once("le=\"")?;
            let (bound, rest) = bound.split_once('"')?;
            let count = rest.rsplit(' ').next()?.parse().ok()?;
            Some((bound.parse().unwrap_or(f64::INFINITY), count))
        })
        .collect();
    let total = buckets.last()?.1;
    let found = buckets.iter().find(|(_, count)| *count >= quantile * total);
    found
        .map(|(bound, _)| round3(bound * 1000.0))
        .filter(|bound| bound.is_finite())
}

/// The key of the bench, and of nothing else.
const WEBHOOK_SECRET: &str = "whsec_dGhlLWtleS1vZi10aGUtYmVuY2gtYW5kLW9mLW5vdGhpbmctZWxzZQ==";

/// The node's histogram of calls.
const CALL_SECONDS: &str = "tidegate_deliver_attempt_seconds_bucket";

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn f64_of(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "a handful of rounds")]
fn mean(rates: &[f64]) -> f64 {
    rates.iter().sum::<f64>() / rates.len().max(1) as f64
}

impl Case {
    pub(super) fn ours_per_s(&self) -> f64 {
        mean(&self.ours)
    }

    pub(super) fn baseline_per_s(&self) -> f64 {
        mean(&self.baseline)
    }

    pub(super) fn ratio(&self) -> f64 {
        self.ours_per_s() / self.baseline_per_s()
    }

    pub(super) fn json(&self) -> Value {
        let rounds = |rates: &[f64]| rates.iter().map(|rate| rate.round()).collect::<Vec<_>>();
        json!({
            "keys": self.shape.keys,
            "events": self.shape.events,
            "body": self.shape.body,
            "connections": self.shape.connections,
            "ratio": round3(self.ratio()),
            "ours_per_s": rounds(&self.ours),
            "baseline_per_s": rounds(&self.baseline),
            "cpu_us_per_delivery": round3(self.cpu_us),
            "call_p50_ms": self.call_ms.0,
            "call_p99_ms": self.call_ms.1,
            "rss_mb": round3(self.rss_mb),
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>6} keys: {:>7.0}/s of {:>7.0}/s, ratio {:.3}; CPU {:.1} µs a delivery, {:.0} MB",
            self.shape.keys,
            self.ours_per_s(),
            self.baseline_per_s(),
            self.ratio(),
            self.cpu_us,
            self.rss_mb,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_bound_of_its_bucket() {
        let line = |le: &str, count: u32| {
            format!("{CALL_SECONDS}{{flow=\"to-healthy\",le=\"{le}\"}} {count}\n")
        };
        let text = line("0.001", 40) + &line("0.002", 99) + &line("+Inf", 100);
        assert_eq!(quantile_ms(&text, 0.5), Some(2.0));
        assert_eq!(quantile_ms(&text, 0.999), None);
    }
}
