//! A bare HTTP client that posts as fast as it can: the baseline of `cargo xtask bench deliver`.
//!
//! `caller ADDRESS CONNECTIONS REQUESTS BODY_BYTES`: two threads, each with half of the keep-alive connections, each
//! connection with one request under way at a time. Bodies are numbered, `{"n":NUMBER,…}`. It ends when all are
//! answered 200, and fails at any other answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::LocalSet;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const THREADS: usize = 2;

#[derive(Clone, Debug)]
struct Work {
    address: SocketAddr,
    requests: u64,
    body_bytes: usize,
    next: Arc<AtomicU64>,
}

impl Work {
    /// Posts until all numbers are taken.
    async fn post(self) -> Result<(), Failure> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(connection);
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.requests {
                return Ok(());
            }
            sender.ready().await?;
            let answer = sender.send_request(self.request(number)?).await?;
            if answer.status() != StatusCode::OK {
                return Err(format!("request {number} was answered {}", answer.status()).into());
            }
            answer.into_body().collect().await?;
        }
    }

    /// As many bytes of headers as a signed delivery has.
    fn request(&self, number: u64) -> Result<Request<Full<Bytes>>, Failure> {
        let request = Request::post("/")
            .header("host", self.address.to_string())
            .header("content-type", "application/json")
            .header("idempotency-key", format!("{number:036}"))
            .header("webhook-id", format!("{number:036}"))
            .header("webhook-timestamp", "1700000000")
            .header("webhook-signature", SIGNATURE);
        Ok(request.body(Full::new(body(number, self.body_bytes)))?)
    }
}

/// A body of `bytes` with a number in front.
fn body(number: u64, bytes: usize) -> Bytes {
    let front = format!(r#"{{"n":{number},"pad":""#);
    let pad = bytes.saturating_sub(front.len() + 2);
    Bytes::from(format!(r#"{front}{:x<pad$}"}}"#, ""))
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, connections, requests, body_bytes] = arguments.as_slice() else {
        return Err("usage: caller ADDRESS CONNECTIONS REQUESTS BODY_BYTES".into());
    };
    let connections: usize = connections.parse()?;
    let work = Work {
        address: address.parse()?,
        requests: requests.parse()?,
        body_bytes: body_bytes.parse()?,
        next: Arc::default(),
    };
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (work, own) = (work.clone(), (connections + thread) / THREADS);
            std::thread::spawn(move || run(&work, own))
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked")??;
    }
    Ok(())
}

fn run(work: &Work, connections: usize) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let posting: Vec<_> = (0..connections)
            .map(|_| tokio::task::spawn_local(work.clone().post()))
            .collect();
        for connection in posting {
            connection.await??;
        }
        Ok(())
    })
}

/// Of no key; as long as one of Standard Webhooks.
const SIGNATURE: &str = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
