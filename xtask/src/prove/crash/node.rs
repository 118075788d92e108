//! The real process: its configuration, its start, its end.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::around::Addresses;
use super::deliveries::{FLOW as OUT, ON};
use super::polls::FLOW as ITEMS;
use super::sink::{LIFE_HEADER, WHSEC};
use super::traffic::{SECRET, TOKEN};

/// A node that is not ready by then will not be.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// What a node is run with.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) program: PathBuf,
    /// Configuration, log lines and history.
    pub(crate) folder: PathBuf,
    /// The data directory.
    pub(crate) data: PathBuf,
    pub(crate) segment: &'static str,
    pub(crate) size_max: &'static str,
    /// Further variables of the environment.
    pub(crate) env: Vec<(&'static str, String)>,
}

impl Setup {
    /// Writes the configuration for one life.
    pub(crate) fn write(&self, around: Addresses) -> Result<()> {
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        fs::write(self.config(), self.text(around))?;
        fs::write(self.folder.join("secret.txt"), SECRET)?;
        fs::write(self.folder.join("token.txt"), TOKEN)?;
        fs::write(self.folder.join("whsec.txt"), WHSEC)?;
        Ok(())
    }

    fn config(&self) -> PathBuf {
        self.folder.join("tidegate.yaml")
    }

    fn text(&self, around: Addresses) -> String {
        let Self {
            segment, size_max, ..
        } = self;
        let data = self.data.display();
        let Addresses { sink, source, life } = around;
        format!(
            r#"subsystem: proof
listen: {{ public: "127.0.0.1:0", admin: "127.0.0.1:0" }}
data: "{data}"
log: {{ keep: 1d, segment: {segment}, size-max: {size_max} }}
limits: {{ body-max: 4MiB }}
logging: {{ format: json }}
systems:
  sender: {{}}
  sink: {{ url: "http://{sink}", private-ranges: [127.0.0.0/8] }}
  source: {{ url: "http://{source}", private-ranges: [127.0.0.0/8] }}
flows:
  hooks:
    system: sender
    receive: {{ path: /in/hooks, verify: {{ scheme: github, secret: "${{file:./secret.txt}}" }} }}
    event:
      id: '.headers["x-github-delivery"]'
      type: .body.kind
      key: .body.customer
      data: '{{ id: .body.id, text: .body.text }}'
  bulk:
    system: sender
    receive: {{ path: /in/bulk, verify: {{ scheme: github, secret: "${{file:./secret.txt}}" }} }}
    event:
      id: '.headers["x-github-delivery"]'
      type: '"bulk"'
  feed:
    system: sender
    serve:
      path: /out/feed
      on: ["*"]
      page-max: 500
      consumers: {{ reader: {{ token: "${{file:./token.txt}}" }} }}
  {OUT}:
    system: sink
    deliver:
      on: {ON}
      start: oldest
      request: {{ path: /take, headers: {{ {LIFE_HEADER}: '"{life}"' }}, body: . }}
      order: per-key
      sign: {{ scheme: standard-webhooks, secret: "${{file:./whsec.txt}}" }}
      retry: {{ schedule: [0s, 10ms, 20ms, 50ms, 100ms, 100ms, 200ms, 200ms, 500ms, 500ms] }}
      breaker: {{ open-min: 100ms, open-max: 200ms }}
      timeout: 30s
      concurrency: 16
  {ITEMS}:
    system: source
    poll: {{ every: 1s, request: '/items?after={{cursor}}', items: '.items[]', next: .next, backoff-max: 1s }}
    event: {{ id: .body.id, type: '"item.changed"', key: .body.customer, data: .body }}
services:
  worker:
    token: "${{file:./token.txt}}"
    publish: [order.*]
    subscribe: {{ everything: {{ on: ["*"], max-lag: 1d }} }}
"#
        )
    }

    /// Starts the process; it may not be ready yet.
    pub(crate) fn start(&self) -> Result<Starting> {
        let mut command = Command::new(&self.program);
        command.arg("run").arg("--config").arg(self.config());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        for (name, value) in &self.env {
            command.env(name, value);
        }
        let begun = Instant::now();
        let mut child = command
            .spawn()
            .with_context(|| format!("{} does not start", self.program.display()))?;
        let stderr = child
            .stderr
            .take()
            .context("the node has no standard error")?;
        let (ready, told) = sync_channel(1);
        let lines = File::options()
            .append(true)
            .create(true)
            .open(self.lines())?;
        let reader = thread::spawn(move || read_lines(stderr, lines, &ready));
        Ok(Starting {
            process: Process {
                child,
                reader: Some(reader),
            },
            told,
            begun,
        })
    }

    /// The node's own log lines.
    pub(crate) fn lines(&self) -> PathBuf {
        self.folder.join("node.log")
    }
}

/// Copies the lines to a file, and tells where the node listens once it says so.
fn read_lines(stderr: ChildStderr, mut file: File, ready: &SyncSender<[SocketAddr; 2]>) {
    for line in BufReader::new(stderr).lines() {
        let Ok(line) = line else { return };
        // The copy is for people; the proof goes on without it.
        let _written = writeln!(file, "{line}");
        let line: Value = serde_json::from_str(&line).unwrap_or_default();
        let address = |name: &str| line[name].as_str()?.parse().ok();
        if line["message"] == "ready"
            && let (Some(public), Some(admin)) =
                (address("listener.public"), address("listener.admin"))
        {
            // Whoever waited may have killed the node meanwhile.
            let _told = ready.try_send([public, admin]);
        }
    }
}

/// A process that is killed when this is dropped.
#[derive(Debug)]
struct Process {
    child: Child,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// SIGKILL, and waits until it has gone with all its files closed.
    fn kill(&mut self) -> Result<()> {
        self.child.kill().context("the node cannot be killed")?;
        self.child
            .wait()
            .context("the end of the node was not seen")?;
        if let Some(reader) = self.reader.take()
            && reader.join().is_err()
        {
            bail!("the reader of the log lines panicked");
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have been killed before.
        drop(self.kill());
    }
}

/// A node that was started.
#[derive(Debug)]
pub(crate) struct Starting {
    process: Process,
    told: Receiver<[SocketAddr; 2]>,
    begun: Instant,
}

impl Starting {
    /// Waits until it is ready.
    ///
    /// # Errors
    /// When it ends before, or does not become ready.
    pub(crate) fn ready(self, lines: &Path) -> Result<Node> {
        match self.told.recv_timeout(READY_WITHIN) {
            Ok([address, admin]) => Ok(Node {
                process: self.process,
                address,
                admin,
                ready_after: self.begun.elapsed(),
            }),
            Err(RecvTimeoutError::Timeout) => bail!(
                "the node was not ready within {READY_WITHIN:?}; see {}",
                lines.display()
            ),
            Err(RecvTimeoutError::Disconnected) => bail!(
                "the node ended before it was ready; see {}",
                lines.display()
            ),
        }
    }

    /// Kills it after a while, unless it is ready before; whether it was killed before.
    pub(crate) fn kill_after(mut self, while_: Duration) -> Result<bool> {
        let early = self.told.recv_timeout(while_).is_err();
        self.process.kill()?;
        Ok(early)
    }
}

/// A node that is ready.
#[derive(Debug)]
pub(crate) struct Node {
    process: Process,
    pub(crate) address: SocketAddr,
    /// Where its admin API is.
    pub(crate) admin: SocketAddr,
    /// From the start of the process to its word that it is ready.
    pub(crate) ready_after: Duration,
}

impl Node {
    /// SIGKILL.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.process.kill()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use tidegate_config::SecretSource;

    struct Secrets;

    impl SecretSource for Secrets {
        fn env(&self, _name: &str) -> Option<String> {
            None
        }

        fn file(&self, path: &str) -> io::Result<Vec<u8>> {
            let whsec = path.ends_with("whsec.txt");
            Ok(if whsec { WHSEC } else { SECRET }.into())
        }
    }

    #[test]
    fn the_configuration_is_valid() {
        let setup = Setup {
            program: PathBuf::new(),
            folder: PathBuf::new(),
            data: PathBuf::from("data"),
            segment: "1MiB",
            size_max: "256MiB",
            env: Vec::new(),
        };
        let around = Addresses {
            sink: ([127, 0, 0, 1], 8001).into(),
            source: ([127, 0, 0, 1], 8002).into(),
            life: 3,
        };
        let text = setup.text(around);
        let loaded = tidegate_config::load("tidegate.yaml", &text, None, &Secrets);
        assert!(loaded.config.is_some(), "{}", loaded.report.render(false));
    }
}
