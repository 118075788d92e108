//! As much of an HTTP/1.1 client as the proofs need: one request at a time on one connection.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer within this is a failure of the node; its own limits are shorter.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// The longest head of an answer.
const HEAD_BYTES_MAX: u64 = 64 * 1024;
/// The largest body of an answer: a page of a subscription with one large event.
const BODY_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A request without what every request has (`host`, `content-length`).
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// A GET with a bearer token.
    pub(crate) fn get(target: &str, token: &str) -> Self {
        Self {
            method: "GET",
            target: target.to_owned(),
            headers: vec![("authorization".to_owned(), format!("Bearer {token}"))],
            body: Vec::new(),
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// An answer that was not read from a connection.
    #[cfg(test)]
    pub(crate) fn of(status: u16, body: &str) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A connection that is kept open.
#[derive(Debug)]
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.set_write_timeout(Some(ANSWER_WITHIN))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// Sends a request and reads its answer. After an error it is not known whether the node took it.
    pub(crate) fn call(&mut self, request: &Request) -> io::Result<Response> {
        let mut bytes = format!(
            "{} {} HTTP/1.1\r\nhost: node\r\n",
            request.method, request.target
        );
        for (name, value) in &request.headers {
            bytes += name;
            bytes += ": ";
            bytes += value;
            bytes += "\r\n";
        }
        let length = request.body.len().to_string();
        bytes += "content-length: ";
        bytes += &length;
        bytes += "\r\n\r\n";
        let mut bytes = bytes.into_bytes();
        bytes.extend_from_slice(&request.body);
        self.0.get_mut().write_all(&bytes)?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Response> {
        let mut head = self.0.by_ref().take(HEAD_BYTES_MAX);
        let mut line = String::new();
        head.read_line(&mut line)?;
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| broken(&format!("no status in {line:?}")))?;
        let mut headers = Vec::new();
        loop {
            line.clear();
            if head.read_line(&mut line)? == 0 {
                return Err(broken("the head ends early"));
            }
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = Response {
            status,
            headers,
            body: Vec::new(),
        };
        let length = response.header("content-length").unwrap_or("0");
        let length: usize = length.parse().map_err(|_| broken("no length"))?;
        if length > BODY_BYTES_MAX || response.header("transfer-encoding").is_some() {
            return Err(broken("a body of unknown or too great a length"));
        }
        response.body = vec![0; length];
        self.0.read_exact(&mut response.body)?;
        Ok(response)
    }
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn a_request_is_written_and_its_answer_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 8];
            stream.read_exact(&mut asked).unwrap();
            stream
                .write_all(
                    b"HTTP/1.1 202 Accepted\r\nTidegate-Cursor: a/1\r\ncontent-length: 2\r\n\r\n{}",
                )
                .unwrap();
            asked
        });
        let request = Request::get("/x", "t");
        let response = Connection::open(address).unwrap().call(&request).unwrap();
        assert_eq!(
            (response.status, response.body.as_slice()),
            (202, b"{}".as_slice())
        );
        assert_eq!(response.header("tidegate-cursor"), Some("a/1"));
        assert_eq!(&server.join().unwrap(), b"GET /x H");
    }
}
