//! A frame in the making and who waits for it.

use std::collections::HashMap;

use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Incarnation, Place};

use super::fingerprint::Fingerprint;
use super::intake::{Answer, Refusal};
use super::ledger::{Known, Outcome};
use super::page::{PageKept, PageOutcome};
use crate::log::entry::{EncodedEntry, Entry, Fault};
use crate::log::frame::FrameDraft;
use crate::view::{Change, changes_of, fault_changes};

/// What to append next: a frame of entries, or one entry that is larger than a frame.
#[derive(Debug)]
pub struct Batch<T> {
    draft: FrameDraft,
    large: Option<EncodedEntry>,
    fresh: Vec<Fresh>,
    by_id: HashMap<EventId, usize>,
    /// The furthest cursor of each subscription, and its slot.
    cursors: HashMap<String, (usize, Place)>,
    waiting: Vec<(T, Pending)>,
}

/// What the shell appends of a batch.
#[derive(Debug)]
pub enum ToAppend<'a> {
    /// With `Engine::append`.
    Frame(&'a mut FrameDraft),
    /// With `Engine::append_large`.
    Large(&'a EncodedEntry),
}

/// What a new entry is.
#[derive(Debug)]
pub(super) enum Fresh {
    Identity {
        id: EventId,
        fingerprint: Fingerprint,
        fault: Option<Box<Fault>>,
    },
    Cursor {
        subscription: String,
        place: Place,
    },
    Plain(Box<Entry>),
}

/// How a waiting caller is answered once the frame is on disk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pending {
    /// Its own entry is the one with this index.
    First(usize),
    /// Another caller's entry in the same frame is the first copy of its own.
    Follows(usize),
    /// A page whose cursor is the entry with this index.
    Page(usize, PageOutcome),
}

impl<T> Batch<T> {
    /// An empty batch that reuses the memory of `draft`.
    pub(super) fn new(mut draft: FrameDraft) -> Self {
        draft.clear();
        Self {
            draft,
            large: None,
            fresh: Vec::new(),
            by_id: HashMap::new(),
            cursors: HashMap::new(),
            waiting: Vec::new(),
        }
    }

    /// What to append.
    pub fn work(&mut self) -> ToAppend<'_> {
        match &self.large {
            Some(entry) => ToAppend::Large(entry),
            None => ToAppend::Frame(&mut self.draft),
        }
    }

    /// How many entries it appends.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.fresh.len() as u64
    }

    /// Length of the frame as it stands, in bytes.
    pub(super) const fn draft_len(&self) -> usize {
        self.draft.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty()
    }

    /// Whether nothing more can be added, whatever its size.
    pub(super) fn is_closed(&self) -> bool {
        self.large.is_some()
    }

    /// Adds an entry; `None` if this frame has no room for it.
    pub(super) fn push(&mut self, entry: &EncodedEntry, fresh: Fresh) -> Option<usize> {
        if entry.fits_frame() {
            self.draft.push(entry)?;
        } else if self.is_empty() {
            self.large = Some(entry.clone());
        } else {
            return None;
        }
        let slot = self.fresh.len();
        match &fresh {
            Fresh::Identity { id, .. } => {
                self.by_id.insert(*id, slot);
            }
            Fresh::Cursor {
                subscription,
                place,
            } => {
                self.cursors.insert(subscription.clone(), (slot, *place));
            }
            Fresh::Plain(_) => {}
        }
        self.fresh.push(fresh);
        Some(slot)
    }

    /// The entry of this batch under that identity, and its content.
    pub(super) fn find(&self, id: &EventId) -> Option<(usize, Fingerprint)> {
        let slot = *self.by_id.get(id)?;
        match self.fresh.get(slot)? {
            Fresh::Identity { fingerprint, .. } => Some((slot, *fingerprint)),
            Fresh::Cursor { .. } | Fresh::Plain(_) => None,
        }
    }

    /// The slot of this batch with a cursor of that subscription, and the cursor.
    pub(super) fn find_cursor(&self, subscription: &str) -> Option<(usize, Place)> {
        self.cursors.get(subscription).copied()
    }

    pub(super) fn wait(&mut self, ticket: T, pending: Pending) {
        self.waiting.push((ticket, pending));
    }

    /// The outcome after the sync: answers for all who wait, the changes of the views in the order
    /// of the entries, and the draft for the next batch.
    pub(super) fn settle(
        self,
        incarnation: Incarnation,
        frame: FrameNumber,
    ) -> (Vec<(T, Answer)>, Vec<Change>, FrameDraft) {
        let place = |slot: usize| Place {
            incarnation,
            frame,
            // A frame has fewer than 2^32 entries, since each takes more than a byte.
            index: u32::try_from(slot).unwrap_or(u32::MAX),
        };
        let answers = self
            .waiting
            .into_iter()
            .map(|(ticket, pending)| {
                let (slot, repeat) = match pending {
                    Pending::First(slot) => (slot, false),
                    Pending::Follows(slot) => (slot, true),
                    Pending::Page(slot, outcome) => {
                        let place = Some(place(slot));
                        return (ticket, Answer::Page(PageKept { outcome, place }));
                    }
                };
                let fresh = self.fresh.get(slot);
                (
                    ticket,
                    fresh.map_or(Answer::Noted, |fresh| fresh.answer(place(slot), repeat)),
                )
            })
            .collect();
        let mut changes = Vec::with_capacity(self.fresh.len());
        for (slot, fresh) in self.fresh.into_iter().enumerate() {
            fresh.changes(place(slot), &mut changes);
        }
        (answers, changes, self.draft)
    }

    /// The outcome of a failed append.
    pub(super) fn refuse(self, refusal: Refusal) -> (Vec<(T, Answer)>, FrameDraft) {
        let refused = |(ticket, _)| (ticket, Answer::Refused(refusal));
        (self.waiting.into_iter().map(refused).collect(), self.draft)
    }
}

impl Fresh {
    fn answer(&self, place: Place, repeat: bool) -> Answer {
        match self {
            Self::Identity {
                id, fault: Some(_), ..
            } => Answer::SetAside {
                fault: *id,
                place,
                repeat,
            },
            Self::Identity {
                id, fault: None, ..
            } if repeat => Answer::Repeat { id: *id, place },
            Self::Identity {
                id, fault: None, ..
            } => Answer::Kept { id: *id, place },
            Self::Cursor { .. } | Self::Plain(_) => Answer::Noted,
        }
    }

    fn changes(self, place: Place, to: &mut Vec<Change>) {
        match self {
            Self::Identity {
                fault: Some(fault), ..
            } => to.extend(fault_changes(&fault, place)),
            Self::Identity {
                id,
                fingerprint,
                fault: None,
            } => {
                let known = Known {
                    fingerprint,
                    place,
                    outcome: Outcome::Event,
                };
                to.push(Change::Identity { id, known });
            }
            Self::Cursor {
                subscription,
                place,
            } => to.push(Change::Cursor {
                subscription,
                place,
            }),
            Self::Plain(entry) => to.extend(changes_of(&entry, place)),
        }
    }
}
