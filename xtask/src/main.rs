//! Tasks of the project, as `cargo xtask TASK`.
//!
//! A task prints what it does on standard output and ends with 0 when all is well, 1 when something
//! failed and 2 when it was called wrongly. Nothing here is part of the product.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a task prints is its result"
)]

mod bench;
mod catalogue;
mod ci;
mod deps;
mod docs;
mod hygiene;
mod process;
mod prove;
mod report;
mod test;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Tasks of the project")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Fetch what the tests need and run all of them, against software from outside too
    Test {
        /// Run only this stage (repeat for several); `cargo xtask test --list` names them
        #[arg(long, value_name = "STAGE")]
        only: Vec<String>,
        /// Name the stages and run none
        #[arg(long)]
        list: bool,
    },
    /// Check which crate depends on which, and that the pure crates stay pure
    Deps,
    /// Check file lengths, unfinished code, machine paths, links and the book's chapters
    Hygiene,
    /// Measure against a baseline; without a name, list the benches
    Bench(Entry),
    /// Run a long proof (crashes, power loss, seeds); without a name, all of them, and write the evidence
    Prove(Entry),
    /// Generate what is generated and build the book
    Docs {
        /// Change nothing: fail when a generated page is not what the code says
        #[arg(long)]
        check: bool,
    },
    /// Everything a change must pass, as `.ci/run` calls it
    Ci,
}

/// One entry of a catalogue with its own arguments.
#[derive(Debug, Args)]
struct Entry {
    /// Which one
    name: Option<String>,
    /// Handed to it as they are (`cargo xtask bench NAME --help`)
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one task; `false` means that it ran and found something wrong, which it has printed.
fn run(task: Task) -> Result<bool> {
    let workspace = Workspace::locate()?;
    match task {
        Task::Test { list: true, .. } => {
            test::list();
            Ok(true)
        }
        Task::Test { only, list: false } => {
            let tally = test::run(&workspace, &only)?;
            println!("{tally}");
            Ok(tally.is_success())
        }
        Task::Deps => deps::run(&workspace),
        Task::Hygiene => hygiene::run(&workspace),
        Task::Bench(entry) => {
            catalogue::run("bench", bench::BENCHES, &workspace, entry.name, &entry.args)
        }
        Task::Prove(Entry { name: None, .. }) => prove::all(&workspace),
        Task::Prove(entry) => {
            catalogue::run("proof", prove::PROOFS, &workspace, entry.name, &entry.args)
        }
        Task::Docs { check } => docs::run(&workspace, check),
        Task::Ci => {
            let tally = ci::run(&workspace)?;
            println!("{tally}");
            Ok(tally.is_success())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_follows_a_name_goes_to_the_entry() {
        let cli = Cli::parse_from(["xtask", "bench", "receive", "--json", "--seconds", "60"]);
        let Task::Bench(entry) = cli.task else {
            panic!("{:?}", cli.task)
        };
        assert_eq!(entry.name.as_deref(), Some("receive"));
        assert_eq!(entry.args, ["--json", "--seconds", "60"]);
    }
}
