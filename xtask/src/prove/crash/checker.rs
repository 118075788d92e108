//! Reads the log of a node that is down, and holds it against what was sent and answered.

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use anyhow::{Result, bail};
use bytes::Bytes;
use tidegate_core::log::FrameHash;
use tidegate_core::log::embedded::{EmbeddedLog, OpenOptions};
use tidegate_core::log::engine::{Engine, LogReader, ReadError};
use tidegate_core::log::entry::{Cursor, Entry, EventEntry, Fault, FaultCause};
use tidegate_core::log::frame::Frame;
use tidegate_core::log::recovery::RecoveryReport;
use tidegate_types::id::{EventId, FlowNamespace};
use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::time::UnixMillis;

use super::breach::{Breach, Breaches};
use super::deliveries::{self, Deliveries};
use super::disk::ReadOnly;
use super::polls::{self, Polls};
use super::traffic::{Content, Key, Traffic, number_of};

/// The region of the node.
pub(crate) const ORIGIN: &str = "local";
/// The subsystem of the node.
pub(crate) const SUBSYSTEM: &str = "proof";

/// The subscription of the subscriber.
const SUBSCRIPTION: &str = "worker/everything";

/// Bytes of frames read in one step.
const STEP_BYTES: usize = 4 << 20;

/// Where a key stands in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) id: EventId,
    pub(crate) frame: FrameNumber,
}

/// What was read of a log so far. Each look goes on where the last one ended.
#[derive(Debug)]
pub(crate) struct Checker {
    folder: PathBuf,
    /// The last frame that was read, with its hash.
    last: Option<(Incarnation, FrameNumber, FrameHash)>,
    /// The oldest frame that is kept.
    pub(crate) first: FrameNumber,
    pub(crate) seen: HashMap<Key, Seen>,
    /// The events in the order of the log.
    pub(crate) events: Vec<(Place, EventId)>,
    /// The last cursor of each subscription; flows that deliver keep some too.
    cursors: HashMap<String, Place>,
    /// Faults, those carried forward not counted again.
    pub(crate) faults: u64,
    /// Faults that were carried forward, out of segments that were removed.
    carried: HashSet<EventId>,
    pub(crate) torn: u64,
    pub(crate) frames: u64,
    pub(crate) deliveries: Deliveries,
    pub(crate) polls: Polls,
}

impl Checker {
    /// For the log in `folder`, of traffic with this seed.
    pub(crate) fn new(folder: PathBuf, seed: u64) -> Self {
        Self {
            folder,
            last: None,
            first: FrameNumber(0),
            seen: HashMap::new(),
            events: Vec::new(),
            cursors: HashMap::new(),
            faults: 0,
            carried: HashSet::new(),
            torn: 0,
            frames: 0,
            deliveries: Deliveries::default(),
            polls: Polls::new(seed),
        }
    }

    /// Reads what was appended since the last look.
    ///
    /// # Errors
    /// When the log was trimmed faster than it is looked at.
    pub(crate) fn look(&mut self, traffic: &Traffic, breaches: &mut Breaches) -> Result<()> {
        let disk = ReadOnly(self.folder.clone());
        let (log, report) = match EmbeddedLog::open(disk, OpenOptions::new(ORIGIN), UnixMillis(0)) {
            Ok(opened) => opened,
            Err(error) => {
                let error = anyhow::Error::new(error);
                breaches.add(Breach::Log, || {
                    format!("the log cannot be opened: {error:#}")
                });
                return Ok(());
            }
        };
        self.report(&report, breaches);
        self.read(&*log.reader(), traffic, breaches)
    }

    fn report(&mut self, report: &RecoveryReport, breaches: &mut Breaches) {
        self.torn += u64::from(report.cut.is_some());
        breaches.unless(report.damage.is_none(), Breach::Log, || report.to_string());
        let (Some(head), Some((incarnation, frame, hash))) = (report.head, self.last) else {
            return;
        };
        let shorter = head.frame < frame || head.incarnation != incarnation;
        let rewritten = head.frame == frame && head.hash != hash;
        breaches.unless(!shorter && !rewritten, Breach::Log, || {
            format!(
                "the log ended with frame {frame} of {incarnation} and now ends with {} of {}",
                head.frame, head.incarnation
            )
        });
    }

    fn read(
        &mut self,
        reader: &dyn LogReader,
        traffic: &Traffic,
        breaches: &mut Breaches,
    ) -> Result<()> {
        let bounds = reader.bounds();
        self.first = bounds.first;
        let mut next = self.last.map_or(bounds.first, |(_, frame, _)| frame.next());
        while next <= bounds.head.frame {
            let frames = match reader.read(next, STEP_BYTES) {
                Ok(frames) => frames,
                Err(ReadError::Trimmed { first }) => {
                    bail!(
                        "frame {next} was trimmed (the log begins at {first}) before it was checked: kill more often"
                    )
                }
                Err(error) => {
                    let error = anyhow::Error::new(error);
                    breaches.add(Breach::Log, || {
                        format!("frame {next} cannot be read: {error:#}")
                    });
                    return Ok(());
                }
            };
            for frame in &frames {
                self.frame(reader, frame, traffic, breaches);
                next = frame.number().next();
            }
        }
        Ok(())
    }

    fn frame(
        &mut self,
        reader: &dyn LogReader,
        frame: &Frame,
        traffic: &Traffic,
        breaches: &mut Breaches,
    ) {
        let header = frame.header();
        let follows = self.last.is_none_or(|(incarnation, number, hash)| {
            incarnation == header.incarnation
                && number.next() == header.number
                && hash == header.prev
        });
        breaches.unless(follows, Breach::Log, || {
            format!(
                "frame {} does not follow on what was there before",
                header.number
            )
        });
        self.last = Some((header.incarnation, header.number, frame.hash()));
        self.frames += 1;
        let entries = match reader.entries(frame) {
            Ok(entries) => entries,
            Err(error) => {
                let error = anyhow::Error::new(error);
                return breaches.add(Breach::Log, || {
                    format!("frame {}: {error:#}", header.number)
                });
            }
        };
        for (index, entry) in entries {
            let place = Place {
                incarnation: header.incarnation,
                frame: header.number,
                index,
            };
            match &entry {
                Entry::Event(event) => self.event(place, event, traffic, breaches),
                Entry::Fault(fault) => self.fault(place, fault, traffic, breaches),
                Entry::Cursor(cursor) => self.moved(cursor, breaches),
                Entry::Receipts(receipts) => {
                    self.deliveries.receipts(header.number, receipts, breaches);
                }
                _ => {}
            }
        }
    }

    fn event(
        &mut self,
        place: Place,
        entry: &EventEntry,
        traffic: &Traffic,
        breaches: &mut Breaches,
    ) {
        let event = &entry.event;
        self.events.push((place, event.id));
        self.deliveries.event(place, entry);
        if event.flow == polls::FLOW {
            return self.polls.event(place, entry, breaches);
        }
        let Some(number) = number_of(&event.external_id) else {
            return breaches.add(Breach::Altered, || {
                format!("event {:?} at {place:?} was never sent", event.external_id)
            });
        };
        let key = Key {
            number,
            reused: false,
        };
        let kept = Content {
            body: event.raw.as_ref().map(|raw| raw.body.to_vec()),
            data: Some(event.data.to_vec()),
        };
        let derived = EventId::derive(
            &FlowNamespace::new(SUBSYSTEM, &event.flow),
            &event.external_id,
        );
        let same = kept == traffic.content(key) && derived == event.id;
        breaches.unless(same, Breach::Altered, || {
            format!(
                "event {:?} at {place:?} is not what was sent",
                event.external_id
            )
        });
        self.once(key, place, event.id, breaches);
    }

    fn fault(&mut self, place: Place, fault: &Fault, traffic: &Traffic, breaches: &mut Breaches) {
        if fault.flow == deliveries::FLOW || fault.flow == polls::FLOW {
            return breaches.add(Breach::Undelivered, || {
                format!(
                    "{} set {} aside as {}: {}",
                    fault.flow,
                    fault.external_id,
                    fault.cause.name(),
                    fault.message
                )
            });
        }
        let Some(number) = number_of(&fault.external_id) else {
            return breaches.add(Breach::Altered, || {
                format!(
                    "fault of {:?} at {place:?} was never sent",
                    fault.external_id
                )
            });
        };
        let key = Key {
            number,
            reused: fault.cause == FaultCause::IdReused,
        };
        let same = Some(&fault.raw.body) == traffic.content(key).body.map(Bytes::from).as_ref();
        breaches.unless(same, Breach::Altered, || {
            format!(
                "fault {} of {:?} at {place:?} is not what was sent: {}",
                fault.cause.name(),
                fault.external_id,
                fault.message
            )
        });
        if fault.carried {
            self.carried.insert(fault.id);
        } else {
            self.faults += 1;
            self.once(key, place, fault.id, breaches);
        }
    }

    fn once(&mut self, key: Key, place: Place, id: EventId, breaches: &mut Breaches) {
        match self.seen.entry(key) {
            Slot::Vacant(slot) => {
                slot.insert(Seen {
                    id,
                    frame: place.frame,
                });
            }
            Slot::Occupied(slot) => {
                let first = *slot.get();
                breaches.add(Breach::Repeated, || {
                    format!("{key:?} stands in frame {} and at {place:?}", first.frame)
                });
            }
        }
    }

    /// A life of the node has ended with the log as it was last looked at.
    pub(crate) fn ended(&mut self, life: u32) {
        let last = self.last.map_or(FrameNumber(0), |(_, frame, _)| frame);
        self.deliveries.ended(life, last);
    }

    /// The last cursor of the one subscription.
    pub(crate) fn cursor(&self) -> Option<Place> {
        self.cursors.get(SUBSCRIPTION).copied()
    }

    fn moved(&mut self, cursor: &Cursor, breaches: &mut Breaches) {
        let before = self
            .cursors
            .insert(cursor.subscription.clone(), cursor.place);
        let forward = before.is_none_or(|at| at <= cursor.place);
        breaches.unless(forward, Breach::Skipped, || {
            format!(
                "the cursor of {} goes back from {before:?} to {:?}",
                cursor.subscription, cursor.place
            )
        });
    }

    /// Whether these faults, whose segments were removed, were carried forward.
    pub(crate) fn demand_carried<'a>(
        &self,
        faults: impl Iterator<Item = (&'a Key, &'a EventId)>,
        breaches: &mut Breaches,
    ) {
        for (key, id) in faults {
            breaches.unless(self.carried.contains(id), Breach::Lost, || {
                format!("the fault {id} of {key:?} went with its segment")
            });
        }
    }

    /// Whether these stand in the log under the identity they were answered with.
    pub(crate) fn demand<'a>(
        &self,
        acknowledged: impl Iterator<Item = (&'a Key, &'a EventId)>,
        breaches: &mut Breaches,
    ) {
        for (key, id) in acknowledged {
            match self.seen.get(key) {
                None => breaches.add(Breach::Lost, || {
                    format!("{key:?} was acknowledged as {id} and is not in the log")
                }),
                Some(seen) => breaches.unless(seen.id == *id, Breach::Altered, || {
                    format!(
                        "{key:?} was acknowledged as {id} and stands in the log as {}",
                        seen.id
                    )
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests;
