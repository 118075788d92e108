//! `prove fuzz`: every parser that meets the network or a damaged disk, fed with whatever comes.
//!
//! The targets are in `fuzz/`, a workspace of its own. `cargo fuzz` needs flags that a stable compiler takes only
//! with `RUSTC_BOOTSTRAP=1`; the address sanitizer is left out, since there is no unsafe code to watch.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;

use super::figures::Figures;
use crate::catalogue::Item;
use crate::workspace::{Workspace, stdout};

/// The proof.
pub(crate) const ITEM: Item = Item {
    name: "fuzz",
    about: "signatures, CloudEvents, configuration, frames, recovery, mapping, answers of AWS under hostile input",
    run,
};

/// How to get the tool, when it is missing.
const HOW_TO_GET_IT: &str =
    "cargo-fuzz does not run; get it by `cargo install --locked cargo-fuzz`";

/// The longest input: larger ones find little and cost much.
const INPUT_BYTES_MAX: u32 = 8192;
/// An input that takes longer is a finding.
const INPUT_SECONDS_MAX: u32 = 20;
/// A process that takes more is one too.
const MEMORY_MB_MAX: u32 = 2048;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask prove fuzz", no_binary_name = true)]
struct Args {
    /// Minutes for each target, of which there are nine
    #[arg(long, default_value_t = 3)]
    minutes: u64,
    /// Only this target
    #[arg(long)]
    target: Option<String>,
}

/// The folders and the tool.
struct Fuzz<'a> {
    workspace: &'a Workspace,
    build: PathBuf,
    corpus: PathBuf,
    findings: PathBuf,
}

fn run(workspace: &Workspace, args: &[String]) -> Result<bool> {
    let args = Args::parse_from(args);
    stdout(workspace.cargo().args(["fuzz", "--version"])).context(HOW_TO_GET_IT)?;
    let folder = workspace.target().join("fuzz");
    let fuzz = Fuzz {
        workspace,
        corpus: folder.join("corpus"),
        findings: folder.join("findings"),
        build: folder,
    };
    let mut targets = fuzz.seeds()?;
    if let Some(only) = &args.target {
        targets.retain(|target| target == only);
        ensure!(!targets.is_empty(), "there is no target called {only}");
    }
    let mut figures = Figures::new(ITEM.name);
    figures.say("minutes for each target", args.minutes);
    figures.section("executions, and inputs that broke a rule");
    fuzz.tool("build", &[])?;
    for target in &targets {
        fuzz.one(target, args.minutes, &mut figures)?;
    }
    print!("{figures}");
    figures.save(workspace, args.target.is_some())?;
    Ok(figures.good())
}

impl Fuzz<'_> {
    /// Writes the seeds and gives the names of the targets.
    fn seeds(&self) -> Result<Vec<String>> {
        let mut cargo = self.workspace.cargo();
        cargo.args([
            "run",
            "--quiet",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--example",
            "seeds",
            "--target-dir",
        ]);
        let names = stdout(cargo.arg(&self.build).arg("--").arg(&self.corpus))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    fn command(&self, verb: &str) -> Command {
        let mut cargo = self.workspace.cargo();
        cargo.args([
            "fuzz",
            verb,
            "--fuzz-dir",
            "fuzz",
            "--release",
            "--sanitizer",
            "none",
            "--target-dir",
        ]);
        cargo.arg(&self.build).env("RUSTC_BOOTSTRAP", "1");
        cargo
    }

    fn tool(&self, verb: &str, args: &[&str]) -> Result<()> {
        let status = self
            .command(verb)
            .args(args)
            .status()
            .context(HOW_TO_GET_IT)?;
        ensure!(status.success(), "cargo fuzz {verb} failed");
        Ok(())
    }

    /// Runs one target and reads its closing statistics.
    fn one(&self, target: &str, minutes: u64, figures: &mut Figures) -> Result<()> {
        let findings = self.findings.join(target);
        fs::create_dir_all(&findings)?;
        let mut cargo = self.command("run");
        cargo.arg(target).arg(self.corpus.join(target)).arg("--");
        cargo.arg(format!("-max_total_time={}", minutes * 60));
        cargo
            .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
            .arg(format!("-rss_limit_mb={MEMORY_MB_MAX}"));
        cargo
            .arg(format!("-max_len={INPUT_BYTES_MAX}"))
            .arg("-print_final_stats=1");
        cargo.arg(format!("-artifact_prefix={}/", findings.display()));
        println!("{target}: {minutes} min");
        let output = cargo
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .context(HOW_TO_GET_IT)?;
        let told = String::from_utf8_lossy(&output.stderr);
        let Some(runs) = executions(&told) else {
            bail!("{target} did not run:\n{told}");
        };
        let good = output.status.success();
        figures.say(
            target,
            format!("{runs} executions, {} findings", u8::from(!good)),
        );
        figures.demand(good, || {
            let panic = told
                .lines()
                .skip_while(|line| !line.contains("panicked"))
                .take(6)
                .collect::<Vec<_>>();
            format!(
                "{target}: the input is kept in {}\n{}",
                findings.display(),
                panic.join("\n")
            )
        });
        Ok(())
    }
}

/// What libFuzzer says at its end: `stat::number_of_executed_units: 4096`.
fn executions(told: &str) -> Option<u64> {
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_statistics_are_read() {
        let told = "#2\tINITED\nstat::number_of_executed_units: 4096\nstat::average_exec_per_sec:     12\n";
        assert_eq!(executions(told), Some(4096));
        assert_eq!(executions("error: no such target"), None);
    }
}
