//! The thread that parks what held flows need of frames that shall go, and lets go of it later.
//!
//! It stands beside the thread that writes the log, so that a large park costs the others nothing
//! but a share of the disk. The trimmer says what shall go and sees how far the parks have come.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tidegate_core::deliver::Restored;
use tidegate_core::log::engine::{LogReader, ReadError};
use tidegate_core::log::entry::{Entry, GivenUp, ParkMark, PassedRun};
use tidegate_core::log::frame::Frame;
use tidegate_core::park::{Need, Offered, Park, ParkError, Room, Taken};
use tidegate_core::receive::intake::{Answer, Content, Offer};
use tidegate_types::event::Event;
use tidegate_types::id::EventId;
use tidegate_types::name::is_name;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;
use tokio::sync::oneshot;

use crate::appender::system;
use crate::clock::now;
use crate::disk::FsDisk;
use crate::hub::leave;
use crate::inbox::Inbox;
use crate::parks::{FlowPark, Opened, Parks, ParksError, open_park};
use crate::post::Return;
use crate::settings::{HubSettings, OnFull, ParkRetention, Retention, SubscriptionRetention};
use crate::views::Views;

/// Between two looks: as often as the trimmer looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Bytes of the log read in one step, between which it can be told to stop.
const STEP_BYTES: usize = 1 << 20;

/// After so many bytes of the log a mark is written, so that a crash repeats no more than that.
const MARK_BYTES: u64 = 64 << 20;

/// Identities in one entry of what is given up, which is then far smaller than a frame may be.
const GIVEN_UP_MAX: u64 = 8192;

/// Between two looks at whether the views have taken in what was given up.
const VIEWS_EVERY: Duration = Duration::from_millis(5);

/// The wait after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The shard that parks are kept for: flows have one.
const SHARD: u16 = 0;

/// How far each subscription has read.
type Cursors = ArcSwap<BTreeMap<String, Place>>;

/// What the thread needs.
pub(crate) struct Parker {
    folder: PathBuf,
    origin: String,
    stores: BTreeMap<String, Store>,
    parks: Arc<Parks>,
    reader: Arc<dyn LogReader>,
    views: Arc<Views>,
    inbox: Arc<Inbox>,
    retention: Arc<ArcSwap<Retention>>,
    cursors: Arc<Cursors>,
    retry_at: UnixMillis,
}

/// The park of a flow, and what is known of it besides.
struct Store {
    park: Park<FsDisk>,
    full: bool,
    /// That something is parked was told.
    told: bool,
    /// The last stretch had events without room, which were given up.
    discards: bool,
    discarded: u64,
}

/// Why a step of parking ended early.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Parks(#[from] ParksError),
    #[error(transparent)]
    Park(#[from] ParkError),
    #[error("the log cannot be read")]
    Log(#[from] ReadError),
    #[error("the log does not take what was given up")]
    Untold,
    #[error("the hub closes")]
    Closing,
}

/// Events that have no room and are given up, since the last mark.
#[derive(Debug, Default)]
struct Losses {
    /// Those of which the log does not say so yet.
    runs: Vec<PassedRun>,
    unsaid: u64,
    /// All of them.
    span: Option<(Place, Place)>,
    count: u64,
}

impl Losses {
    fn add(&mut self, place: Place, appended: UnixMillis, id: EventId) {
        PassedRun::note(&mut self.runs, (place, appended), id);
        self.unsaid = self.unsaid.saturating_add(1);
        self.count = self.count.saturating_add(1);
        self.span = Some((self.span.map_or(place, |(first, _)| first), place));
    }
}

/// Where a step ended.
enum Reached {
    /// At what it was to reach.
    Target,
    /// Before this event, for which there is no room.
    Full(Place),
}

impl Parker {
    pub(crate) fn new(
        opened: Opened,
        settings: &HubSettings,
        (reader, views): (Arc<dyn LogReader>, Arc<Views>),
        inbox: Arc<Inbox>,
        retention: Arc<ArcSwap<Retention>>,
        cursors: Arc<Cursors>,
    ) -> Self {
        let parks = opened.shared();
        let stores = opened.parks.into_iter().map(|(flow, park)| {
            let told = park.status().events > 0;
            let store = Store {
                park,
                told,
                full: false,
                discards: false,
                discarded: 0,
            };
            (flow, store)
        });
        Self {
            folder: opened.folder,
            origin: settings.origin.clone(),
            stores: stores.collect(),
            parks,
            reader,
            views,
            inbox,
            retention,
            cursors,
            retry_at: UnixMillis(0),
        }
    }

    /// Runs until the hub closes.
    pub(crate) fn run(mut self) {
        while !self.inbox.closes_within(LOOK_EVERY) {
            let retention = self.retention.load_full();
            for subscription in &retention.subscriptions {
                let Some(park) = &subscription.park else {
                    continue;
                };
                match self.tend(subscription, park) {
                    Ok(()) | Err(StepError::Closing) => {}
                    Err(error) => self.failed(&park.flow, &error),
                }
            }
        }
    }

    fn failed(&mut self, flow: &str, error: &StepError) {
        self.retry_at = now().plus(RETRY_AFTER);
        if let Some(store) = self.stores.get_mut(flow) {
            store.park.abandon();
        }
        tracing::error!(
            flow,
            error = error as &dyn std::error::Error,
            "what the flow holds of the log could not be parked; it holds the log"
        );
    }

    fn tend(
        &mut self,
        subscription: &SubscriptionRetention,
        park: &ParkRetention,
    ) -> Result<(), StepError> {
        let cursor = self.cursors.load().get(&subscription.name).copied();
        if let (Some(store), Some(cursor)) = (self.stores.get_mut(&park.flow), cursor) {
            store.let_go(cursor)?;
            store.settle(&self.inbox, park, cursor);
            self.parks
                .show(store.shown(&park.flow), store.park.reader());
        }
        let target = self.parks.wanted();
        let needed = cursor.map_or(FrameNumber(0), |cursor| cursor.frame);
        let done = self.parks.state(&park.flow);
        let done = done.map_or(FrameNumber(0), |(through, _)| through);
        let held_by_quota = self
            .stores
            .get(&park.flow)
            .is_some_and(|store| store.full && park.on_full == OnFull::Hold);
        let waits = self.retry_at > now() || held_by_quota;
        if waits || needed >= target || done >= target || !is_name(&park.flow) {
            return Ok(());
        }
        self.step(park, target)
    }

    /// Parks what the flow needs of the frames before `target`.
    fn step(&mut self, park: &ParkRetention, target: FrameNumber) -> Result<(), StepError> {
        // First this, then how the flow stands: that is at least as new.
        let as_of = self.views.applied();
        let Some(state) = self.views.delivered(&park.flow, SHARD) else {
            // It has not begun; it holds the log until it has.
            return Ok(());
        };
        if as_of.next() < target {
            return Ok(());
        }
        let mut store = match self.stores.remove(&park.flow) {
            Some(store) => store,
            None => Store {
                park: open_park(&self.folder, &self.origin, &park.flow, park.quota)?,
                full: false,
                told: false,
                discards: false,
                discarded: 0,
            },
        };
        let parked = self.park(&mut store, park, target, (as_of, state));
        if store.park.last_mark().is_some() {
            self.parks
                .show(store.shown(&park.flow), store.park.reader());
        }
        self.stores.insert(park.flow.clone(), store);
        parked
    }

    fn park(
        &self,
        store: &mut Store,
        park: &ParkRetention,
        target: FrameNumber,
        (as_of, state): (FrameNumber, Restored),
    ) -> Result<(), StepError> {
        let bounds = self.reader.bounds();
        let need = Need::of(&state);
        let place = |frame| Place::start_of(bounds.incarnation, frame);
        let done = store.park.last_mark().map(|mark| mark.through);
        let from = done.unwrap_or_else(|| place(FrameNumber(0)));
        // Nothing is needed before the first that is.
        let mut from = from.max(place(bounds.first)).max(need.first());
        let mut reached = Reached::Target;
        while from.frame < target && matches!(reached, Reached::Target) {
            let mut losses = Losses::default();
            (from, reached) = self.stretch(store, park, &need, (from, target), &mut losses)?;
            store.discards = losses.count > 0;
            if let Some(span) = losses.span {
                self.give_up(park, &mut losses)?;
                self.tell_given_up(park, span, losses.count)?;
                store.discarded = store.discarded.saturating_add(losses.count);
            }
            let mark = ParkMark::new((&park.flow, SHARD), from, as_of, state.clone(), now());
            store.park.mark(now(), mark)?;
            self.parks
                .show(store.shown(&park.flow), store.park.reader());
        }
        let short = |mark: &ParkMark| mark.through.frame < target;
        if matches!(reached, Reached::Target) && store.park.last_mark().is_none_or(short) {
            // It needs nothing of it, but how it stands may go too.
            let mark = ParkMark::new((&park.flow, SHARD), place(target), as_of, state, now());
            store.park.mark(now(), mark)?;
        }
        if let Reached::Full(at) = reached {
            store.full = true;
            self.tell_full(park, at);
        }
        if !store.told && store.park.status().events > 0 {
            store.told = true;
            self.tell(
                "park-begun",
                &park.flow,
                format!(
                    "the log shall be trimmed, and what flow {} holds of it is parked",
                    park.flow
                ),
            );
        }
        Ok(())
    }

    /// Takes frames until a mark is due; gives where it ended.
    fn stretch(
        &self,
        store: &mut Store,
        park: &ParkRetention,
        need: &Need,
        (mut from, target): (Place, FrameNumber),
        losses: &mut Losses,
    ) -> Result<(Place, Reached), StepError> {
        let mut bytes = 0_u64;
        while from.frame < target && bytes < MARK_BYTES {
            if self.inbox.closes_within(Duration::ZERO) {
                store.park.abandon();
                return Err(StepError::Closing);
            }
            let frames = self.reader.read(from.frame, STEP_BYTES)?;
            for frame in frames.iter().take_while(|it| it.number() < target) {
                if let Some(full) = self.frame(store, park, need, (frame, from), losses)? {
                    return Ok((full, Reached::Full(full)));
                }
                bytes = bytes.saturating_add(frame.bytes().len() as u64);
                from = Place::start_of(from.incarnation, frame.number().next());
            }
        }
        Ok((from, Reached::Target))
    }

    /// Takes the events of one frame; gives the place of the first that had no room and is not given up.
    fn frame(
        &self,
        store: &mut Store,
        park: &ParkRetention,
        need: &Need,
        (frame, from): (&Frame, Place),
        losses: &mut Losses,
    ) -> Result<Option<Place>, StepError> {
        let header = frame.header();
        for (index, entry) in self.reader.entries(frame)? {
            let place = Place {
                incarnation: header.incarnation,
                frame: header.number,
                index,
            };
            let Entry::Event(event) = entry else {
                continue;
            };
            if place < from {
                continue;
            }
            let offered = Offered {
                place,
                appended: header.time,
                event: &event,
            };
            match take(store, park, need, offered, losses)? {
                Taken::Full if park.on_full == OnFull::Hold => return Ok(Some(place)),
                Taken::Full => losses.add(place, header.time, event.event.id),
                Taken::Parked | Taken::Passed | Taken::Settled => {}
            }
            if losses.unsaid >= GIVEN_UP_MAX {
                self.give_up(park, losses)?;
            }
        }
        Ok(None)
    }

    /// Writes which events are given up, and waits until that is on disk and in the views: only then they may go, and
    /// whoever finds them gone finds them counted.
    fn give_up(&self, park: &ParkRetention, losses: &mut Losses) -> Result<(), StepError> {
        losses.unsaid = 0;
        let runs = std::mem::take(&mut losses.runs);
        if runs.is_empty() {
            return Ok(());
        }
        self.note(Entry::GivenUp(Box::new(GivenUp {
            flow: park.flow.clone(),
            shard: SHARD,
            time: now(),
            runs,
        })))?;
        let head = self.reader.bounds().head.frame;
        while self.views.applied() < head {
            if self.inbox.closes_within(VIEWS_EVERY) {
                return Err(StepError::Closing);
            }
        }
        Ok(())
    }

    fn tell_given_up(
        &self,
        park: &ParkRetention,
        (first, last): (Place, Place),
        count: u64,
    ) -> Result<(), StepError> {
        let text = format!(
            "the park of flow {} is full: {count} events from frame {} to {} are given up, as on-full says",
            park.flow, first.frame, last.frame
        );
        tracing::warn!(flow = park.flow, "{text}");
        let tags = [
            ("flow", park.flow.clone()),
            ("events", count.to_string()),
            ("from", at(first)),
            ("to", at(last)),
        ];
        self.note(system("park-discarded", text, &tags))
    }

    /// Appends an entry and waits until it is on disk.
    fn note(&self, entry: Entry) -> Result<(), StepError> {
        let (ticket, answer) = oneshot::channel();
        let offered = self.inbox.offer(Offer {
            ticket: Some(Return::here(ticket)),
            content: Content::Plain(Box::new(entry)),
        });
        match offered.map(|()| answer.blocking_recv()) {
            Ok(Ok(Answer::Noted)) => Ok(()),
            _ => Err(StepError::Untold),
        }
    }

    fn tell_full(&self, park: &ParkRetention, place: Place) {
        let text = format!(
            "the park of flow {} is full: it holds the log from frame {} on, until it delivers or the quota is raised",
            park.flow, place.frame
        );
        tracing::warn!(flow = park.flow, "{text}");
        self.tell("park-full", &park.flow, text);
    }

    fn tell(&self, kind: &str, flow: &str, text: String) {
        tell(&self.inbox, kind, flow, text);
    }
}

impl Store {
    /// Lets go of what the flow needs no more.
    fn let_go(&mut self, cursor: Place) -> Result<(), StepError> {
        if self.park.release(now(), cursor)? > 0 {
            (self.full, self.discards) = (false, false);
        }
        Ok(())
    }

    /// Notes what has changed: another quota, or the end of it.
    fn settle(&mut self, inbox: &Inbox, park: &ParkRetention, cursor: Place) {
        if self.park.status().quota != park.quota {
            self.park.set_quota(park.quota);
            (self.full, self.discards) = (false, false);
        }
        let through = self.park.last_mark().map(|mark| mark.through);
        let empty = through.is_some_and(|through| cursor >= through.before());
        if empty && self.told {
            self.told = false;
            (self.full, self.discards) = (false, false);
            let text = format!("flow {} has taken everything out of its park", park.flow);
            tell(inbox, "park-emptied", &park.flow, text);
        }
    }

    fn shown(&self, flow: &str) -> FlowPark {
        let through = self.park.last_mark().map(|mark| mark.through.frame);
        FlowPark {
            flow: flow.to_owned(),
            status: self.park.status(),
            through: through.unwrap_or_default(),
            full: self.full || self.discards,
            holds: self.full,
            discarded: self.discarded,
        }
    }
}

/// Parks an event, or says that there is no room. Once something of a stretch was given up, so is all that follows:
/// then the first and the last tell which.
fn take(
    store: &mut Store,
    park: &ParkRetention,
    need: &Need,
    offered: Offered<'_>,
    losses: &Losses,
) -> Result<Taken, ParkError> {
    let mut take = |room| {
        let wants = |event: &Event| (park.wants.0)(event);
        store.park.take(now(), need, offered, room, wants)
    };
    if losses.count > 0 {
        return take(Room::ToCount);
    }
    match take(Room::ToPark)? {
        Taken::Full if park.on_full == OnFull::Discard => take(Room::ToCount),
        taken => Ok(taken),
    }
}

fn tell(inbox: &Inbox, kind: &str, flow: &str, text: String) {
    leave(
        inbox,
        kind,
        system(kind, text, &[("flow", flow.to_owned())]),
    );
}

/// A place for people: frame and index.
fn at(place: Place) -> String {
    format!("{}/{}", place.frame, place.index)
}
