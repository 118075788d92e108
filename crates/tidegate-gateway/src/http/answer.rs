//! From a request to its answer: the handler, its panics, its limit, its figures.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::identity::Peer;
use super::link::Link;
use super::reply::{ReplyAborted, ReplyBody};

/// Answers requests.
///
/// The returned future is dropped when the peer goes away or the request's time is over, at any of
/// its awaits; work that must end whatever happens belongs into a task of its own. A panic is
/// answered 500 and counted.
pub trait Handler: Send + Sync + 'static {
    /// Answers `request`, which `peer` sent.
    fn call(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
    ) -> impl Future<Output = Response<ReplyBody>> + Send;
}

/// What the requests of one connection share.
#[derive(Debug)]
pub(super) struct Exchange<H> {
    pub(super) handler: Arc<H>,
    pub(super) peer: Peer,
    pub(super) link: Arc<Link>,
    pub(super) request_timeout: Duration,
}

/// Answers one request; always `Ok`, in the shape the protocol library asks for.
pub(super) async fn answer<H: Handler>(
    exchange: &Exchange<H>,
    request: Request<Incoming>,
) -> Result<Response<GuardedBody>, Infallible> {
    let mut guard = InFlight::begin(&exchange.link);
    let version = request.version();
    let call = outcome(exchange, request);
    let outcome = if version == Version::HTTP_2 {
        // A stream has a task of its own, which the sweeper does not reach.
        tokio::time::timeout(exchange.request_timeout, call)
            .await
            .unwrap_or(Outcome::Expired)
    } else {
        call.await
    };
    let tally = &exchange.link.tally;
    let mut response = match outcome {
        Outcome::Answered(response) => response,
        Outcome::Panicked => {
            tally
                .panics
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tracing::error!(peer.address = %exchange.peer.address, "a request handler panicked; answered 500");
            plain(StatusCode::INTERNAL_SERVER_ERROR, "internal error\n")
        }
        Outcome::Expired => {
            tally
                .request_timeouts
                .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            expired()
        }
    };
    if version != Version::HTTP_2 && leaves_body_unread(response.status()) {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    tally.answered(response.status());
    if response.body().is_stream() {
        guard.becomes_stream();
    }
    Ok(response.map(|body| GuardedBody {
        body,
        _guard: guard,
    }))
}

enum Outcome {
    Answered(Response<ReplyBody>),
    Panicked,
    Expired,
}

async fn outcome<H: Handler>(exchange: &Exchange<H>, request: Request<Incoming>) -> Outcome {
    // The inner `async` puts a panic before the first await inside the fence too.
    let mut call = pin!(async { exchange.handler.call(request, &exchange.peer).await });
    poll_fn(|cx| {
        if exchange.link.take_expired() {
            return Poll::Ready(Outcome::Expired);
        }
        match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Outcome::Answered),
            Err(_) => Poll::Ready(Outcome::Panicked),
        }
    })
    .await
}

/// Whether an answer usually ends the connection because a body was left unread; the peer may as
/// well be told (RFC 9110, section 15.5.14, and RFC 9112, section 9.6).
fn leaves_body_unread(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE
    )
}

fn expired() -> Response<ReplyBody> {
    let mut response = plain(
        StatusCode::SERVICE_UNAVAILABLE,
        "the request took too long\n",
    );
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn plain(status: StatusCode, text: &'static str) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::from(text));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A request in flight: from its head until its answer is written, or given up.
#[derive(Debug)]
struct InFlight {
    link: Arc<Link>,
    stream: bool,
}

impl InFlight {
    fn begin(link: &Arc<Link>) -> Self {
        link.begin();
        Self {
            link: Arc::clone(link),
            stream: false,
        }
    }

    fn becomes_stream(&mut self) {
        self.link.becomes_stream();
        self.stream = true;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.link.finish(self.stream);
    }
}

/// An answer's body, which ends the request when it is dropped.
#[derive(Debug)]
pub(super) struct GuardedBody {
    body: ReplyBody,
    _guard: InFlight,
}

impl Body for GuardedBody {
    type Data = Bytes;
    type Error = ReplyAborted;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplyAborted>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
