//! Flows that deliver, as an operator sees them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::node::{Node, Place, text};

/// An endpoint that answers with a status that can be changed, and tells each body.
struct Endpoint {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    bodies: mpsc::Receiver<String>,
}

impl Endpoint {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let status = Arc::new(AtomicU16::new(200));
        let (sender, bodies) = mpsc::channel();
        let shared = Arc::clone(&status);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if answer(stream, &shared, &sender).is_none() {
                    return;
                }
            }
        });
        Self {
            address,
            status,
            bodies,
        }
    }

    fn next(&self) -> String {
        self.bodies.recv_timeout(Duration::from_secs(60)).unwrap()
    }
}

/// One request of a connection; `None` once nobody listens to the bodies any more.
fn answer(stream: TcpStream, status: &AtomicU16, bodies: &mpsc::Sender<String>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let status = status.load(Ordering::Relaxed);
    let head = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    reader.get_mut().write_all(head.as_bytes()).ok()?;
    bodies.send(String::from_utf8(body).ok()?).ok()
}

#[test]
fn flows_are_listed_and_paused_and_faults_are_cured() {
    let endpoint = Endpoint::start();
    let place = Place::new(&format!(
        "systems: {{ partner: {{ url: \"http://{}\", private-ranges: [127.0.0.1] }} }}
flows:
  open:
    system: partner
    receive: {{ path: /in/open, verify: none }}
    event: {{ id: .body.id, type: '\"test\"', key: .body.id }}
  back: {{ system: partner, deliver: {{ on: [test] }} }}
",
        endpoint.address
    ));
    let node = place.start();
    node.sends(&["open", "--data", r#"{"id":"1"}"#], "kept");
    assert_eq!(endpoint.next(), r#"{"id":"1"}"#);

    let told = node.command(&["flows", "pause", "back"]);
    assert_eq!(text(&told.stdout), "back is paused\n");
    let listed = node.command(&["flows", "list"]);
    let listed = text(&listed.stdout);
    assert!(
        listed.contains("back  deliver  partner  paused"),
        "{listed}"
    );
    let missing = node.command(&["flows", "pause", "nobody"]);
    assert_eq!(missing.status.code(), Some(5), "{}", text(&missing.stderr));

    endpoint.status.store(422, Ordering::Relaxed);
    node.sends(&["open", "--data", r#"{"id":"2"}"#], "kept");
    node.sends(&["open", "--data", r#"{"id":"3"}"#], "kept");
    node.command(&["flows", "resume", "back"]);
    endpoint.next();
    endpoint.next();
    let faults = loop {
        let faults = node.json(&["faults", "list", "--flow", "back"]).remove(0);
        if faults.as_array().unwrap().len() == 2 {
            break faults;
        }
    };
    assert_eq!(faults[0]["cause"], "rejected");
    let status = node.command(&["status"]);
    assert!(
        text(&status.stdout).contains("answered 422"),
        "{}",
        text(&status.stdout)
    );

    let shown = node.command(&["faults", "resubmit", "--flow", "back", "--dry-run"]);
    assert_eq!(text(&shown.stdout).matches("rejected").count(), 2);
    endpoint.status.store(200, Ordering::Relaxed);
    let of = |external_id: &str| {
        let mut faults = faults.as_array().unwrap().iter();
        let fault = faults.find(|it| it["external_id"] == external_id).unwrap();
        fault["id"].as_str().unwrap().to_owned()
    };
    let (first, second) = (of("2"), of("3"));
    let (first, second) = (first.as_str(), second.as_str());
    let told = node.command(&["faults", "resubmit", first]);
    assert_eq!(text(&told.stdout), format!("{first} is being sent\n"));
    assert_eq!(endpoint.next(), r#"{"id":"2"}"#);
    let told = node.command(&["faults", "discard", second, "--reason", "a test"]);
    assert_eq!(text(&told.stdout), format!("{second} is discarded\n"));
    while node.json(&["faults", "list"])[0] != serde_json::json!([]) {}
    let gone = node.command(&["faults", "resubmit", first]);
    assert_eq!(gone.status.code(), Some(5), "{}", text(&gone.stderr));
    let reason = node.command(&["faults", "discard", second, "--reason", " "]);
    assert!(!reason.status.success());
}

#[test]
fn what_was_delivered_is_replayed_to_one_flow() {
    let endpoint = Endpoint::start();
    let place = Place::new(&format!(
        "systems: {{ partner: {{ url: \"http://{}\", private-ranges: [127.0.0.1] }} }}
flows:
  open:
    system: partner
    receive: {{ path: /in/open, verify: none }}
    event: {{ id: .body.id, type: '\"test\"', key: .body.key }}
  back: {{ system: partner, deliver: {{ on: [test] }} }}
",
        endpoint.address
    ));
    let node = place.start();
    let bodies: Vec<String> = (1..=3)
        .map(|id| format!(r#"{{"id":"{id}","key":"k{}"}}"#, id % 2))
        .collect();
    for body in &bodies {
        node.sends(&["open", "--data", body], "kept");
        assert_eq!(&endpoint.next(), body);
    }
    let is_settled = |status: &serde_json::Value| {
        let back = &status["deliveries"][0];
        back["delivered"] == 3 && back["behind_frames"] == 0
    };
    while !is_settled(&node.json(&["status"])[0]) {}
    let replay = |more: &[&str]| {
        let mut arguments = vec!["events", "replay", "--flow", "back", "--since", "1h"];
        arguments.extend(more);
        node.command(&arguments)
    };

    // Without permission nothing is sent, and with none of it asked for neither.
    let refused = replay(&["--reason", "a test"]);
    let told = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{told}");
    assert!(told.contains("--superseded"), "{told}");
    let shown = replay(&["--superseded", "--dry-run"]);
    let told = text(&shown.stdout);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    assert_eq!(told.matches("would be sent, key k").count(), 3, "{told}");
    assert!(told.ends_with("flow back: 3 would be sent\n"), "{told}");

    let done = replay(&["--superseded", "--reason", "restored from a backup"]);
    let told = text(&done.stdout);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(told, "flow back: 3 delivered\n");
    let mut again: Vec<String> = (0..3).map(|_| endpoint.next()).collect();
    let place_of = |again: &[String], at: usize| again.iter().position(|it| *it == bodies[at]);
    assert!(place_of(&again, 0) < place_of(&again, 2), "{again:?}");
    again.sort();
    assert_eq!(again, bodies);
    let timeline = node.command(&["timeline"]);
    let timeline = text(&timeline.stdout);
    for told in [
        "replay-begun",
        "replay-ended",
        "3 delivered, 0 failed",
        "restored from a backup",
    ] {
        assert!(timeline.contains(told), "{told}: {timeline}");
    }

    one_that_is_refused_is_told_and_no_fault(&node, &endpoint);
}

/// And is replayed by its identity when it is taken.
fn one_that_is_refused_is_told_and_no_fault(node: &Node<'_>, endpoint: &Endpoint) {
    endpoint.status.store(422, Ordering::Relaxed);
    let mut of_key = vec!["events", "replay", "--flow", "back", "--since", "1h"];
    of_key.extend(["--superseded", "--reason", "x", "--key", "k0", "--json"]);
    let failed = node.command(&of_key);
    assert_eq!(failed.status.code(), Some(1));
    let lines = text(&failed.stdout);
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["outcome"], "failed");
    assert!(lines[0]["why"].as_str().unwrap().contains("422"));
    assert_eq!(lines[1]["summary"]["failed"], 1);
    assert_eq!(node.json(&["faults", "list"])[0], serde_json::json!([]));

    let id = lines[0]["event"].as_str().unwrap();
    endpoint.status.store(200, Ordering::Relaxed);
    let named = ["events", "replay", "--flow", "back", "--id", id];
    let one = node.command(&[&named[..], &["--superseded", "--reason", "x"]].concat());
    assert_eq!(text(&one.stdout), "flow back: 1 delivered\n");
    let nobody = node.command(&[
        "events", "replay", "--flow", "nobody", "--since", "1h", "--reason", "x",
    ]);
    assert_eq!(nobody.status.code(), Some(5), "{}", text(&nobody.stderr));
}
