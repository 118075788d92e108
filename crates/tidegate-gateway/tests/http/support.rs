//! A listener with a handler of many habits, raw sockets, HTTP/2 clients and bounded waits.

use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tidegate_gateway::http::{
    Handler, HttpStats, Listener, ListenerSettings, Peer, ReplyBody, Server, read_body,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// Bytes of a body the handler takes.
pub(crate) const BODY_MAX: usize = 64 * 1024;

/// Everything waits at most this long; nothing is expected to take it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Answers by path.
pub(crate) struct Habits {
    /// Requests at `/wait` go on when a permit is added.
    pub(crate) gate: Semaphore,
    /// Requests that have reached `/wait`.
    pub(crate) waiting: AtomicUsize,
    /// How long a body may take.
    pub(crate) body_within: Duration,
}

impl Habits {
    pub(crate) fn new() -> Arc<Self> {
        Self::with_body_within(PATIENCE)
    }

    pub(crate) fn with_body_within(body_within: Duration) -> Arc<Self> {
        Arc::new(Self {
            gate: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
            body_within,
        })
    }
}

impl Handler for Habits {
    async fn call(&self, request: Request<Incoming>, peer: &Peer) -> Response<ReplyBody> {
        match request.uri().path() {
            "/panic" => panic!("asked to"),
            "/forever" => pending().await,
            "/who" => {
                let identity = peer.identity.as_ref();
                Response::new(
                    identity
                        .map_or(String::new(), |id| id.subject.clone())
                        .into(),
                )
            }
            "/thread" => {
                let thread = std::thread::current();
                Response::new(thread.name().unwrap_or_default().to_owned().into())
            }
            "/wait" => {
                self.waiting.fetch_add(1, SeqCst);
                self.gate.acquire().await.unwrap().forget();
                Response::new("waited".into())
            }
            "/large" => Response::new(vec![b'x'; 32 * 1024 * 1024].into()),
            "/stream" => {
                let (sender, body) = ReplyBody::stream(1);
                tokio::spawn(async move {
                    for part in ["one ", "two ", "three"] {
                        sender.send(part).await.ok();
                    }
                    sender.finish().await.ok();
                });
                Response::new(body)
            }
            "/broken" => {
                let (sender, body) = ReplyBody::stream(1);
                tokio::spawn(async move { sender.send("half").await });
                Response::new(body)
            }
            _ => match read_body(request.into_body(), BODY_MAX, self.body_within).await {
                Ok(body) => Response::new(body.into()),
                Err(error) => {
                    let mut response = Response::new(error.to_string().into());
                    *response.status_mut() = error.status();
                    response
                }
            },
        }
    }
}

pub(crate) fn settings() -> ListenerSettings {
    ListenerSettings::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

pub(crate) async fn serve(settings: ListenerSettings, habits: &Arc<Habits>) -> Server {
    Listener::bind(settings)
        .await
        .unwrap()
        .serve(Arc::clone(habits))
}

pub(crate) async fn serve_default() -> Server {
    serve(settings(), &Habits::new()).await
}

/// Waits until the figures are as wanted.
#[track_caller]
pub(crate) fn until_stats(
    server: &Server,
    wanted: impl Fn(&HttpStats) -> bool,
) -> impl Future<Output = HttpStats> {
    let place = std::panic::Location::caller();
    async move {
        let start = Instant::now();
        loop {
            let stats = server.stats();
            if wanted(&stats) {
                return stats;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "waited in vain at {place}: {stats:?}"
            );
            tokio::task::yield_now().await;
        }
    }
}

/// Waits until `count` requests are at `/wait`.
pub(crate) async fn until_waiting(habits: &Habits, count: usize) {
    let start = Instant::now();
    while habits.waiting.load(SeqCst) < count {
        assert!(start.elapsed() < PATIENCE, "no request came to wait");
        tokio::task::yield_now().await;
    }
}

/// An HTTP/1.1 connection without any library behind it.
pub(crate) struct Raw<S>(S);

pub(crate) async fn raw(server: &Server) -> Raw<TcpStream> {
    Raw(TcpStream::connect(server.address()).await.unwrap())
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(stream)
    }

    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.0.write_all(text.as_ref()).await.unwrap();
    }

    pub(crate) async fn get(&mut self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n"))
            .await;
    }

    /// Reads until the peer ends the connection; an error (a reset) fails the test.
    pub(crate) async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        timely(self.0.read_to_end(&mut rest)).await.unwrap();
        String::from_utf8(rest).unwrap()
    }

    /// Reads until what came ends with `end`.
    pub(crate) async fn until(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        while !text.ends_with(end.as_bytes()) {
            let byte = timely(self.0.read_u8()).await;
            let so_far = String::from_utf8_lossy(&text);
            text.push(byte.unwrap_or_else(|error| panic!("{error} after {so_far:?}")));
        }
        String::from_utf8(text).unwrap()
    }

    /// Writes `drop` again each time the server has had a turn, until it closes; tells how often.
    pub(crate) async fn drip_until_refused(&mut self, drop: &[u8]) -> usize {
        let start = Instant::now();
        let mut dripped = 0;
        // Not a wait for anything to have happened: only a slow client.
        let mut slowly = tokio::time::interval(Duration::from_millis(5));
        while self.0.write_all(drop).await.is_ok() {
            assert!(start.elapsed() < PATIENCE, "everything is taken");
            dripped += 1;
            slowly.tick().await;
        }
        dripped
    }
}

pub(crate) type Http2 = http2::SendRequest<Full<Bytes>>;

pub(crate) async fn http2<S>(stream: S) -> Http2
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) async fn http2_to(server: &Server) -> Http2 {
    http2(TcpStream::connect(server.address()).await.unwrap()).await
}

/// Posts `body` and reads the answer.
pub(crate) async fn post(
    client: &mut Http2,
    path: &str,
    body: impl Into<Bytes>,
) -> Result<(StatusCode, Bytes), hyper::Error> {
    let request = Request::post(format!("http://t{path}"))
        .body(Full::new(body.into()))
        .unwrap();
    let response = timely(client.send_request(request)).await?;
    let status = response.status();
    Ok((
        status,
        timely(response.into_body().collect()).await?.to_bytes(),
    ))
}

/// Fails the test if `work` takes longer than anything should.
pub(crate) async fn timely<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(PATIENCE, work)
        .await
        .expect("it does not take this long")
}
