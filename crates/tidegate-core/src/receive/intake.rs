//! The ordered door of a region's log.
//!
//! The shell runs one loop: [`Intake::offer`] what has come, take a [`Batch`] with
//! [`Intake::next_batch`], append it, then [`Intake::synced`] or [`Intake::failed`], and deliver
//! the answers. One batch is under way at a time, since a frame is only written after the sync of
//! the one before.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::time::UnixMillis;

use super::batch::{Batch, Fresh, Pending};
use super::fingerprint::{self, Fingerprint};
use super::ledger::{Known, Ledger, Outcome};
use super::page::{Page, PageKept};
use super::window::Window;
use crate::log::entry::{
    Blame, Cursor, EncodedEntry, Entry, EventEntry, Fault, FaultCause, decode_entry, encode_entry,
};
use crate::log::frame::FrameDraft;
use crate::view::Change;
use pages::Put;

mod pages;

/// Something a caller wants in the log. `T` is how the shell finds the caller again.
#[derive(Debug)]
pub struct Offer<T> {
    /// Given back with the answer.
    pub ticket: T,
    /// What it is.
    pub content: Content,
}

/// What an offer holds.
#[derive(Debug)]
pub enum Content {
    /// An event, of whose identity the log holds one.
    Event {
        /// Its identity.
        id: EventId,
        /// Its content, to tell a repeat from another event under the same identity.
        fingerprint: Fingerprint,
        /// Copies in frames before this one are forgotten: the flow's dedup horizon. Frame 0
        /// remembers as long as the log does.
        horizon: FrameNumber,
        /// The event, encoded by the caller so that this is not done on the one writing thread.
        entry: EncodedEntry,
    },
    /// An event that could not be processed. A fault is known by its identity alone.
    Fault(Box<Fault>),
    /// A named subscription has read up to and including `place`.
    Cursor {
        /// Its name.
        subscription: String,
        /// The last entry it has dealt with.
        place: Place,
    },
    /// What a source gave in one answer, with the cursor that covers it.
    Page(Box<Page>),
    /// Anything that is neither deduplicated nor checked: system events, checkpoints, carried faults.
    Plain(Box<Entry>),
}

/// What became of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// On disk as an event.
    Kept {
        /// Its identity.
        id: EventId,
        /// Where it stands.
        place: Place,
    },
    /// It was there before: the same identity and content. Nothing was appended.
    Repeat {
        /// Its identity.
        id: EventId,
        /// Where the first copy stands.
        place: Place,
    },
    /// On disk as a fault; ours to repair.
    SetAside {
        /// Identity of the fault.
        fault: EventId,
        /// Where it stands.
        place: Place,
        /// It was set aside before and nothing was appended.
        repeat: bool,
    },
    /// On disk (cursors and plain entries), or the cursor stood there already.
    Noted,
    /// A page is on disk, its cursor with it.
    Page(PageKept),
    /// Not on disk.
    Refused(Refusal),
}

/// Why an offer was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More is waiting than the limits allow.
    #[error("too much is waiting to be written")]
    Overload,
    /// The disk or the log's size limit is reached.
    #[error("the log is full")]
    Full,
    /// Writing failed; the log goes on behind what it acknowledged.
    #[error("the log could not be written")]
    WriteFailed,
    /// The log is damaged and takes nothing more until it is repaired.
    #[error("the log is damaged")]
    Damaged,
    /// The ledger cannot be read, so a repeat could not be told from a new event.
    #[error("the ledger of identities cannot be read")]
    LedgerUnreadable,
    /// The entry is larger than the log can hold.
    #[error("the entry is larger than the log can hold")]
    TooLarge,
    /// The cursor points past the end of the log or into another life of it.
    #[error("the cursor does not belong to this log")]
    UnknownCursor,
    /// The node is shutting down.
    #[error("the node is shutting down")]
    Closing,
}

impl Refusal {
    /// Every reason there is, for metrics that announce their labels.
    pub const ALL: [Self; 8] = [
        Self::Overload,
        Self::Full,
        Self::WriteFailed,
        Self::Damaged,
        Self::LedgerUnreadable,
        Self::TooLarge,
        Self::UnknownCursor,
        Self::Closing,
    ];

    /// Whether the same offer can be taken later.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        !matches!(self, Self::TooLarge | Self::UnknownCursor)
    }

    /// Its name in metrics and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Overload => "overload",
            Self::Full => "full",
            Self::WriteFailed => "write-failed",
            Self::Damaged => "damaged",
            Self::LedgerUnreadable => "ledger-unreadable",
            Self::TooLarge => "too-large",
            Self::UnknownCursor => "unknown-cursor",
            Self::Closing => "closing",
        }
    }
}

/// Bounds of what waits in memory.
#[derive(Clone, Copy, Debug)]
pub struct IntakeLimits {
    /// Bytes of entries that may wait for their frame. Raised: higher bursts are taken, more memory is used.
    pub queue_bytes_max: usize,
    /// Offers that may wait for their frame.
    pub queue_offers_max: usize,
    /// Identities that the ledger may be behind by; past it nothing is taken until it catches up.
    pub window_max: usize,
}

impl Default for IntakeLimits {
    /// 64 MiB, which covers two of the largest bodies; 65,536 offers; 262,144 identities (about 25 MiB).
    fn default() -> Self {
        Self {
            queue_bytes_max: 64 << 20,
            queue_offers_max: 1 << 16,
            window_max: 1 << 18,
        }
    }
}

/// The machine. See the module's documentation for the order of calls.
#[derive(Debug)]
pub struct Intake<T> {
    limits: IntakeLimits,
    queue: VecDeque<Offer<T>>,
    queued_bytes: usize,
    window: Window,
    cursors: BTreeMap<String, Place>,
    /// The number of the newest page of each flow that polls, as far as it came by here.
    polls: BTreeMap<String, u64>,
    /// Last place of the log; `None` before the first frame.
    end: (Incarnation, FrameNumber),
    /// Memory of the last draft, used again.
    spare: FrameDraft,
}

/// What to do with an offer.
enum Verdict {
    /// Append this; `None` stands for the offered entry itself.
    Append(Option<EncodedEntry>, Fresh),
    /// Wait for the copy in this slot of the batch.
    Follow(usize),
    /// Answer at once.
    Answer(Answer),
}

/// How an identity stands before its entry is appended.
enum Standing {
    New,
    InBatch {
        slot: usize,
        fingerprint: Fingerprint,
    },
    InLog(Known),
}

impl<T> Intake<T> {
    /// An intake in front of a log that ends with frame `end` and has these cursors.
    ///
    /// The ledger given to [`Intake::next_batch`] must have applied everything up to there.
    #[must_use]
    pub fn new(
        limits: IntakeLimits,
        end: (Incarnation, FrameNumber),
        cursors: BTreeMap<String, Place>,
    ) -> Self {
        Self {
            limits,
            queue: VecDeque::new(),
            queued_bytes: 0,
            window: Window::default(),
            cursors,
            polls: BTreeMap::new(),
            end,
            spare: FrameDraft::new(),
        }
    }

    /// Takes an offer into the queue.
    ///
    /// # Errors
    /// The ticket and the reason, if too much is waiting.
    pub fn offer(&mut self, offer: Offer<T>) -> Result<(), (T, Refusal)> {
        let bytes = offer.content.bytes();
        let full = self.queued_bytes.saturating_add(bytes) > self.limits.queue_bytes_max
            || self.queue.len() >= self.limits.queue_offers_max;
        // One offer is always taken, so that the largest entry passes through the smallest queue.
        if full && !self.queue.is_empty() {
            return Err((offer.ticket, Refusal::Overload));
        }
        self.queued_bytes = self.queued_bytes.saturating_add(bytes);
        self.queue.push_back(offer);
        Ok(())
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether it waits for the ledger to catch up ([`Intake::applied`]).
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.window.len() >= self.limits.window_max
    }

    /// How far the subscriptions have read.
    #[must_use]
    pub const fn cursors(&self) -> &BTreeMap<String, Place> {
        &self.cursors
    }

    /// The next frame to append, or `None` if nothing is to be written now.
    ///
    /// What needs no frame (repeats, refusals) is put into `answers` at once.
    pub fn next_batch(
        &mut self,
        now: UnixMillis,
        ledger: &dyn Ledger,
        answers: &mut Vec<(T, Answer)>,
    ) -> Option<Batch<T>> {
        let mut batch = Batch::new(std::mem::take(&mut self.spare));
        while !batch.is_closed()
            && !self.is_held()
            && let Some(offer) = self.queue.pop_front()
        {
            let bytes = offer.content.bytes();
            let offer = match offer {
                Offer {
                    ticket,
                    content: Content::Page(page),
                } => {
                    self.queued_bytes = self.queued_bytes.saturating_sub(bytes);
                    match self.put_page(now, ledger, (ticket, page), &mut batch, answers) {
                        Put::Done => continue,
                        Put::Full => break,
                    }
                }
                other => other,
            };
            let pending = match self.judge(now, ledger, &offer.content, &batch) {
                Verdict::Answer(answer) => Err(answer),
                Verdict::Follow(slot) => Ok(Pending::Follows(slot)),
                Verdict::Append(entry, fresh) => {
                    match push(&mut batch, &offer.content, entry, fresh) {
                        Some(slot) => Ok(Pending::First(slot)),
                        None => {
                            self.queue.push_front(offer);
                            break;
                        }
                    }
                }
            };
            self.queued_bytes = self.queued_bytes.saturating_sub(bytes);
            match pending {
                Ok(pending) => batch.wait(offer.ticket, pending),
                Err(answer) => answers.push((offer.ticket, answer)),
            }
        }
        // Whoever follows does so beside a first copy, so nobody waits for an empty batch.
        if batch.is_empty() { None } else { Some(batch) }
    }

    /// The batch is on disk as frame `frame`.
    ///
    /// Gives the answers and what changed in the views, in the order of the log.
    pub fn synced(
        &mut self,
        batch: Batch<T>,
        frame: FrameNumber,
    ) -> (Vec<(T, Answer)>, Vec<Change>) {
        let (answers, changes, spare) = batch.settle(self.end.0, frame);
        self.spare = spare;
        self.end.1 = frame;
        let mut known = Vec::new();
        for change in &changes {
            match change {
                Change::Identity { id, known: entry } => known.push((*id, *entry)),
                Change::Cursor {
                    subscription,
                    place,
                } => {
                    // A checkpoint repeats the cursors of the moment it was planned, and others
                    // may have been acknowledged since: a cursor never goes back.
                    let cursor = self.cursors.entry(subscription.clone()).or_insert(*place);
                    *cursor = (*cursor).max(*place);
                }
                Change::Polled { polled, .. } => {
                    let newest = self
                        .polls
                        .entry(polled.flow.clone())
                        .or_insert(polled.number);
                    *newest = (*newest).max(polled.number);
                }
                Change::Fault(_)
                | Change::FaultCarried(_)
                | Change::FaultClosed(_)
                | Change::Receipts(_)
                | Change::Retrying(_)
                | Change::SetAside { .. }
                | Change::Trim { .. } => {}
            }
        }
        self.window.push(frame, known);
        (answers, changes)
    }

    /// The batch is not on disk. All who wait are refused; nothing else changes.
    pub fn failed(&mut self, batch: Batch<T>, refusal: Refusal) -> Vec<(T, Answer)> {
        let (mut answers, spare) = batch.refuse(refusal);
        self.spare = spare;
        self.drop_begun(refusal, &mut answers);
        answers
    }

    /// The log ends at `frame`: after a failure that left some chunks of a large entry behind.
    pub fn ends_at(&mut self, frame: FrameNumber) {
        self.end.1 = self.end.1.max(frame);
    }

    /// The ledger has applied everything up to `frame`.
    pub fn applied(&mut self, frame: FrameNumber) {
        self.window.release(frame);
    }

    /// Refuses all that waits, at shutdown.
    pub fn refuse_all(&mut self, refusal: Refusal) -> Vec<(T, Answer)> {
        self.queued_bytes = 0;
        self.queue
            .drain(..)
            .map(|offer| (offer.ticket, Answer::Refused(refusal)))
            .collect()
    }
}

fn push<T>(
    batch: &mut Batch<T>,
    content: &Content,
    entry: Option<EncodedEntry>,
    fresh: Fresh,
) -> Option<usize> {
    match (entry, content) {
        (Some(entry), _) => batch.push(&entry, fresh),
        (None, Content::Event { entry, .. }) => batch.push(entry, fresh),
        (None, Content::Fault(fault)) => {
            batch.push(&encode_entry(&Entry::Fault(fault.clone())), fresh)
        }
        (None, Content::Plain(entry)) => batch.push(&encode_entry(entry), fresh),
        (None, Content::Cursor { .. } | Content::Page(_)) => None,
    }
}

impl<T> Intake<T> {
    fn judge(
        &self,
        now: UnixMillis,
        ledger: &dyn Ledger,
        content: &Content,
        batch: &Batch<T>,
    ) -> Verdict {
        let judged = match content {
            Content::Plain(entry) => Ok(Verdict::Append(None, Fresh::Plain(entry.clone()))),
            // A page within a page.
            Content::Page(_) => Err(Refusal::TooLarge),
            Content::Cursor {
                subscription,
                place,
            } => self.judge_cursor(now, subscription, *place, batch),
            Content::Fault(fault) => self.judge_fault(ledger, fault, batch),
            Content::Event {
                id,
                fingerprint,
                horizon,
                entry,
            } => {
                let offered = (*id, *fingerprint, *horizon, entry);
                self.judge_event(now, ledger, offered, batch)
            }
        };
        judged.unwrap_or_else(|refusal| Verdict::Answer(Answer::Refused(refusal)))
    }

    /// What to do with an event that is known by its identity alone; `None` if it is new.
    fn judge_known(
        &self,
        id: &EventId,
        horizon: FrameNumber,
        ledger: &dyn Ledger,
        batch: &Batch<T>,
    ) -> Result<Option<Verdict>, Refusal> {
        Ok(match self.standing(id, ledger, batch)? {
            Standing::InBatch { slot, .. } => Some(Verdict::Follow(slot)),
            Standing::InLog(known) if known.place.frame >= horizon => {
                let (id, place) = (*id, known.place);
                Some(Verdict::Answer(Answer::Repeat { id, place }))
            }
            Standing::New | Standing::InLog(_) => None,
        })
    }

    fn judge_event(
        &self,
        now: UnixMillis,
        ledger: &dyn Ledger,
        (id, fingerprint, horizon, entry): (EventId, Fingerprint, FrameNumber, &EncodedEntry),
        batch: &Batch<T>,
    ) -> Result<Verdict, Refusal> {
        let first = match self.standing(&id, ledger, batch)? {
            Standing::New => return Ok(new_event(id, fingerprint)),
            Standing::InLog(known) if known.place.frame < horizon => {
                return Ok(new_event(id, fingerprint));
            }
            Standing::InBatch {
                slot,
                fingerprint: first,
            } if first == fingerprint => {
                return Ok(Verdict::Follow(slot));
            }
            Standing::InLog(known) if known.fingerprint == fingerprint => {
                return Ok(Verdict::Answer(Answer::Repeat {
                    id,
                    place: known.place,
                }));
            }
            Standing::InBatch { .. } | Standing::InLog(_) => {
                decode_entry(&Bytes::copy_from_slice(entry.as_bytes()))
            }
        };
        // The same identity with other content: kept as a fault under an identity of its own, so
        // that a repeat of the reuse is a repeat as well.
        let Ok(Entry::Event(event)) = first else {
            return Err(Refusal::TooLarge);
        };
        let fault = id_reused(now, event);
        match self.judge_fault(ledger, &fault, batch)? {
            Verdict::Append(None, fresh) => {
                let entry = encode_entry(&Entry::Fault(Box::new(fault)));
                Ok(Verdict::Append(Some(entry), fresh))
            }
            other => Ok(other),
        }
    }

    fn judge_fault(
        &self,
        ledger: &dyn Ledger,
        fault: &Fault,
        batch: &Batch<T>,
    ) -> Result<Verdict, Refusal> {
        Ok(match self.standing(&fault.id, ledger, batch)? {
            Standing::New => Verdict::Append(
                None,
                Fresh::Identity {
                    id: fault.id,
                    fingerprint: fault.fingerprint,
                    fault: Some(Box::new(fault.clone())),
                },
            ),
            Standing::InBatch { slot, .. } => Verdict::Follow(slot),
            Standing::InLog(Known {
                place,
                outcome: Outcome::Fault,
                ..
            }) => Verdict::Answer(Answer::SetAside {
                fault: fault.id,
                place,
                repeat: true,
            }),
            // It was taken in as an event before; a later fault of the same takes nothing back.
            Standing::InLog(Known {
                place,
                outcome: Outcome::Event,
                ..
            }) => Verdict::Answer(Answer::Repeat {
                id: fault.id,
                place,
            }),
        })
    }

    fn judge_cursor(
        &self,
        now: UnixMillis,
        subscription: &str,
        place: Place,
        batch: &Batch<T>,
    ) -> Result<Verdict, Refusal> {
        if place.incarnation != self.end.0 || place.frame > self.end.1 {
            return Err(Refusal::UnknownCursor);
        }
        if self
            .cursors
            .get(subscription)
            .is_some_and(|at| *at >= place)
        {
            return Ok(Verdict::Answer(Answer::Noted));
        }
        if let Some((slot, at)) = batch.find_cursor(subscription)
            && at >= place
        {
            return Ok(Verdict::Follow(slot));
        }
        let cursor = Entry::Cursor(Cursor {
            subscription: subscription.to_owned(),
            place,
            time: now,
        });
        let fresh = Fresh::Cursor {
            subscription: subscription.to_owned(),
            place,
        };
        Ok(Verdict::Append(Some(encode_entry(&cursor)), fresh))
    }

    fn standing(
        &self,
        id: &EventId,
        ledger: &dyn Ledger,
        batch: &Batch<T>,
    ) -> Result<Standing, Refusal> {
        if let Some((slot, fingerprint)) = batch.find(id) {
            return Ok(Standing::InBatch { slot, fingerprint });
        }
        if let Some(known) = self.window.get(id) {
            return Ok(Standing::InLog(known));
        }
        let known = ledger.known(id).map_err(|_| Refusal::LedgerUnreadable)?;
        Ok(known.map_or(Standing::New, Standing::InLog))
    }
}

impl Content {
    /// What it takes of a queue's bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        /// For what surrounds an entry, and for entries that are not encoded yet.
        const OVERHEAD: usize = 256;
        let bytes = match self {
            Self::Event { entry, .. } => entry.len(),
            Self::Fault(fault) => fault.raw.body.len(),
            Self::Page(page) => page.bytes(),
            Self::Cursor { .. } | Self::Plain(_) => 0,
        };
        bytes.saturating_add(OVERHEAD)
    }
}

fn new_event(id: EventId, fingerprint: Fingerprint) -> Verdict {
    Verdict::Append(
        None,
        Fresh::Identity {
            id,
            fingerprint,
            fault: None,
        },
    )
}

fn id_reused(now: UnixMillis, entry: EventEntry) -> Fault {
    let hex = fingerprint::hex(&entry.fingerprint);
    let raw = entry.event.raw.clone().unwrap_or_default();
    Fault {
        id: entry.event.id.child(&format!("id-reused:{hex}")),
        flow: entry.event.flow.clone(),
        cause: FaultCause::IdReused,
        blame: Blame::Them,
        message: format!(
            "the identity {:?} was used before for other content (event {})",
            entry.event.external_id, entry.event.id
        ),
        time: now,
        external_id: entry.event.external_id.clone(),
        fingerprint: entry.fingerprint,
        event: Some(entry),
        raw,
        carried: false,
    }
}

#[cfg(test)]
mod tests;
