//! The tidegate command.
//!
//! One program runs a node and talks to one. This crate reads the command line, the environment
//! and the configuration file, and starts every task and thread of its own; what a node does is
//! done by the crates below.

mod cli;
mod client;
mod commands;
mod exit;
mod output;
mod pretty;
mod run;
mod send;
mod source;
mod table;
mod when;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::Cli;
use crate::output::Out;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Out::new(&cli.global);
    match commands::execute(cli, &out) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.failure(&failure);
            failure.exit().into()
        }
    }
}
