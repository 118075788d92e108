//! Targets and sources at AWS: events to a queue of SQS or a bus of EventBridge, messages from a queue.
//!
//! What is sent and what answers mean is decided in [`tidegate_wire::aws`]; here the calls are made.

mod source;

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method};
use tidegate_wire::aws::{Call, Dispatch, EventResult, Item, Target, public_url};
use tidegate_wire::sigv4::{Credentials, Scope, Style};
use tokio::time::Instant;

use super::auth::Signature;
use super::endpoint::{Endpoint, EndpointSettings};
use super::outcome::{Answer, Failure, FailureKind, Sent};
use super::transport::{Request, Transport};

pub use source::{Deleted, QueueMessage, QueueSource, QueueSourceSettings, Receipt, SourceError};

/// A service of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    /// Queues.
    Sqs,
    /// Buses.
    EventBridge,
}

impl Service {
    /// As in host names and signatures.
    fn name(self) -> &'static str {
        match self {
            Self::Sqs => "sqs",
            Self::EventBridge => "events",
        }
    }
}

/// The endpoint of `service` in `region`, with requests signed by `credentials`. Another URL (of a VPC
/// endpoint, say, with its range in the guard's exceptions) can be written into the settings.
#[must_use]
pub fn settings(service: Service, region: &str, credentials: Credentials) -> EndpointSettings {
    let name = service.name();
    EndpointSettings {
        signature: Signature::Aws {
            credentials,
            scope: Scope {
                region: region.to_owned(),
                service: name.to_owned(),
            },
            style: Style::default(),
        },
        ..EndpointSettings::new(public_url(name, region))
    }
}

/// What became of events that were to be taken to a target.
#[derive(Debug)]
pub struct Delivered {
    /// One result for each, in their order.
    pub results: Vec<EventResult>,
    /// Why the last call had no answer; the events it was about are unanswered or unsent.
    pub failure: Option<Failure>,
    /// Calls that were made.
    pub calls: usize,
    /// The time all of it took.
    pub duration: Duration,
}

/// Takes `items` to `target` through `endpoint`, in as many calls as they need, within `timeout`.
///
/// # Cancel safety
/// Dropping it ends the call under way; its events may have been taken.
pub async fn deliver(
    transport: &Transport,
    endpoint: &Endpoint,
    target: &Target,
    items: &[Item<'_>],
    timeout: Duration,
) -> Delivered {
    let start = Instant::now();
    let mut dispatch = Dispatch::new(target, items);
    let (mut failure, mut calls) = (None, 0);
    while let Some(call) = dispatch.next_call() {
        calls += 1;
        let left = timeout.saturating_sub(start.elapsed());
        match post(transport, endpoint, call, left, ANSWER_BYTES_MAX).await {
            Ok(answer) => dispatch.handle_answer(answer.status, &answer.body),
            Err(error) => {
                match error.sent {
                    Sent::Nothing => dispatch.handle_unsent(),
                    Sent::Something => dispatch.handle_failure(),
                }
                failure = Some(error);
            }
        }
    }
    Delivered {
        results: dispatch.finish(),
        failure,
        calls,
        duration: start.elapsed(),
    }
}

async fn post(
    transport: &Transport,
    endpoint: &Endpoint,
    call: Call,
    timeout: Duration,
    answer_bytes_max: usize,
) -> Result<Answer, Failure> {
    let location = endpoint
        .locate("", "")
        .map_err(|problem| Failure::unsent(FailureKind::Request, problem))?;
    let mut request = Request {
        body: Bytes::from(call.body),
        timeout,
        answer_bytes_max,
        ..Request::new(Method::POST, location)
    };
    let content_type = HeaderValue::from_static(call.content_type);
    request.headers.insert(CONTENT_TYPE, content_type);
    let target = HeaderValue::from_static(call.target);
    request.headers.insert("x-amz-target", target);
    transport.send(endpoint, &request).await.result
}

/// Ten verdicts have a few KiB.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
