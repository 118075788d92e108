//! `prove sim`: many seeds of the simulated world, and the defects that must be noticed in it.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Parser;

use super::figures::Figures;
use crate::catalogue::Item;
use crate::workspace::Workspace;

/// The proof.
pub(crate) const ITEM: Item = Item {
    name: "sim",
    about: "the simulated world: every seed holds, every named situation is reached, every sabotage is noticed",
    run,
};

/// Seeds of the whole proof.
const SEEDS: u64 = 10_000;

/// Seeds in which each sabotage must be noticed.
const SABOTAGED_SEEDS: u64 = 1_000;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask prove sim", no_binary_name = true)]
struct Args {
    /// How many seeds
    #[arg(long, default_value_t = SEEDS)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Play only this seed, and show its last steps if something did not hold
    #[arg(long)]
    seed: Option<u64>,
}

fn run(workspace: &Workspace, args: &[String]) -> Result<bool> {
    let args = Args::parse_from(args);
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--quiet", "--release", "--package", "tidegate-sim"]);
    let status = cargo.args(["--example", "seeds"]).status();
    let status = status.context("cargo does not start")?;
    ensure!(status.success(), "the simulated world cannot be built");
    let program = workspace.target().join("release/examples/seeds");
    if let Some(seed) = args.seed {
        let (text, held) = played(&program, &["--seed", &seed.to_string()])?;
        print!("{text}");
        return Ok(held);
    }

    let mut figures = Figures::new(ITEM.name);
    let (seeds, first) = (args.seeds.to_string(), args.first.to_string());
    let (text, held) = played(&program, &["--seeds", &seeds, "--first", &first])?;
    tell(&mut figures, &text);
    figures.demand(held, || {
        format!("something did not hold or was too little:\n{text}")
    });

    let count = SABOTAGED_SEEDS.to_string();
    let (text, noticed) = played(&program, &["--sabotage", "all", "--seeds", &count])?;
    figures.section("sabotages, and where each was noticed first");
    for (name, found) in text.lines().filter_map(|line| line.split_once(": ")) {
        figures.say(name, found);
    }
    figures.demand(noticed, || format!("a sabotage was not noticed:\n{text}"));
    print!("{figures}");
    figures.save(workspace, args.seeds < SEEDS)?;
    Ok(figures.good())
}

/// What the program printed, and whether it ended well.
fn played(program: &Path, args: &[&str]) -> Result<(String, bool)> {
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = command
        .output()
        .context("the simulated world does not start")?;
    ensure!(
        matches!(output.status.code(), Some(0 | 1)),
        "the simulated world ended with {}",
        output.status
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((text, output.status.success()))
}

/// Lines of a name and a number are figures, those of a name alone begin a part.
fn tell(figures: &mut Figures, text: &str) {
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        match figure(line) {
            Some((name, value)) => figures.say(name, value),
            None if PARTS.contains(&line) => figures.section(line),
            None => {}
        }
    }
}

/// What the program calls the parts of its report.
const PARTS: [&str; 2] = ["faults", "situations"];

/// A name and the number behind it, which may have a unit; at least two spaces stand between.
fn figure(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim().split_once("  ")?;
    let value = value.trim();
    value
        .starts_with(|first: char| first.is_ascii_digit())
        .then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_from_steps() {
        assert_eq!(figure("  power lost      12"), Some(("power lost", "12")));
        assert_eq!(
            figure("virtual time     53240 s"),
            Some(("virtual time", "53240 s"))
        );
        for other in [
            "faults",
            "too little: trim done was never reached",
            "   1.5 s  Look { life: 2 }",
        ] {
            assert_eq!(figure(other), None, "{other}");
        }
    }
}
