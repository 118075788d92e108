//! A node in a folder of its own, and the command that talks to it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Far longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the ports are left to the system.
pub(crate) const LISTEN: &str = "listen: { public: '127.0.0.1:0', admin: '127.0.0.1:0' }\n";

/// A flow that takes everything and tells it apart by `.body.id`.
pub(crate) const OPEN_FLOW: &str = "\
systems: { partner: {} }
flows:
  open:
    system: partner
    receive: { path: /in/open, verify: none }
    event: { id: .body.id, type: '\"test.\" + .body.kind', key: .body.key, data: .body }
";

/// The program under test, with the secrets of the tests in its environment.
pub(crate) fn tidegate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
    command
        .args(arguments)
        .env("TEST_SECRET", "demo-only-secret-of-the-tests")
        .env(
            "TEST_WHSEC",
            "whsec_ZGVtby1vbmx5LXNlY3JldC1vZi10aGUtdGVzdHM=",
        )
        .env_remove("NO_COLOR")
        .stdin(Stdio::null());
    command
}

/// A folder with a configuration and the data of a node.
pub(crate) struct Place {
    folder: TempDir,
    /// Which region of several the node is.
    region: Option<&'static str>,
}

impl Place {
    pub(crate) fn new(config: &str) -> Self {
        let place = Self {
            folder: TempDir::new().unwrap(),
            region: None,
        };
        place.write(config);
        place
    }

    /// The place of one of several regions; the configuration says what it listens on.
    pub(crate) fn of_region(region: &'static str, config: &str) -> Self {
        let place = Self {
            folder: TempDir::new().unwrap(),
            region: Some(region),
        };
        let data = place.folder.path().join("data");
        let text = format!("subsystem: orders\ndata: {}\n{config}", data.display());
        fs::write(place.config(), text).unwrap();
        place
    }

    /// Writes the configuration anew.
    pub(crate) fn write(&self, config: &str) {
        let data = self.folder.path().join("data");
        let text = format!(
            "subsystem: orders\ndata: {}\n{LISTEN}{config}",
            data.display()
        );
        fs::write(self.config(), text).unwrap();
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("tidegate.yaml")
    }

    /// Runs the command to its end on this configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let config = self.config();
        let mut all = vec!["--config", config.to_str().unwrap()];
        all.extend(self.region());
        all.extend(arguments);
        tidegate(&all).output().unwrap()
    }

    fn region(&self) -> Vec<&'static str> {
        self.region.map_or_else(Vec::new, |it| vec!["--region", it])
    }

    /// Starts a node and waits until it is ready.
    pub(crate) fn start(&self) -> Node<'_> {
        let config = self.config();
        let mut all = vec!["run", "--config", config.to_str().unwrap()];
        all.extend(self.region());
        let mut child = tidegate(&all)
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let lines = Arc::new(Lines::default());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let reader = std::thread::spawn({
            let lines = Arc::clone(&lines);
            move || {
                stderr
                    .lines()
                    .map_while(Result::ok)
                    .for_each(|line| lines.push(&line))
            }
        });
        let mut node = Node {
            place: self,
            child,
            lines,
            reader: Some(reader),
            addresses: None,
        };
        let ready = node.line("ready");
        let address = |name: &str| ready[name].as_str().unwrap().to_owned();
        node.addresses = Some((address("listener.public"), address("listener.admin")));
        node
    }
}

/// The log lines of a node so far.
#[derive(Default)]
struct Lines {
    lines: Mutex<Vec<Value>>,
    more: Condvar,
}

impl Lines {
    fn push(&self, line: &str) {
        let line = serde_json::from_str(line).unwrap_or_else(|_| Value::from(line));
        self.lines.lock().unwrap().push(line);
        self.more.notify_all();
    }
}

/// A running node. It is killed when it is dropped.
pub(crate) struct Node<'a> {
    place: &'a Place,
    child: Child,
    lines: Arc<Lines>,
    reader: Option<JoinHandle<()>>,
    addresses: Option<(String, String)>,
}

impl Node<'_> {
    /// Host and port of the public listener.
    pub(crate) fn public(&self) -> &str {
        &self.addresses.as_ref().expect("it is ready").0
    }

    /// Base address of the admin API.
    pub(crate) fn admin(&self) -> String {
        format!("http://{}", self.addresses.as_ref().expect("it is ready").1)
    }

    /// Waits for a log line with this message.
    pub(crate) fn line(&self, message: &str) -> Value {
        self.nth_line(message, 0)
    }

    /// Waits for one more such line than `skip`.
    pub(crate) fn nth_line(&self, message: &str, skip: usize) -> Value {
        let find = |lines: &Vec<Value>| {
            lines
                .iter()
                .filter(|line| line["message"] == message)
                .nth(skip)
                .cloned()
        };
        let lines = self.lines.lines.lock().unwrap();
        let waited = self
            .lines
            .more
            .wait_timeout_while(lines, PATIENCE, |it| find(it).is_none());
        let (lines, _) = waited.unwrap();
        find(&lines).unwrap_or_else(|| unreachable!("no line {message:?} in {lines:#?}"))
    }

    /// Runs a command against this node to its end.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let admin = self.admin();
        let mut all = arguments.to_vec();
        all.extend(["--admin", &admin]);
        self.place.command(&all)
    }

    /// As [`Node::command`], with `--json` and the documents it printed; it must succeed.
    pub(crate) fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let mut all = arguments.to_vec();
        all.push("--json");
        let output = self.command(&all);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            text(&output.stderr)
        );
        documents(&output)
    }

    /// Sends a message of a flow and gives what came of it.
    pub(crate) fn send(&self, arguments: &[&str]) -> Output {
        let to = format!("http://{}", self.public());
        let mut all = vec!["send", "--json", "--to", &to];
        all.extend(arguments);
        self.place.command(&all)
    }

    /// Sends one, which must be answered so, and gives its identity.
    pub(crate) fn sends(&self, arguments: &[&str], outcome: &str) -> String {
        let output = self.send(arguments);
        let results = documents(&output);
        assert_eq!(results.len(), 1, "{}", text(&output.stderr));
        assert_eq!(results[0]["outcome"], outcome, "{results:?}");
        results[0]["id"].as_str().unwrap_or_default().to_owned()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill")
            .args(["-s", name, &id])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Waits until the node has ended by itself.
    pub(crate) fn wait(self) -> ExitStatus {
        self.wait_with_log().0
    }

    /// Likewise, and gives all it has logged.
    pub(crate) fn wait_with_log(mut self) -> (ExitStatus, String) {
        // The reader ends with the process, or this test with its patience.
        let reader = self.reader.take().expect("waited for once");
        let begun = std::time::Instant::now();
        while !reader.is_finished() {
            assert!(begun.elapsed() < PATIENCE, "the node does not end");
            std::thread::yield_now();
        }
        reader.join().unwrap();
        let lines = self.lines.lines.lock().unwrap();
        let log = lines.iter().map(Value::to_string).collect();
        drop(lines);
        (self.child.wait().unwrap(), log)
    }
}

impl Drop for Node<'_> {
    fn drop(&mut self) {
        // Fails only where it has ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The JSON documents on standard output: one, or one per line.
pub(crate) fn documents(output: &Output) -> Vec<Value> {
    let stream = serde_json::Deserializer::from_slice(&output.stdout).into_iter();
    stream
        .map(|document| document.expect("standard output is JSON"))
        .collect()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
