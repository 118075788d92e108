//! One of our services with a named subscription: it reads pages and acknowledges them.

use std::time::Duration;

use tidegate_core::log::engine::{LogReader, ReadError};
use tidegate_core::log::entry::Entry;
use tidegate_core::receive::intake::Content;
use tidegate_types::name::kind_matches;
use tidegate_types::position::Place;

use crate::context::Step;
use crate::node::Ticket;
use crate::report::{Rule, Situation};
use crate::scenario::Subscription;
use crate::world::World;

/// Mean time between two pages of a subscriber.
pub(crate) const READ_EVERY: Duration = Duration::from_millis(150);

/// Bytes of frames read in one step of a scan.
const STEP_BYTES: usize = 16 << 10;

/// Bytes of the log that one page looks through at most.
const SCAN_BYTES: usize = 64 << 10;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Subscriber {
    pub(crate) subscription: Subscription,
    /// Where it has read to; `None` after its own crash, until it has asked for its cursor.
    pub(crate) at: Option<Place>,
    /// Whether it must ask where it was.
    pub(crate) lost: bool,
    pub(crate) stalled_until: Duration,
}

/// What one request for events gives.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) found: Vec<Place>,
    /// The last place that was looked at.
    pub(crate) scanned_to: Option<Place>,
}

impl Subscriber {
    pub(crate) const fn new(subscription: Subscription) -> Self {
        Self {
            subscription,
            at: None,
            lost: true,
            stalled_until: Duration::ZERO,
        }
    }
}

impl World {
    /// A subscriber asks for a page, and deals with it or dies over it.
    pub(crate) fn read(&mut self, index: usize) {
        let wait = self.cx.random.around(READ_EVERY);
        self.cx.after(wait, Step::Read { subscriber: index });
        let (Some(up), Some(subscriber)) = (&self.node.up, self.subscribers.get_mut(index)) else {
            return;
        };
        if self.cx.now < subscriber.stalled_until {
            return;
        }
        let name = subscriber.subscription.name;
        let cursor = up.intake.cursors().get(name).copied();
        if subscriber.lost {
            subscriber.at = cursor;
            subscriber.lost = false;
        }
        let limit = 1 + self.cx.random.index(30);
        let page = match read_page(
            &*up.reader,
            subscriber.at,
            subscriber.subscription.on,
            limit,
        ) {
            Ok(page) => page,
            // The log has passed it and said so; it goes on with what there is.
            Err(ReadError::Trimmed { .. }) => {
                subscriber.at = None;
                return;
            }
            Err(error) => {
                return self
                    .cx
                    .violate(Rule::Delivery, format!("{name} cannot read: {error}"));
            }
        };
        if self
            .audit
            .delivered(&mut self.cx, index, subscriber.at, &page)
        {
            self.cx.seen(Situation::Redelivered);
        }
        if !self.healed && self.cx.random.chance(60) {
            self.cx.note(format!(
                "{name} crashes over a page of {} events",
                page.found.len()
            ));
            subscriber.lost = true;
            return;
        }
        let moved = page.scanned_to != cursor;
        subscriber.at = page.scanned_to;
        if let Some(place) = page.scanned_to.filter(|_| moved) {
            let delay = self.cx.random.around(Duration::from_millis(100));
            self.cx.after(
                delay,
                Step::Acknowledge {
                    subscriber: index,
                    place,
                },
            );
        }
    }

    pub(crate) fn acknowledge(&mut self, index: usize, place: Place) {
        let Some(subscriber) = self.subscribers.get(index) else {
            return;
        };
        let subscription = subscriber.subscription.name.to_owned();
        let cursor = self
            .node
            .cursors()
            .and_then(|cursors| cursors.get(&subscription));
        if cursor.is_some_and(|cursor| *cursor > place) {
            self.cx.seen(Situation::CursorOvertaken);
        }
        let content = Content::Cursor {
            subscription,
            place,
        };
        let ticket = Ticket::Cursor { subscriber: index };
        let answers = self.node.offer(&mut self.cx, ticket, content);
        self.answer(answers);
    }
}

/// Up to `limit` events of these types after `after`, in the order of the log.
pub(crate) fn read_page(
    reader: &dyn LogReader,
    after: Option<Place>,
    on: &str,
    limit: usize,
) -> Result<Page, ReadError> {
    let mut page = Page {
        found: Vec::new(),
        scanned_to: after,
    };
    let mut next = after.map_or_else(|| reader.bounds().first, |place| place.frame);
    let mut scanned = 0;
    while scanned < SCAN_BYTES {
        let frames = reader.read(next, STEP_BYTES)?;
        if frames.is_empty() {
            break;
        }
        for frame in &frames {
            let at = |index| Place {
                incarnation: frame.header().incarnation,
                frame: frame.number(),
                index,
            };
            for (index, entry) in reader.entries(frame)? {
                let place = at(index);
                if after.is_some_and(|after| place <= after) {
                    continue;
                }
                if matches!(&entry, Entry::Event(entry) if kind_matches(on, &entry.event.kind)) {
                    if page.found.len() >= limit {
                        return Ok(page);
                    }
                    page.found.push(place);
                }
                page.scanned_to = Some(place);
            }
            // Frames without entries of their own, as those of chunks, are looked at as well:
            // else a reader never gets past a series that is longer than one scan.
            page.scanned_to = page.scanned_to.max(Some(at(0)));
            // The frame it begins in does not count, or one that is longer than a scan ends all.
            if after.is_none_or(|after| after.frame < frame.number()) {
                scanned += frame.bytes().len();
            }
            next = frame.number().next();
        }
    }
    Ok(page)
}
