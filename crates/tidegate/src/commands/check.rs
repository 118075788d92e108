//! `check`: everything that is wrong with a configuration.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::Global;
use crate::exit::{Exit, Outcome};
use crate::output::{Out, Tone};
use crate::source::Source;

/// Checks the files; those with errors decide the exit code.
///
/// # Errors
/// One of them cannot be read.
pub(crate) fn check(files: &[PathBuf], global: &Global, out: &Out) -> Outcome<Exit> {
    let default = [global.config.clone()];
    let files = if files.is_empty() {
        &default[..]
    } else {
        files
    };
    let mut exit = Exit::Success;
    let mut documents = Vec::new();
    for file in files {
        let source = Source::new(file, global.region.as_deref());
        let loaded = source.load_for_any_region()?;
        let valid = loaded.config.is_some();
        if !valid {
            exit = Exit::Invalid;
        }
        if out.is_json() {
            documents.push(json!({
                "file": source.name(),
                "valid": valid,
                "errors": loaded.report.errors(),
                "warnings": loaded.report.warnings(),
                "problems": loaded.report.to_json(),
            }));
            continue;
        }
        out.error_text(&loaded.report.render(out.colours_errors()));
        if let Some(config) = &loaded.config {
            let word = out.paint(Tone::Good, "valid");
            let (name, region) = (source.name(), &config.region);
            let (flows, services) = (config.flows.len(), config.services.len());
            out.line(&format!(
                "{name}: {word}; region {region}, {flows} flows, {services} services"
            ))?;
        }
    }
    if out.is_json() {
        out.document(&documents)?;
    }
    Ok(exit)
}
