//! Parking, as the real thread beside the log does it: what the retention wants removed and a flow
//! holds is taken, what has no room is said to be given up, and a mark makes it count. Between any two
//! of these the node may die.

use std::time::Duration;

use tidegate_core::log::engine::{LogReader, ReadError};
use tidegate_core::log::entry::{Entry, GivenUp, ParkEntry, ParkMark, PassedRun, encode_entry};
use tidegate_core::log::frame::Frame;
use tidegate_core::park::{Need, Offered, ParkError, Room, Taken};
use tidegate_core::receive::intake::{Answer, Content};
use tidegate_types::name::kind_matches;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use crate::context::{Context, Step};
use crate::node::Ticket;
use crate::node::parks::{OpenFailure, Stage, Store, Work};
use crate::report::{Rule, Situation};
use crate::scenario::{FLOWS, OnFull, Sabotage};
use crate::world::World;

/// Mean time between two steps of a flow.
const PARK_EVERY: Duration = Duration::from_millis(60);

/// After so many bytes of the log a mark is written.
const MARK_BYTES: usize = 96 << 10;

/// Bytes of the log read in one step.
const STEP_BYTES: usize = 16 << 10;

/// The wait after a failure.
const RETRY_AFTER: Duration = Duration::from_millis(300);

/// What an event that the flow does not want takes in a park at most: its identity and a run of its own.
const PASSED_BYTES: u64 = 16 + 32;

/// What a frame takes besides its entries, and the entry of passed events in it, with some to spare.
const FRAME_BYTES: u64 = 512;

/// The shard that parks are kept for.
const SHARD: u16 = 0;

/// Why a step ended early.
enum Failure {
    /// The disk failed; it is tried again.
    Disk,
    /// The flow has gone on meanwhile, and the log with it.
    Overtaken,
    /// What must not be.
    Broken(String),
}

impl From<ParkError> for Failure {
    fn from(_: ParkError) -> Self {
        // The log refuses a write for the sake of its disk only.
        Self::Disk
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Trimmed { .. } => Self::Overtaken,
            error => Self::Broken(error.to_string()),
        }
    }
}

impl World {
    /// The thread begins with the node.
    pub(crate) fn start_parks(&mut self) {
        let life = self.node.life;
        for flow in 0..FLOWS.len() {
            self.cx.after(PARK_EVERY, Step::Park { flow, life });
        }
        if self
            .node
            .parks
            .stores
            .iter()
            .any(|store| store.events() > 0)
        {
            self.cx.seen(Situation::ParkRestored);
        }
    }

    /// The next step of parking for a flow.
    pub(crate) fn park(&mut self, at: usize) {
        let life = self.node.life;
        let wait = self.cx.random.around(PARK_EVERY);
        self.cx.after(wait, Step::Park { flow: at, life });
        let done = self.park_step(at);
        let now = self.cx.wall();
        let Some(store) = self.node.parks.stores.get_mut(at) else {
            return;
        };
        match done {
            Ok(()) => {}
            Err(Failure::Overtaken) => {
                self.cx.seen(Situation::ParkOvertaken);
                store.give_back(now);
            }
            Err(Failure::Disk) if store.disk.stopped() => {}
            Err(Failure::Disk) => {
                self.cx.seen(Situation::ParkFailed);
                store.give_back(now);
            }
            Err(Failure::Broken(problem)) => {
                let name = FLOWS.get(at).map(|flow| flow.name).unwrap_or_default();
                let detail = format!("the park of {name}: {problem}");
                self.cx.violate(Rule::Parked, detail);
            }
        }
    }

    fn park_step(&mut self, at: usize) -> Result<(), Failure> {
        let now = self.cx.wall();
        let machine = self.flows.get(at).and_then(|flow| flow.machine.as_ref());
        let low = machine.map(tidegate_core::deliver::Delivery::low_water);
        let (Some(low), Some(store)) = (low, self.node.parks.stores.get_mut(at)) else {
            return Ok(());
        };
        store.let_go(&mut self.cx, low, self.scenario.sabotage)?;
        match store.work.as_ref().map(|work| work.stage) {
            None if store.retry_at <= now => self.begin_parking(at, low),
            None | Some(Stage::Telling) => Ok(()),
            Some(Stage::Take) => self.take_for_park(at),
            Some(Stage::Mark) => store.mark(&mut self.cx, at),
        }
    }

    /// Begins, if the retention wants removed what the flow holds.
    fn begin_parking(&mut self, at: usize, low: Place) -> Result<(), Failure> {
        let target = self.node.parks.wanted;
        let (Some(store), Some(up)) = (self.node.parks.stores.get_mut(at), &self.node.up) else {
            return Ok(());
        };
        let done = store.through().map_or(FrameNumber(0), |place| place.frame);
        let held_by_quota = store.full && store.on_full == OnFull::Hold;
        if held_by_quota || low.frame >= target || done >= target {
            return Ok(());
        }
        let (Some(views), Some(flow)) = (self.node.views.content(), FLOWS.get(at)) else {
            return Ok(());
        };
        let as_of = views.applied;
        let progress = views.flows.get(flow.name);
        let state = progress.and_then(tidegate_core::deliver::Progress::restored);
        let Some(state) = state.filter(|_| as_of.next() >= target) else {
            return Ok(());
        };
        if store.park.is_none() {
            store
                .open(self.cx.wall())
                .map_err(|failure| match failure {
                    OpenFailure::Disk => Failure::Disk,
                    OpenFailure::Damaged(problem) => Failure::Broken(problem),
                })?;
        }
        let mut needed = state.clone();
        if self.scenario.sabotage == Some(Sabotage::ParkForgetsHeld) {
            needed.held.clear();
            needed.retrying.clear();
        }
        let need = Need::of(&needed);
        let first = Place::start_of(low.incarnation, up.reader.bounds().first);
        let from = store.through().map_or(first, |through| through.max(first));
        store.work = Some(Work {
            target,
            from: from.max(need.first()),
            state,
            as_of,
            need,
            full: false,
            stage: Stage::Take,
        });
        Ok(())
    }

    /// Takes frames until a mark is due.
    fn take_for_park(&mut self, at: usize) -> Result<(), Failure> {
        let (Some(store), Some(up)) = (self.node.parks.stores.get_mut(at), &self.node.up) else {
            return Ok(());
        };
        let on = FLOWS.get(at).map(|flow| flow.on).unwrap_or_default();
        let given_up = store.take(&mut self.cx, &*up.reader, on)?;
        let Some(work) = &mut store.work else {
            return Ok(());
        };
        work.stage = Stage::Mark;
        if given_up.is_empty() {
            return Ok(());
        }
        self.cx.seen(Situation::ParkGivenUp);
        if self.scenario.sabotage == Some(Sabotage::ParkDiscardUntold) {
            return Ok(());
        }
        work.stage = Stage::Telling;
        let name = FLOWS.get(at).map(|flow| flow.name).unwrap_or_default();
        let entry = Entry::GivenUp(Box::new(GivenUp {
            flow: name.to_owned(),
            shard: SHARD,
            time: self.cx.wall(),
            runs: given_up,
        }));
        let content = Content::Plain(Box::new(entry));
        let answers = self
            .node
            .offer(&mut self.cx, Ticket::Park { flow: at }, content);
        self.answer(answers);
        Ok(())
    }

    /// It is on disk, or was refused, what is given up.
    pub(crate) fn park_told(&mut self, at: usize, answer: &Answer) {
        let now = self.cx.wall();
        let Some(store) = self.node.parks.stores.get_mut(at) else {
            return;
        };
        match &mut store.work {
            Some(work) if *answer == Answer::Noted => work.stage = Stage::Mark,
            _ => store.give_back(now),
        }
    }
}

impl Store {
    /// What was taken since the last mark is taken again later.
    fn give_back(&mut self, now: UnixMillis) {
        self.work = None;
        self.retry_at = now.plus(RETRY_AFTER);
        if let Some(park) = &mut self.park {
            park.abandon();
        }
    }

    /// Lets go of what the flow needs no more.
    fn let_go(
        &mut self,
        cx: &mut Context,
        low: Place,
        sabotage: Option<Sabotage>,
    ) -> Result<(), Failure> {
        let through = self.through();
        let Some(park) = &mut self.park else {
            return Ok(());
        };
        let place = match (sabotage, through) {
            (Some(Sabotage::ParkLetsGoEarly), Some(through)) => through.max(low),
            _ => low,
        };
        if park.release(cx.wall(), place)? > 0 {
            self.full = false;
            cx.seen(Situation::ParkLetGo);
        }
        Ok(())
    }

    /// Takes what is needed of some frames; gives what has no room and is to be given up.
    fn take(
        &mut self,
        cx: &mut Context,
        reader: &dyn LogReader,
        on: &str,
    ) -> Result<Vec<PassedRun>, Failure> {
        let (mut bytes, mut given_up) = (0, Vec::new());
        while let Some(work) = &mut self.work
            && work.from.frame < work.target
            && !work.full
            && bytes < MARK_BYTES
        {
            let target = work.target;
            let frames = reader.read(work.from.frame, STEP_BYTES)?;
            for frame in frames.iter().take_while(|frame| frame.number() < target) {
                self.take_frame(cx, reader, (frame, on), &mut given_up)?;
                bytes += frame.bytes().len();
                match &mut self.work {
                    Some(work) if !work.full => {
                        work.from = Place::start_of(work.from.incarnation, frame.number().next());
                    }
                    _ => break,
                }
            }
        }
        Ok(given_up)
    }

    fn take_frame(
        &mut self,
        cx: &mut Context,
        reader: &dyn LogReader,
        (frame, on): (&Frame, &str),
        given_up: &mut Vec<PassedRun>,
    ) -> Result<(), Failure> {
        let header = frame.header();
        let (Some(park), Some(work)) = (&mut self.park, &mut self.work) else {
            return Ok(());
        };
        for (index, entry) in reader.entries(frame)? {
            let place = Place {
                incarnation: header.incarnation,
                frame: header.number,
                index,
            };
            let Entry::Event(event) = entry else {
                continue;
            };
            if place < work.from {
                continue;
            }
            let wants = |event: &tidegate_types::event::Event| kind_matches(on, &event.kind);
            let offered = Offered {
                place,
                appended: header.time,
                event: &event,
            };
            // From the first that has no room on, everything that is wanted is given up until the next mark.
            let gives_up = self.on_full == OnFull::Discard;
            let mut taken = Taken::Full;
            if given_up.is_empty() {
                taken = park.take(cx.wall(), &work.need, offered, Room::ToPark, wants)?;
            }
            if taken == Taken::Full && gives_up {
                taken = park.take(cx.wall(), &work.need, offered, Room::ToCount, wants)?;
            }
            match taken {
                Taken::Parked => cx.report.parked += 1,
                Taken::Passed => self.beyond += PASSED_BYTES,
                Taken::Settled => {}
                Taken::Full if gives_up => {
                    PassedRun::note(given_up, (place, header.time), event.event.id);
                }
                Taken::Full => {
                    work.from = place;
                    work.full = true;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Writes the mark: from now on the log may go up to there.
    fn mark(&mut self, cx: &mut Context, at: usize) -> Result<(), Failure> {
        let name = FLOWS.get(at).map(|flow| flow.name).unwrap_or_default();
        let (Some(park), Some(mut work)) = (&mut self.park, self.work.take()) else {
            return Ok(());
        };
        // If it needs nothing of it, how it stands may go all the same.
        let end = Place::start_of(work.from.incarnation, work.target);
        let through = work.from.min(end);
        let state = work.state.clone();
        let mark = ParkMark::new((name, SHARD), through, work.as_of, state, cx.wall());
        let entry = Entry::Park(ParkEntry::Mark(Box::new(mark.clone())));
        self.beyond += encode_entry(&entry).len() as u64 + FRAME_BYTES;
        let marked = park.mark(cx.wall(), mark);
        if let Err(error) = marked {
            self.work = Some(work);
            return Err(error.into());
        }
        cx.note(format!(
            "{name} has parked up to {}/{}",
            through.frame, through.index
        ));
        if park.status().events > 0 {
            cx.seen(Situation::ParkParked);
        }
        if work.full {
            self.full = true;
            cx.seen(Situation::ParkFull);
        } else if work.from.frame < work.target {
            work.stage = Stage::Take;
            self.work = Some(work);
        }
        Ok(())
    }
}
