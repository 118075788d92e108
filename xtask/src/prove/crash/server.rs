//! As much of an HTTP/1.1 server as the systems around the node need: one thread for each connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use http::{HeaderMap, HeaderName, HeaderValue};

/// A connection on which nothing comes for so long is given up.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// The longest head of a request.
const HEAD_BYTES_MAX: u64 = 64 * 1024;
/// The largest body: more than the largest event that is delivered.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What is said to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// An answer in JSON, after a while.
    Answer {
        status: u16,
        /// Seconds of a `Retry-After`.
        retry_after: Option<u32>,
        body: String,
        after: Duration,
    },
    /// Nothing: the connection is closed.
    HangUp,
}

impl Reply {
    /// An answer at once.
    pub(crate) const fn of(status: u16, body: String) -> Self {
        Self::Answer {
            status,
            retry_after: None,
            body,
            after: Duration::ZERO,
        }
    }
}

/// A system that answers.
pub(crate) trait Answers: Send + Sync + 'static {
    fn answer(&self, asked: &Asked) -> Reply;
}

/// A server that lives until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on a port of its own.
    pub(crate) fn start(system: Arc<impl Answers>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no port to listen on")?;
        let address = listener.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let accepting = thread::spawn(move || {
            for stream in listener.incoming() {
                if told.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let system = Arc::clone(&system);
                // It ends with its connection, which the node closes at the latest when it is killed.
                thread::spawn(move || talk(stream, &*system));
            }
        });
        Ok(Self {
            address,
            stop,
            accepting: Some(accepting),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A last connection wakes the thread that accepts them.
        if TcpStream::connect(self.address).is_ok()
            && let Some(accepting) = self.accepting.take()
        {
            drop(accepting.join());
        }
    }
}

/// Answers until the connection ends; how it does is the other side's affair.
fn talk(stream: TcpStream, system: &dyn Answers) {
    let _ended: io::Result<()> = (|| {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(IDLE_MAX))?;
        let mut connection = BufReader::new(stream);
        while let Some(asked) = read(&mut connection)? {
            let Reply::Answer {
                status,
                retry_after,
                body,
                after,
            } = system.answer(&asked)
            else {
                break;
            };
            thread::sleep(after);
            let wait = retry_after.map_or(String::new(), |it| format!("retry-after: {it}\r\n"));
            let answer = format!(
                "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\n{wait}content-length: {}\r\n\r\n{body}",
                body.len()
            );
            connection.get_mut().write_all(answer.as_bytes())?;
        }
        Ok(())
    })();
}

/// The next request; `None` if the other side has closed the connection.
fn read(connection: &mut BufReader<TcpStream>) -> io::Result<Option<Asked>> {
    let mut head = connection.by_ref().take(HEAD_BYTES_MAX);
    let mut line = String::new();
    if head.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut headers = HeaderMap::new();
    loop {
        line.clear();
        if head.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        let name = HeaderName::try_from(name).map_err(io::Error::other)?;
        let value = HeaderValue::try_from(value.trim()).map_err(io::Error::other)?;
        headers.append(name, value);
    }
    let length = headers
        .get("content-length")
        .map_or(Ok("0"), |it| it.to_str());
    let length = length.ok().and_then(|text| text.parse::<usize>().ok());
    let length = length.filter(|length| *length <= BODY_BYTES_MAX);
    let mut body = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
    connection.read_exact(&mut body)?;
    Ok(Some(Asked {
        method,
        target,
        headers,
        body,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::http::{Connection, Request};
    use super::*;

    struct Echo;

    impl Answers for Echo {
        fn answer(&self, asked: &Asked) -> Reply {
            match asked.header("authorization") {
                Some("Bearer close") => Reply::HangUp,
                _ => Reply::of(201, format!("{} {}", asked.method, asked.target)),
            }
        }
    }

    #[test]
    fn it_answers_on_one_connection_until_it_hangs_up() {
        let server = Server::start(Arc::new(Echo)).unwrap();
        let mut connection = Connection::open(server.address).unwrap();
        for target in ["/a", "/b?c=1"] {
            let answer = connection.call(&Request::get(target, "t")).unwrap();
            assert_eq!(answer.status, 201);
            assert_eq!(answer.body, format!("GET {target}").into_bytes());
        }
        connection.call(&Request::get("/", "close")).unwrap_err();
    }
}
