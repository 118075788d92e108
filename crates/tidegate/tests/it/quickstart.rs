//! The quickstart as the README has it, with the commands taken out of it; only the ports are others.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::node::{documents, text, tidegate};

/// Far longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// The ports of the systems of the example that are not started here.
const DOWN: [&str; 2] = [":7500", ":7600"];

/// A loopback address at which no test listens, so that nobody is there for certain.
const NOBODY: &str = "127.86.0.1";

const PROGRAM: &str = "cargo run --release -- ";

/// A copy of the example, and ports that are free.
struct Quickstart {
    folder: TempDir,
    /// Each port of the example and the one in its place.
    ports: Vec<(&'static str, String)>,
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only where it has ended.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

impl Quickstart {
    fn new() -> Self {
        let listeners: Vec<_> = ["7400", "7401"]
            .map(|port| (port, TcpListener::bind("127.0.0.1:0").unwrap()))
            .into();
        let free = |(port, it): &(&'static str, TcpListener)| {
            (*port, it.local_addr().unwrap().port().to_string())
        };
        let new = Self {
            folder: TempDir::new().unwrap(),
            ports: listeners.iter().map(free).collect(),
        };
        new.copy(Path::new("examples/quickstart"));
        new
    }

    fn copy(&self, folder: &Path) {
        fs::create_dir_all(self.folder.path().join(folder)).unwrap();
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let name = folder.join(entry.unwrap().file_name());
            if root().join(&name).is_dir() {
                self.copy(&name);
            } else {
                let text = fs::read_to_string(root().join(&name)).unwrap();
                fs::write(self.folder.path().join(&name), self.ported(&text)).unwrap();
            }
        }
    }

    fn ported(&self, text: &str) -> String {
        let replace = |text: String, (port, free): &(&str, String)| {
            text.replace(&format!(":{port}"), &format!(":{free}"))
        };
        let line = |line: &str| {
            if DOWN.iter().any(|port| line.contains(port)) {
                return line.replace("127.0.0.1", NOBODY);
            }
            self.ports.iter().fold(line.to_owned(), replace)
        };
        text.split_inclusive('\n').map(line).collect()
    }

    /// The command in a line of the README.
    fn command(&self, line: &str) -> std::process::Command {
        let line = self.ported(line);
        let arguments = line.strip_prefix(PROGRAM).expect("it is the program");
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        let mut command = tidegate(&arguments);
        command.current_dir(self.folder.path());
        command
    }

    fn run(&self, line: &str) -> Output {
        self.command(line).output().unwrap()
    }

    /// Repeats a command until what it prints as JSON is as wanted.
    fn until(&self, line: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let output = self.run(&format!("{line} --json"));
            let documents = documents(&output);
            if wanted(&documents) {
                return documents;
            }
            let said = text(&output.stderr);
            assert!(begun.elapsed() < PATIENCE, "{line}: {documents:?} {said}");
        }
    }
}

/// The lines of the README's first two blocks of commands.
fn lines() -> Vec<String> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let start = readme.split("## Start").nth(1).expect("it has a start");
    let start = start.split("\n## ").next().unwrap_or_default();
    let commands = start.lines().filter(|line| line.starts_with(PROGRAM));
    commands.map(str::to_owned).collect()
}

fn count(documents: &[Value], kind: &str) -> usize {
    let events = documents.iter().filter_map(Value::as_array).flatten();
    let kinds = events.filter_map(|event| event["type"].as_str());
    kinds.filter(|it| it.starts_with(kind)).count()
}

#[test]
fn the_commands_of_the_readme_do_what_it_says() {
    let lines = lines();
    let quickstart = Quickstart::new();
    let [run, send, rest @ ..] = lines.as_slice() else {
        panic!("the README has no commands: {lines:?}");
    };
    let node = quickstart
        .command(run)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _node = Running(node);
    let address = quickstart.ported("127.0.0.1:7400");
    let begun = Instant::now();
    while TcpStream::connect(&address).is_err() {
        assert!(begun.elapsed() < PATIENCE, "it does not start");
    }

    let sent = quickstart.run(&format!("{send} --json"));
    let sent = documents(&sent);
    let outcomes = |wanted: &str| sent.iter().filter(|it| it["outcome"] == wanted).count();
    assert_eq!(outcomes("kept"), 8, "{sent:?}");
    assert_eq!(outcomes("repeat"), 1);
    assert_eq!(outcomes("fault"), 1);
    assert_eq!(sent.len(), 10);

    let [search, get, faults, flows] = rest else {
        panic!("the README has other commands: {rest:?}");
    };
    // What was delivered comes back through the flow that verifies it.
    let found = quickstart.until(search, |found| count(found, "ledger.payment.") == 2);
    assert_eq!(count(&found, "payment."), 2);
    assert_eq!(count(&found, "github."), 4);
    assert_eq!(count(&found, "partner."), 2);
    let id = found[0][0]["id"].as_str().unwrap();
    let event = quickstart.run(&get.replace("ID", id));
    assert!(text(&event.stdout).contains("original"), "{event:?}");
    let faults = quickstart.run(faults);
    assert!(
        text(&faults.stdout).contains("partner-events"),
        "{faults:?}"
    );
    let flows = text(&quickstart.run(flows).stdout);
    for (flow, what) in [
        ("payments-to-ledger", "2 delivered"),
        ("payments-to-bookkeeping", "0 delivered"),
        ("ledger", "2 kept"),
        ("changes", "serve"),
    ] {
        let row = flows
            .lines()
            .find(|line| line.starts_with(&format!("{flow} ")));
        assert!(row.is_some_and(|row| row.contains(what)), "{flow}: {flows}");
    }
}

#[test]
fn every_flow_of_the_example_can_be_tried() {
    let quickstart = Quickstart::new();
    let run = format!("{PROGRAM}run --config examples/quickstart/tidegate.yaml");
    let node = quickstart.command(&run).stderr(Stdio::null()).spawn();
    let _node = Running(node.unwrap());
    let address = quickstart.ported("127.0.0.1:7400");
    let begun = Instant::now();
    while TcpStream::connect(&address).is_err() {
        assert!(begun.elapsed() < PATIENCE, "it does not start");
    }
    let send = |rest: &str| {
        let config = "--config examples/quickstart/tidegate.yaml";
        quickstart.run(&format!("{PROGRAM}send {rest} {config} --json"))
    };

    let tried = documents(&send("payments-to-ledger --id try-1"));
    assert_eq!(tried[0]["outcome"], "delivered", "{tried:?}");
    assert_eq!(tried[0]["answer"]["status"], 200);
    let search = format!("{PROGRAM}events search --config examples/quickstart/tidegate.yaml");
    let found = quickstart.until(&search, |found| count(found, "ledger.payment.") == 1);
    // Only what the receiver made of it is in the log.
    assert_eq!(count(&found, ""), 1);

    let shown = documents(&send("payments-to-ledger --dry-run"));
    assert!(shown[0].get("answer").is_none(), "{shown:?}");
    let names: Vec<&str> = shown[0]["request"]["headers"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|header| header[0].as_str())
        .collect();
    assert!(names.contains(&"webhook-signature"), "{names:?}");
    assert!(names.contains(&"idempotency-key"), "{names:?}");

    let masked = shown[0]["request"]["url"].as_str().unwrap();
    assert!(masked.ends_with("/in/ledger"), "{masked}");
    let down = send("payments-to-bookkeeping");
    assert_eq!(down.status.code(), Some(1));
    let down = documents(&down);
    assert_eq!(down[0]["blame"], "path", "{down:?}");
    assert_eq!(down[0]["outcome"], "endpoint-down", "{down:?}");

    let dry = documents(&send("github-events --dry-run"));
    assert_eq!(dry[0]["method"], "POST", "{dry:?}");
    let page = documents(&send("changes"));
    assert_eq!(page[0]["answer"]["status"], 200, "{page:?}");
    assert!(page[0]["curl"].as_str().unwrap().starts_with("curl -i"));
    // Nothing that was tried is an event of its own.
    let found = quickstart.until(&search, |_| true);
    assert_eq!(count(&found, ""), 1, "{found:?}");
}
