//! The configuration file and the environment: the one place where both are read.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tidegate_config::{Config, FILE_BYTES_MAX, Loaded, SecretSource};

use crate::exit::{Exit, Failure, Outcome};
use crate::output::Out;

/// The largest file of a secret that is read; the configuration's own limit is lower, and says so.
const SECRET_FILE_BYTES_MAX: u64 = 1 << 20;

/// An environment variable, if it is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "this is where the binary reads the environment"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Which configuration to read.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    file: PathBuf,
    region: Option<String>,
}

/// A configuration that can be used.
#[derive(Debug)]
pub(crate) struct Usable {
    /// The configuration.
    pub(crate) config: Config,
    /// What is doubtful in it.
    pub(crate) report: tidegate_config::Report,
}

impl Source {
    pub(crate) fn new(file: &Path, region: Option<&str>) -> Self {
        Self {
            file: file.to_owned(),
            region: region.map(str::to_owned),
        }
    }

    /// Another file, for the same region.
    pub(crate) fn of_file(&self, file: &Path) -> Self {
        Self::new(file, self.region.as_deref())
    }

    /// The file's name as it was given.
    pub(crate) fn name(&self) -> String {
        self.file.display().to_string()
    }

    /// The folder that file names in the configuration are relative to.
    pub(crate) fn folder(&self) -> PathBuf {
        self.file.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// Reads and checks the file.
    ///
    /// # Errors
    /// The file cannot be read. What is wrong in it stands in the result.
    pub(crate) fn load(&self) -> Outcome<Loaded> {
        let text = self.text().map_err(|error| {
            let name = self.name();
            let exit = if error.kind() == io::ErrorKind::NotFound {
                Exit::Usage
            } else {
                Exit::Failed
            };
            let error = anyhow::Error::new(error);
            Failure::new(
                exit,
                error.context(format!("the configuration {name} cannot be read")),
            )
            .cure("name the file with `--config FILE`, or write a new one with `tidegate init`")
        })?;
        let secrets = Secrets {
            folder: self.folder(),
        };
        Ok(tidegate_config::load(
            &self.name(),
            &text,
            self.region.as_deref(),
            &secrets,
        ))
    }

    /// Reads and checks the file for what does not depend on the region: where several are declared and
    /// none was chosen, as the first one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn load_for_any_region(&self) -> Outcome<Loaded> {
        let loaded = self.load()?;
        match (&self.region, loaded.regions.as_slice()) {
            (None, [first, _, ..]) => Self::new(&self.file, Some(first)).load(),
            _ => Ok(loaded),
        }
    }

    /// The configuration, if it has no errors; those are printed otherwise.
    ///
    /// # Errors
    /// It cannot be read or used.
    pub(crate) fn usable(&self, out: &Out) -> Outcome<Usable> {
        self.without_errors(self.load()?, out)
    }

    /// The same for what does not depend on the region.
    ///
    /// # Errors
    /// It cannot be read or used.
    pub(crate) fn usable_for_any_region(&self, out: &Out) -> Outcome<Usable> {
        self.without_errors(self.load_for_any_region()?, out)
    }

    fn without_errors(&self, loaded: Loaded, out: &Out) -> Outcome<Usable> {
        let Loaded { config, report, .. } = loaded;
        match config {
            Some(config) => Ok(Usable { config, report }),
            None => {
                if !out.is_json() {
                    out.error_text(&report.render(out.colours_errors()));
                }
                let what = format!("{} has {} errors", self.name(), report.errors());
                Err(Failure::told(Exit::Invalid, what)
                    .cure("`tidegate check` shows them again; a node can be asked without the file by `--admin URL`"))
            }
        }
    }

    fn text(&self) -> io::Result<String> {
        let bytes = read_bounded(&self.file, FILE_BYTES_MAX as u64)?;
        String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8"))
    }
}

/// Reads a file up to one byte more than `max`, so that whoever checks the length notices.
fn read_bounded(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(max.saturating_add(1))
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads a file of at most `max` bytes.
///
/// # Errors
/// It cannot be read, or is larger.
pub(crate) fn read_file(path: &Path, max: usize) -> Outcome<Vec<u8>> {
    let read = || {
        let bytes = read_bounded(path, max as u64)?;
        if bytes.len() > max {
            return Err(io::Error::other(format!("it is larger than {max} bytes")));
        }
        Ok(bytes)
    };
    let bytes = read().with_context(|| format!("{} cannot be read", path.display()));
    bytes.map_err(|error| Failure::new(Exit::Failed, error))
}

/// Secrets from the environment and from files beside the configuration.
struct Secrets {
    folder: PathBuf,
}

impl SecretSource for Secrets {
    fn env(&self, name: &str) -> Option<String> {
        variable(name)
    }

    fn file(&self, path: &str) -> io::Result<Vec<u8>> {
        read_bounded(&self.folder.join(path), SECRET_FILE_BYTES_MAX)
    }
}
