//! Servers that follow a script, a resolver that says what it is told, and short words for requests.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::Method;
use tidegate_gateway::outbound::{
    Answer, Endpoint, EndpointSettings, Failure, Request, Resolve, Resolving, Transport,
    TransportSettings,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Everything waits at most this long; nothing is expected to take it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What a server does with a connection, in order.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Reads one request (head and announced body), and notes it.
    Read,
    /// Writes this.
    Write(Vec<u8>),
    /// Answers 500 with the whole request in a header and in the body.
    Echo,
    /// Closes with a reset.
    Reset,
    /// Never does anything again.
    Hang,
    /// Writes this byte by byte, slowly.
    Drip(Vec<u8>),
    /// Writes these bytes over and over.
    Flood(Vec<u8>),
}

/// A server: one script for each connection, the last for all further ones.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn new(scripts: Vec<Vec<Act>>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut scripts = VecDeque::from(scripts);
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let script = if scripts.len() > 1 {
                    scripts.pop_front().unwrap()
                } else {
                    scripts.front().cloned().unwrap()
                };
                tokio::spawn(play(stream, script, Arc::clone(&notes)));
            }
        });
        Self {
            address,
            seen,
            task,
        }
    }

    /// Answers every request on every connection the same way.
    pub(crate) async fn always(answer: &str) -> Self {
        let turn = [Act::Read, Act::Write(answer.as_bytes().to_vec())];
        Self::new(vec![turn.iter().cycle().take(64).cloned().collect()]).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn play(mut stream: TcpStream, script: Vec<Act>, seen: Arc<Mutex<Vec<String>>>) {
    let mut last = String::new();
    for act in script {
        match act {
            Act::Read => match read_whole(&mut stream).await {
                Some((head, body)) => {
                    seen.lock().unwrap().push(head.to_lowercase() + &body);
                    last = head + &body;
                }
                None => return,
            },
            Act::Echo => {
                let (line, length) = (last.replace("\r\n", " | "), last.len());
                let head = format!("HTTP/1.1 500 X\r\nX-Asked: {line}\r\n");
                let text = format!("{head}Content-Length: {length}\r\n\r\n{last}");
                stream.write_all(text.as_bytes()).await.ok();
            }
            Act::Write(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return;
                }
            }
            Act::Reset => {
                stream.set_zero_linger().unwrap();
                return;
            }
            Act::Hang => {
                std::future::pending::<()>().await;
            }
            Act::Drip(bytes) => {
                let mut pace = tokio::time::interval(Duration::from_millis(5));
                for byte in bytes {
                    pace.tick().await;
                    if stream.write_all(&[byte]).await.is_err() {
                        return;
                    }
                }
            }
            Act::Flood(bytes) => while stream.write_all(&bytes).await.is_ok() {},
        }
    }
}

/// A head in lower case and the body it announces; `None` at the end of the stream.
pub(crate) async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let (head, body) = read_whole(stream).await?;
    Some(head.to_lowercase() + &body)
}

async fn read_whole<S: AsyncRead + Unpin>(stream: &mut S) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(bytes).unwrap();
    let lower = head.to_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |text| text.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, String::from_utf8_lossy(&body).into_owned()))
}

/// Copies both ways until one side ends.
pub(crate) async fn splice<A, B>(one: &mut A, other: &mut B)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    tokio::io::copy_bidirectional(one, other).await.ok();
}

/// Answers lookups from a list, the last answer again and again, and counts them.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<(VecDeque<Vec<IpAddr>>, usize)>);

impl Names {
    pub(crate) fn new(answers: &[&[&str]]) -> Arc<Self> {
        let read = |answer: &&[&str]| answer.iter().map(|one| one.parse().unwrap()).collect();
        let answers = answers.iter().map(read).collect();
        Arc::new(Self(Mutex::new((answers, 0))))
    }

    pub(crate) fn lookups(&self) -> usize {
        self.0.lock().unwrap().1
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, _name: &'a str) -> Resolving<'a> {
        let mut state = self.0.lock().unwrap();
        state.1 += 1;
        let answer = if state.0.len() > 1 {
            state.0.pop_front()
        } else {
            state.0.front().cloned()
        };
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "no such name");
        let answer = answer.ok_or_else(unknown);
        Box::pin(async move { answer })
    }
}

/// Settings with loopback opened.
pub(crate) fn settings(url: &str) -> EndpointSettings {
    let mut settings = EndpointSettings::new(url);
    settings.guard.allow = vec!["127.0.0.0/8".parse().unwrap()];
    settings
}

pub(crate) fn endpoint(url: &str) -> Arc<Endpoint> {
    Endpoint::new(&settings(url)).unwrap()
}

pub(crate) fn transport() -> Transport {
    Transport::new(TransportSettings::default())
}

pub(crate) fn with_names(names: &Arc<Names>) -> Transport {
    Transport::new(TransportSettings {
        resolver: Arc::clone(names) as Arc<dyn Resolve>,
        ..TransportSettings::default()
    })
}

pub(crate) fn post(endpoint: &Endpoint, body: &str) -> Request {
    Request {
        body: body.to_owned().into(),
        ..Request::new(Method::POST, endpoint.locate("/hook", "").unwrap())
    }
}

pub(crate) async fn send(
    transport: &Transport,
    endpoint: &Endpoint,
    request: &Request,
) -> Result<Answer, Failure> {
    let sending = transport.send(endpoint, request);
    let outcome = tokio::time::timeout(PATIENCE, sending).await;
    outcome.expect("it does not take this long").result
}

/// Posts to a server in one line.
pub(crate) async fn post_to(server: &Server) -> Result<Answer, Failure> {
    let endpoint = endpoint(&server.url());
    send(&transport(), &endpoint, &post(&endpoint, "{}")).await
}

/// Waits until `wanted` holds.
#[track_caller]
pub(crate) fn until(mut wanted: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let start = Instant::now();
        while !wanted() {
            assert!(start.elapsed() < PATIENCE, "waited in vain at {place}");
            tokio::task::yield_now().await;
        }
    }
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
