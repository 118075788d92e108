//! What is to be sent: one letter, or one for each file of a folder.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use bytes::Bytes;
use tidegate_config::Config;
use tidegate_config::config::Flow;

use crate::cli::SendArgs;
use crate::exit::{Exit, Failure, Outcome};
use crate::source::read_file;

/// The largest body; the gateway's own limit cannot be higher.
const BODY_BYTES_MAX: usize = 32 << 20;

/// Files of a folder at most: a test, not an import.
const FILES_MAX: usize = 10_000;

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) letters: Vec<Letter>,
}

/// One message of a flow.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) flow: Flow,
    /// The file it comes from.
    pub(super) file: Option<String>,
    /// The body; a sample if there is none.
    pub(super) body: Option<Bytes>,
}

impl Plan {
    pub(super) fn new(config: &Config, args: &SendArgs) -> Outcome<Self> {
        let letters = match (&args.flow, &args.dir) {
            (Some(name), None) => {
                let body = args.data.as_deref().map(body).transpose()?;
                vec![Letter {
                    flow: flow(config, name)?.clone(),
                    file: None,
                    body,
                }]
            }
            (Some(name), Some(folder)) => letters(flow(config, name)?, folder)?,
            (None, Some(folder)) => of_all_flows(config, folder)?,
            (None, None) => Vec::new(),
        };
        if letters.is_empty() {
            let folder = args
                .dir
                .as_deref()
                .unwrap_or_else(|| Path::new("."))
                .display();
            return Err(
                Failure::told(Exit::NotFound, format!("no .json file in {folder}")).cure(
                    "name a folder with .json files, or with folders that have the names of flows",
                ),
            );
        }
        Ok(Self { letters })
    }
}

fn flow<'a>(config: &'a Config, name: &str) -> Outcome<&'a Flow> {
    config
        .flows
        .iter()
        .find(|flow| flow.name == name)
        .ok_or_else(|| {
            let names: Vec<&str> = config.flows.iter().map(|flow| flow.name.as_str()).collect();
            Failure::told(Exit::NotFound, format!("no flow `{name}`"))
                .cure(format!("one of: {}", names.join(", ")))
        })
}

/// Text, `@FILE`, or `-` for standard input.
pub(super) fn body(data: &str) -> Outcome<Bytes> {
    if let Some(file) = data.strip_prefix('@') {
        return read_file(Path::new(file), BODY_BYTES_MAX).map(Bytes::from);
    }
    if data != "-" {
        return Ok(Bytes::copy_from_slice(data.as_bytes()));
    }
    let mut bytes = Vec::new();
    std::io::stdin()
        .lock()
        .take(BODY_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() > BODY_BYTES_MAX {
        let what = format!("the body is larger than {BODY_BYTES_MAX} bytes");
        return Err(Failure::told(Exit::Usage, what));
    }
    Ok(bytes.into())
}

/// The letters of every folder that has the name of a flow, in the order of the flows.
fn of_all_flows(config: &Config, folder: &Path) -> Outcome<Vec<Letter>> {
    let mut all = Vec::new();
    for flow in &config.flows {
        let folder = folder.join(&flow.name);
        if folder.is_dir() {
            all.extend(letters(flow, &folder)?);
        }
    }
    Ok(all)
}

fn letters(flow: &Flow, folder: &Path) -> Outcome<Vec<Letter>> {
    let mut letters = Vec::new();
    for path in json_files(folder)? {
        let body = read_file(&path, BODY_BYTES_MAX)?.into();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        letters.push(Letter {
            flow: flow.clone(),
            file: Some(name),
            body: Some(body),
        });
    }
    Ok(letters)
}

fn json_files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let read = || {
        let entries = fs::read_dir(folder)?.take(FILES_MAX);
        let paths: std::io::Result<Vec<PathBuf>> = entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect();
        paths
    };
    let mut paths = read()
        .with_context(|| format!("{} cannot be read", folder.display()))
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    paths.retain(|path| path.extension().is_some_and(|it| it == "json") && path.is_file());
    paths.sort();
    Ok(paths)
}
