//! A model of the local views: they commit their position with their changes, are never synced,
//! lose their own tail at a crash, and can be thrown away.

use std::collections::{BTreeMap, VecDeque};

use tidegate_core::deliver::Progress;
use tidegate_core::log::engine::{Bounds, LogReader, ReadError};
use tidegate_core::log::entry::{ParkMark, Polled};
use tidegate_core::receive::ledger::{Known, Ledger, LedgerError};
use tidegate_core::view::{Change, FaultSummary, changes_of};
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Incarnation, Place};

use crate::random::Random;
use crate::scenario::Sabotage;

/// Commits that a crash may take back.
const TAIL_MAX: usize = 32;

/// Bytes of frames read in one step while catching up.
const CATCH_UP_BYTES: usize = 256 << 10;

/// A synced frame and what it changes.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) frame: FrameNumber,
    pub(crate) changes: Vec<Change>,
}

/// What the views hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) incarnation: Incarnation,
    /// The last frame that was applied.
    pub(crate) applied: FrameNumber,
    /// The first frame whose identities are kept.
    pub(crate) pruned: FrameNumber,
    pub(crate) known: BTreeMap<EventId, Known>,
    pub(crate) faults: BTreeMap<EventId, FaultSummary>,
    pub(crate) cursors: BTreeMap<String, Place>,
    /// How far each flow has read its source, and where that stands.
    pub(crate) polls: BTreeMap<String, (Polled, Place)>,
    /// Faults that were closed, and in which frame.
    pub(crate) closed: BTreeMap<EventId, FrameNumber>,
    /// How far each flow has delivered.
    pub(crate) flows: BTreeMap<String, Progress>,
}

impl Content {
    pub(crate) const fn begin(bounds: &Bounds) -> Self {
        Self {
            incarnation: bounds.incarnation,
            applied: FrameNumber(bounds.first.0.saturating_sub(1)),
            pruned: bounds.first,
            known: BTreeMap::new(),
            faults: BTreeMap::new(),
            cursors: BTreeMap::new(),
            polls: BTreeMap::new(),
            closed: BTreeMap::new(),
            flows: BTreeMap::new(),
        }
    }

    fn apply(&mut self, written: &Written) {
        for change in &written.changes {
            match change {
                Change::Identity { id, known } => {
                    self.known.insert(*id, *known);
                }
                Change::Fault(fault) => {
                    self.closed.remove(&fault.id);
                    self.faults.insert(fault.id, fault.clone());
                }
                Change::FaultCarried(fault) if self.closed.contains_key(&fault.id) => {}
                Change::FaultCarried(fault) => {
                    self.faults.insert(fault.id, fault.clone());
                }
                Change::Cursor {
                    subscription,
                    place,
                } => {
                    let cursor = self.cursors.entry(subscription.clone()).or_insert(*place);
                    *cursor = (*cursor).max(*place);
                }
                Change::Polled { polled, place } => {
                    let known = self.polls.get(&polled.flow);
                    if known.is_none_or(|(known, _)| known.number <= polled.number) {
                        let newest = (polled.as_ref().clone(), *place);
                        self.polls.insert(polled.flow.clone(), newest);
                    }
                }
                Change::Trim { oldest } => {
                    self.known.retain(|_, known| known.place.frame >= *oldest);
                    self.closed.retain(|_, frame| *frame >= *oldest);
                    self.pruned = self.pruned.max(*oldest);
                }
                Change::FaultClosed(closed) => {
                    self.faults.remove(&closed.id);
                    self.closed.insert(closed.id, written.frame);
                    self.flow(&closed.flow, change);
                }
                Change::Receipts(entry) => self.flow(&entry.flow, change),
                Change::Retrying(entry) => self.flow(&entry.flow, change),
                Change::SetAside { flow, .. } => self.flow(flow, change),
            }
        }
        self.applied = written.frame;
    }

    fn flow(&mut self, name: &str, change: &Change) {
        let begin = || Progress::new(name, 0);
        let progress = self.flows.entry(name.to_owned()).or_insert_with(begin);
        progress.apply(change);
    }

    /// Begins with what the parks say of flows, which is newer; of frames that are gone in between it
    /// lacks what stood there.
    pub(crate) fn adopt(&mut self, first: FrameNumber, marks: &[ParkMark]) -> bool {
        if self.applied.next() > first {
            return false;
        }
        let whole = marks.iter().filter(|mark| mark.as_of.next() >= first);
        whole.map(|mark| self.resume(mark)).count() > 0
    }

    /// Of flows that the log says nothing of, what the parks say is better than nothing.
    fn fill_in(&mut self, marks: &[ParkMark]) {
        for mark in marks {
            if !self.flows.contains_key(&mark.flow) {
                self.resume(mark);
            }
        }
    }

    fn resume(&mut self, mark: &ParkMark) {
        let progress = Progress::resume(&mark.flow, mark.shard, mark.state());
        self.flows.insert(mark.flow.clone(), progress);
    }

    /// What the log and the parks together say: the views of a start without any.
    pub(crate) fn rebuilt(
        reader: &dyn LogReader,
        marks: &[ParkMark],
    ) -> Result<(Self, bool), ReadError> {
        let bounds = reader.bounds();
        let mut content = Self::begin(&bounds);
        let adopted = content.adopt(bounds.first, marks);
        content.catch_up(reader)?;
        content.fill_in(marks);
        Ok((content, adopted))
    }

    /// Applies what the log has beyond this.
    pub(crate) fn catch_up(&mut self, reader: &dyn LogReader) -> Result<u64, ReadError> {
        let mut count = 0;
        loop {
            let frames = reader.read(self.applied.next(), CATCH_UP_BYTES)?;
            if frames.is_empty() {
                return Ok(count);
            }
            for frame in &frames {
                let mut changes = Vec::new();
                for (index, entry) in reader.entries(frame)? {
                    let incarnation = frame.header().incarnation;
                    let place = Place {
                        incarnation,
                        frame: frame.number(),
                        index,
                    };
                    changes.extend(changes_of(&entry, place));
                }
                self.apply(&Written {
                    frame: frame.number(),
                    changes,
                });
                count += 1;
            }
        }
    }

    fn fits(&self, bounds: &Bounds) -> bool {
        self.incarnation == bounds.incarnation
            && self.applied <= bounds.head.frame
            && self.applied.next() >= bounds.first
            && self.pruned >= bounds.first
    }
}

/// The views of one node.
#[derive(Debug, Default)]
pub(crate) struct Views {
    live: Option<Content>,
    /// What a crash leaves at least.
    kept: Option<Content>,
    /// Commits since then.
    tail: VecDeque<Written>,
}

/// How the views stood at a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Started {
    /// Whether a park said how a flow stood.
    Rebuilt {
        adopted: bool,
    },
    CaughtUp(u64),
}

impl Views {
    pub(crate) const fn content(&self) -> Option<&Content> {
        self.live.as_ref()
    }

    /// Commits what a frame changes, together with the position.
    pub(crate) fn commit(&mut self, written: Written) {
        if let Some(live) = &mut self.live {
            live.apply(&written);
        }
        self.tail.push_back(written);
        while self.tail.len() > TAIL_MAX
            && let (Some(kept), Some(oldest)) = (&mut self.kept, self.tail.pop_front())
        {
            kept.apply(&oldest);
        }
    }

    /// A crash takes back the last commits, as many as chance wants.
    pub(crate) fn crash(&mut self, random: &mut Random, sabotage: Option<Sabotage>) {
        let survive = random.index(self.tail.len() + 1);
        if let Some(kept) = &mut self.kept {
            for written in self.tail.iter().take(survive) {
                kept.apply(written);
            }
            if sabotage == Some(Sabotage::PositionApart)
                && let Some(last) = self.tail.back()
            {
                kept.applied = last.frame;
            }
        }
        self.tail.clear();
        self.live = None;
    }

    /// All is lost.
    pub(crate) fn lose(&mut self) {
        *self = Self::default();
    }

    /// Opens what a crash left, or begins anew, and catches up with the log.
    pub(crate) fn start(
        &mut self,
        reader: &dyn LogReader,
        marks: &[ParkMark],
    ) -> Result<Started, ReadError> {
        let bounds = reader.bounds();
        let fitting = self.kept.take().filter(|kept| kept.fits(&bounds));
        let (content, started) = match fitting {
            None => {
                let (content, adopted) = Content::rebuilt(reader, marks)?;
                (content, Started::Rebuilt { adopted })
            }
            Some(mut kept) => {
                kept.adopt(bounds.first, marks);
                let frames = kept.catch_up(reader)?;
                kept.fill_in(marks);
                (kept, Started::CaughtUp(frames))
            }
        };
        self.kept = Some(content.clone());
        self.live = Some(content);
        Ok(started)
    }
}

impl Ledger for Views {
    fn known(&self, id: &EventId) -> Result<Option<Known>, LedgerError> {
        let content = self
            .live
            .as_ref()
            .ok_or_else(|| LedgerError("not open".into()))?;
        Ok(content.known.get(id).copied())
    }
}
