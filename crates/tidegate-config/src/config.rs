//! The validated configuration: what the rest of the gateway is built from.

mod changes;
mod deliver;
mod poll;
mod regions;
mod summary;

use std::net::SocketAddr;
use std::time::Duration;

use tidegate_map::EventSpec;
use tidegate_types::secret::Secret;
use tidegate_types::tags::NodeTags;
use tidegate_wire::cloudevents::HandshakePolicy;
use tidegate_wire::signature::Spec;

pub use changes::{Change, ChangeKind};
pub use deliver::{
    AnswerClass, Auth, AwsKey, Batch, Breaker, Calling, Deliver, OAuth2, Order, OutwardTls, Park,
    Proxy, Rate, Sign, StatusRule,
};
pub use poll::{
    HttpSource, Next, Poll, PollEvents, PollSource, Received, Schedule, SqsSource, TimeFormat,
    Timestamp,
};
pub use regions::{
    Durability, Idempotency, Lease, OnPartition, Ownership, Region, Registered, RoleProbe, Sharding,
};

/// Bytes to plan for each id in a dedup ledger: id and fingerprint (16 each), position and time
/// (about 32), and as much again for the table around them, rounded up.
pub const LEDGER_BYTES_PER_ID: u64 = 120;

/// A whole configuration as one region sees it. Only [`crate::load`] makes one, so whatever the
/// shape and the checks promise holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// Name of the subsystem; part of every event id.
    pub subsystem: String,
    /// Account tag of this region.
    pub account: String,
    /// Stage tag.
    pub stage: String,
    /// The region this process is.
    pub region: String,
    /// All regions, this one included, in the order of the file.
    pub regions: Vec<Region>,
    /// The store in which they agree on who acts.
    pub lease: Option<Lease>,
    /// The base URL that leads external systems to a region that is up.
    pub front_door: Option<String>,
    /// Listeners.
    pub listen: Listen,
    /// Folder of the log, as written; relative to the working directory.
    pub data: String,
    /// How much is kept.
    pub log: Log,
    /// Upper bounds.
    pub limits: Limits,
    /// External systems, by name.
    pub systems: Vec<System>,
    /// Flows that receive, in the order of the file.
    pub flows: Vec<Flow>,
    /// Flows that deliver, in the order of the file.
    pub deliveries: Vec<Deliver>,
    /// Flows that poll, in the order of the file.
    pub polls: Vec<Poll>,
    /// Flows that serve, in the order of the file.
    pub feeds: Vec<Feed>,
    /// Our own services, in the order of the file.
    pub services: Vec<Service>,
    /// The gateway's own log lines.
    pub logging: Logging,
}

impl Config {
    /// The tags of this node.
    #[must_use]
    pub fn tags(&self) -> NodeTags {
        NodeTags {
            account: self.account.clone(),
            region: self.region.clone(),
            stage: self.stage.clone(),
            subsystem: self.subsystem.clone(),
        }
    }
}

/// The listeners.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listen {
    /// For external systems and services.
    pub public: Listener,
    /// For operators.
    pub admin: Listener,
    /// The token of the admin API; always given when `admin` is beyond loopback.
    pub admin_token: Option<Secret>,
    /// For the other regions; `None` if this region neither gives its log nor follows others.
    pub peer: Option<Listener>,
}

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listener {
    /// Address and port; port 0 is any free one.
    pub address: SocketAddr,
    /// TLS, or plain HTTP.
    pub tls: Option<Tls>,
}

/// Files of TLS, relative to the folder of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// PEM file of the certificate chain.
    pub cert: String,
    /// PEM file of the private key.
    pub key: String,
    /// PEM file of the authorities of client certificates.
    pub client_ca: Option<String>,
    /// Whether a client must present a certificate; no effect without `client_ca`.
    pub client_required: bool,
}

/// What the log keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Log {
    /// How long events are kept at least.
    pub keep: Duration,
    /// Most bytes on disk.
    pub size_max: u64,
    /// Bytes of one segment.
    pub segment: u64,
    /// What holds for flows that do not say it themselves, and for what services publish.
    pub durability: Durability,
}

/// Upper bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Largest body, in bytes.
    pub body_max: usize,
    /// Most connections of a listener.
    pub connections_max: usize,
    /// Most requests that are worked on at a time.
    pub in_flight_max: usize,
    /// Most bytes of events that wait to be written.
    pub queue_bytes_max: usize,
    /// Largest head of a request, in bytes.
    pub header_bytes_max: usize,
    /// How long a head may take to arrive.
    pub header_timeout: Duration,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long a connection may idle.
    pub idle_timeout: Duration,
    /// How long requests in flight may take at the end.
    pub drain_timeout: Duration,
}

/// An external system.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct System {
    /// Its name.
    pub name: String,
    /// Where it runs.
    pub hosting: Hosting,
    /// How it is built.
    pub topology: Topology,
    /// How much it may lose when it switches over.
    pub their_rpo: Option<Duration>,
    /// How long it sends again, or lists, what was not accepted.
    pub their_retry_horizon: Option<Duration>,
    /// How its active endpoint is found.
    pub role_probe: Option<RoleProbe>,
    /// Our regions that may exchange events with it; empty means all.
    pub allowed_regions: Vec<String>,
    /// Its endpoints; of a primary with secondaries the first is the primary as a rule.
    pub endpoints: Vec<Endpoint>,
    /// How it is called.
    pub calling: Calling,
}

/// Where an external system runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosting {
    /// In another cloud.
    OtherCloud,
    /// In the cloud our regions are in.
    SameCloud {
        /// Our region it shares its fate with, if one.
        fails_with: Option<String>,
    },
    /// Behind lines.
    OnPremises {
        /// Our regions with a line to it; empty means all.
        links: Vec<String>,
    },
}

/// How an external system is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One endpoint.
    Single,
    /// One is active, others stand by.
    PrimarySecondary,
    /// All are active, and each takes and shows everything.
    Shared,
    /// All are active, and each has a part, or a log, of its own.
    Partitioned,
}

/// One endpoint of an external system.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// Its base URL.
    pub url: String,
    /// Our nearest region.
    pub near: Option<String>,
}

/// A flow that receives.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flow {
    /// Its name; part of every event id.
    pub name: String,
    /// The external system.
    pub system: String,
    /// Its path on the public listener; no other flow has it.
    pub path: String,
    /// What they send.
    pub format: Format,
    /// How a request proves itself; accepted by [`tidegate_wire::signature::Verifier::new`].
    pub verify: Spec,
    /// Methods taken.
    pub methods: Vec<&'static str>,
    /// Largest body, in bytes, before and after decompression.
    pub body_max: usize,
    /// The answer to the CloudEvents webhook handshake, if it is given.
    pub handshake: Option<HandshakePolicy>,
    /// Where the identity of an event comes from.
    pub identity: Identity,
    /// What is made of a request; accepted by [`tidegate_map::Mapping::compile`]. `None` for
    /// CloudEvents, whose own attributes and data are taken.
    pub mapping: Option<EventSpec>,
    /// How long an id is remembered; at most `log.keep`.
    pub dedup: Duration,
    /// Whether a flow that polls repairs its gaps.
    pub reconciled: bool,
    /// Which URLs the sender was given.
    pub registered: Registered,
    /// What must have happened before success is answered.
    pub durability: Durability,
}

impl Flow {
    /// Bytes the flow's dedup ledger takes for each event per second that it takes in steadily.
    #[must_use]
    pub fn ledger_bytes_per_event_per_second(&self) -> u64 {
        self.dedup.as_secs().saturating_mul(LEDGER_BYTES_PER_ID)
    }
}

/// A flow that serves: a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Feed {
    /// Its name; cursors are bound to it.
    pub name: String,
    /// The external system that fetches it.
    pub system: String,
    /// Its path on the public listener; the paths right below it are its as well.
    pub path: String,
    /// Patterns of the types it gives.
    pub on: Vec<String>,
    /// A further condition in jq; it compiles.
    pub when: Option<String>,
    /// How far back it reaches; at most `log.keep`.
    pub retention: Duration,
    /// Most events of one page.
    pub page_max: usize,
    /// Keys of its cursors, the one in use first. Empty, with one region only: the node makes one.
    pub cursor_keys: Vec<Secret>,
    /// Who may fetch it. Empty: everybody, on loopback only.
    pub consumers: Vec<Consumer>,
}

/// A reader of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Consumer {
    /// Its name, within the feed.
    pub name: String,
    /// Its tokens; no other consumer of the feed has one of them.
    pub tokens: Vec<Secret>,
    /// Patterns of the types it gets out of the feed; empty means all.
    pub on: Vec<String>,
    /// A further condition in jq; it compiles.
    pub when: Option<String>,
}

/// What a flow is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Any request; the mapping says what is made of it.
    Webhook,
    /// CloudEvents over HTTP.
    CloudEvents,
}

/// Where the identity of an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The signature scheme signs an id.
    Scheme,
    /// The jq expression `id` of the mapping.
    Expression,
    /// Equal bodies are the same event.
    Content,
    /// Every request is a new event.
    None,
    /// `source` and `id` of the CloudEvent.
    CloudEvent,
}

/// One of our own services.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its bearer tokens; no other service has one of them.
    pub tokens: Vec<Secret>,
    /// Patterns of the types it may publish.
    pub publish: Vec<String>,
    /// Its subscriptions.
    pub subscriptions: Vec<Subscription>,
}

/// A subscription of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscription {
    /// Its name, within the service.
    pub name: String,
    /// Patterns of the types it gets.
    pub on: Vec<String>,
    /// A further condition in jq; it compiles.
    pub when: Option<String>,
    /// Age up to which the log keeps what it has not read.
    pub max_lag: Duration,
}

/// The gateway's own log lines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Logging {
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: &'static str,
    /// How lines are written.
    pub format: LogFormat,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Text.
    Text,
    /// JSON.
    Json,
}
