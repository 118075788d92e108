//! Flows that deliver, as an operator sees them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::node::{Place, text};

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
