//! Opening a connection: resolve, check, connect, tunnel, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::endpoint::Route;
use super::exchange::Outgoing;
use super::guard::Host;
use super::meter::{Meter, Traffic};
use super::outcome::{Failure, FailureKind, chain};
use super::proxy::Proxy;
use super::resolve::Resolve;
use super::tls;

/// What a new connection is made of.
pub(super) struct Dialled {
    pub(super) sender: SendRequest<Outgoing>,
    pub(super) traffic: Arc<Traffic>,
    pub(super) remote: SocketAddr,
    pub(super) driver: AbortHandle,
}

/// Opens a connection along `route`, by `deadline`.
pub(super) async fn dial(
    route: &Route,
    resolver: &dyn Resolve,
    deadline: Instant,
) -> Result<Dialled, Failure> {
    let base = &route.base;
    let mut stream = match &route.proxy {
        None => {
            let addresses = checked(route, resolver, deadline).await?;
            connect(&addresses, base.port(), deadline).await?
        }
        Some(proxy) => {
            check_behind_proxy(route, resolver, deadline).await?;
            connect_proxy(proxy, resolver, deadline).await?
        }
    };
    let remote = stream.peer_addr().map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    let Some((connector, name)) = &route.tls else {
        return speak(stream, remote, deadline).await;
    };
    if let Some(proxy) = &route.proxy {
        let target = match base.host() {
            Host::Name(name) => format!("{name}:{}", base.port()),
            Host::Address(address) => SocketAddr::new(*address, base.port()).to_string(),
        };
        let tunnel = timeout_at(deadline, proxy.tunnel(&mut stream, &target));
        tunnel.await.map_err(|_| {
            Failure::unsent(FailureKind::ProxyUnreachable, "it does not answer in time")
        })??;
    }
    let handshake = timeout_at(deadline, connector.connect(name.clone(), stream));
    let stream = handshake
        .await
        .map_err(|_| late("the TLS handshake"))?
        .map_err(|error| {
            let kind = match tls::kind_of(&error) {
                Some(FailureKind::ClientCertificate) => FailureKind::ClientCertificate,
                _ if route.proxy.is_some() => FailureKind::TunnelTls,
                kind => kind.unwrap_or(FailureKind::Handshake),
            };
            Failure::unsent(kind, chain(&error))
        })?;
    speak(stream, remote, deadline).await
}

/// The addresses of the route's host, every one of them checked.
async fn checked(
    route: &Route,
    resolver: &dyn Resolve,
    deadline: Instant,
) -> Result<Vec<IpAddr>, Failure> {
    let addresses = addresses(route.base.host(), resolver, deadline).await?;
    let checked = route.guard.check_addresses(&addresses);
    checked.map_err(|refused| Failure::unsent(FailureKind::Guard, refused))
}

/// What can be checked of a target that a proxy resolves: its addresses here, if it has any.
async fn check_behind_proxy(
    route: &Route,
    resolver: &dyn Resolve,
    deadline: Instant,
) -> Result<(), Failure> {
    match checked(route, resolver, deadline).await {
        Err(failure) if failure.kind == FailureKind::Guard => Err(failure),
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn addresses(
    host: &Host,
    resolver: &dyn Resolve,
    deadline: Instant,
) -> Result<Vec<IpAddr>, Failure> {
    match host {
        Host::Address(address) => Ok(vec![*address]),
        Host::Name(name) => {
            let failed = |detail: String| Failure::unsent(FailureKind::Resolve, detail);
            let found = timeout_at(deadline, resolver.resolve(name)).await;
            let found = found.map_err(|_| failed(format!("{name}: no answer in time")))?;
            let mut found = found.map_err(|error| failed(format!("{name}: {error}")))?;
            found.truncate(ADDRESSES_MAX);
            if found.is_empty() {
                return Err(failed(format!("{name}: no address")));
            }
            Ok(found)
        }
    }
}

/// Tries the addresses in their order, each with an equal share of the time that is left.
async fn connect(addresses: &[IpAddr], port: u16, deadline: Instant) -> Result<TcpStream, Failure> {
    let mut last = late("every address");
    let tried = addresses.iter().take(TRIES_MAX);
    let count = u32::try_from(tried.len()).unwrap_or(1);
    for (left, address) in (1..=count).rev().zip(tried) {
        let now = Instant::now();
        let share = now + deadline.saturating_duration_since(now) / left;
        let address = SocketAddr::new(*address, port);
        match timeout_at(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = refused(address, &error),
            Err(_) => last = late(&address.to_string()),
        }
    }
    Err(last)
}

async fn connect_proxy(
    proxy: &Proxy,
    resolver: &dyn Resolve,
    deadline: Instant,
) -> Result<TcpStream, Failure> {
    let blamed = |failure: Failure| Failure {
        kind: FailureKind::ProxyUnreachable,
        detail: failure.to_string(),
        ..failure
    };
    let addresses = addresses(&proxy.host, resolver, deadline)
        .await
        .map_err(blamed)?;
    connect(&addresses, proxy.port, deadline)
        .await
        .map_err(blamed)
}

async fn speak<S>(stream: S, remote: SocketAddr, deadline: Instant) -> Result<Dialled, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (stream, traffic) = Meter::new(stream);
    let handshake = Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .handshake(TokioIo::new(stream));
    let (sender, connection) = timeout_at(deadline, handshake)
        .await
        .map_err(|_| late("HTTP"))?
        .map_err(|error| Failure::unsent(FailureKind::Unreachable, chain(&error)))?;
    // It ends with its sender; a failure is told to whoever waits for an answer.
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = %error, "a connection to {remote} ended badly");
        }
    });
    Ok(Dialled {
        sender,
        traffic,
        remote,
        driver: driver.abort_handle(),
    })
}

fn refused(address: SocketAddr, error: &io::Error) -> Failure {
    let kind = match error.kind() {
        io::ErrorKind::ConnectionRefused => FailureKind::ConnectRefused,
        io::ErrorKind::TimedOut => FailureKind::ConnectTimeout,
        _ => FailureKind::Unreachable,
    };
    Failure::unsent(kind, format!("{address}: {error}"))
}

fn unreachable(error: io::Error) -> Failure {
    Failure::unsent(FailureKind::Unreachable, error)
}

fn late(what: &str) -> Failure {
    Failure::unsent(FailureKind::ConnectTimeout, what)
}

/// Addresses of one name that are looked at; the largest services have about a dozen.
const ADDRESSES_MAX: usize = 16;

/// Addresses that are tried: more would leave each too little of the time to connect.
const TRIES_MAX: usize = 4;

/// Bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Headers of an answer.
const HEADERS_MAX: usize = 128;
