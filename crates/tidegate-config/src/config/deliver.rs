//! Flows that deliver, and what is known of the systems they call.

use std::time::Duration;

use tidegate_map::RequestSpec;
use tidegate_types::secret::Secret;
use tidegate_wire::aws::Target;
use tidegate_wire::signature::Spec;

use super::{Idempotency, Ownership, Sharding};

/// How a system is called: everything about it but its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calling {
    /// How we prove ourselves.
    pub auth: Option<Auth>,
    /// Certificates.
    pub tls: OutwardTls,
    /// A forward proxy.
    pub proxy: Option<Proxy>,
    /// Ranges of addresses, each as `10.0.0.0/8`, that may be connected to although they are not public.
    pub private_ranges: Vec<String>,
    /// Ports below 1024 besides 80 and 443 that may be connected to.
    pub ports: Vec<u16>,
}

/// How we prove ourselves, besides certificates and signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// Basic, bearer or an API key, one credential.
    Shown(Box<Spec>),
    /// OAuth 2.0 client credentials.
    OAuth2(Box<OAuth2>),
}

/// OAuth 2.0 client credentials (RFC 6749, section 4.4).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OAuth2 {
    /// Where tokens are issued.
    pub token_url: String,
    /// Our name there.
    pub client_id: String,
    /// Our secret there.
    pub client_secret: Secret,
    /// Whether the two stand in the body instead of the header.
    pub in_body: bool,
    /// What the token is to be good for.
    pub scope: Option<String>,
    /// Whom it is to be good for.
    pub audience: Option<String>,
}

/// Files of TLS towards a system, relative to the folder of the configuration file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutwardTls {
    /// PEM file of the authorities that are believed; without it those of the public web.
    pub ca: Option<String>,
    /// PEM files of our certificate chain and its key.
    pub identity: Option<(String, String)>,
}

/// A forward proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proxy {
    /// Its address.
    pub url: String,
    /// User and password there.
    pub credentials: Option<(String, Secret)>,
}

/// A flow that delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deliver {
    /// Its name, as it stands in receipts.
    pub name: String,
    /// The external system.
    pub system: String,
    /// The name of its first endpoint; that of the service if the system has none and AWS is called.
    pub endpoint: String,
    /// Its base URL.
    pub url: String,
    /// The queue or bus at AWS that gets the events instead of requests; then `sign` is
    /// [`Sign::Aws`], and of `request` the headers are the attributes of a message.
    pub target: Option<Target>,
    /// Patterns of the types it delivers.
    pub on: Vec<String>,
    /// Only events these flows took in; empty means all.
    pub from: Vec<String>,
    /// A further condition in jq; it compiles.
    pub when: Option<String>,
    /// Whether it begins with the oldest event when it has never run.
    pub from_oldest: bool,
    /// The method.
    pub method: &'static str,
    /// Path, headers and body; accepted by [`tidegate_map::RequestMapping::compile`].
    pub request: RequestSpec,
    /// The media type of the body, if it is said.
    pub content_type: Option<String>,
    /// What waits for what.
    pub order: Order,
    /// How its work is divided among regions.
    pub sharding: Sharding,
    /// Which region acts.
    pub ownership: Ownership,
    /// Whether the later events of a key go on when one was set aside.
    pub skip_faults: bool,
    /// The header with the idempotency key.
    pub idempotency_header: String,
    /// What the other side makes of a repeat.
    pub idempotency: Idempotency,
    /// How requests are signed.
    pub sign: Option<Sign>,
    /// The delay before each attempt.
    pub schedule: Vec<Duration>,
    /// A longer `Retry-After` is cut to this.
    pub retry_after_max: Duration,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// What statuses mean, first match first.
    pub classify: Vec<StatusRule>,
    /// When the endpoint is left alone.
    pub breaker: Breaker,
    /// Several events in one request.
    pub batch: Option<Batch>,
    /// Requests per time.
    pub rate: Option<Rate>,
    /// Requests under way at a time.
    pub concurrency: u32,
    /// Where what it holds of the log goes.
    pub park: Park,
}

/// The park of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Park {
    /// Bytes on disk it may take.
    pub quota: u64,
    /// Whether what has no room is given up, instead of holding the log.
    pub discards: bool,
}

/// What waits for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Events of a key.
    PerKey,
    /// Nothing.
    None,
    /// Everything.
    Total,
}

/// How requests are signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// As webhooks are; accepted by [`tidegate_wire::signature::Signer::new`].
    Webhook(Box<Spec>),
    /// AWS Signature Version 4.
    Aws(Box<AwsKey>),
}

/// A key of AWS and where it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AwsKey {
    /// The id of the access key.
    pub access_key: String,
    /// The secret access key.
    pub secret_key: Secret,
    /// The session token of a role's key.
    pub session_token: Option<Secret>,
    /// The region of the service.
    pub region: String,
    /// The service.
    pub service: String,
}

/// What statuses mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusRule {
    /// The first status.
    pub first: u16,
    /// The last status.
    pub last: u16,
    /// What they mean.
    pub class: AnswerClass,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerClass {
    /// Done.
    Delivered,
    /// About the event, and may pass.
    Retry,
    /// About the event, and final.
    Reject,
    /// About the endpoint.
    EndpointDown,
    /// The endpoint wants less.
    Throttle,
    /// The endpoint is gone for good.
    Gone,
}

/// When the endpoint is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breaker {
    /// So many failures in a row open it.
    pub failures: u32,
    /// This share of failures opens it.
    pub percent: u32,
    /// Answers for the share to count.
    pub answers: u32,
    /// The time the share looks at.
    pub window: Duration,
    /// How long it stays open the first time.
    pub open_min: Duration,
    /// How long it stays open at most; not below `open_min`.
    pub open_max: Duration,
}

/// Several events in one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batch {
    /// Events of one request at most; at least 2.
    pub events: usize,
    /// Bytes of data of one request at most.
    pub bytes: usize,
    /// How long the first event waits for more.
    pub wait: Duration,
}

/// Requests per time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// The time in which one request is allowed.
    pub every: Duration,
    /// Requests that may go at once after a pause.
    pub burst: u32,
}
