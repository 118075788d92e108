//! What must hold, looked at after every step from outside: through the reader, as any service
//! would see the log, and through the answers as they leave the node.

mod answers;
mod books;
mod deliveries;
mod feeds;
mod history;
mod parks;
mod polls;
mod restart;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use tidegate_core::books::{Books, Hour, Limits};

use tidegate_core::log::engine::LogReader;
use tidegate_core::log::entry::{Entry, EventEntry, Fault, FaultCause, Fingerprint, System};
use tidegate_core::log::frame::Frame;
use tidegate_types::id::EventId;
use tidegate_types::name::kind_matches;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use crate::context::Context;
use crate::item::{Offered, fingerprint_of};
use crate::node::parks::Store;
use crate::node::trim::{PASSED, PASSED_NAME, PASSED_OLDEST};
use crate::report::{Rule, Situation};
use crate::scenario::{CONSUMERS, FEED_TYPES, SUBSCRIPTIONS};
use deliveries::Deliveries;
use feeds::ConsumerTruth;
use history::{History, Standing, What};

/// Bytes of frames read in one step.
const READ_BYTES: usize = 256 << 10;

/// The one who looks.
#[derive(Debug)]
pub(crate) struct Audit {
    history: History,
    /// The oldest frame that is kept.
    first: FrameNumber,
    /// Contents that were offered under each identity, and by whom.
    offered: BTreeMap<EventId, (usize, BTreeSet<Fingerprint>)>,
    /// Before which frame identities of a flow are forgotten.
    flow_horizons: BTreeMap<usize, FrameNumber>,
    /// Before which frame all identities are: what the last checkpoint says.
    checkpoint: FrameNumber,
    /// Contents that were acknowledged.
    acknowledged: BTreeSet<(EventId, Fingerprint)>,
    readers: Vec<ReaderTruth>,
    polls: polls::PollTruth,
    consumers: Vec<ConsumerTruth>,
    pub(crate) deliveries: Deliveries,
    books: Books,
}

/// What can be looked at from outside.
pub(crate) struct Seen<'a> {
    pub(crate) reader: &'a dyn LogReader,
    pub(crate) cursors: &'a BTreeMap<String, Place>,
    pub(crate) parks: &'a [Store],
}

/// What is known of one subscription.
#[derive(Clone, Copy, Debug, Default)]
struct ReaderTruth {
    /// Everything up to here was delivered.
    covered: Option<Place>,
    /// Everything up to here was acknowledged by the subscriber itself.
    read: Option<Place>,
    /// The node's cursor when it was looked at last.
    cursor: Option<Place>,
    /// The log said that it passes the subscription up to this frame, and when.
    passed: Option<(FrameNumber, UnixMillis)>,
}

impl ReaderTruth {
    /// Whether the log said that it passed what stands at `place`.
    fn is_passed(&self, place: Place) -> bool {
        self.passed.is_some_and(|(oldest, _)| place.frame < oldest)
    }
}

impl Audit {
    pub(crate) fn new() -> Self {
        Self {
            history: History::default(),
            first: FrameNumber(1),
            offered: BTreeMap::new(),
            flow_horizons: BTreeMap::new(),
            checkpoint: FrameNumber(0),
            acknowledged: BTreeSet::new(),
            readers: vec![ReaderTruth::default(); SUBSCRIPTIONS.len()],
            polls: polls::PollTruth::default(),
            consumers: vec![ConsumerTruth::default(); CONSUMERS.len()],
            deliveries: Deliveries::new(),
            books: Books::new(Limits::default(), Hour(0)),
        }
    }

    /// Events that stood in the log.
    pub(crate) fn events(&self) -> u64 {
        self.history.events()
    }

    /// Something reaches the node.
    pub(crate) fn offered(&mut self, offered: &Offered, horizon: FrameNumber) {
        let entry = self.offered.entry(offered.id);
        let (_, contents) = entry.or_insert_with(|| (offered.sender, BTreeSet::new()));
        contents.insert(offered.fingerprint);
        let flow = self.flow_horizons.entry(offered.sender).or_default();
        *flow = horizon.max(*flow);
    }

    /// Takes in what readers can see now.
    pub(crate) fn follow(&mut self, cx: &mut Context, seen: &Seen<'_>) {
        let reader = seen.reader;
        let bounds = reader.bounds();
        while self.history.head() < bounds.head.frame && cx.violations.is_empty() {
            match reader.read(self.history.head().next(), READ_BYTES) {
                Ok(frames) if !frames.is_empty() => {
                    for frame in &frames {
                        self.absorb(cx, reader, frame);
                    }
                }
                Ok(_) => cx.violate(Rule::Chain, "frames before the head are missing".to_owned()),
                Err(error) => cx.violate(Rule::Chain, error.to_string()),
            }
        }
        if bounds.first > self.first {
            self.first = bounds.first;
            self.trimmed(cx);
            self.deliveries.trimmed(cx, bounds.first, seen.parks);
        }
        self.cursors(cx, seen.cursors);
    }

    fn absorb(&mut self, cx: &mut Context, reader: &dyn LogReader, frame: &Frame) {
        if let Err(problem) = self.history.take(frame) {
            return cx.violate(Rule::Chain, problem);
        }
        let entries = match reader.entries(frame) {
            Ok(entries) => entries,
            Err(error) => return cx.violate(Rule::Chain, error.to_string()),
        };
        self.books.frame(frame.number(), frame.header().time);
        for (index, entry) in entries {
            let incarnation = frame.header().incarnation;
            let place = Place {
                incarnation,
                frame: frame.number(),
                index,
            };
            self.books.take(place, &entry);
            match entry {
                Entry::Event(event) => self.event(cx, place, &event),
                Entry::Fault(fault) => self.fault(cx, place, &fault),
                Entry::Cursor(cursor) => {
                    if let Some(reader) = self.reader(&cursor.subscription) {
                        reader.read = reader.read.max(Some(cursor.place));
                    }
                }
                Entry::Checkpoint(checkpoint) => {
                    self.checkpoint = self.checkpoint.max(checkpoint.oldest);
                }
                Entry::GivenUp(entry) => self.deliveries.given_up(&entry),
                Entry::System(system) => self.system(&system),
                Entry::Polled(polled) => self.polled(cx, place, &polled),
                Entry::Receipts(entry) => self.deliveries.receipts(cx, &entry),
                Entry::Retrying(entry) => self.deliveries.retrying(cx, &entry),
                Entry::FaultClosed(closed) => {
                    self.deliveries.closed(cx, &closed);
                    self.history.close(&closed.id);
                }
                Entry::Chunk(_) | Entry::Joined(_) | Entry::Park(_) | Entry::Unknown { .. } => {}
            }
        }
    }

    fn event(&mut self, cx: &mut Context, place: Place, entry: &EventEntry) {
        let id = entry.event.id;
        let Some((sender, contents)) = self.offered.get(&id) else {
            return cx.violate(
                Rule::Genuine,
                format!("{id} at {place:?} was never offered"),
            );
        };
        if fingerprint_of(&entry.event) != entry.fingerprint
            || !contents.contains(&entry.fingerprint)
        {
            let detail = format!("{id} at {place:?} has content that was never offered");
            return cx.violate(Rule::Genuine, detail);
        }
        let flow = self.flow_horizons.get(sender).copied().unwrap_or_default();
        if let Some(earlier) = self.history.latest(&id) {
            if earlier.frame >= self.checkpoint.max(flow) {
                let detail = format!("{id} stands at {earlier:?} and again at {place:?}");
                return cx.violate(Rule::Once, detail);
            }
            cx.seen(Situation::TakenAgain);
        }
        self.deliveries.event(place, entry);
        let kind = &entry.event.kind;
        let bits = |types: &mut dyn Iterator<Item = &str>| {
            let matching = types.enumerate().filter(|(_, on)| kind_matches(on, kind));
            matching.fold(0, |bits, (at, _)| bits | 1 << at)
        };
        let what = What::Event {
            subscriptions: bits(&mut SUBSCRIPTIONS.iter().map(|it| it.on)),
            feeds: bits(&mut FEED_TYPES.into_iter()),
        };
        self.history.put(
            place,
            Standing {
                id,
                fingerprint: entry.fingerprint,
                what,
            },
        );
    }

    fn fault(&mut self, cx: &mut Context, place: Place, fault: &Fault) {
        let of = fault
            .event
            .as_ref()
            .map_or(fault.id, |entry| entry.event.id);
        let standing = Standing {
            id: fault.id,
            fingerprint: fault.fingerprint,
            what: What::Fault {
                cause: fault.cause,
                of,
            },
        };
        let contents = self.offered.get(&of).map(|(_, contents)| contents);
        let gone = fault.cause == FaultCause::Gone && self.deliveries.gives_up(&fault.flow);
        if fault.event.is_none() && gone {
            // It cannot be told any more what it was.
        } else if !contents.is_some_and(|contents| contents.contains(&fault.fingerprint)) {
            let detail = format!("fault {} at {place:?} was never offered", fault.id);
            return cx.violate(Rule::Genuine, detail);
        }
        let earlier = self.history.latest(&fault.id);
        if fault.carried {
            let first = earlier.and_then(|earlier| self.history.at(earlier));
            if first != Some(&standing) {
                let detail = format!("fault {} was carried and stood nowhere", fault.id);
                return cx.violate(Rule::Genuine, detail);
            }
        } else if let Some(earlier) = earlier.filter(|_| !fault.cause.is_of_delivery()) {
            let detail = format!("fault {} stands at {earlier:?} and {place:?}", fault.id);
            return cx.violate(Rule::Once, detail);
        }
        self.history.put(place, standing);
        if self.deliveries.fault(fault) {
            self.history.close(&fault.id);
        }
    }

    fn system(&mut self, system: &System) {
        if system.kind != PASSED {
            return;
        }
        let tag = |name| {
            let mut tags = system.tags.iter();
            tags.find(|(tag, _)| tag == name)
                .map(|(_, value)| value.clone())
        };
        let oldest = tag(PASSED_OLDEST)
            .and_then(|oldest| oldest.parse().ok())
            .map(FrameNumber);
        if let (Some(name), Some(oldest)) = (tag(PASSED_NAME), oldest)
            && let Some(reader) = self.reader(&name)
        {
            reader.passed = reader.passed.max(Some((oldest, system.time)));
        }
    }

    fn reader(&mut self, name: &str) -> Option<&mut ReaderTruth> {
        let at = SUBSCRIPTIONS
            .iter()
            .position(|subscription| subscription.name == name)?;
        self.readers.get_mut(at)
    }

    /// The frames before `self.first` are gone.
    fn trimmed(&self, cx: &mut Context) {
        let first = self.first;
        if self.checkpoint < first {
            cx.violate(
                Rule::Trim,
                format!("frames before {first} went without a checkpoint"),
            );
        }
        if let Some(fault) = self.history.fault_before(first) {
            cx.violate(
                Rule::Trim,
                format!("fault {fault} stood before frame {first} only"),
            );
        }
        for (at, (reader, subscription)) in self.readers.iter().zip(&SUBSCRIPTIONS).enumerate() {
            let name = subscription.name;
            let after = reader.read.map_or(Bound::Unbounded, Bound::Excluded);
            let Some(last) = self.last_before(first) else {
                continue;
            };
            let gone = self.history.between(after, last);
            for (place, _) in gone.filter(|(_, standing)| standing.matches(at)) {
                let old_enough = match (subscription.lag_max, reader.passed) {
                    (Some(lag), Some((_, said))) => {
                        self.history.time(place.frame).plus(lag) <= said
                    }
                    _ => false,
                };
                if !old_enough || !reader.is_passed(place) {
                    let detail =
                        format!("{name} has not read {place:?}, and frame {first} is the first");
                    return cx.violate(Rule::Trim, detail);
                }
            }
        }
    }

    /// The last place before a frame.
    fn last_before(&self, first: FrameNumber) -> Option<Place> {
        let any = self.history.last_for(0)?;
        let frame = FrameNumber(first.0.checked_sub(1)?);
        Some(Place {
            incarnation: any.incarnation,
            frame,
            index: u32::MAX,
        })
    }

    fn cursors(&mut self, cx: &mut Context, cursors: &BTreeMap<String, Place>) {
        for (reader, subscription) in self.readers.iter_mut().zip(&SUBSCRIPTIONS) {
            let name = subscription.name;
            let now = cursors.get(name).copied();
            if now == reader.cursor {
                continue;
            }
            if now < reader.cursor {
                let detail = format!(
                    "that of {name} goes from {:?} back to {now:?}",
                    reader.cursor
                );
                return cx.violate(Rule::Cursor, detail);
            }
            if now > reader.covered && now.is_some_and(|now| !reader.is_passed(now)) {
                let detail = format!(
                    "that of {name} is {now:?}, delivered is {:?}",
                    reader.covered
                );
                return cx.violate(Rule::Cursor, detail);
            }
            reader.cursor = now;
        }
    }

    /// A subscription that has not acknowledged everything it gets.
    pub(crate) fn unread(&self, cursors: Option<&BTreeMap<String, Place>>) -> Option<&'static str> {
        let behind = |(at, name): &(usize, &'static str)| {
            let cursor = cursors.and_then(|cursors| cursors.get(*name)).copied();
            self.history.last_for(*at) > cursor
        };
        let names = SUBSCRIPTIONS.iter().map(|subscription| subscription.name);
        names.enumerate().find(behind).map(|(_, name)| name)
    }
}
