//! A lease store in a NATS JetStream stream.
//!
//! A record is the last message of a subject, its revision that message's sequence. A write is a
//! publish with the header `Nats-Expected-Last-Subject-Sequence`, which the leader of the stream checks
//! as it appends: that is the whole compare-and-set (NATS ADR-8 builds its key-value buckets so).
//! Reads ask the leader (`$JS.API.STREAM.MSG.GET`), never a replica (`DIRECT.GET`). Nothing expires
//! by the server's clock: silence is measured by the takers alone.
//!
//! Retries are the machine's: a request that was not answered in time may still be written, and that
//! is what its answer says.

mod api;
mod rules;

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, HeaderMap, Request};
use bytes::Bytes;
use tidegate_core::lease::{Key, Revision, Stored};
use tidegate_types::secret::Secret;

use self::api::{Ack, ApiError, Message, StreamInfo};
use super::store::{LeaseStore, StoreError, StoreFuture, Written};

pub use self::rules::{Dangers, Unsafe};

/// How long one request may take. The lease counts on it: it is the timeout of a renewal.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// How long preparing the stream may take for each request; nothing is urgent then.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long connecting may take. Reconnecting is tried for as long as the process runs.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often the server is asked for a sign of life. Two missing ones drop the connection, so that a dead
/// one is noticed within a lease.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// The longest pause from one try to connect to the next: a part of the time of a renewal.
const RECONNECT_PAUSE_MAX: Duration = Duration::from_millis(500);

/// Requests that wait for a connection. The machine has 33 under way at most.
const WAITING_MAX: usize = 64;

/// Where the store is, and what is asked of it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// URLs of its servers.
    pub servers: Vec<String>,
    /// The stream; it is created if it does not exist.
    pub stream: String,
    /// On how many servers it is kept.
    pub replicas: u8,
    /// Who we are there.
    pub credentials: Option<Credentials>,
    /// How connections are encrypted, if they must be.
    pub tls: Option<rustls::ClientConfig>,
    /// Which defects are put up with.
    pub dangers: Dangers,
}

/// Who we are at the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A user and a password.
    User {
        /// The user.
        name: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Token(Secret),
}

/// Why the store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// No server can be reached, or none lets us in.
    #[error("no NATS server of the lease store can be reached")]
    Connect(#[from] async_nats::ConnectError),
    /// The password or the token is no text.
    #[error("the credentials of the lease store are not UTF-8")]
    Credentials,
    /// The stream cannot be read or created.
    #[error("the stream {stream} of the lease store cannot be prepared")]
    Stream {
        /// Its name.
        stream: String,
        /// Why.
        source: StoreError,
    },
    /// It would lose records or give one to two.
    #[error("the lease store is not safe: {}", list(.0))]
    Unsafe(Vec<Unsafe>),
}

fn list(found: &[Unsafe]) -> String {
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    found.join("; ")
}

/// A lease store in NATS.
#[derive(Clone, Debug)]
pub struct NatsStore {
    client: Client,
    stream: String,
    /// Defects that are put up with, for the node to tell at its start.
    tolerated: Vec<Unsafe>,
}

impl NatsStore {
    /// Connects, creates the stream if it does not exist, and checks server and stream against the table
    /// of what is unsafe.
    ///
    /// # Errors
    /// The store cannot be reached, prepared or trusted.
    pub async fn open(settings: Settings) -> Result<Self, NatsError> {
        let client = options(&settings)?.connect(&settings.servers).await?;
        let store = Self {
            client,
            stream: settings.stream.clone(),
            tolerated: Vec::new(),
        };
        let failed = |source| NatsError::Stream {
            stream: settings.stream.clone(),
            source,
        };
        let info = store.client.server_info();
        let mut found = rules::server(&info);
        if found.iter().all(|it| it.danger.is_some()) {
            let stream = store.prepare(&settings).await.map_err(failed)?;
            found.extend(rules::stream(&stream, &settings));
        }
        let (tolerated, refused): (Vec<_>, Vec<_>) = found
            .into_iter()
            .partition(|it| settings.dangers.tolerate(it));
        if refused.is_empty() {
            Ok(Self { tolerated, ..store })
        } else {
            Err(NatsError::Unsafe(refused))
        }
    }

    /// Defects that were found and put up with.
    #[must_use]
    pub fn tolerated(&self) -> &[Unsafe] {
        &self.tolerated
    }

    /// The stream's settings, after creating it if it did not exist.
    async fn prepare(&self, settings: &Settings) -> Result<StreamInfo, StoreError> {
        let info = format!("$JS.API.STREAM.INFO.{}", self.stream);
        let answer = self
            .request(info.clone(), Request::new(), PREPARE_TIMEOUT)
            .await?;
        match api::stream(&answer)? {
            Ok(found) => return Ok(found),
            Err(error) if error.is(api::STREAM_NOT_FOUND) => {}
            Err(error) => return Err(error.into()),
        }
        let create = format!("$JS.API.STREAM.CREATE.{}", self.stream);
        let body = api::create(&self.stream, settings.replicas);
        let request = Request::new().payload(body.into());
        let answer = self.request(create, request, PREPARE_TIMEOUT).await?;
        match api::stream(&answer)? {
            Ok(made) => Ok(made),
            // Another node was a moment earlier.
            Err(error) if error.is(api::STREAM_EXISTS) => {
                let answer = self.request(info, Request::new(), PREPARE_TIMEOUT).await?;
                Ok(api::stream(&answer)??)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn subject(&self, key: &Key) -> String {
        format!("{}.{key}", self.stream)
    }

    async fn request(
        &self,
        subject: String,
        request: Request,
        timeout: Duration,
    ) -> Result<Bytes, StoreError> {
        let away = |error: String| StoreError::Away(error);
        let asked = self.client.send_request(subject, request.timeout(None));
        let answer = tokio::time::timeout(timeout, asked).await;
        let answer = answer.map_err(|_| away(format!("no answer within {timeout:?}")))?;
        let answer = answer.map_err(|error| away(error.to_string()))?;
        Ok(answer.payload)
    }

    async fn last(&self, key: &Key) -> Result<Option<Stored>, StoreError> {
        let subject = format!("$JS.API.STREAM.MSG.GET.{}", self.stream);
        let body = api::last_of(&self.subject(key));
        let request = Request::new().payload(body.into());
        let answer = self.request(subject, request, REQUEST_TIMEOUT).await?;
        match api::message(&answer)? {
            Ok(Message { sequence, data }) => Ok(Some(Stored {
                revision: Revision(sequence),
                value: data.into(),
            })),
            Err(error) if error.is(api::NO_MESSAGE) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn publish(
        &self,
        key: &Key,
        expected: Option<Revision>,
        value: Bytes,
    ) -> Result<Written, StoreError> {
        let mut headers = HeaderMap::new();
        let expected = expected.map_or(0, |revision| revision.0).to_string();
        headers.insert("Nats-Expected-Last-Subject-Sequence", expected.as_str());
        headers.insert("Nats-Expected-Stream", self.stream.as_str());
        let request = Request::new().headers(headers).payload(value);
        let answer = self
            .request(self.subject(key), request, REQUEST_TIMEOUT)
            .await?;
        match api::ack(&answer)? {
            Ok(Ack { sequence }) => Ok(Written::Done(Revision(sequence))),
            // Both mean that another write was first: the latter on a stream with several replicas,
            // where that write has not been applied yet.
            Err(error) if error.is(api::WRONG_SEQUENCE) || error.is(api::WRONG_SEQUENCE_NOW) => {
                Ok(Written::Conflict(self.last(key).await?))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl From<ApiError> for StoreError {
    fn from(error: ApiError) -> Self {
        Self::Refused(error.to_string())
    }
}

fn options(settings: &Settings) -> Result<ConnectOptions, NatsError> {
    let options = ConnectOptions::new()
        .name("tidegate")
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .client_capacity(WAITING_MAX)
        .reconnect_delay_callback(|tries| {
            let pause = Duration::from_millis(
                50_u64.saturating_mul(u64::try_from(tries).unwrap_or(u64::MAX)),
            );
            pause.min(RECONNECT_PAUSE_MAX)
        })
        .event_callback(|event| async move {
            match event {
                Event::Connected => tracing::info!("connected to the lease store"),
                other => tracing::warn!(event = %other, "the lease store's connection"),
            }
        });
    let options = match &settings.tls {
        Some(config) => options.require_tls(true).tls_client_config(config.clone()),
        None => options,
    };
    let text = |secret: &Secret| {
        let text = String::from_utf8(secret.expose().to_vec());
        text.map_err(|_| NatsError::Credentials)
    };
    Ok(match &settings.credentials {
        None => options,
        Some(Credentials::User { name, password }) => {
            options.user_and_password(name.clone(), text(password)?)
        }
        Some(Credentials::Token(token)) => options.token(text(token)?),
    })
}

impl LeaseStore for NatsStore {
    fn read<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(self.last(key))
    }

    fn compare_and_set<'a>(
        &'a self,
        key: &'a Key,
        expected: Option<Revision>,
        value: Bytes,
    ) -> StoreFuture<'a, Written> {
        Box::pin(self.publish(key, expected, value))
    }
}
