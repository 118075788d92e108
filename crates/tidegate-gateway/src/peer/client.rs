//! The connection to one other region.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{InvalidUri, Scheme};
use http::{Request, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{InvalidDnsNameError, PrivateKeyDer, ServerName};
use tidegate_core::mirror::message::{answer_bytes_max, decode};
use tidegate_core::mirror::{Answer, Ask, Failure};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::PATH;
use super::asked::query;
use super::settings::{PeerIdentityFiles, PeerRegion, PeerSettings};
use crate::http::{TlsError, authorities, certificates, read_body};

/// How long a connection may take: a dead address must not use up the time of a question.
const CONNECT_MAX: Duration = Duration::from_secs(3);

/// Bytes that may be under way to us: a full answer, so that a long way does not slow it down.
const WINDOW_BYTES: u32 = 8 << 20;

/// How often a silent connection is tried, and for how long.
const PING_EVERY: Duration = Duration::from_secs(5);

/// Errors in a row that are looked through for the one that counts.
const CAUSES_MAX: usize = 16;

/// The address of a region cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// It is no URL.
    #[error("{url:?} is no URL")]
    Url {
        /// What was given.
        url: String,
        /// Why.
        source: InvalidUri,
    },
    /// It has no host, another scheme than `https` (or `http`), or a path.
    #[error("{url:?} is no address such as https://tidegate.us-east-1.example:7402")]
    Address {
        /// What was given.
        url: String,
    },
    /// Its host is no name a certificate could be for.
    #[error("{host:?} is no host name")]
    Host {
        /// The host.
        host: String,
        /// Why.
        source: InvalidDnsNameError,
    },
    /// It is encrypted, and this region has no certificate to show.
    #[error("{url} is encrypted, and `listen.peer.tls` says nothing to prove ourselves with")]
    NoIdentity {
        /// The address.
        url: String,
    },
    /// It is not encrypted, and regions prove themselves.
    #[error("{url} is not encrypted, although `listen.peer.tls` is set; write https://")]
    Plain {
        /// The address.
        url: String,
    },
    /// It is followed already.
    #[error("{region} is named twice")]
    Twice {
        /// Which.
        region: String,
    },
}

/// Asks one region, over one connection.
pub(super) struct Link {
    /// Who we are.
    own: String,
    /// Whom we ask.
    region: String,
    host: String,
    port: u16,
    authority: String,
    tls: Option<(PeerIdentityFiles, ServerName<'static>)>,
    sender: Option<SendRequest<Empty<Bytes>>>,
}

impl Link {
    pub(super) fn new(region: &PeerRegion, settings: &PeerSettings) -> Result<Self, AddressError> {
        let url = || region.url.clone();
        let uri: Uri = region
            .url
            .parse()
            .map_err(|source| AddressError::Url { url: url(), source })?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(AddressError::Address { url: url() });
        };
        let secure = *scheme == Scheme::HTTPS;
        let odd = (!secure && *scheme != Scheme::HTTP)
            || !matches!(uri.path(), "" | "/")
            || uri.query().is_some()
            || authority.as_str().contains('@');
        if odd {
            return Err(AddressError::Address { url: url() });
        }
        let host = host_of(&uri).ok_or_else(|| AddressError::Address { url: url() })?;
        let tls = if secure {
            let files = settings.identity.clone();
            let files = files.ok_or_else(|| AddressError::NoIdentity { url: url() })?;
            let name = ServerName::try_from(host.clone());
            let name = name.map_err(|source| AddressError::Host {
                host: host.clone(),
                source,
            })?;
            Some((files, name))
        } else if settings.identity.is_some() {
            return Err(AddressError::Plain { url: url() });
        } else {
            None
        };
        Ok(Self {
            own: settings.region.clone(),
            region: region.name.clone(),
            port: authority
                .port_u16()
                .unwrap_or(if secure { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            host,
            tls,
            sender: None,
        })
    }

    /// Whom it asks.
    pub(super) fn region(&self) -> &str {
        &self.region
    }

    /// The next question goes over a new connection.
    pub(super) fn hang_up(&mut self) {
        self.sender = None;
    }

    /// Asks for frames, of `origin`'s log if that is not the one asked; gives up at `until`.
    pub(super) async fn ask(
        &mut self,
        origin: Option<&str>,
        ask: &Ask,
        until: Instant,
    ) -> Result<Answer, Failure> {
        let answered = self.try_ask(origin, ask, until).await;
        answered.map_err(|problem| {
            tracing::debug!(
                peer.region = self.region,
                error = &*problem.error,
                "a peer gave no answer"
            );
            self.sender = None;
            problem.failure
        })
    }

    async fn try_ask(
        &mut self,
        origin: Option<&str>,
        ask: &Ask,
        until: Instant,
    ) -> Result<Answer, Problem> {
        let mut sender = match self.sender.take().filter(SendRequest::is_ready) {
            Some(sender) => sender,
            None => self.connect(until).await?,
        };
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let target = format!(
            "{scheme}://{}{PATH}?{}",
            self.authority,
            query(&self.own, origin, ask)
        );
        let request = Request::get(target)
            .header(header::USER_AGENT, "tidegate")
            .body(Empty::new())
            .map_err(Problem::broken)?;
        let sent = timeout_at(until, sender.send_request(request)).await;
        let response = sent.map_err(Problem::silent)?.map_err(Problem::of)?;
        match response.status() {
            StatusCode::OK => {}
            status @ (StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED) => {
                return Err(Problem {
                    failure: Failure::Refused,
                    error: format!("it answered {status}").into(),
                });
            }
            status => return Err(Problem::broken(format!("it answered {status}"))),
        }
        let left = until.saturating_duration_since(Instant::now());
        let most = answer_bytes_max(ask.bytes_max);
        let body = read_body(response.into_body(), most, left).await;
        let answer = decode(&body.map_err(Problem::of)?).map_err(Problem::broken)?;
        self.sender = Some(sender);
        Ok(answer)
    }

    async fn connect(&self, until: Instant) -> Result<SendRequest<Empty<Bytes>>, Problem> {
        let until = until.min(Instant::now() + CONNECT_MAX);
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let stream = match timeout_at(until, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Problem::unreachable(error)),
            Err(late) => return Err(Problem::unreachable(late)),
        };
        stream.set_nodelay(true).map_err(Problem::broken)?;
        let shaking = async {
            match &self.tls {
                None => handshake(TokioIo::new(stream)).await,
                Some((files, name)) => {
                    // Read anew each time, so that renewed certificates count.
                    let connector = connector(files).map_err(|error| Problem {
                        failure: Failure::Refused,
                        error: error.into(),
                    })?;
                    let stream = connector.connect(name.clone(), stream).await;
                    handshake(TokioIo::new(stream.map_err(Problem::of)?)).await
                }
            }
        };
        timeout_at(until, shaking).await.map_err(Problem::silent)?
    }
}

async fn handshake<S>(io: S) -> Result<SendRequest<Empty<Bytes>>, Problem>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (sender, connection) = Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY)
        .handshake(io)
        .await
        .map_err(Problem::of)?;
    // It ends with its sender; a failure is told to whoever waits for an answer.
    tokio::spawn(connection);
    Ok(sender)
}

/// The host of an address, without the brackets of IPv6, in lower case.
pub(super) fn host_of(uri: &Uri) -> Option<String> {
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

fn connector(files: &PeerIdentityFiles) -> Result<TlsConnector, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|source| TlsError::Read {
        path: files.key.clone(),
        source,
    })?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(authorities(&files.authorities)?)
        .with_client_auth_cert(certificates(&files.certificates)?, key)
        .map_err(|source| TlsError::Pair {
            certificates: files.certificates.clone(),
            key: files.key.clone(),
            source,
        })?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Why there is no answer: for the machine, and for the log.
struct Problem {
    failure: Failure,
    error: Box<dyn Error + Send + Sync>,
}

impl Problem {
    fn broken(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            failure: Failure::Broken,
            error: error.into(),
        }
    }

    fn silent(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            failure: Failure::Silent,
            error: error.into(),
        }
    }

    fn unreachable(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            failure: Failure::Unreachable,
            error: error.into(),
        }
    }

    /// By what is behind it: a certificate that one of us does not believe is told from a broken line.
    fn of(error: impl Error + Send + Sync + 'static) -> Self {
        let failure = if is_refusal(&error) {
            Failure::Refused
        } else {
            Failure::Broken
        };
        Self {
            failure,
            error: error.into(),
        }
    }
}

fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    for _ in 0..CAUSES_MAX {
        let Some(error) = next else {
            return false;
        };
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return matches!(
                error,
                rustls::Error::InvalidCertificate(_)
                    | rustls::Error::NoCertificatesPresented
                    | rustls::Error::AlertReceived(_)
            );
        }
        // The HTTP/2 library tells what broke its connection in words only.
        if error.to_string().contains("received fatal alert") {
            return true;
        }
        // An `io::Error` shows what it wraps not as its source but here.
        let inner = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}
