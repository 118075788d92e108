//! An endpoint that behaves as it is told, and remembers everything.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

use crate::site::PATIENCE;

/// What a sink does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Does {
    /// Answers with this status.
    Status(u16),
    /// Answers with this status and this body.
    Tells(u16, String),
    /// Answers with this status and these header lines.
    Says(u16, &'static str),
    /// Reads it and closes the connection without an answer.
    Resets,
    /// Reads it and says nothing until the sink is released.
    Hangs,
    /// Answers with bytes that are no HTTP.
    Garbage,
}

/// A request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// `id` of the body.
    pub(crate) fn id(&self) -> String {
        self.json()["id"].as_str().unwrap().to_owned()
    }
}

/// How a sink judges a request.
type Rule = Box<dyn Fn(&Got) -> Option<Does> + Send>;

#[derive(Default)]
struct State {
    got: Vec<Got>,
    /// What it does next, before the rule is asked.
    script: VecDeque<Does>,
    rule: Option<Rule>,
    under_way: usize,
    most_under_way: usize,
}

pub(crate) struct Sink {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    came: Arc<Notify>,
    released: watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Sink {
    pub(crate) async fn start() -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    /// One that was not there before.
    pub(crate) fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let came = Arc::new(Notify::new());
        let released = watch::Sender::new(false);
        let shared = (Arc::clone(&state), Arc::clone(&came), released.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, came, released) = shared.clone();
                tokio::spawn(async move {
                    let _gone = converse(stream, &state, &came, released.subscribe()).await;
                });
            }
        });
        Self {
            address,
            state,
            came,
            released,
            accepting,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Does these things with the next requests.
    pub(crate) fn script(&self, does: impl IntoIterator<Item = Does>) {
        self.state.lock().unwrap().script.extend(does);
    }

    /// Judges requests; `None` is a 200.
    pub(crate) fn rule(&self, rule: impl Fn(&Got) -> Option<Does> + Send + 'static) {
        self.state.lock().unwrap().rule = Some(Box::new(rule));
    }

    /// Lets go whoever hangs.
    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.state.lock().unwrap().got.clone()
    }

    pub(crate) fn most_under_way(&self) -> usize {
        self.state.lock().unwrap().most_under_way
    }

    /// Waits until `enough` requests have come, and gives all.
    pub(crate) async fn wait_for(&self, enough: usize) -> Vec<Got> {
        self.until(|got| got.len() >= enough).await
    }

    /// Waits until what came is `enough`.
    pub(crate) async fn until(&self, enough: impl Fn(&[Got]) -> bool) -> Vec<Got> {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                let came = self.came.notified();
                let got = self.got();
                if enough(&got) {
                    return got;
                }
                came.await;
            }
        });
        match waited.await {
            Ok(got) => got,
            Err(_) => panic!("not enough came: {:?}", self.got()),
        }
    }
}

async fn converse(
    mut stream: TcpStream,
    state: &Mutex<State>,
    came: &Notify,
    mut released: watch::Receiver<bool>,
) -> io::Result<()> {
    loop {
        let got = read(&mut stream).await?;
        let does = {
            let mut state = state.lock().unwrap();
            state.under_way += 1;
            state.most_under_way = state.most_under_way.max(state.under_way);
            let scripted = state.script.pop_front();
            let ruled = state.rule.as_ref().and_then(|rule| rule(&got));
            state.got.push(got);
            scripted.or(ruled).unwrap_or(Does::Status(200))
        };
        came.notify_waiters();
        let answered = answer(&mut stream, does, &mut released).await;
        state.lock().unwrap().under_way -= 1;
        answered?;
    }
}

async fn answer(
    stream: &mut TcpStream,
    does: Does,
    released: &mut watch::Receiver<bool>,
) -> io::Result<()> {
    let mut told = None;
    let (status, lines) = match does {
        Does::Status(status) => (status, ""),
        Does::Tells(status, body) => {
            told = Some(body);
            (status, "")
        }
        Does::Says(status, lines) => (status, lines),
        Does::Resets => {
            stream.set_zero_linger()?;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        Does::Hangs => {
            let _gone = released.wait_for(|released| *released).await;
            (200, "")
        }
        Does::Garbage => {
            stream.write_all(b"\x00\x01 not http\r\n\r\n").await?;
            return Err(io::ErrorKind::InvalidData.into());
        }
    };
    let body = told.unwrap_or_else(|| format!("{{\"status\":{status}}}"));
    let length = body.len();
    let text = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n{lines}\r\n{body}");
    stream.write_all(text.as_bytes()).await
}

async fn read(stream: &mut TcpStream) -> io::Result<Got> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap().split(' ');
    let (method, path) = (first.next().unwrap(), first.next().unwrap());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, length)| length.parse().unwrap());
    let mut body = vec![0; length];
    tokio::time::timeout(Duration::from_secs(30), stream.read_exact(&mut body)).await??;
    Ok(Got {
        method: method.to_owned(),
        path: path.to_owned(),
        headers,
        body,
    })
}
