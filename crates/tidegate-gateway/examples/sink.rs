//! A receiver of deliveries that counts them: how many, how many came twice, how many out of order. The other end of
//! `cargo xtask bench deliver`.
//!
//! `sink ADDRESS KEYS EVENTS`; it prints the address it listens on and runs until it is killed. A body begins with
//! `{"n":NUMBER`, from 0 to EVENTS; its key is the number modulo KEYS. `GET /figures` tells what was counted.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::json;
use tidegate_gateway::http::{
    Handler, Listener, ListenerSettings, Peer, ReplyBody, Workers, read_body,
};

/// What has come.
#[derive(Debug)]
struct Counted {
    keys: usize,
    seen: Vec<bool>,
    /// The number after the last one of each key.
    next: Vec<u64>,
    distinct: u64,
    repeats: u64,
    disordered: u64,
    unreadable: u64,
    first: Option<Instant>,
    last: Option<Instant>,
}

impl Counted {
    fn new(keys: usize, events: usize) -> Self {
        Self {
            keys,
            seen: vec![false; events],
            next: vec![0; keys],
            distinct: 0,
            repeats: 0,
            disordered: 0,
            unreadable: 0,
            first: None,
            last: None,
        }
    }

    fn take(&mut self, body: &[u8]) {
        let now = Instant::now();
        self.first.get_or_insert(now);
        let number = number(body).and_then(|number| usize::try_from(number).ok());
        let Some((number, seen)) = number.and_then(|n| Some((n, self.seen.get_mut(n)?))) else {
            self.unreadable += 1;
            return;
        };
        if *seen {
            self.repeats += 1;
            return;
        }
        *seen = true;
        self.distinct += 1;
        self.last = Some(now);
        if let Some(next) = self.next.get_mut(number % self.keys) {
            self.disordered += u64::from((number as u64) < *next);
            *next = number as u64 + 1;
        }
    }

    fn figures(&self) -> String {
        let taken = self.first.zip(self.last);
        let seconds = taken.map_or(0.0, |(first, last)| (last - first).as_secs_f64());
        json!({
            "distinct": self.distinct,
            "repeats": self.repeats,
            "disordered": self.disordered,
            "unreadable": self.unreadable,
            "seconds": seconds,
        })
        .to_string()
    }
}

/// The number a body begins with.
fn number(body: &[u8]) -> Option<u64> {
    let rest = body.strip_prefix(br#"{"n":"#)?;
    let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
}

struct Sink(Mutex<Counted>);

impl Handler for Sink {
    async fn call(&self, request: Request<Incoming>, _peer: &Peer) -> Response<ReplyBody> {
        let asked = request.method() == Method::GET;
        let body = read_body(request.into_body(), BODY_BYTES_MAX, Duration::from_secs(10)).await;
        // A count that was left half done is of no use, and the bench fails by it.
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut response = if asked {
            Response::new(ReplyBody::from(counted.figures()))
        } else {
            Response::new(ReplyBody::from("{}"))
        };
        match body {
            Ok(body) if !asked => counted.take(&body),
            Ok(_) => {}
            Err(error) => *response.status_mut() = error.status(),
        }
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if response.status() != StatusCode::OK {
            counted.unreadable += 1;
        }
        response
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, keys, events] = arguments.as_slice() else {
        return Err("usage: sink ADDRESS KEYS EVENTS".into());
    };
    let address = address.parse()?;
    let counted = Counted::new(keys.parse::<usize>()?.max(1), events.parse()?);
    let workers = Workers::start(std::thread::available_parallelism()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = Listener::bind(ListenerSettings::new(address)).await?;
        writeln!(std::io::stdout(), "{}", listener.address())?;
        let _server = listener.serve_on(Arc::new(Sink(Mutex::new(counted))), &workers);
        std::future::pending().await
    })
}

const BODY_BYTES_MAX: usize = 1024 * 1024;
