//! Sending: permits, proof, connection, exchange, and what comes back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tidegate_types::time::UnixMillis;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::auth::{Draft, Token};
use super::dial::dial;
use super::endpoint::Endpoint;
use super::exchange::{Exchanged, Outgoing, Terms, exchange};
use super::headers;
use super::location::{Location, LocationProblem};
use super::outcome::{Answer, Failure, FailureKind, Outcome};
use super::pool::{Keep, Pool, PoolStats};
use super::resolve::{Resolve, SystemResolver};

mod blot;
mod preview;

pub use preview::Preview;

/// The settings of a [`Transport`]; the defaults stand at each field.
#[derive(Clone, Debug)]
pub struct TransportSettings {
    /// From the lookup of the name to the end of the TLS handshake (5 s).
    pub connect_timeout: Duration,
    /// How long a connection is kept without a request (4 s: Node's servers close after 5 s, most
    /// others after 15 s or more, and a request should not meet a connection that is being closed).
    pub idle_timeout: Duration,
    /// How long a connection is used, so that a changed name is noticed (60 s, a common time to live
    /// of names that move).
    pub lifetime_max: Duration,
    /// Connections open at once, over all endpoints (1,024).
    pub connections_max: usize,
    /// Where addresses come from (the operating system).
    pub resolver: Arc<dyn Resolve>,
    /// The time that signatures hold (the clock of the process).
    pub clock: fn() -> UnixMillis,
}

/// A request to an endpoint.
#[derive(Clone, Debug)]
pub struct Request {
    /// Not `CONNECT` or `TRACE`.
    pub method: Method,
    /// Path and query, from [`Endpoint::locate`] or [`Endpoint::follow`].
    pub location: Location,
    /// Headers but those the transport writes; made of texts by [`header`](super::header).
    pub headers: HeaderMap,
    /// The body, up to 16 MiB.
    pub body: Bytes,
    /// The message id, for signatures that carry one.
    pub id: String,
    /// For all of it, from the lookup to the last byte of the answer (15 s); an hour at most.
    pub timeout: Duration,
    /// Bytes of the answer's body that are kept (16 KiB).
    pub answer_bytes_max: usize,
}

/// Sends requests to endpoints and keeps connections. One for the whole process is meant.
#[derive(Debug)]
pub struct Transport {
    settings: TransportSettings,
    pool: Arc<Pool>,
    permits: Arc<Semaphore>,
}

impl Default for TransportSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(4),
            lifetime_max: Duration::from_secs(60),
            connections_max: 1024,
            resolver: Arc::new(SystemResolver::default()),
            clock: tidegate_hub::clock::now,
        }
    }
}

impl Request {
    /// A request without headers and body, with the default limits.
    #[must_use]
    pub fn new(method: Method, location: Location) -> Self {
        Self {
            method,
            location,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            id: String::new(),
            timeout: Duration::from_secs(15),
            answer_bytes_max: 16 * 1024,
        }
    }

    fn check(&self) -> Result<(), Failure> {
        let refused = |why: &str| Err(Failure::unsent(FailureKind::Request, why));
        if [Method::CONNECT, Method::TRACE].contains(&self.method) {
            return refused("the method is for proxies and tests");
        }
        if self.body.len() > BODY_BYTES_MAX {
            return refused("the body is larger than 16 MiB");
        }
        let checked = headers::check_all(&self.headers);
        checked.map_err(|problem| Failure::unsent(FailureKind::Request, problem))
    }
}

impl Endpoint {
    /// Path and query for a [`Request`], below the endpoint's own path.
    ///
    /// # Errors
    /// The path tries to leave, or has characters that must be escaped.
    pub fn locate(&self, path: &str, query: &str) -> Result<Location, LocationProblem> {
        self.route.base.locate(path, query)
    }
}

impl Transport {
    /// A transport without connections.
    #[must_use]
    pub fn new(mut settings: TransportSettings) -> Self {
        settings.connect_timeout = settings.connect_timeout.min(TIMEOUT_MAX);
        let connections_max = settings.connections_max.clamp(1, Semaphore::MAX_PERMITS);
        let keep = Keep {
            // A timer of no length is none.
            idle: settings
                .idle_timeout
                .clamp(Duration::from_millis(2), TIMEOUT_MAX),
            lifetime: settings.lifetime_max,
            connections_max,
        };
        Self {
            pool: Pool::new(keep),
            permits: Arc::new(Semaphore::new(connections_max)),
            settings,
        }
    }

    /// Sends `request` to `endpoint`. Runs inside a tokio runtime with I/O and time.
    ///
    /// # Cancel safety
    /// Dropping it closes the connection; the other side may have seen the request.
    pub async fn send(&self, endpoint: &Endpoint, request: &Request) -> Outcome {
        let start = Instant::now();
        let deadline = start + request.timeout.min(TIMEOUT_MAX);
        let result = self.attempt(endpoint, request, deadline).await;
        Outcome {
            result,
            duration: start.elapsed(),
        }
    }

    /// The figures of the connections.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        self.pool.stats()
    }

    async fn attempt(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        request.check()?;
        let Some(tokens) = &endpoint.prover.tokens else {
            return self.exchange(endpoint, request, None, deadline).await;
        };
        // Before any permit is taken: fetching a token needs one, too.
        let token = Box::pin(tokens.token(self, None, deadline)).await?;
        let answer = self
            .exchange(endpoint, request, Some(&token), deadline)
            .await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        // The token may have been revoked. If there is no other, the answer stands.
        match Box::pin(tokens.token(self, Some(&token), deadline)).await {
            Ok(token) => {
                self.exchange(endpoint, request, Some(&token), deadline)
                    .await
            }
            Err(_) => Ok(answer),
        }
    }

    /// One request and its answer, proven with `token`.
    pub(super) async fn exchange(
        &self,
        endpoint: &Endpoint,
        request: &Request,
        token: Option<&Token>,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let _permits = self.permits(endpoint, deadline).await?;
        let draft = self.proven(endpoint, request, token)?;
        let secrets = blot::Secrets::of(
            &draft.headers,
            draft.location.query(),
            request.location.query(),
            endpoint.route.proxy.as_ref(),
        );
        let (body, taken) = Outgoing::new(request.body.clone());
        let mut message = message(endpoint, draft, body)?;
        let terms = Terms {
            deadline,
            body_bytes_max: request.answer_bytes_max,
        };
        loop {
            let kept = self.pool.take(endpoint.id);
            let is_kept = kept.is_some();
            let connection = match kept {
                Some(connection) => connection,
                None => {
                    let deadline = deadline.min(Instant::now() + self.settings.connect_timeout);
                    let resolver = &*self.settings.resolver;
                    let new = Box::pin(dial(&endpoint.route, resolver, deadline)).await?;
                    self.pool.admit(new)
                }
            };
            match exchange(connection, message, &taken, terms).await {
                // The server closed it in the meantime: the next one, and in the end a new one.
                Exchanged::Unsent(unsent) if is_kept => message = unsent,
                Exchanged::Unsent(_) => {
                    return Err(Failure::unsent(FailureKind::Closed, "at once"));
                }
                Exchanged::Failed(failure) => return Err(failure),
                Exchanged::Answered(mut answer, connection) => {
                    if is_kept {
                        self.pool.count_reuse();
                    }
                    if let Some(connection) = connection {
                        self.pool.put(endpoint.id, connection);
                    }
                    refused_by_proxy(endpoint, &answer)?;
                    secrets.blot(&mut answer);
                    return Ok(answer);
                }
            }
        }
    }

    async fn permits(
        &self,
        endpoint: &Endpoint,
        deadline: Instant,
    ) -> Result<[OwnedSemaphorePermit; 2], Failure> {
        let permits = async {
            // The endpoint's own first: who waits for a slow endpoint must not hold up the others.
            let own = Arc::clone(&endpoint.permits).acquire_owned().await.ok()?;
            let shared = Arc::clone(&self.permits).acquire_owned().await.ok()?;
            Some([own, shared])
        };
        let granted = timeout_at(deadline, permits).await.ok().flatten();
        granted.ok_or_else(|| Failure::unsent(FailureKind::Saturated, ""))
    }

    fn proven<'a>(
        &self,
        endpoint: &Endpoint,
        request: &'a Request,
        token: Option<&Token>,
    ) -> Result<Draft<'a>, Failure> {
        let mut headers = request.headers.clone();
        let host = HeaderValue::try_from(endpoint.route.base.authority());
        let host = host.map_err(|error| Failure::unsent(FailureKind::Request, error))?;
        headers.insert(HOST, host);
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers
            .entry(USER_AGENT)
            .or_insert(HeaderValue::from_static(AGENT));
        let mut draft = Draft {
            method: &request.method,
            location: request.location.clone(),
            headers,
            body: &request.body,
            id: &request.id,
        };
        endpoint
            .prover
            .prove((self.settings.clock)(), token, &mut draft)?;
        Ok(draft)
    }
}

fn message(
    endpoint: &Endpoint,
    draft: Draft<'_>,
    body: Outgoing,
) -> Result<http::Request<Outgoing>, Failure> {
    let Draft {
        method,
        location,
        mut headers,
        ..
    } = draft;
    let malformed = |error: http::Error| Failure::unsent(FailureKind::Request, error);
    let route = &endpoint.route;
    let uri = match &route.proxy {
        Some(proxy) if route.tls.is_none() => {
            if let Some(authorization) = &proxy.authorization {
                headers.insert(PROXY_AUTHORIZATION, authorization.clone());
            }
            location
                .absolute_form(route.base.authority())
                .map_err(malformed)?
        }
        _ => location.origin_form(),
    };
    // Written by hand, so that an empty body is announced as such (RFC 9110, section 8.6).
    if has_length(method, draft.body) {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(draft.body.len()));
    }
    let built = http::Request::builder().method(method).uri(uri).body(body);
    let mut message = built.map_err(malformed)?;
    *message.headers_mut() = headers;
    Ok(message)
}

fn has_length(method: &Method, body: &[u8]) -> bool {
    !body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

/// In front of an `http` endpoint the proxy speaks in the target's place. Only 407 is surely its own.
fn refused_by_proxy(endpoint: &Endpoint, answer: &Answer) -> Result<(), Failure> {
    let is_forwarded = endpoint.route.proxy.is_some() && endpoint.route.tls.is_none();
    if is_forwarded && answer.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
        return Err(Failure::unsent(FailureKind::ProxyAuthentication, ""));
    }
    Ok(())
}

/// The largest body that is sent; flows have smaller limits of their own.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longer times are cut to this: nobody waits for an answer that long, and the clock has an end.
const TIMEOUT_MAX: Duration = Duration::from_secs(60 * 60);

const AGENT: &str = concat!("tidegate/", env!("CARGO_PKG_VERSION"));
