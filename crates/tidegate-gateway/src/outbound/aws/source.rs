//! A queue as a source: messages are received, and deleted once they are durable here.
//!
//! A message that is not deleted comes again when its visibility timeout is over, with the same id and
//! another receipt. So what is lost between receipt and deletion is received twice, never not at all.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::time::Duration;

use tidegate_wire::aws::sqs::{
    self, Receive, Received, delete_batch, delete_batch_answer, receive_message_answer,
};
use tidegate_wire::aws::{
    ANSWER_BYTES_MAX, AnswerError, BATCH_ENTRIES_MAX, CallError, Queue, Verdict, outcome,
};

use super::super::endpoint::Endpoint;
use super::super::outcome::{BodyEnd, Failure};
use super::super::transport::Transport;
use super::post;

/// The settings of a [`QueueSource`].
#[derive(Clone, Debug)]
pub struct QueueSourceSettings {
    /// The queue.
    pub queue: Queue,
    /// How messages are asked for.
    pub receive: Receive,
    /// For a call, beyond the time that the service waits for messages (15 s).
    pub timeout: Duration,
}

/// A queue that messages are taken from.
#[derive(Debug)]
pub struct QueueSource {
    endpoint: Arc<Endpoint>,
    settings: QueueSourceSettings,
    /// Fewer than the settings say once an answer was too large.
    messages_max: AtomicU8,
}

/// A message, still in its queue.
#[derive(Debug)]
pub struct QueueMessage {
    /// The service's id, the same each time this message is received.
    pub id: String,
    /// Its text.
    pub body: String,
    /// Its attributes that are text or numbers.
    pub attributes: BTreeMap<String, String>,
    /// What the service says of it, such as `MessageGroupId` and `ApproximateReceiveCount`.
    pub system: BTreeMap<String, String>,
    /// What deletes it. Dropped, it leaves the message in the queue.
    pub receipt: Receipt,
}

/// The right to delete a message. It cannot be copied: it is given to [`QueueSource::delete`] once what
/// came with it is durable.
#[must_use]
pub struct Receipt(String);

/// What became of deletions.
#[derive(Debug, Default)]
pub struct Deleted {
    /// Messages that are gone from the queue.
    pub count: usize,
    /// Messages that will come again.
    pub left: usize,
    /// Why, for the first of them.
    pub error: Option<SourceError>,
}

/// Why a call to a queue gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The settings, or a receipt that is none.
    #[error(transparent)]
    Call(#[from] CallError),
    /// There was no answer.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The service refused, or its answer cannot be read.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The answer was longer than is read. Fewer messages will be asked for; these come again.
    #[error("the messages have more than {ANSWER_BYTES_MAX} bytes together")]
    TooLarge,
    /// The answer ended early. Its messages come again.
    #[error("the answer broke off")]
    BrokenOff,
    /// One message was not deleted, in the service's words.
    #[error("not deleted: {0}")]
    NotDeleted(String),
}

impl QueueSourceSettings {
    /// Ten messages at a time, waited for twenty seconds, hidden from others as long as the queue says.
    #[must_use]
    pub fn new(queue: Queue) -> Self {
        Self {
            queue,
            receive: Receive {
                messages_max: 10,
                wait_seconds: 20,
                visibility_seconds: None,
            },
            timeout: Duration::from_secs(15),
        }
    }
}

impl QueueSource {
    /// A source that asks `endpoint`.
    ///
    /// # Errors
    /// A number outside its range.
    pub fn new(endpoint: Arc<Endpoint>, settings: QueueSourceSettings) -> Result<Self, CallError> {
        sqs::receive_message(settings.queue.url(), settings.receive)?;
        Ok(Self {
            endpoint,
            messages_max: AtomicU8::new(settings.receive.messages_max),
            settings,
        })
    }

    /// The next messages, none if there were none in the time the service waits.
    ///
    /// # Errors
    /// See [`SourceError`]. Messages that an answer had all the same come again.
    ///
    /// # Cancel safety
    /// Dropping it may lose an answer; its messages come again.
    pub async fn receive(&self, transport: &Transport) -> Result<Vec<QueueMessage>, SourceError> {
        let asked = self.messages_max.load(Relaxed);
        let how = Receive {
            messages_max: asked,
            ..self.settings.receive
        };
        let call = sqs::receive_message(self.settings.queue.url(), how)?;
        let timeout = self
            .settings
            .timeout
            .saturating_add(Duration::from_secs(how.wait_seconds.into()));
        let answer = post(transport, &self.endpoint, call, timeout, ANSWER_BYTES_MAX).await?;
        match answer.body_end {
            BodyEnd::Whole => {}
            BodyEnd::Cut => {
                self.messages_max.fetch_min((asked / 2).max(1), Relaxed);
                return Err(SourceError::TooLarge);
            }
            BodyEnd::BrokenOff => return Err(SourceError::BrokenOff),
        }
        let messages = receive_message_answer(outcome(answer.status, &answer.body)?)?;
        Ok(messages.into_iter().map(QueueMessage::from).collect())
    }

    /// Deletes messages that are `durable` here.
    ///
    /// # Cancel safety
    /// Dropping it leaves some of them in the queue; they come again.
    pub async fn delete(&self, transport: &Transport, durable: Vec<Receipt>) -> Deleted {
        let mut deleted = Deleted::default();
        for receipts in durable.chunks(BATCH_ENTRIES_MAX) {
            let verdicts = self.delete_some(transport, receipts).await;
            let verdicts = verdicts.unwrap_or_else(|error| {
                deleted.error.get_or_insert(error);
                Vec::new()
            });
            let gone = verdicts
                .iter()
                .filter(|one| matches!(one, Verdict::Accepted(_)));
            let gone = gone.count();
            deleted.count += gone;
            deleted.left += receipts.len().saturating_sub(gone);
            for verdict in verdicts {
                if let Verdict::Rejected { code, message, .. } = verdict {
                    let error = SourceError::NotDeleted(format!("{code}: {message}"));
                    deleted.error.get_or_insert(error);
                }
            }
        }
        deleted
    }

    async fn delete_some(
        &self,
        transport: &Transport,
        receipts: &[Receipt],
    ) -> Result<Vec<Verdict>, SourceError> {
        let handles: Vec<&str> = receipts.iter().map(|receipt| receipt.0.as_str()).collect();
        let call = delete_batch(self.settings.queue.url(), &handles)?;
        let timeout = self.settings.timeout;
        let answer = post(
            transport,
            &self.endpoint,
            call,
            timeout,
            super::ANSWER_BYTES_MAX,
        )
        .await?;
        let body = outcome(answer.status, &answer.body)?;
        Ok(delete_batch_answer(receipts.len(), body)?)
    }
}

impl From<Received> for QueueMessage {
    fn from(message: Received) -> Self {
        Self {
            id: message.message_id,
            body: message.body,
            attributes: message.attributes,
            system: message.system,
            receipt: Receipt(message.receipt_handle),
        }
    }
}

/// Whoever has our credentials and the text can delete the message: it is not shown.
impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt")
    }
}
