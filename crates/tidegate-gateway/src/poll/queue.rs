//! A queue as a source: received, made durable, then deleted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate_core::receive::intake::Answer;
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;
use tidegate_types::event::Raw;

use super::events::{Item, Made};
use super::flow::{PollFlow, Source};
use super::status::Board;
use crate::outbound::Transport;
use crate::outbound::aws::{QueueMessage, QueueSource, SourceError};
use crate::pause;
use crate::tasks::Stop;

/// Pauses after failures: doubled up to this.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// How often a paused flow looks whether it may go on.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Failures in a row after which the timeline says so.
const FAILING_AFTER: u32 = 5;

/// Takes messages until it is told to stop. What is not deleted by then comes again.
pub(super) async fn run(
    hub: Arc<Hub>,
    transport: Arc<Transport>,
    flow: Arc<PollFlow>,
    mut stop: Stop,
    board: Arc<Board>,
) {
    let Source::Queue(queue) = &flow.source else {
        return;
    };
    let taker = Taker {
        hub: &hub,
        transport: &transport,
        flow: &flow,
        queue,
    };
    let mut failures = 0_u32;
    loop {
        if pause::is_paused(&hub, &flow.config.name) {
            board.paused(true);
            tokio::select! {
                () = tokio::time::sleep(LOOK_AGAIN) => continue,
                () = stop.asked() => return,
            }
        }
        board.paused(false);
        // A message that is between here and the log is not cut: it would come again, and be a repeat.
        let received = tokio::select! {
            received = queue.receive(&transport) => received,
            () = stop.asked() => return,
        };
        let took = match received {
            Ok(messages) => taker.take(messages).await,
            Err(error) => Err(error),
        };
        flow.metrics.queue(took.as_ref().err());
        match took {
            Ok(()) => {
                if failures >= FAILING_AFTER {
                    record(&hub, &flow, "poll-recovered", "its queue answers again");
                }
                failures = 0;
                board.answered(now());
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                let text = error.to_string();
                board.failed(now(), &text);
                if failures == FAILING_AFTER {
                    record(
                        &hub,
                        &flow,
                        "poll-failing",
                        &format!("its queue fails: {text}"),
                    );
                }
                let doubled = 1_u32
                    .checked_shl(failures.saturating_sub(1))
                    .unwrap_or(u32::MAX);
                let pause = BACKOFF.0.saturating_mul(doubled).min(BACKOFF.1);
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = stop.asked() => return,
                }
            }
        }
    }
}

fn record(hub: &Hub, flow: &PollFlow, kind: &str, text: &str) {
    let name = &flow.config.name;
    tracing::warn!(flow = name, "{text}");
    hub.record(
        kind,
        &format!("flow {name}: {text}"),
        &[("flow", name.clone())],
    );
}

struct Taker<'a> {
    hub: &'a Hub,
    transport: &'a Transport,
    flow: &'a PollFlow,
    queue: &'a QueueSource,
}

impl Taker<'_> {
    /// Makes messages durable and deletes those that are.
    async fn take(&self, messages: Vec<QueueMessage>) -> Result<(), SourceError> {
        let (mut contents, mut waiting) = (Vec::new(), Vec::new());
        // What the flow leaves out need not be written.
        let mut done = Vec::new();
        for message in messages {
            let (item, receipt) = item(message);
            match self.flow.make(Some(self.hub), now(), item).await {
                Made::Event(content) | Made::Fault(content) => {
                    contents.push(content);
                    waiting.push(receipt);
                }
                Made::Filtered => {
                    self.flow.events.filtered.inc();
                    done.push(receipt);
                }
            }
        }
        let answers = self.hub.offer_all(contents).await;
        for (answer, receipt) in answers.into_iter().zip(waiting) {
            self.flow.events.answered(&answer, now());
            if !matches!(answer, Answer::Refused(_)) {
                done.push(receipt);
            }
        }
        let deleted = self.queue.delete(self.transport, done).await;
        deleted.error.map_or(Ok(()), Err)
    }
}

/// A message as the mapping sees it: its text as body; its attributes, and what the service says of it, as
/// headers.
fn item(message: QueueMessage) -> (Item, crate::outbound::aws::Receipt) {
    let mut headers = vec![("sqs-message-id".to_owned(), message.id.clone())];
    let known = [
        ("MessageGroupId", "sqs-message-group-id"),
        ("MessageDeduplicationId", "sqs-message-deduplication-id"),
        ("SentTimestamp", "sqs-sent-timestamp"),
    ];
    for (theirs, ours) in known {
        let value = message.system.get(theirs);
        headers.extend(value.map(|value| (ours.to_owned(), value.clone())));
    }
    let attributes = message.attributes.into_iter();
    headers.extend(attributes.map(|(name, value)| (name.to_ascii_lowercase(), value)));
    let content_type = media_type(message.body.as_bytes());
    let item = Item {
        raw: Raw {
            headers,
            query: String::new(),
            body: Bytes::from(message.body),
        },
        content_type: content_type.to_owned(),
        id: Some(message.id),
    };
    (item, message.receipt)
}

/// A message does not say what it is: JSON if it reads as that, else text.
pub(super) fn media_type(body: &[u8]) -> &'static str {
    match serde_json::from_slice::<&serde_json::value::RawValue>(body) {
        Ok(_) => "application/json",
        Err(_) => "text/plain",
    }
}
