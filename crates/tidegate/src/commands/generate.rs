//! What is made of the program itself: completions, schema, reference.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::{Cli, ConfigCommand};
use crate::exit::Outcome;
use crate::output::Out;

pub(crate) fn completions(shell: Shell, out: &Out) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tidegate", &mut script);
    out.text(&String::from_utf8_lossy(&script))
}

pub(crate) fn config(command: &ConfigCommand, out: &Out) -> Outcome {
    match command {
        ConfigCommand::Schema => out.document(&tidegate_config::schema()),
        ConfigCommand::Reference => out.text(&tidegate_config::reference()),
    }
}
