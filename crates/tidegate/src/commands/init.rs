//! `init`: a commented configuration to start from.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::exit::{Exit, Failure, Outcome};
use crate::output::Out;

pub(crate) fn init(file: &Path, out: &Out) -> Outcome {
    let name = file.display().to_string();
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    let mut opened = match opened {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(
                Failure::told(Exit::Failed, format!("{name} is there already"))
                    .cure("name another file: `tidegate init FILE`"),
            );
        }
        opened => opened.map_err(|error| unwritten(&name, error))?,
    };
    opened
        .write_all(tidegate_config::STARTER.as_bytes())
        .map_err(|error| unwritten(&name, error))?;
    if out.is_json() {
        return out.document(&serde_json::json!({ "written": name }));
    }
    out.line(&format!(
        "wrote {name}; start it with `tidegate run --config {name}`"
    ))
}

fn unwritten(name: &str, error: std::io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        anyhow::Error::new(error).context(format!("{name} cannot be written")),
    )
}
