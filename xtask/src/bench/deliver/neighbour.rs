//! What a flow costs its neighbour when its endpoint takes requests and never answers.

use std::fmt;
use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::case::{Shape, fill, ours};
use crate::bench::build::Built;
use crate::bench::receive::round3;

/// Rates of the healthy flow alone and beside the dead one, in turn over the same events.
#[derive(Debug)]
pub(super) struct Neighbour {
    events: u64,
    alone: Vec<f64>,
    beside: Vec<f64>,
    alone_mb: f64,
    beside_mb: f64,
}

/// Measures `rounds` turns of each.
///
/// # Errors
/// When anything was not as it should be: then there is no figure.
pub(super) fn run(built: &Built, folder: &Path, shape: Shape, rounds: u32) -> Result<Neighbour> {
    // Connections are taken by the system; nobody reads them.
    let silent = TcpListener::bind("127.0.0.1:0").context("there is no free port")?;
    let mut neighbour = Neighbour {
        events: shape.events,
        alone: Vec::new(),
        beside: Vec::new(),
        alone_mb: 0.0,
        beside_mb: 0.0,
    };
    for _ in 0..rounds {
        fill(built, folder, shape)?;
        let alone = ours(built, folder, shape, None)?;
        neighbour.alone.push(alone.per_s);
        neighbour.alone_mb = neighbour.alone_mb.max(alone.rss_mb);
        fill(built, folder, shape)?;
        let beside = ours(built, folder, shape, Some(silent.local_addr()?))?;
        neighbour.beside.push(beside.per_s);
        neighbour.beside_mb = neighbour.beside_mb.max(beside.rss_mb);
    }
    Ok(neighbour)
}

/// The middle one: a single slow moment of the machine says nothing.
fn median(rates: &[f64]) -> f64 {
    let mut sorted = rates.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

impl Neighbour {
    /// The share of the rate that is lost beside the dead flow; negative if none is.
    pub(super) fn cost(&self) -> f64 {
        1.0 - median(&self.beside) / median(&self.alone)
    }

    pub(super) fn json(&self) -> Value {
        let rounds = |rates: &[f64]| rates.iter().map(|rate| rate.round()).collect::<Vec<_>>();
        json!({
            "events_behind": self.events,
            "alone_per_s": rounds(&self.alone),
            "beside_per_s": rounds(&self.beside),
            "cost": round3(self.cost()),
            "alone_mb": round3(self.alone_mb),
            "beside_mb": round3(self.beside_mb),
        })
    }
}

impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "beside a dead endpoint with {} events: {:.0}/s instead of {:.0}/s, {:+.1} %; {:.0} MB instead of {:.0} MB",
            self.events,
            median(&self.beside),
            median(&self.alone),
            -100.0 * self.cost(),
            self.beside_mb,
            self.alone_mb,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cost_is_the_share_of_the_middle_rates() {
        let neighbour = Neighbour {
            events: 1,
            alone: vec![100.0, 10.0, 110.0],
            beside: vec![95.0, 90.0, 500.0],
            alone_mb: 0.0,
            beside_mb: 0.0,
        };
        assert!((neighbour.cost() - 0.05).abs() < 1e-9);
    }
}
