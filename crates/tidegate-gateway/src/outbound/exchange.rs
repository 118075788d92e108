//! One request and its answer over one connection.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, timeout_at};

use super::meter::TooMuch;
use super::outcome::{Answer, BodyEnd, Failure, FailureKind, Sent, cause, chain};
use super::pool::Connection;
use super::tls;

/// A request's body, which tells whether it was taken whole.
#[derive(Debug)]
pub(super) struct Outgoing {
    bytes: Option<Bytes>,
    taken: Arc<AtomicBool>,
}

/// What is asked of an exchange.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) deadline: Instant,
    pub(super) body_bytes_max: usize,
}

/// How an exchange ended.
pub(super) enum Exchanged {
    /// The answer, and the connection if it can be used again.
    Answered(Answer, Option<Connection>),
    /// The connection was dead before a byte was written.
    Unsent(http::Request<Outgoing>),
    /// It failed.
    Failed(Failure),
}

impl Terms {
    /// Bytes that an answer may have with all that stands around its body: interim answers, heads, and
    /// up to seven bytes of framing for each of the body (a chunk of one byte has five).
    fn bytes_max(self) -> u64 {
        let body = self.body_bytes_max.saturating_add(BEYOND_BYTES_MAX) as u64;
        body.saturating_mul(8).saturating_add(HEADS_BYTES_MAX)
    }
}

impl Outgoing {
    pub(super) fn new(bytes: Bytes) -> (Self, Arc<AtomicBool>) {
        let taken = Arc::new(AtomicBool::new(bytes.is_empty()));
        let outgoing = Self {
            bytes: Some(bytes).filter(|bytes| !bytes.is_empty()),
            taken: Arc::clone(&taken),
        };
        (outgoing, taken)
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = self.bytes.take();
        self.taken.store(true, Relaxed);
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

/// Sends `request` and reads the answer, bounded by `terms`. Whatever is not over by the deadline is
/// called off with the connection.
pub(super) async fn exchange(
    mut connection: Connection,
    request: http::Request<Outgoing>,
    taken: &AtomicBool,
    terms: Terms,
) -> Exchanged {
    connection.traffic.allow(terms.bytes_max());
    let before = connection.traffic.written();
    // A kept connection is ready once its driver has seen the end of the last answer.
    match timeout_at(terms.deadline, connection.sender.ready()).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => return Exchanged::Unsent(request),
        Err(_) => return Exchanged::Failed(Failure::unsent(FailureKind::Saturated, "")),
    }
    let sending = connection.sender.try_send_request(request);
    let answered = timeout_at(terms.deadline, sending).await;
    let sent = if connection.traffic.written() == before {
        Sent::Nothing
    } else {
        Sent::Something
    };
    match answered {
        Ok(Ok(response)) => {
            let (answer, is_whole) = read(response, &connection, terms).await;
            // A server that answers before it has read the request may leave the rest of it unread.
            let is_reusable = is_whole && taken.load(Relaxed) && has_one_length(&answer.headers);
            Exchanged::Answered(answer, is_reusable.then_some(connection))
        }
        Ok(Err(mut error)) => match error.take_message() {
            Some(request) if sent == Sent::Nothing => Exchanged::Unsent(request),
            _ => Exchanged::Failed(failure(&error.into_error(), sent)),
        },
        Err(_) => Exchanged::Failed(Failure::new(FailureKind::AnswerTimeout, sent, "")),
    }
}

async fn read(
    response: Response<Incoming>,
    connection: &Connection,
    terms: Terms,
) -> (Answer, bool) {
    let (head, mut body) = response.into_parts();
    let mut kept = BytesMut::new();
    let reading = timeout_at(
        terms.deadline,
        keep(&mut body, &mut kept, terms.body_bytes_max),
    );
    let (body_end, is_drained) = reading.await.unwrap_or((BodyEnd::BrokenOff, false));
    let answer = Answer {
        status: head.status,
        headers: head.headers,
        body: kept.freeze(),
        body_end,
        remote: connection.remote,
    };
    (answer, is_drained)
}

/// Keeps the first `max` bytes, and reads on a little to save the connection; tells whether the body
/// was read to its end.
async fn keep(body: &mut Incoming, kept: &mut BytesMut, max: usize) -> (BodyEnd, bool) {
    let mut beyond = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return (BodyEnd::BrokenOff, false);
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        let room = max.saturating_sub(kept.len()).min(data.len());
        kept.extend_from_slice(data.get(..room).unwrap_or_default());
        beyond = beyond.saturating_add(data.len().saturating_sub(room));
        if beyond > BEYOND_BYTES_MAX {
            return (BodyEnd::Cut, false);
        }
    }
    let end = if beyond == 0 {
        BodyEnd::Whole
    } else {
        BodyEnd::Cut
    };
    (end, true)
}

/// An answer with both is split in two by whoever believes the other (RFC 9112, section 6.3).
fn has_one_length(headers: &HeaderMap) -> bool {
    !(headers.contains_key(TRANSFER_ENCODING) && headers.contains_key(CONTENT_LENGTH))
}

fn failure(error: &hyper::Error, sent: Sent) -> Failure {
    let kind = if let Some(kind) = tls::kind_of(error) {
        kind
    } else if error.is_parse() || cause::<TooMuch>(error).is_some() {
        FailureKind::Malformed
    } else if error.is_user() {
        FailureKind::Request
    } else {
        FailureKind::Closed
    };
    Failure::new(kind, sent, chain(error))
}

/// Bytes of an answer's head, and of interim answers before it, all together.
const HEADS_BYTES_MAX: u64 = 256 * 1024;

/// What is read beyond the bytes that are kept: about what a new TLS connection costs.
const BEYOND_BYTES_MAX: usize = 64 * 1024;
