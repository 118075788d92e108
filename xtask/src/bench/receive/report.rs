//! All cases together: the promise, the figures, the conditions.

use std::fmt;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::case::{Case, round3};
use super::{Options, PROMISED_BODY, PROMISED_RATIO};

/// What was known before, so that a reader sees whether a figure can be: 800-byte bodies, wrk, 64, 256
/// and 512 connections, two cores, in requests per second.
fn known() -> Value {
    json!({
        "bare_stack": [95_000, 93_000, 111_000],
        "one_fjall_batch_per_group_hmac_json_tree": [42_000, 43_000, 49_000],
        "frame_writer_hmac_no_dedup_no_envelope": [51_000, 63_000, 59_000],
    })
}

/// The result of a run.
#[derive(Debug)]
pub(super) struct Report {
    /// Whether the promise is about one of the cases, and if so its ratio.
    promised: Option<f64>,
    json: Value,
    lines: Vec<String>,
}

impl Report {
    pub(super) fn new(cases: &[Case], options: &Options, mut conditions: Value) -> Result<Self> {
        let promised: Vec<&Case> = cases
            .iter()
            .filter(|case| case.shape.body == PROMISED_BODY)
            .collect();
        let worst = |cases: &[&Case]| -> Option<usize> {
            (0..cases.len()).min_by(|a, b| cases[*a].ratio().total_cmp(&cases[*b].ratio()))
        };
        let all: Vec<&Case> = cases.iter().collect();
        let from = if promised.is_empty() { &all } else { &promised };
        let case = worst(from)
            .and_then(|worst| from.get(worst))
            .context("there is no case")?;
        if let Some(conditions) = conditions.as_object_mut() {
            conditions.insert("body".to_owned(), json!(case.shape.body));
            conditions.insert("connections".to_owned(), json!(case.shape.connections));
            conditions.insert("seconds".to_owned(), json!(options.seconds));
            conditions.insert("rounds".to_owned(), json!(options.rounds));
            conditions.insert("generator".to_owned(), json!(GENERATOR));
            conditions.insert("known_here".to_owned(), known());
        }
        let rss = cases.iter().map(|case| case.rss_mb).fold(0.0, f64::max);
        let json = json!({
            "bench": "receive",
            "ours_per_s": case.ours.per_s().round(),
            "baseline_per_s": case.baseline.per_s().round(),
            "ratio": round3(case.ratio()),
            "p50_ms": round3(case.ours.latencies.quantile_ms(0.5)),
            "p99_ms": round3(case.ours.latencies.quantile_ms(0.99)),
            "rss_mb": round3(rss),
            "conditions": conditions,
            "cases": cases.iter().map(Case::json).collect::<Vec<_>>(),
        });
        Ok(Self {
            promised: (!promised.is_empty()).then(|| case.ratio()),
            json,
            lines: cases.iter().map(ToString::to_string).collect(),
        })
    }

    pub(super) const fn json(&self) -> &Value {
        &self.json
    }

    /// Whether what is promised at 1 KiB holds; what was not measured is not broken.
    pub(super) fn is_kept(&self) -> bool {
        self.promised.is_none_or(|ratio| ratio >= PROMISED_RATIO)
    }
}

/// How the load was made.
const GENERATOR: &str = "ours: two threads, closed loop, each request unique and signed (HMAC-SHA256), the same requests for both sides";

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "conditions: {}", self.json["conditions"])?;
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        match self.promised {
            None => writeln!(
                f,
                "no case has bodies of {PROMISED_BODY} bytes: nothing is promised"
            ),
            Some(ratio) => writeln!(
                f,
                "ratio {ratio:.3} at {PROMISED_BODY} bytes, promised {PROMISED_RATIO}: {}",
                if self.is_kept() { "kept" } else { "NOT kept" }
            ),
        }
    }
}
