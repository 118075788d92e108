//! Flows that poll.

use std::time::Duration;

use tidegate_map::{EventSpec, RequestSpec};

use super::{AwsKey, Durability, Identity, Ownership};
use crate::cron::Cron;

/// A flow that polls.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Poll {
    /// Its name; part of every event id, unless it reconciles another one.
    pub name: String,
    /// The external system.
    pub system: String,
    /// The name of its first endpoint.
    pub endpoint: String,
    /// Its base URL.
    pub url: String,
    /// What is asked.
    pub source: PollSource,
    /// What becomes of an item.
    pub events: PollEvents,
    /// How long an id is remembered; at most `log.keep`.
    pub dedup: Duration,
    /// Whether what was fetched can be fetched again.
    pub rereadable: bool,
    /// What must have happened before the source is told, or the cursor moves.
    pub durability: Durability,
    /// Which region acts.
    pub ownership: Ownership,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollSource {
    /// Lists over HTTP.
    Http(Box<HttpSource>),
    /// A queue of SQS.
    Sqs(Box<SqsSource>),
}

/// Lists over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpSource {
    /// When.
    pub schedule: Schedule,
    /// The method.
    pub method: &'static str,
    /// Path, headers and body over `{ cursor, page, since }`; accepted by
    /// [`tidegate_map::RequestMapping::compile`].
    pub request: RequestSpec,
    /// The items of an answer, in jq over its body; it compiles.
    pub items: String,
    /// How one page leads to the next.
    pub next: Next,
    /// What a round asks for is bounded by a time.
    pub timestamp: Option<Timestamp>,
    /// Whether a round begins at the last cursor, instead of at the start.
    pub resume_last: bool,
    /// Bytes of an answer at most.
    pub body_max: usize,
    /// Items of a page at most.
    pub items_max: usize,
    /// Pages of a round at most.
    pub pages_max: u32,
    /// How long a request may take.
    pub timeout: Duration,
    /// The longest pause after failures.
    pub backoff_max: Duration,
    /// A longer `Retry-After` is cut to this.
    pub retry_after_max: Duration,
}

/// When a round is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// So long after the last one.
    Every(Duration),
    /// By the clock.
    Cron(Box<Cron>),
}

/// How one page leads to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A round is one request, or goes on by time.
    None,
    /// The answer holds a cursor: jq over its body.
    Cursor(String),
    /// The answer holds the address of the next page: jq over its body.
    Url(String),
    /// A `Link` header with this relation has the address of the next page.
    Link(String),
    /// Pages have numbers.
    Page {
        /// The first one.
        first: u64,
        /// Items of a full one.
        size: Option<u32>,
    },
}

/// What a round asks for is bounded by a time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timestamp {
    /// The time of an item: jq over `{ headers, query, body }`; it compiles.
    pub field: String,
    /// How far behind the newest item a round begins.
    pub overlap: Duration,
    /// How the time is written in a request.
    pub format: TimeFormat,
    /// How far back the first round reaches.
    pub reach: Option<Duration>,
    /// The newest items come first.
    pub newest_first: bool,
    /// Items of a full page, after which the next request asks for what is newer.
    pub page_size: Option<u32>,
}

/// How a time is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// `2026-11-21T10:00:00.000Z`.
    Rfc3339,
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Millis,
}

/// A queue of SQS.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqsSource {
    /// Its URL; accepted by [`tidegate_wire::aws::Queue`].
    pub queue_url: String,
    /// The key calls are signed with.
    pub key: AwsKey,
    /// How long the service waits for messages, in seconds.
    pub wait_seconds: u8,
}

/// What becomes of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollEvents {
    /// An event of the flow.
    Own {
        /// Where its identity comes from; [`Identity::Scheme`] is the id of a message of a queue.
        identity: Identity,
        /// What is made of it; accepted by [`tidegate_map::Mapping::compile`].
        mapping: EventSpec,
    },
    /// What a flow that receives would have made of it.
    Received(Box<Received>),
}

/// Items that stand for requests which another flow may have received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// The flow that receives.
    pub flow: String,
    /// The identity that the request has by its scheme: jq over the item; it compiles.
    pub id: Option<String>,
    /// The headers of the request, as an object: jq over the item; it compiles.
    pub headers: Option<String>,
    /// The body of the request: jq over the item; it compiles. The item itself by default.
    pub body: Option<String>,
}
