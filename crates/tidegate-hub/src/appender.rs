//! The thread that owns the log: it takes offers, appends frames and answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tidegate_core::log::engine::{AppendError, Engine, Head, LogStatus};
use tidegate_core::log::entry::{Entry, System};
use tidegate_core::receive::batch::{Batch, ToAppend};
use tidegate_core::receive::intake::{Answer, Content, Intake, Offer, Refusal};
use tidegate_core::view::Change;
use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;
use tokio::sync::watch;

use crate::applier::Written;
use crate::clock::now;
use crate::inbox::Inbox;
use crate::pace::Pace;
use crate::post::{Outbox, Ticket};
use crate::settings::Retention;
use crate::stats::{HubStats, add};
use crate::trim::Trimmer;
use crate::views::Views;

/// How long the thread sleeps at most when nothing comes, so that trimming goes on.
const IDLE_WAIT: Duration = Duration::from_secs(1);

/// How often the size of the log is looked at and the retention applied.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long it waits for the views when they are too far behind.
const HELD_WAIT: Duration = Duration::from_millis(2);

/// The writing side of the hub.
pub(crate) struct Appender {
    pub(crate) engine: Box<dyn Engine>,
    pub(crate) intake: Intake<Ticket>,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) views: Arc<Views>,
    pub(crate) written: SyncSender<Written>,
    pub(crate) head: watch::Sender<Head>,
    pub(crate) trimmer: Trimmer,
    pub(crate) status: Arc<ArcSwap<LogStatus>>,
    pub(crate) stats: Arc<HubStats>,
    /// Where readers find how far they are.
    pub(crate) cursors: Arc<ArcSwap<BTreeMap<String, Place>>>,
    pub(crate) retention: Arc<ArcSwap<Retention>>,
    pub(crate) look: Look,
    pub(crate) outbox: Outbox,
    pub(crate) pace: Pace,
}

/// What the last look at the log said.
#[derive(Debug, Default)]
pub(crate) struct Look {
    next: UnixMillis,
    full: bool,
}

impl Appender {
    /// Runs until it is told to close and has finished what was there.
    pub(crate) fn run(mut self) {
        loop {
            let wait = if !self.intake.is_idle() {
                if self.intake.is_held() {
                    HELD_WAIT
                } else {
                    Duration::ZERO
                }
            } else {
                IDLE_WAIT
            };
            let mut closing = self.take_in(wait, 1).1;
            if !closing
                && !self.intake.is_idle()
                && let Some(wait) = self.pace.wait()
            {
                let (came, closes) = self.take_in(wait.at_most, wait.more);
                self.pace.came(wait, came);
                closing = closes;
            }
            self.append_next();
            self.look();
            if closing && (self.intake.is_idle() || self.intake.is_held()) {
                for (ticket, refused) in self.intake.refuse_all(Refusal::Closing) {
                    self.outbox.put(ticket, refused);
                }
                self.outbox.send();
                return;
            }
        }
    }

    /// Takes in what comes within `wait`, or as soon as `wanted` offers are there; gives how many came
    /// and whether it is to close.
    fn take_in(&mut self, wait: Duration, wanted: usize) -> (usize, bool) {
        let arrived = self.inbox.take(wait, wanted);
        if let Some(frame) = arrived.applied {
            self.intake.applied(frame);
        }
        let came = arrived.offers.len();
        for offer in arrived.offers {
            self.take(offer);
        }
        (came, arrived.closing)
    }

    fn take(&mut self, offer: Offer<Ticket>) {
        let grows = matches!(
            offer.content,
            Content::Event { .. } | Content::Fault(_) | Content::Page(_)
        );
        if self.look.full && grows {
            return self
                .outbox
                .put(offer.ticket, Answer::Refused(Refusal::Full));
        }
        if let Err((ticket, refusal)) = self.intake.offer(offer) {
            self.outbox.put(ticket, Answer::Refused(refusal));
        }
    }

    fn look(&mut self) {
        let now = now();
        if now < self.look.next {
            return;
        }
        self.look.next = now.plus(LOOK_EVERY);
        let status = self.engine.status();
        self.look.full = status.bytes > self.retention.load().size_max;
        self.status.store(Arc::new(status));
        if let Some(entries) = self.trimmer.step(now, &mut *self.engine, &self.intake) {
            self.note(entries);
        }
    }

    fn append_next(&mut self) {
        let mut answers = Vec::new();
        let now = now();
        let batch = self.intake.next_batch(now, &*self.views, &mut answers);
        if let Some(batch) = batch {
            self.append(batch, &mut answers);
        }
        for (ticket, outcome) in answers {
            self.outbox.put(ticket, outcome);
        }
        self.outbox.send();
    }

    fn append(&mut self, mut batch: Batch<Ticket>, answers: &mut Vec<(Ticket, Answer)>) {
        let before = self.engine.head();
        let begun = Instant::now();
        let appended = match batch.work() {
            ToAppend::Frame(draft) => self.engine.append(now(), &before, draft),
            ToAppend::Large(entry) => self.engine.append_large(now(), &before, entry),
        };
        match appended {
            Ok(head) => {
                let took = begun.elapsed();
                self.stats.appended(batch.entries(), took);
                let (synced, changes) = self.intake.synced(batch, head.frame);
                self.pace.synced(synced.len(), took);
                answers.extend(synced);
                if changes.iter().any(|it| matches!(it, Change::Cursor { .. })) {
                    self.cursors.store(Arc::new(self.intake.cursors().clone()));
                }
                self.head.send_replace(head);
                // The applier only goes when this thread has gone.
                let sent = self.written.send(Written {
                    frame: head.frame,
                    changes,
                });
                if sent.is_err() {
                    tracing::error!(
                        "the thread of the local views has ended; they catch up at the next start"
                    );
                }
            }
            Err(error) => {
                add(&self.stats.append_failures, 1);
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a frame was not written; its callers are refused"
                );
                answers.extend(self.intake.failed(batch, refusal(&error)));
                self.intake.ends_at(self.engine.head().frame);
            }
        }
    }

    /// Offers something of our own, which nobody waits for.
    fn note(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            let content = Content::Plain(Box::new(entry));
            if self
                .intake
                .offer(Offer {
                    ticket: None,
                    content,
                })
                .is_err()
            {
                tracing::warn!("an entry of our own was dropped, since too much is waiting");
            }
        }
    }
}

fn refusal(error: &AppendError) -> Refusal {
    match error {
        AppendError::Full(_) => Refusal::Full,
        AppendError::TooLarge { .. } => Refusal::TooLarge,
        AppendError::Corrupt(_) => Refusal::Damaged,
        AppendError::Conflict { .. } | AppendError::Failed(_) => Refusal::WriteFailed,
    }
}

/// A system event of the hub itself.
pub(crate) fn system(kind: &str, text: String, tags: &[(&str, String)]) -> Entry {
    Entry::System(System {
        kind: kind.to_owned(),
        time: now(),
        text,
        tags: tags
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect(),
    })
}
