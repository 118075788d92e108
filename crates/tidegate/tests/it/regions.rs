//! Two regions as processes: killed, stopped in their tracks, started again.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::node::{Node, OPEN_FLOW, Place};

/// Far longer than anything here takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An address that stays while the process behind it comes and goes.
struct Line {
    address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
}

impl Line {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Self {
            address: listener.local_addr().unwrap(),
            target: Arc::default(),
        };
        let target = Arc::clone(&line.target);
        // It ends with the tests.
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let target = *target.lock().unwrap();
                if let Some(far) = target.and_then(|it| TcpStream::connect(it).ok()) {
                    forward(&near, &far);
                }
            }
        });
        line
    }

    fn lead_to(&self, node: &Node<'_>) {
        let ready = node.line("ready");
        let address = ready["listener.peer"].as_str().unwrap();
        *self.target.lock().unwrap() = Some(address.parse().unwrap());
    }
}

fn forward(near: &TcpStream, far: &TcpStream) {
    for (from, to) in [(near, far), (far, near)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        std::thread::spawn(move || {
            io::copy(&mut from, &mut to).ok();
            to.shutdown(std::net::Shutdown::Both).ok();
            from.shutdown(std::net::Shutdown::Both).ok();
        });
    }
}

/// The folders of two regions that know each other by lines.
struct Pair {
    east: Place,
    west: Place,
    to_east: Line,
    to_west: Line,
}

impl Pair {
    fn new() -> Self {
        let (to_east, to_west) = (Line::new(), Line::new());
        let config = format!(
            "listen: {{ public: '127.0.0.1:0', admin: '127.0.0.1:0', \
             peer: {{ address: '127.0.0.1:0', danger-plain: on-loopback }} }}\n\
             regions: {{ east: {{ peer: 'http://{}' }}, west: {{ peer: 'http://{}' }} }}\n{OPEN_FLOW}",
            to_east.address, to_west.address
        );
        Self {
            east: Place::of_region("east", &config),
            west: Place::of_region("west", &config),
            to_east,
            to_west,
        }
    }

    fn start_east(&self) -> Node<'_> {
        let node = self.east.start();
        self.to_east.lead_to(&node);
        node
    }

    fn start_west(&self) -> Node<'_> {
        let node = self.west.start();
        self.to_west.lead_to(&node);
        node
    }
}

fn status(node: &Node<'_>) -> Value {
    node.json(&["status"]).remove(0)
}

/// Waits until the status of a node is so.
#[track_caller]
fn until(node: &Node<'_>, what: &str, done: impl Fn(&Value) -> bool) -> Duration {
    let begun = Instant::now();
    loop {
        let status = status(node);
        if done(&status) {
            return begun.elapsed();
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{what} never came about: {status:#}"
        );
    }
}

fn last_frame(node: &Node<'_>) -> u64 {
    status(node)["log"]["last_frame"].as_u64().unwrap()
}

fn mirrored(status: &Value) -> u64 {
    let lives = status["mirrors"][0]["lives"].as_array();
    let last = lives.and_then(|lives| lives.last());
    last.map_or(0, |life| life["last_frame"].as_u64().unwrap())
}

fn take_in(node: &Node<'_>, ids: std::ops::Range<usize>) {
    for id in ids {
        let data = format!(r#"{{"id":"{id}","kind":"a"}}"#);
        node.sends(&["open", "--data", &data], "kept");
    }
}

#[test]
fn a_region_that_is_killed_is_in_the_other_and_goes_on() {
    let pair = Pair::new();
    let (east, west) = (pair.start_east(), pair.start_west());
    take_in(&east, 0..5);
    let written = last_frame(&east);
    until(&west, "the mirror of east", |it| mirrored(it) >= written);
    east.signal("KILL");
    drop(east);
    let took = until(&west, "a name for it", |it| {
        let state = it["mirrors"][0]["state"].as_str().unwrap_or_default();
        ["stalled", "unreachable"].contains(&state)
    });
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(mirrored(&status(&west)) >= written, "what came stays");

    let east = pair.start_east();
    take_in(&east, 5..8);
    let written = last_frame(&east);
    until(&west, "the mirror of east", |it| {
        mirrored(it) >= written && it["mirrors"][0]["state"] == "following"
    });
    assert_eq!(
        status(&west)["mirrors"][0]["lives"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_region_that_keeps_a_mirror_is_killed_and_goes_on_where_that_ends() {
    let pair = Pair::new();
    let (east, west) = (pair.start_east(), pair.start_west());
    take_in(&east, 0..3);
    let written = last_frame(&east);
    until(&west, "the mirror of east", |it| mirrored(it) >= written);
    west.signal("KILL");
    drop(west);
    take_in(&east, 3..6);
    let west = pair.start_west();
    let written = last_frame(&east);
    until(&west, "the mirror of east", |it| mirrored(it) >= written);
    until(&east, "a word from west", |it| {
        it["copies"][0]["frame"].as_u64().unwrap_or(0) >= written
    });
}

#[test]
fn a_region_that_is_frozen_is_named_within_ten_seconds() {
    let pair = Pair::new();
    let (east, west) = (pair.start_east(), pair.start_west());
    take_in(&east, 0..2);
    until(&west, "following", |it| {
        it["mirrors"][0]["state"] == "following"
    });
    east.signal("STOP");
    let took = until(&west, "stalled", |it| {
        it["mirrors"][0]["state"] == "stalled"
    });
    east.signal("CONT");
    assert!(took < Duration::from_secs(14), "{took:?}");
    until(&west, "following", |it| {
        it["mirrors"][0]["state"] == "following"
    });
}

#[test]
fn an_open_peer_listener_is_refused() {
    let place = Place::of_region(
        "east",
        "listen: { peer: { address: '127.0.0.1:0' } }\nregions: { east: {}, west: {} }\n",
    );
    let output = place.command(&["check"]);
    assert!(!output.status.success());
    let told = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("TG-0126"), "{told}");
}
