//! The figure of wrk at the baseline, beside that of our generator.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::case::Shape;
use crate::bench::request::{PATH, Request};

/// Seconds it runs at most: it is a check of the generator, not a measurement of ours.
const SECONDS_MAX: u64 = 10;

/// Requests per second of wrk with the same body, always the same one; `None` if it is not installed.
///
/// # Errors
/// When it runs and fails.
pub(super) fn per_s(folder: &Path, address: SocketAddr, shape: Shape) -> Result<Option<f64>> {
    let script = folder.join("wrk.lua");
    let body = folder.join("body.json");
    fs::write(&body, Request::new(shape.body)?.body())?;
    fs::write(&script, lua(&body))?;
    let output = Command::new("wrk")
        .args(["-t2", "-c", &shape.connections.to_string()])
        .args(["-d", &shape.seconds.min(SECONDS_MAX).to_string(), "-s"])
        .arg(&script)
        .arg(format!("http://{address}{PATH}"))
        .output();
    let output = match output {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        output => output.context("wrk does not start")?,
    };
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "wrk failed: {text}");
    rate(&text).map(Some)
}

/// The headers that our generator sends, so that the server has the same to parse.
fn lua(body: &Path) -> String {
    format!(
        r#"wrk.method = "POST"
wrk.body = io.open("{}"):read("*a")
wrk.headers["user-agent"] = "GitHub-Hookshot/0000000"
wrk.headers["accept"] = "*/*"
wrk.headers["content-type"] = "application/json"
wrk.headers["x-github-event"] = "push"
wrk.headers["x-github-hook-id"] = "292430182"
wrk.headers["x-github-delivery"] = "72d3162e-cc78-11e3-81ab-000000000000"
wrk.headers["x-hub-signature-256"] = "sha256={}"
"#,
        body.display(),
        "0".repeat(64)
    )
}

fn rate(text: &str) -> Result<f64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Requests/sec:"));
    let rate = line.context("wrk printed no rate")?;
    Ok(rate.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read() {
        let text = "  1000 requests in 1.00s\nRequests/sec:  95012.34\nTransfer/sec: 10MB\n";
        assert!((rate(text).unwrap() - 95_012.34).abs() < 1e-6);
        assert!(rate("nothing").is_err());
    }
}
