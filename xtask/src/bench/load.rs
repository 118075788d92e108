//! The load generator: keep-alive connections that each send the next request when the last is answered.
//!
//! It shares the processor with what it measures, so it does as little as it can: one thread per two
//! connections' worth of work would be too many, so [`THREADS`] single-threaded runtimes carry all
//! connections, and an answer is looked at no further than its status, its length and whether it
//! tells of a repeat. `receive` prints the figure of wrk at the same baseline beside its own.

mod connection;
mod latency;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use tokio::runtime::Builder;
use tokio::task::LocalSet;

pub(crate) use latency::Latencies;

use connection::Connection;

/// As wrk has them in the known figures (`-t2`).
const THREADS: usize = 2;

/// How long the end of the run may take after its last request was sent.
const END_WITHIN: Duration = Duration::from_secs(30);

/// What to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) address: SocketAddr,
    pub(crate) connections: usize,
    pub(crate) body_bytes: usize,
    /// Requests answered in this time after the start are not counted in the rate.
    pub(crate) warm_up: Duration,
    /// How long requests are counted.
    pub(crate) seconds: Duration,
    /// Number of the first request; a run takes numbers from here on, fewer than 2^32.
    pub(crate) first: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    /// Answers of 200 that tell of no repeat, from the start to the end.
    pub(crate) kept: u64,
    /// Answers of 200 that tell of one.
    pub(crate) repeats: u64,
    /// All other answers.
    pub(crate) refused: u64,
    /// Answers within the counted time.
    pub(crate) counted: u64,
    /// From the request to the answer, within the counted time.
    pub(crate) latencies: Latencies,
}

impl Outcome {
    fn add(&mut self, other: &Self) {
        self.kept += other.kept;
        self.repeats += other.repeats;
        self.refused += other.refused;
        self.counted += other.counted;
        self.latencies.add(&other.latencies);
    }
}

/// Runs a load to its end.
///
/// # Errors
/// When a connection breaks or an answer cannot be read: a run with errors is no measurement.
pub(crate) fn run(load: Load) -> Result<Outcome> {
    let begun = Instant::now();
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| thread::spawn(move || on_thread(load, thread, begun)))
        .collect();
    let mut sum = Outcome::default();
    for thread in threads {
        let part = thread
            .join()
            .map_err(|_| anyhow!("a thread of the load generator panicked"))??;
        sum.add(&part);
    }
    Ok(sum)
}

fn on_thread(load: Load, thread: usize, begun: Instant) -> Result<Outcome> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    let whole = load.warm_up + load.seconds + END_WITHIN;
    local.block_on(&runtime, async move {
        let mut tasks = Vec::new();
        for lane in (thread..load.connections).step_by(THREADS) {
            let connection = Connection::open(load, lane as u64).await?;
            tasks.push(tokio::task::spawn_local(connection.run(begun)));
        }
        let mut sum = Outcome::default();
        for task in tasks {
            match tokio::time::timeout_at((begun + whole).into(), task).await {
                Ok(part) => sum.add(&part??),
                Err(_) => bail!("the load did not end within {whole:?}"),
            }
        }
        Ok(sum)
    })
}
