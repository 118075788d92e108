//! A small client, for our own commands: one base address, one kept connection, HTTP/1.1, no redirects.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{InvalidUri, Scheme};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::body::{BodyError, read_body};
use super::tls::{TlsError, authorities};

/// The settings of a [`Client`]; the defaults stand at each field.
#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// For name, connection and handshake (5 s).
    pub connect_timeout: Duration,
    /// From the request to the head of its answer, and again to the end of its body (30 s).
    pub answer_timeout: Duration,
    /// Bytes of an answer's body (32 MiB).
    pub answer_bytes_max: usize,
    /// Whose certificates are believed (those of the public web).
    pub trust: TrustAnchors,
}

/// Whose certificates a client believes.
#[derive(Clone, Debug)]
pub enum TrustAnchors {
    /// The authorities browsers ship with (Mozilla's list, compiled in).
    Web,
    /// Only those in this PEM file.
    File(PathBuf),
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The base address is no URL.
    #[error("{base:?} is no URL")]
    Url {
        /// What was given.
        base: String,
        /// Why.
        #[source]
        source: InvalidUri,
    },
    /// The base address has no host, or another scheme than `http` and `https`.
    #[error("{base:?} is no http:// or https:// address")]
    Address {
        /// What was given.
        base: String,
    },
    /// The host is no name a certificate could be for.
    #[error("{host:?} is no host name")]
    Host {
        /// The host.
        host: String,
        /// Why.
        #[source]
        source: InvalidDnsNameError,
    },
    /// TLS could not be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] TlsError),
    /// The request has a path, query or header that cannot be sent.
    #[error("the request is malformed")]
    Request(#[from] http::Error),
    /// Nobody answers at the address, or its certificate is not believed.
    #[error("cannot connect to {authority}")]
    Connect {
        /// Host and port.
        authority: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("{authority} did not answer within {within:?}")]
    Timeout {
        /// Host and port.
        authority: String,
        /// The limit.
        within: Duration,
    },
    /// The exchange broke off.
    #[error("{authority} did not answer the request")]
    Exchange {
        /// Host and port.
        authority: String,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// The answer's body could not be read.
    #[error("the answer cannot be read")]
    Body(#[from] BodyError),
}

/// A client of one base address. It keeps one connection between requests; requests at the same
/// time open further ones.
#[derive(Debug)]
pub struct Client {
    origin: Origin,
    settings: ClientSettings,
    idle: Mutex<Option<Sender>>,
}

type Sender = SendRequest<Full<Bytes>>;

/// Where a client connects to.
struct Origin {
    host: String,
    port: u16,
    authority: String,
    /// Before each path; without a slash at its end.
    prefix: String,
    host_header: HeaderValue,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(30),
            answer_bytes_max: 32 * 1024 * 1024,
            trust: TrustAnchors::Web,
        }
    }
}

impl Client {
    /// A client of `base`, such as `https://tidegate.example:7401`; a path in it stands before every path asked for.
    ///
    /// # Errors
    ///
    /// If `base` is no usable address, or the authorities cannot be read. It does not connect yet.
    pub fn new(base: &str, settings: ClientSettings) -> Result<Self, ClientError> {
        let origin = Origin::new(base, &settings.trust)?;
        Ok(Self {
            origin,
            settings,
            idle: Mutex::new(None),
        })
    }

    /// Gets `path` (with its query, if any).
    ///
    /// # Errors
    ///
    /// If there is no whole answer in time; any status is an answer.
    pub async fn get(&self, path: &str) -> Result<Answer, ClientError> {
        self.request(Method::GET, path, HeaderMap::new(), Bytes::new())
            .await
    }

    /// Posts `body` to `path` with `headers`.
    ///
    /// # Errors
    ///
    /// As [`Client::get`].
    pub async fn post(
        &self,
        path: &str,
        headers: HeaderMap,
        body: impl Into<Bytes>,
    ) -> Result<Answer, ClientError> {
        self.request(Method::POST, path, headers, body.into()).await
    }

    /// Sends a request with any method. A request that was sent is never sent again.
    ///
    /// # Errors
    ///
    /// As [`Client::get`].
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, ClientError> {
        let uri = format!("{}{path}", self.origin.prefix);
        let mut request = Request::builder()
            .method(method)
            .uri(uri)
            .body(Full::new(body))?;
        *request.headers_mut() = headers;
        request
            .headers_mut()
            .entry(header::HOST)
            .or_insert_with(|| self.origin.host_header.clone());

        let within = self.settings.answer_timeout;
        let exchange = timeout(within, self.exchange(request));
        let (sender, response) = exchange.await.map_err(|_| self.too_late(within))??;
        let (head, body) = response.into_parts();
        let body = read_body(body, self.settings.answer_bytes_max, within).await?;
        *self.idle.lock().await = Some(sender);
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Sender, http::Response<hyper::body::Incoming>), ClientError> {
        let failed = |source| ClientError::Exchange {
            authority: self.origin.authority.clone(),
            source,
        };
        let mut request = request;
        let kept = self.idle.lock().await.take();
        if let Some(mut sender) = kept.filter(SendRequest::is_ready) {
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((sender, response)),
                // The server closed in the meantime; what was not sent goes over a new connection.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(failed(error.into_error())),
                },
            }
        }
        let within = self.settings.connect_timeout;
        let mut sender = timeout(within, self.connect())
            .await
            .map_err(|_| self.too_late(within))??;
        let response = sender.send_request(request).await.map_err(failed)?;
        Ok((sender, response))
    }

    async fn connect(&self) -> Result<Sender, ClientError> {
        let origin = &self.origin;
        let failed = |source| ClientError::Connect {
            authority: origin.authority.clone(),
            source,
        };
        let stream = TcpStream::connect((origin.host.as_str(), origin.port))
            .await
            .map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        match &origin.tls {
            None => self.handshake(TokioIo::new(stream)).await,
            Some((connector, name)) => {
                let stream = connector
                    .connect(name.clone(), stream)
                    .await
                    .map_err(failed)?;
                self.handshake(TokioIo::new(stream)).await
            }
        }
    }

    async fn handshake<S>(&self, io: S) -> Result<Sender, ClientError>
    where
        S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
    {
        let (sender, connection) =
            http1::handshake(io)
                .await
                .map_err(|source| ClientError::Exchange {
                    authority: self.origin.authority.clone(),
                    source,
                })?;
        // It ends with its sender; a failure is told to whoever waits for an answer.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn too_late(&self, within: Duration) -> ClientError {
        ClientError::Timeout {
            authority: self.origin.authority.clone(),
            within,
        }
    }
}

impl Origin {
    fn new(base: &str, trust: &TrustAnchors) -> Result<Self, ClientError> {
        let uri: Uri = base.parse().map_err(|source| ClientError::Url {
            base: base.to_owned(),
            source,
        })?;
        let address = || ClientError::Address {
            base: base.to_owned(),
        };
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(address());
        };
        let secure = *scheme == Scheme::HTTPS;
        if (!secure && *scheme != Scheme::HTTP) || uri.query().is_some() {
            return Err(address());
        }
        // User information would be sent to no one but printed in errors: refuse it.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(address());
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let tls = if secure {
            Some((connector(trust)?, server_name(&host)?))
        } else {
            None
        };
        Ok(Self {
            port: authority
                .port_u16()
                .unwrap_or(if secure { 443 } else { 80 }),
            host_header: HeaderValue::from_str(authority.as_str()).map_err(|_| address())?,
            authority: authority.as_str().to_owned(),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            host,
            tls,
        })
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.prefix)
    }
}

fn server_name(host: &str) -> Result<ServerName<'static>, ClientError> {
    ServerName::try_from(host.to_owned()).map_err(|source| ClientError::Host {
        host: host.to_owned(),
        source,
    })
}

fn connector(trust: &TrustAnchors) -> Result<TlsConnector, ClientError> {
    let roots = match trust {
        TrustAnchors::Web => {
            RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned())
        }
        TrustAnchors::File(path) => authorities(path)?,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(base: &str) -> Result<String, String> {
        Client::new(base, ClientSettings::default())
            .map(|client| {
                let Origin {
                    host,
                    port,
                    prefix,
                    tls,
                    ..
                } = &client.origin;
                format!("{host} {port} {prefix:?} {}", tls.is_some())
            })
            .map_err(|error| error.to_string())
    }

    #[test]
    fn base_addresses() {
        assert_eq!(
            origin("http://127.0.0.1:7401").unwrap(),
            r#"127.0.0.1 7401 "" false"#
        );
        assert_eq!(
            origin("https://example.org/admin/").unwrap(),
            r#"example.org 443 "/admin" true"#
        );
        assert_eq!(origin("http://[::1]:80").unwrap(), r#"::1 80 "" false"#);
        for bad in [
            "",
            "example.org",
            "ftp://example.org",
            "http://a:b@example.org",
            "/x",
            "http://x?y",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
