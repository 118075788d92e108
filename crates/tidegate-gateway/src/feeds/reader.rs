//! Reading a feed behind a position: what is there, or what comes next.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::feed::{
    Life, MergeLimits, MergedPage, OriginEntry, OriginPage, OriginView, Read, Vector, WHOLE_FRAME,
    before_frame, earliest, merge, plan,
};
use tidegate_core::log::engine::{Head, LogReader, ReadError};
use tidegate_core::log::entry::Entry;
use tidegate_core::receive::ledger::{Ledger as _, Outcome};
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;
use tidegate_hub::query::{Page, PageLimits, QueryError, scan_log};
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_wire::cloudevents::CloudEvent;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::door::{ConsumerDoor, FeedDoor};
use super::refusal::Refused;
use crate::document::cloud_event;
use crate::generation::Generation;
use crate::public::Public;

/// Bytes of the log that one step of a search looks through.
const STEP_BYTES: u64 = 16 << 20;

/// How long a request searches a log that holds nothing for its consumer. What was searched is not
/// searched again.
const SEARCH_MAX: Duration = Duration::from_secs(10);

/// Searches at once over all feeds at most.
const SEARCHES_MAX: usize = 4;

/// A reader that waits looks at most this often. Under load each look costs, for each that waits;
/// what comes after a silence is given at once.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Times a search is planned anew because the log was trimmed under it.
const PLANS_MAX: usize = 3;

/// Searches at once over all feeds: they run filters over the log, and receiving comes first, so
/// they get half of the processors.
pub(crate) fn searches(processors: NonZeroUsize) -> Semaphore {
    Semaphore::new((processors.get() / 2).clamp(1, SEARCHES_MAX))
}

/// Where a reader begins.
#[derive(Clone, Debug)]
pub(super) enum Start {
    /// At the start of all origins.
    Oldest,
    /// At the start of this region's log, and only there.
    OwnOldest,
    /// Behind a position.
    After(Vector),
    /// Behind an event of this region's log.
    AfterEvent(EventId),
}

/// Bounds of a page.
#[derive(Clone, Copy, Debug)]
pub(super) struct PageSize {
    pub(super) events: usize,
    pub(super) bytes: usize,
}

/// A page of events.
pub(super) type EventPage = MergedPage<CloudEvent>;

/// One reader: where it is, and what tells it that there is more.
pub(super) struct Reader {
    pub(super) feed: Arc<FeedDoor>,
    pub(super) consumer: Arc<ConsumerDoor>,
    hub: Arc<Hub>,
    subsystem: String,
    start: Start,
    /// The place of the event that a client of HTTP feeds named.
    named: Option<Place>,
    head: watch::Receiver<Head>,
    /// Changes when there is more of another region.
    mirrored: watch::Receiver<u64>,
    /// Gives what this region took in and nothing else.
    own_only: bool,
    searches: Arc<Semaphore>,
    pub(super) draining: watch::Receiver<bool>,
}

impl Reader {
    pub(super) fn new(
        public: &Public,
        generation: &Generation,
        (feed, consumer): (&Arc<FeedDoor>, &Arc<ConsumerDoor>),
        start: Start,
    ) -> Self {
        Self {
            feed: Arc::clone(feed),
            consumer: Arc::clone(consumer),
            hub: Arc::clone(&public.hub),
            subsystem: generation.config.subsystem.clone(),
            own_only: matches!(start, Start::OwnOldest | Start::AfterEvent(_)),
            start,
            named: None,
            head: public.hub.head(),
            mirrored: public.hub.mirrors().changes(),
            searches: Arc::clone(&public.searches),
            draining: public.draining.subscribe(),
        }
    }

    /// The next page; empty when nothing came until `deadline` or the node is going down.
    pub(super) async fn next(
        &mut self,
        size: PageSize,
        deadline: Instant,
    ) -> Result<EventPage, Refused> {
        let give_up = Instant::now() + SEARCH_MAX;
        loop {
            self.head.mark_unchanged();
            self.mirrored.mark_unchanged();
            let looked = Instant::now();
            let page = self.search(size).await?;
            self.start = Start::After(page.position.clone());
            self.remember(&page);
            let going_down = *self.draining.borrow_and_update();
            if !page.given.is_empty() || going_down {
                return Ok(page);
            }
            let late = Instant::now();
            if !page.at_end && late < give_up {
                continue;
            }
            if !page.at_end && self.own_only {
                // An empty page would mean the end of the feed.
                return Err(Refused::Searching);
            }
            if !page.at_end || late >= deadline {
                return Ok(page);
            }
            // Whatever ends the wait, the next turn answers with what there is.
            tokio::select! {
                _ = self.head.changed() => tokio::time::sleep_until(looked + LOOK_EVERY).await,
                _ = self.mirrored.changed(), if !self.own_only => {
                    tokio::time::sleep_until(looked + LOOK_EVERY).await;
                }
                _ = self.draining.changed() => {}
                () = tokio::time::sleep_until(deadline) => {}
            }
        }
    }

    /// A client of HTTP feeds names the same event until there is a newer one, so what was searched
    /// behind it is remembered here.
    fn remember(&self, page: &EventPage) {
        if page.given.is_empty()
            && let Some(place) = self.named
            && let Some(through) = page.position.mark(self.hub.origin())
        {
            self.consumer.is_idle(place, through);
        }
    }

    async fn search(&mut self, size: PageSize) -> Result<EventPage, Refused> {
        let Ok(_permit) = self.searches.acquire().await else {
            return Err(Refused::Overload);
        };
        let search = Search {
            feed: Arc::clone(&self.feed),
            consumer: Arc::clone(&self.consumer),
            hub: Arc::clone(&self.hub),
            subsystem: self.subsystem.clone(),
            own_only: self.own_only,
            size,
        };
        let start = self.start.clone();
        let done = tokio::task::spawn_blocking(move || search.run(&start));
        let (page, named) = done.await.unwrap_or(Err(Refused::Overload))?;
        self.named = self.named.or(named);
        Ok(page)
    }
}

/// One step of a search, on a thread that may block.
struct Search {
    feed: Arc<FeedDoor>,
    consumer: Arc<ConsumerDoor>,
    hub: Arc<Hub>,
    subsystem: String,
    own_only: bool,
    size: PageSize,
}

impl Search {
    fn run(&self, start: &Start) -> Result<(EventPage, Option<Place>), Refused> {
        let mut tries = 0;
        loop {
            tries += 1;
            let found = self.once(start);
            match found {
                Err(Refused::Unreadable(QueryError::Log(ReadError::Trimmed { .. })))
                    if tries < PLANS_MAX => {}
                other => return other,
            }
        }
    }

    /// A page, and the place of the event that `start` names.
    fn once(&self, start: &Start) -> Result<(EventPage, Option<Place>), Refused> {
        let views = self.views();
        let (position, named) = match start {
            Start::Oldest | Start::OwnOldest => (Vector::default(), None),
            Start::After(position) => (position.clone(), None),
            Start::AfterEvent(id) => {
                let place = self.place_of(id)?.ok_or(Refused::UnknownEvent)?;
                let mark = self.kept(self.consumer.skip(place), &views)?;
                (Vector::of(self.hub.origin(), mark), Some(place))
            }
        };
        if let Some(mark) = position.mark(self.hub.origin()) {
            self.consumer.metrics.position.set(signed(mark.frame));
        }
        let plan = plan(&position, &views).map_err(|reason| {
            if named.is_some() {
                return Refused::UnknownEvent;
            }
            let way_out = earliest(&position, &views);
            Refused::position(reason, &self.feed, &self.consumer, &way_out)
        })?;
        let mut pages = Vec::with_capacity(plan.reads.len());
        for read in &plan.reads {
            pages.push(self.read(read)?);
        }
        let limits = MergeLimits {
            entries: self.size.events,
            bytes: self.size.bytes,
        };
        Ok((merge(plan.from, pages, limits), named))
    }

    /// What this region holds of all origins: its own log first, then its mirrors.
    fn views(&self) -> Vec<OriginView> {
        let own = &*self.hub.reader();
        let retained = self.feed.horizon.frame(now(), own);
        let mut views = vec![OriginView {
            origin: self.hub.origin().to_owned(),
            lives: vec![life(own, retained, false)],
        }];
        if self.own_only {
            return views;
        }
        for mirror in self.hub.mirrors().list() {
            let lives = mirror.lives();
            let lives = lives.iter().map(|it| {
                let horizon = self.feed.horizon_of(mirror.origin(), it.incarnation);
                let reader = &*it.reader;
                life(reader, horizon.frame(now(), reader), it.ended)
            });
            views.push(OriginView {
                origin: mirror.origin().to_owned(),
                lives: lives.collect(),
            });
        }
        views
    }

    /// A step through the log of one origin.
    fn scan(
        &self,
        read: &Read,
        limits: PageLimits,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Page, QueryError> {
        if read.origin == self.hub.origin() {
            return self.hub.scan(Some(read.after), limits, wanted);
        }
        let mirror = self.hub.mirrors().of(&read.origin);
        let life = mirror.and_then(|it| it.life(read.after.incarnation));
        let Some(life) = life else {
            // It was removed since the plan was made.
            let first = read.last.next();
            return Err(ReadError::Trimmed { first }.into());
        };
        scan_log(&*life.reader, Some(read.after), limits, |_, entry| {
            wanted(entry)
        })
    }

    fn read(&self, read: &Read) -> Result<OriginPage<CloudEvent>, Refused> {
        let limits = PageLimits {
            entries: self.size.events,
            entry_bytes: self.size.bytes,
            scan_bytes: STEP_BYTES,
        };
        let wanted = |entry: &Entry| self.consumer.wants(entry, &self.subsystem);
        let page = self.scan(read, limits, wanted)?;
        let found = page.found.into_iter().filter_map(|found| {
            let Entry::Event(entry) = found.entry else {
                return None;
            };
            let event = &entry.event;
            Some(OriginEntry {
                place: found.place,
                time: found.appended,
                bytes: event.data.len(),
                item: cloud_event(event, &self.subsystem),
            })
        });
        Ok(OriginPage {
            origin: read.origin.clone(),
            found: found.collect(),
            through: page.through.unwrap_or(read.after),
            at_end: page.at_end && !read.ended,
        })
    }

    /// Where an event stands in this region's log: by the ledger, and by the frames it has not applied.
    fn place_of(&self, id: &EventId) -> Result<Option<Place>, Refused> {
        let views = self.hub.views();
        let applied = views.applied();
        if let Some(known) = views.known(id).map_err(QueryError::from)? {
            return Ok((known.outcome == Outcome::Event).then_some(known.place));
        }
        let limits = PageLimits {
            entries: 1,
            entry_bytes: 1,
            scan_bytes: STEP_BYTES,
        };
        let incarnation = self.hub.reader().bounds().incarnation;
        let applied = before_frame(incarnation, applied.next());
        let is_it = |entry: &Entry| matches!(entry, Entry::Event(it) if it.event.id == *id);
        let page = self.hub.scan(Some(applied), limits, is_it)?;
        match page.found.first() {
            Some(found) => Ok(Some(found.place)),
            None if page.at_end => Ok(None),
            None => Err(Refused::Searching),
        }
    }

    /// The mark itself, or the start of the retention if nothing between them is wanted: who has
    /// had the last event of a quiet feed has missed nothing, however old that is.
    fn kept(&self, mark: Place, views: &[OriginView]) -> Result<Place, Refused> {
        let own = views.first().and_then(|view| view.lives.first());
        let Some(life) = own.filter(|life| mark.frame < life.first) else {
            return Ok(mark);
        };
        if mark.index == WHOLE_FRAME && mark.frame.next() >= life.first {
            return Ok(mark);
        }
        let limits = PageLimits {
            entries: 1,
            entry_bytes: 1,
            scan_bytes: STEP_BYTES,
        };
        let wanted = |entry: &Entry| self.consumer.wants(entry, &self.subsystem);
        let page = match self.hub.scan(Some(mark), limits, wanted) {
            Ok(page) => page,
            // What stood there cannot be told any more, so the mark counts as too old.
            Err(QueryError::Log(ReadError::Trimmed { .. })) => return Ok(mark),
            Err(error) => return Err(error.into()),
        };
        let start = before_frame(life.incarnation, life.first);
        let next = page.found.first().map(|found| found.place);
        let nothing_before = match next {
            Some(next) => next > start,
            None => page.through.is_some_and(|through| through >= start),
        };
        Ok(if nothing_before { start } else { mark })
    }
}

/// One life of a log, as far back as the feed reaches.
fn life(reader: &dyn LogReader, retained: FrameNumber, ended: bool) -> Life {
    let bounds = reader.bounds();
    Life {
        incarnation: bounds.incarnation,
        first: bounds.first.max(retained).min(bounds.head.frame.next()),
        last: bounds.head.frame,
        ended,
    }
}

/// Gauges hold signed numbers.
fn signed(frame: FrameNumber) -> i64 {
    i64::try_from(frame.0).unwrap_or(i64::MAX)
}
