//! One connection of the load generator.

use std::io::ErrorKind;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use tokio::net::TcpStream;

use super::{Load, Outcome};
use crate::bench::request::Request;

/// Answers of the bench are far smaller; a longer one is not what was asked for.
const ANSWER_BYTES_MAX: usize = 4096;

/// A connection and the request it sends over and over, each time with another number.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    request: Request,
    load: Load,
    next: u64,
    answer: Vec<u8>,
}

/// What is known of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    repeat: bool,
}

impl Connection {
    pub(super) async fn open(load: Load, lane: u64) -> Result<Self> {
        let stream = TcpStream::connect(load.address)
            .await
            .with_context(|| format!("cannot connect to {}", load.address))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            request: Request::new(load.body_bytes)?,
            load,
            next: load.first + lane,
            answer: vec![0; ANSWER_BYTES_MAX],
        })
    }

    /// Sends and counts until the time is over.
    pub(super) async fn run(mut self, begun: Instant) -> Result<Outcome> {
        let from = begun + self.load.warm_up;
        let until = from + self.load.seconds;
        let mut outcome = Outcome::default();
        let mut sent = Instant::now();
        while sent < until {
            self.send().await?;
            let answer = self.receive().await?;
            let answered = Instant::now();
            match answer {
                Answer {
                    status: 200,
                    repeat: false,
                } => outcome.kept += 1,
                Answer { status: 200, .. } => outcome.repeats += 1,
                Answer { .. } => outcome.refused += 1,
            }
            if answered >= from && answered < until {
                outcome.counted += 1;
                outcome.latencies.note(answered.duration_since(sent));
            }
            sent = answered;
        }
        Ok(outcome)
    }

    async fn send(&mut self) -> Result<()> {
        let mut rest = self.request.number(self.next);
        self.next += self.load.connections as u64;
        while !rest.is_empty() {
            match self.stream.try_write(rest) {
                Ok(bytes) => rest = rest.get(bytes..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.stream.writable().await?;
                }
                Err(error) => return Err(error).context("a request was not sent"),
            }
        }
        Ok(())
    }

    async fn receive(&mut self) -> Result<Answer> {
        let mut filled = 0;
        loop {
            self.stream.readable().await?;
            let space = self.answer.get_mut(filled..).unwrap_or_default();
            match self.stream.try_read(space) {
                Ok(0) => bail!("there is no whole answer within {ANSWER_BYTES_MAX} bytes"),
                Ok(bytes) => filled += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error).context("an answer was not received"),
            }
            if let Some(answer) = parse(self.answer.get(..filled).unwrap_or_default())? {
                return Ok(answer);
            }
        }
    }
}

/// Reads an answer that has a length; `None` while it is not whole.
fn parse(bytes: &[u8]) -> Result<Option<Answer>> {
    let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let (head, body) = bytes.split_at(head + 4);
    let status = head
        .strip_prefix(b"HTTP/1.1 ")
        .and_then(|rest| rest.get(..3))
        .and_then(number)
        .context("an answer has no status")?;
    let length = head
        .split(|byte| *byte == b'\n')
        .find_map(length)
        .context("an answer has no length")?;
    if body.len() < length {
        return Ok(None);
    }
    if body.len() > length {
        bail!("an answer is longer than it says");
    }
    let repeat = body.windows(REPEAT.len()).any(|part| part == REPEAT);
    Ok(Some(Answer {
        status: u16::try_from(status)?,
        repeat,
    }))
}

/// How an answer tells that the event was there before.
const REPEAT: &[u8] = b"\"repeat\":true";

fn length(line: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    if name.eq_ignore_ascii_case(NAME) {
        number(value.trim_ascii())
    } else {
        None
    }
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_once_they_are_whole() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\ndate: x\r\n\r\n{\"repeat\":true}";
        for end in 0..text.len() {
            assert_eq!(parse(&text[..end]).unwrap(), None, "{end}");
        }
        let answer = Answer {
            status: 200,
            repeat: true,
        };
        assert_eq!(parse(text).unwrap(), Some(answer));
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse(b"220 ready\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{}").is_err());
    }
}
