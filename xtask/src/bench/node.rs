//! The node under measurement: its configuration, its data on a real disk, its process.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::program::{Program, free_address};
use super::request;
use crate::workspace::{Workspace, stdout};

/// File systems that hold nothing after a power loss: a sync costs nothing there.
const NOT_ON_DISK: [&str; 3] = ["tmpfs", "ramfs", "overlay"];

/// A folder of its own, removed at the end.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes an empty folder beside the builds, and refuses file systems that sync nothing.
    ///
    /// # Errors
    /// When it cannot be made, or is not on a disk.
    pub(crate) fn new(workspace: &Workspace, name: &str) -> Result<Self> {
        let path = workspace.target().join("bench").join(name);
        if path.exists() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        on_disk(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays is removed at the next run.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Fails if a sync in `path` reaches no disk.
///
/// # Errors
/// When it does not, or that cannot be told.
pub(crate) fn on_disk(path: &Path) -> Result<()> {
    let kind = file_system(path)?;
    ensure!(
        !NOT_ON_DISK.contains(&kind.as_str()),
        "{} is on {kind}, where a sync reaches no disk; set CARGO_TARGET_DIR to a folder on one",
        path.display()
    );
    Ok(())
}

/// The kind of the file system that holds `path`.
///
/// # Errors
/// When that cannot be told.
pub(crate) fn file_system(path: &Path) -> Result<String> {
    let text = stdout(Command::new("stat").args(["-f", "-c", "%T"]).arg(path))?;
    Ok(text.trim().to_owned())
}

/// A node in front of a data directory.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) program: Program,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// From its start until it said that it is ready.
    pub(crate) ready_after: Duration,
}

impl Node {
    /// Starts `program run` with a flow that receives, on the data in `folder/data`, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) fn start(program: &Path, folder: &Path) -> Result<Self> {
        Self::start_with(program, folder, configuration)
    }

    /// Likewise with a configuration made of the public and the admin address and the data directory.
    ///
    /// # Errors
    /// When it does not become ready.
    pub(crate) fn start_with(
        program: &Path,
        folder: &Path,
        configuration: impl Fn(SocketAddr, SocketAddr, &Path) -> String,
    ) -> Result<Self> {
        let (public, admin) = (free_address()?, free_address()?);
        let file = folder.join("tidegate.yaml");
        let data = folder.join("data");
        fs::write(&file, configuration(public, admin, &data))?;
        fs::write(folder.join("secret.txt"), request::SECRET)?;
        let mut command = Command::new(program);
        command.arg("run").arg("--config").arg(&file);
        let mut program = Program::start(&mut command)?;
        let ready_after = program.ready(admin, "/readyz")?;
        Ok(Self {
            program,
            public,
            admin,
            ready_after,
        })
    }
}

/// One flow: verified, with the identity from a header, mapped by plain paths, deduplicated.
fn configuration(public: SocketAddr, admin: SocketAddr, data: &Path) -> String {
    let path = request::PATH;
    let data = data.display();
    format!(
        r#"subsystem: bench
listen: {{ public: "{public}", admin: "{admin}" }}
data: "{data}"
log: {{ size-max: 256GiB }}
logging: {{ level: warn }}
systems: {{ sender: {{}} }}
flows:
  bench:
    system: sender
    receive: {{ path: {path}, verify: {{ scheme: github, secret: "${{file:./secret.txt}}" }} }}
    event:
      id: '.headers["x-github-delivery"]'
      type: '"github." + .headers["x-github-event"]'
      key: .body.repository.full_name
      data: '{{ repository: .body.repository.full_name, action: .body.action, sender: .body.sender.login }}'
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    use tidegate_config::SecretSource;

    #[derive(Debug)]
    struct Secrets;

    impl SecretSource for Secrets {
        fn env(&self, _name: &str) -> Option<String> {
            None
        }

        fn file(&self, _path: &str) -> io::Result<Vec<u8>> {
            Ok(request::SECRET.into())
        }
    }

    #[test]
    fn the_configuration_is_valid_and_measures_what_it_says() {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let text = configuration(at(7400), at(7401), Path::new("data"));
        let loaded = tidegate_config::load("bench.yaml", &text, None, &Secrets);
        let config = loaded
            .config
            .unwrap_or_else(|| panic!("{:?}", loaded.report));
        assert_eq!(config.flows[0].path, request::PATH);
        assert_eq!(config.flows[0].verify.scheme(), "github");
    }

    #[test]
    fn memory_is_no_disk() {
        assert!(on_disk(Path::new("/dev/shm")).is_err());
    }
}
