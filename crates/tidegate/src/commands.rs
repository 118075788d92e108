//! The commands, one file for each group.

mod books;
mod check;
mod events;
mod faults;
mod flows;
mod generate;
mod init;
mod plan;
mod reload;
mod status;
mod timeline;

use std::future::Future;
use std::sync::Arc;

use crate::cli::{Cli, Command};
use crate::client::Node;
use crate::exit::{Exit, Failure, Outcome};
use crate::output::Out;
use crate::source::Source;
use crate::{run, send};

/// Does what the command line says.
///
/// # Errors
/// It failed. A command that did its work and found something wrong prints it and returns the code.
pub(crate) fn execute(cli: Cli, out: &Out) -> Outcome<Exit> {
    let Cli { global, command } = cli;
    let node = || Node::of(&global, out);
    let source = || Source::new(&global.config, global.region.as_deref());
    match command {
        Command::Run => return run::run(&source(), out),
        Command::Init { file } => init::init(&file, out)?,
        Command::Check { files } => return check::check(&files, &global, out),
        Command::Plan(args) => return plan::plan(&source(), &args, out),
        Command::Reload => wait(reload::reload(&node()?, out))?,
        Command::Status => wait(status::status(&node()?, out))?,
        Command::Events(command) => wait(events::events(&Arc::new(node()?), command, out))?,
        Command::Faults(command) => wait(faults::faults(&node()?, command, out))?,
        Command::Flows(command) => wait(flows::flows(&node()?, command, out))?,
        Command::Timeline(args) => wait(timeline::timeline(&node()?, &args, out))?,
        Command::Books(args) => return wait(books::books(&node()?, &args, out)),
        Command::Send(args) => return wait(send::send(&source(), &global, &args, out)),
        Command::Completions { shell } => generate::completions(shell, out)?,
        Command::Config(command) => generate::config(&command, out)?,
        Command::Openapi => out.text(&tidegate_console::openapi_json())?,
    }
    Ok(Exit::Success)
}

/// Runs a conversation with a node on this thread.
fn wait<T>(conversation: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        Failure::new(
            Exit::Failed,
            anyhow::Error::new(error).context("the runtime cannot be started"),
        )
    })?;
    runtime.block_on(conversation)
}
