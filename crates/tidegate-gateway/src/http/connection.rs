//! One connection, from its handshake to its end.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::answer::{Exchange, Handler, answer};
use super::identity::{Peer, PeerIdentity};
use super::io::Tracked;
use super::link::{Link, Stage};
use super::registry::{Presence, Registry};
use super::settings::{HEADERS_MAX, ListenerSettings};
use super::tls::{ALPN_HTTP2, TlsStore};

/// What all connections of a listener have in common.
pub(super) struct Common<H> {
    handler: Arc<H>,
    settings: ListenerSettings,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    tls: Option<Arc<TlsStore>>,
    pub(super) registry: Arc<Registry>,
}

impl<H: Handler> Common<H> {
    pub(super) fn new(
        handler: Arc<H>,
        settings: ListenerSettings,
        tls: Option<Arc<TlsStore>>,
        registry: Arc<Registry>,
    ) -> Self {
        let (http1, http2) = (http1_builder(&settings), http2_builder(&settings));
        Self {
            handler,
            settings,
            http1,
            http2,
            tls,
            registry,
        }
    }

    /// Serves one connection until it ends or is cut.
    pub(super) async fn run(
        self: Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        presence: Presence,
    ) {
        let link = Arc::clone(&presence.link);
        let mut work = pin!(self.drive(stream, address, Arc::clone(&link)));
        let mut known = None;
        poll_fn(|cx| {
            link.attend(cx, &mut known);
            if link.is_cut() {
                return Poll::Ready(());
            }
            let poll = work.as_mut().poll(cx);
            // A connection that has sent nothing yet has nothing to finish.
            if link.is_to_close() && link.is_unborn() {
                Poll::Ready(())
            } else {
                poll
            }
        })
        .await;
        drop(presence);
    }

    async fn drive(&self, stream: TcpStream, address: SocketAddr, link: Arc<Link>) {
        // Without it an answer can wait 40 ms for the peer's delayed acknowledgement. A socket
        // that refuses is broken, and the first read tells.
        stream.set_nodelay(true).ok();
        let peer = Peer {
            address,
            tls: self.tls.is_some(),
            identity: None,
        };
        let result = match &self.tls {
            None => {
                link.enter(Stage::Open);
                let io = Tracked::new(stream, Arc::clone(&link));
                self.serve(io, None, peer, link).await
            }
            Some(store) => Box::pin(self.drive_tls(store, stream, peer, link)).await,
        };
        if let Err(error) = result {
            tracing::debug!(peer.address = %address, error = &*error, "a connection ended early");
        }
    }

    async fn drive_tls(
        &self,
        store: &TlsStore,
        stream: TcpStream,
        mut peer: Peer,
        link: Arc<Link>,
    ) -> Result<(), BoxError> {
        let stream = match TlsAcceptor::from(store.current()).accept(stream).await {
            Ok(stream) => stream,
            Err(error) => {
                self.registry.count(|stats| stats.tls_failed += 1);
                return Err(error.into());
            }
        };
        link.enter(Stage::Open);
        let session = stream.get_ref().1;
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        peer.identity = certificate.and_then(PeerIdentity::of);
        let protocol = session.alpn_protocol().map(|name| {
            if name == ALPN_HTTP2 {
                Protocol::Http2
            } else {
                Protocol::Http1
            }
        });
        let io = Tracked::new(stream, Arc::clone(&link));
        self.serve(io, protocol, peer, link).await
    }

    async fn serve<S>(
        &self,
        mut io: Tracked<S>,
        protocol: Option<Protocol>,
        peer: Peer,
        link: Arc<Link>,
    ) -> Result<(), BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let protocol = match protocol {
            Some(protocol) => protocol,
            None => match recognise(&mut io).await? {
                Some(protocol) => protocol,
                None => return Ok(()),
            },
        };
        let io = TokioIo::new(io);
        let exchange = Exchange {
            handler: Arc::clone(&self.handler),
            peer,
            link: Arc::clone(&link),
            request_timeout: self.settings.request_timeout,
        };
        let result = match protocol {
            Protocol::Http1 => {
                link.enter(Stage::Http1);
                let service = service_fn(|request| answer(&exchange, request));
                let connection = self.http1.serve_connection(io, service);
                steer(connection, &link, http1::Connection::graceful_shutdown).await
            }
            Protocol::Http2 => {
                link.enter(Stage::Http2);
                let exchange = Arc::new(exchange);
                let service = service_fn(move |request| {
                    let exchange = Arc::clone(&exchange);
                    async move { answer(&exchange, request).await }
                });
                let connection = self.http2.serve_connection(io, service);
                steer(connection, &link, http2::Connection::graceful_shutdown).await
            }
        };
        if result.as_ref().is_err_and(hyper::Error::is_parse) {
            self.registry.count(|stats| stats.malformed += 1);
        }
        result.map_err(Into::into)
    }
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

/// Drives `connection` to its end, and says `goodbye` once when the link is to close.
async fn steer<C>(
    connection: C,
    link: &Link,
    goodbye: impl Fn(Pin<&mut C>),
) -> Result<(), hyper::Error>
where
    C: Future<Output = Result<(), hyper::Error>>,
{
    let mut connection = pin!(connection);
    let mut told = false;
    poll_fn(|cx| {
        // First what has arrived: a request that is there is answered.
        let poll = connection.as_mut().poll(cx);
        if poll.is_ready() || told || !link.is_to_close() {
            return poll;
        }
        told = true;
        goodbye(connection.as_mut());
        connection.as_mut().poll(cx)
    })
    .await
}

/// Tells the protocols apart by HTTP/2's preface (RFC 9113, section 3.4), which no request of
/// HTTP/1 starts with; `None` if the peer leaves before it said anything.
async fn recognise<S>(io: &mut Tracked<S>) -> io::Result<Option<Protocol>>
where
    S: AsyncRead + Unpin,
{
    let mut start = [0; PREFACE.len()];
    let mut filled = 0;
    while let Some(space) = start.get_mut(filled..).filter(|space| !space.is_empty()) {
        let bytes = io.read(space).await?;
        filled += bytes;
        let said = start.get(..filled).unwrap_or_default();
        if bytes == 0 || !PREFACE.starts_with(said) {
            io.rewind(Bytes::copy_from_slice(said));
            return Ok((filled > 0).then_some(Protocol::Http1));
        }
    }
    io.rewind(Bytes::from_static(PREFACE));
    Ok(Some(Protocol::Http2))
}

fn http1_builder(settings: &ListenerSettings) -> http1::Builder {
    let mut builder = http1::Builder::new();
    let head = usize::try_from(settings.header_bytes_max).unwrap_or(usize::MAX);
    builder
        .max_header_size(head)
        .max_buf_size(head.max(READ_BUFFER_BYTES_MAX))
        // The sweeper keeps the time.
        .header_read_timeout(None)
        // Its answers would wait as long as a part of the next request is in the buffer.
        .pipeline_flush(false);
    if settings.headers_max != HEADERS_MAX {
        builder.max_headers(settings.headers_max);
    }
    builder
}

fn http2_builder(settings: &ListenerSettings) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    let limits = &settings.http2;
    builder
        .max_concurrent_streams(limits.streams_max)
        .max_header_list_size(settings.header_bytes_max)
        .initial_stream_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout)
        .timer(TokioTimer::new());
    builder
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Read at a time from an HTTP/1.1 connection at most: a large body needs few reads, an idle
/// connection holds no more than the 8 KiB the buffer starts with.
const READ_BUFFER_BYTES_MAX: usize = 256 * 1024;
/// Held back per HTTP/2 stream when the peer does not read.
const SEND_BUFFER_BYTES_MAX: usize = 256 * 1024;
