//! YAML in, a validated configuration or diagnostics out.
//!
//! One description of the file (the private module `shape`) drives the checker and decoder,
//! the JSON Schema ([`schema()`]) and the reference ([`reference()`]). Reading goes through a tree in
//! which every key and value knows its place, so that all problems of a file are told together,
//! each with its place and cure. The crate reads no files, no environment and no clock: the caller
//! hands in the text and a [`SecretSource`].

pub mod config;
pub mod cron;
mod decode;
pub mod diagnostic;
mod marked;
pub mod plan;
mod reference;
mod schema;
mod secrets;
mod shape;
mod starter;
pub mod units;

pub use config::Config;
pub use diagnostic::{Problem, Report, Severity};
pub use marked::{DEPTH_MAX, FILE_BYTES_MAX};
pub use reference::reference;
pub use schema::schema;
pub use secrets::{SecretRef, SecretSource};
pub use shape::file::{ENDPOINTS_MAX, FLOWS_MAX, REGIONS_MAX, SYSTEMS_MAX};
pub use starter::STARTER;

use decode::{Decoder, Regions};
use diagnostic::Problems;
use shape::file::ROOT;

/// What [`load`] found.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; `None` if there is an error.
    pub config: Option<Config>,
    /// The regions the file declares, also when none is chosen; empty if it cannot be read.
    pub regions: Vec<String>,
    /// Everything that is wrong or doubtful.
    pub report: Report,
}

/// Reads a configuration: `file` is its name for messages, `text` its content, `region` the one
/// this process is (it may be left out if there is only one).
#[must_use]
pub fn load(file: &str, text: &str, region: Option<&str>, secrets: &dyn SecretSource) -> Loaded {
    let mut problems = Problems::default();
    let mut regions = Vec::new();
    let config = marked::parse(text, &mut problems).and_then(|root| {
        let checked = shape::check(&root, &ROOT, &mut problems);
        let known = Regions::read(checked.fields()?, region, &mut problems);
        regions = known.names().into_iter().map(str::to_owned).collect();
        let mut decoder = Decoder {
            source: text,
            secrets,
            problems: &mut problems,
        };
        decode::decode(&checked, &known, &mut decoder)
    });
    let config = config.filter(|_| problems.usable());
    Loaded {
        config,
        regions,
        report: Report::new(file, text, problems),
    }
}

#[cfg(test)]
mod tests;
