//! What a listener may be told, with defaults and the reason of each.

use std::net::SocketAddr;
use std::time::Duration;

use super::tls::TlsSettings;

/// The settings of one listener. [`ListenerSettings::new`] gives the defaults named at each field.
#[derive(Clone, Debug)]
pub struct ListenerSettings {
    /// Where to listen. Port 0 lets the system choose.
    pub address: SocketAddr,
    /// Certificates, if the listener speaks TLS; `None` is cleartext.
    pub tls: Option<TlsSettings>,
    /// Connections open at once (10,000). Newcomers wait in the kernel's backlog.
    pub connections_max: u32,
    /// Bytes of a request's head, and of a chunked body's trailers (64 KiB): signed proxies add long headers.
    pub header_bytes_max: u32,
    /// Headers of a request (100).
    pub headers_max: usize,
    /// From the opening of a connection to the end of a TLS handshake (10 s).
    pub handshake_timeout: Duration,
    /// From the first byte of a head to its last (10 s). A new connection starts as if it had sent one.
    pub header_read_timeout: Duration,
    /// From the end of a head to the head of the answer (30 s); then the answer is 503.
    pub request_timeout: Duration,
    /// How long the peer may take no byte of an answer (30 s).
    pub write_timeout: Duration,
    /// How long a connection may lie between two requests (75 s, above the 60 s of common balancers,
    /// so that the balancer and not the server gives up an idle connection).
    pub idle_timeout: Duration,
    /// The limits of HTTP/2.
    pub http2: Http2Limits,
}

/// The limits of an HTTP/2 connection.
///
/// Resets are bounded by the defaults of the protocol library: 20 streams reset before they were
/// accepted (CVE-2023-44487) and 1,024 resets the peer provoked (CVE-2025-8671), then GOAWAY.
#[derive(Clone, Debug)]
pub struct Http2Limits {
    /// Streams open at once (256).
    pub streams_max: u32,
    /// Bytes a stream may send ahead (256 KiB): most webhooks in one go, 64 MiB a connection at worst.
    pub stream_window_bytes: u32,
    /// Bytes a connection may send ahead over all streams (1 MiB).
    pub connection_window_bytes: u32,
    /// Silence before a ping while a connection is open (20 s).
    pub ping_interval: Duration,
    /// Silence after a ping before the connection counts as gone (20 s).
    pub ping_timeout: Duration,
}

impl ListenerSettings {
    /// The defaults, in cleartext, at `address`.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            tls: None,
            connections_max: 10_000,
            header_bytes_max: 64 * 1024,
            headers_max: HEADERS_MAX,
            handshake_timeout: Duration::from_secs(10),
            header_read_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            http2: Http2Limits::default(),
        }
    }
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            streams_max: 256,
            stream_window_bytes: 256 * 1024,
            connection_window_bytes: 1024 * 1024,
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

/// The parser keeps this many headers on the stack and allocates per request for any other number.
pub(super) const HEADERS_MAX: usize = 100;

/// Connections the kernel holds before they are accepted; Linux cuts it to `net.core.somaxconn` (4,096 by default).
pub(super) const BACKLOG: u32 = 4096;

/// How long a connection that ends may take to flush and to see the peer's end.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
