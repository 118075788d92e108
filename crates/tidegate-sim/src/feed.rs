//! A feed as the node serves it: cursors, plan and merge of the core over the node's log.

use std::time::Duration;

use tidegate_core::feed::cursor::{CursorError, CursorKeys, FilterHash};
use tidegate_core::feed::{
    Life, MergeLimits, OriginEntry, OriginPage, OriginView, Read, Unservable, Vector, WHOLE_FRAME,
    earliest, merge, plan,
};
use tidegate_core::log::engine::{LogReader, ReadError};
use tidegate_core::log::entry::Entry;
use tidegate_types::name::kind_matches;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::secret::Secret;
use tidegate_types::time::UnixMillis;

use crate::scenario::{ORIGIN, Sabotage};

/// Bytes of frames read in one step of a scan.
const STEP_BYTES: usize = 16 << 10;

/// Bytes of the log that one page looks through at most.
const SCAN_BYTES: usize = 64 << 10;

/// Events that one scan gives to the merge at most: more than a page takes.
const FOUND_MAX: usize = 40;

/// Bytes of data of a page, but for a single event that is larger.
const PAGE_BYTES: usize = 24 << 10;

/// The key of all cursors. It protects nothing.
const KEY: &str = "key of the simulated feeds";

/// A feed.
#[derive(Debug)]
pub(crate) struct Feed {
    keys: CursorKeys,
    /// Types of events it gives.
    pub(crate) on: &'static str,
    retention: Option<Duration>,
    sabotage: Option<Sabotage>,
}

/// What the node knows when it answers.
pub(crate) struct Held<'a> {
    pub(crate) reader: &'a dyn LogReader,
    pub(crate) now: UnixMillis,
}

/// A page.
#[derive(Clone, Debug)]
pub(crate) struct FeedPage {
    /// Each event with the cursor behind it.
    pub(crate) given: Vec<(Place, String)>,
    pub(crate) next: Option<String>,
    /// Up to where the log was dealt with.
    pub(crate) position: Option<Place>,
}

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum Refused {
    Cursor(CursorError),
    /// The feed gives other events now; this cursor goes on at the same position.
    Filter(String),
    /// Something unread is gone; this cursor goes on at the first frame that is left.
    Gone {
        cursor: String,
        first: FrameNumber,
    },
    Ahead,
    Log(ReadError),
}

impl Feed {
    pub(crate) fn new(
        name: &str,
        on: &'static str,
        retention: Option<Duration>,
        sabotage: Option<Sabotage>,
    ) -> Option<Self> {
        let keys = CursorKeys::new(name, &[Secret::new(KEY)])?;
        Some(Self {
            keys,
            on,
            retention,
            sabotage,
        })
    }

    fn hash(&self) -> FilterHash {
        let unnoticed = self.sabotage == Some(Sabotage::FeedFilterUnnoticed);
        FilterHash::of([if unnoticed { "" } else { self.on }])
    }

    /// The place that a cursor made for `on` stands for, or why it stands for none.
    pub(crate) fn place(&self, text: &str) -> Result<Option<Place>, CursorError> {
        let vector = match self.keys.open(self.hash(), text) {
            Err(CursorError::OtherFilter(vector)) => *vector,
            other => other?,
        };
        Ok(vector.mark(ORIGIN))
    }

    /// Up to `limit` events behind a cursor, or from the oldest on.
    pub(crate) fn serve(
        &self,
        held: &Held<'_>,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<FeedPage, Refused> {
        let position = match cursor.map(|text| self.keys.open(self.hash(), text)) {
            None => Vector::default(),
            Some(Ok(position)) => position,
            Some(Err(CursorError::OtherFilter(position))) => {
                return Err(Refused::Filter(self.keys.seal(self.hash(), &position)));
            }
            Some(Err(error)) => return Err(Refused::Cursor(error)),
        };
        let life = self.life(held);
        let views = [OriginView {
            origin: ORIGIN.to_owned(),
            lives: vec![life],
        }];
        let planned = match plan(&position, &views) {
            Err(Unservable::Gone { .. }) if self.sabotage == Some(Sabotage::FeedGoneUntold) => {
                plan(&earliest(&position, &views), &views)
            }
            planned => planned,
        };
        let planned = planned.map_err(|reason| match reason {
            Unservable::Ahead { .. } => Refused::Ahead,
            Unservable::Gone { .. } => Refused::Gone {
                cursor: self.keys.seal(self.hash(), &earliest(&position, &views)),
                first: life.first,
            },
        })?;
        let reads = planned.reads.iter();
        let pages: Result<Vec<_>, _> = reads.map(|read| self.read(held, read)).collect();
        let pages = pages.map_err(Refused::Log)?;
        Ok(self.page(planned.from, pages, limit))
    }

    fn page(&self, from: Vector, pages: Vec<OriginPage<Place>>, limit: usize) -> FeedPage {
        let scanned_to = pages.first().map(|page| page.through);
        let limits = MergeLimits {
            entries: limit,
            bytes: PAGE_BYTES,
        };
        let mut page = merge(from, pages, limits);
        if self.sabotage == Some(Sabotage::FeedCursorPastPage)
            && let Some(place) = scanned_to
        {
            page.position.set(ORIGIN, place);
        }
        let untold = page.given.is_empty() && self.sabotage == Some(Sabotage::FeedEmptyNoCursor);
        let given = page.given.iter();
        FeedPage {
            given: given
                .map(|given| (given.item, self.keys.seal(self.hash(), &given.position)))
                .collect(),
            next: (!untold).then(|| self.keys.seal(self.hash(), &page.position)),
            position: page.position.mark(ORIGIN),
        }
    }

    /// What may be given of the node's log.
    fn life(&self, held: &Held<'_>) -> Life {
        let bounds = held.reader.bounds();
        let retained = self.retention.and_then(|retention| {
            let frame = held.reader.frame_at_time(held.now.minus(retention));
            frame.ok()
        });
        let first = bounds.first.max(retained.unwrap_or_default());
        Life {
            incarnation: bounds.incarnation,
            first: first.min(bounds.head.frame.next()),
            last: bounds.head.frame,
            ended: false,
        }
    }

    fn read(&self, held: &Held<'_>, read: &Read) -> Result<OriginPage<Place>, ReadError> {
        let reader = held.reader;
        let mut page = OriginPage {
            origin: read.origin.clone(),
            found: Vec::new(),
            through: read.after,
            at_end: false,
        };
        let mut next = read.after.frame;
        if read.after.index == WHOLE_FRAME {
            next = next.next();
        }
        let mut scanned = 0;
        while scanned < SCAN_BYTES {
            let frames = reader.read(next, STEP_BYTES)?;
            if frames.is_empty() {
                page.at_end = !read.ended;
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
                    if place <= read.after {
                        continue;
                    }
                    if let Entry::Event(entry) = &entry
                        && kind_matches(self.on, &entry.event.kind)
                    {
                        if page.found.len() >= FOUND_MAX {
                            return Ok(page);
                        }
                        page.found.push(OriginEntry {
                            place,
                            time: frame.header().time,
                            bytes: entry.event.data.len(),
                            item: place,
                        });
                    }
                    page.through = place;
                }
                page.through = at(WHOLE_FRAME);
                scanned += frame.bytes().len();
                next = frame.number().next();
            }
        }
        Ok(page)
    }
}
