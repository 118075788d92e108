//! One flow's task: it does what the machine says and tells it how that ended.

mod doing;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::deliver::{
    Answer as Answered, AttemptId, Class, Delivery, Failure, Output, Purpose, ReadRequest, Replay,
    Replayed, Restored,
};
use tidegate_core::log::engine::Head;
use tidegate_core::receive::intake::{Answer, Content};
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;
use tidegate_hub::query::QueryError;
use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinError};

use super::append::append;
use super::attempt::{Ended, attempt};
use super::commands::{Command, CommandError, ReplayAnswer};
use super::flow::DeliverFlow;
use super::log::{Body, bodies, page};
use super::replay::ReplayOutcome;
use super::status::{Board, Reached};
use super::{low_cursor, notes};
use crate::outbound::Transport;
use crate::pause;
use crate::tasks::Stop;
use doing::{Doing, Done, What};

/// How long it waits before it reads again what could not be read.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// How long it sleeps at most: the clock may have been set meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(60);

/// How often it is written how far the flow needs the log. Between two, the log is held for longer
/// than needed, no more.
const LOW_EVERY: Duration = Duration::from_secs(10);

/// How often the machine is asked for that.
const ASK_LOW_EVERY: Duration = Duration::from_secs(1);

/// Tasks whose ends are taken along at most, before the machine is asked what follows.
const AT_ONCE_MAX: usize = 64;

/// A flow and everything its task holds.
pub(super) struct Driver {
    hub: Arc<Hub>,
    transport: Arc<Transport>,
    subsystem: Arc<str>,
    flow: Arc<DeliverFlow>,
    flows: watch::Receiver<Arc<DeliverFlow>>,
    commands: mpsc::Receiver<Command>,
    stop: Stop,
    head: watch::Receiver<Head>,
    board: Arc<Board>,
    doing: Doing,
    reached: Reached,
    /// Who waits for the ends of replays: as many as the machine takes.
    replays: HashMap<Place, ReplayAnswer>,
    /// When it was last asked how far the log is needed.
    low_asked: UnixMillis,
    /// How far it was last written that the log is needed, and when.
    low_written: (Option<Place>, UnixMillis),
}

impl Driver {
    pub(super) fn new(
        (hub, transport): (Arc<Hub>, Arc<Transport>),
        subsystem: &str,
        (flows, commands, stop): (
            watch::Receiver<Arc<DeliverFlow>>,
            mpsc::Receiver<Command>,
            Stop,
        ),
        board: Arc<Board>,
    ) -> Self {
        let flow = Arc::clone(&flows.borrow());
        Self {
            flow,
            head: hub.head(),
            hub,
            transport,
            subsystem: subsystem.into(),
            flows,
            commands,
            stop,
            board,
            doing: Doing::default(),
            reached: Reached {
                read: Place::NOWHERE,
                low: Place::NOWHERE,
            },
            replays: HashMap::new(),
            low_asked: UnixMillis(0),
            low_written: (None, UnixMillis(0)),
        }
    }

    fn name(&self) -> &str {
        &self.flow.config.name
    }

    /// Delivers until it is told to stop, then ends what is under way.
    pub(super) async fn run(mut self) {
        let Some(mut machine) = self.restore().await else {
            return;
        };
        let mut stop = self.stop.clone();
        loop {
            let stopping = stop.is_asked();
            if stopping {
                machine.pause(now());
            }
            self.carry_out(&mut machine);
            let status = machine.status();
            let is_done = status.under_way == 0 && status.settling == 0 && !self.doing.appends();
            if stopping && is_done {
                break;
            }
            self.tell_low(&machine).await;
            let wait = machine
                .next_timeout()
                .map_or(SLEEP_MAX, |at| at.since(now()));
            let nap = tokio::time::sleep(wait.min(SLEEP_MAX));
            tokio::select! {
                Some(done) = self.doing.tasks.join_next_with_id() => {
                    self.ended(&mut machine, done);
                    // What has ended besides is taken along: all that follows is done once for all.
                    for _ in 0..AT_ONCE_MAX {
                        let Some(done) = self.doing.tasks.try_join_next_with_id() else {
                            break;
                        };
                        self.ended(&mut machine, done);
                    }
                }
                Ok(()) = self.head.changed() => machine.handle_grown(),
                Some(command) = self.commands.recv() => self.obey(&mut machine, command).await,
                Ok(()) = self.flows.changed() => {
                    self.flow = Arc::clone(&self.flows.borrow_and_update());
                    machine.handle_settings(now(), self.flow.settings.clone());
                }
                () = stop.asked(), if !stopping => {}
                () = nap => {}
            }
        }
        self.tell_low(&machine).await;
    }

    /// The machine as the log left it; `None` if it is to stop before that is known.
    async fn restore(&mut self) -> Option<Delivery<Body>> {
        loop {
            let (hub, flow) = (Arc::clone(&self.hub), self.name().to_owned());
            let state = tokio::task::spawn_blocking(move || hub.delivery_state(&flow, 0)).await;
            match state {
                Ok(Ok(state)) => return Some(self.begin(state)),
                Ok(Err(error)) => tracing::warn!(
                    flow = self.name(),
                    error = &error as &dyn std::error::Error,
                    "the flow cannot begin yet: how far it came is not known"
                ),
                Err(_) => {
                    tracing::error!(flow = self.name(), "reading how far the flow came panicked")
                }
            }
            tokio::select! {
                () = tokio::time::sleep(READ_AGAIN) => {}
                () = self.stop.asked() => return None,
            }
        }
    }

    fn begin(&mut self, state: Option<Restored>) -> Delivery<Body> {
        let restored = state.unwrap_or_else(|| Restored::new(self.start()));
        self.reached = Reached {
            read: restored.low,
            low: restored.low,
        };
        self.head.mark_unchanged();
        let settings = self.flow.settings.clone();
        let time = now();
        let seed = time.0 ^ self.hub.head().borrow().incarnation.0.rotate_left(32);
        let mut machine = Delivery::restore(settings, restored, time, seed);
        if pause::is_paused(&self.hub, self.name()) {
            machine.pause(time);
        }
        machine
    }

    /// Where a flow begins that has never run.
    fn start(&self) -> Place {
        let head = *self.hub.head().borrow();
        let first = self.hub.reader().bounds().first;
        let frame = if self.flow.config.from_oldest {
            first
        } else {
            head.frame.next()
        };
        Place::start_of(head.incarnation, frame)
    }

    /// Does all that the machine wants done now.
    fn carry_out(&mut self, machine: &mut Delivery<Body>) {
        while let Some(output) = machine.poll_output(now()) {
            match output {
                Output::Note(note) => notes::record(&self.hub, self.name(), &note),
                Output::Send(send) => {
                    let work = attempt(
                        Arc::clone(&self.transport),
                        Arc::clone(&self.flow),
                        Arc::clone(&self.subsystem),
                        send.events,
                    );
                    let id = send.attempt;
                    self.doing
                        .spawn(What::Send(id), async move { Done::Sent(id, work.await) });
                }
                Output::Append(entries) => {
                    for aside in &entries.aside {
                        self.flow.metrics.set_aside(aside.cause.name());
                    }
                    self.flow.metrics.retried(entries.retrying.len());
                    let work = append(Arc::clone(&self.hub), self.name().into(), entries);
                    self.doing
                        .spawn(What::Append, async { Done::Appended(work.await) });
                }
                Output::Replayed(replayed) => self.replayed(replayed),
                Output::Read(request) => self.read(request),
                Output::Fetch(places) => self.fetch(places, Duration::ZERO),
            }
        }
        self.board.update(machine.status(), self.reached);
    }

    fn read(&mut self, request: ReadRequest) {
        let work = page(
            Arc::clone(&self.hub),
            Arc::clone(&self.flow),
            Arc::clone(&self.subsystem),
            request,
        );
        self.doing.spawn(What::Read, async move {
            let read = work.await;
            if read.is_err() {
                tokio::time::sleep(READ_AGAIN).await;
            }
            Done::Read(request.purpose, read)
        });
    }

    fn ended(&mut self, machine: &mut Delivery<Body>, done: Result<(Id, Done), JoinError>) {
        let time = now();
        match self.doing.ended(done) {
            Done::Sent(id, ended) => self.answered(machine, id, &ended),
            Done::Read(purpose, Ok(mut page)) => {
                if purpose == Purpose::Held {
                    page.arrivals.retain(|it| machine.wants(&it.key, it.place));
                }
                // The log may have grown since the page was read, and that was told already.
                page.at_end = page.at_end && page.end.frame > self.head.borrow().frame;
                if purpose == Purpose::Forward {
                    self.reached.read = page.end;
                }
                machine.handle_page(time, page);
            }
            Done::Read(_, Err(error)) => {
                self.unread(&error);
                machine.handle_read_failed(time);
            }
            Done::Fetched(_, Ok(found)) => {
                for (place, content) in found {
                    machine.handle_body(time, place, content);
                }
            }
            Done::Fetched(places, Err(error)) => {
                self.unread(&error);
                self.fetch(places, READ_AGAIN);
            }
            Done::Appended(Ok(())) => machine.handle_appended(time),
            Done::Appended(Err(refusal)) => {
                tracing::warn!(flow = self.name(), %refusal, "receipts were not written; sending waits for them");
                machine.handle_refused(time);
            }
            Done::Panicked(What::Send(id)) => {
                machine.handle_answer(time, id, &Answered::failed(Failure::Local));
            }
            Done::Panicked(What::Read) => machine.handle_read_failed(time),
            Done::Panicked(What::Fetch(places)) => self.fetch(places, READ_AGAIN),
            Done::Panicked(What::Append) => machine.handle_refused(time),
            Done::Unknown => {}
        }
    }

    fn fetch(&mut self, places: Vec<Place>, after: Duration) {
        let work = bodies(
            Arc::clone(&self.hub),
            Arc::clone(&self.flow),
            Arc::clone(&self.subsystem),
            places.clone(),
        );
        self.doing.spawn(What::Fetch(places.clone()), async move {
            tokio::time::sleep(after).await;
            Done::Fetched(places, work.await)
        });
    }

    fn unread(&self, error: &QueryError) {
        tracing::error!(
            flow = self.name(),
            error = error as &dyn std::error::Error,
            "the log could not be read; the flow tries again"
        );
    }

    fn answered(&self, machine: &mut Delivery<Body>, id: AttemptId, ended: &Ended) {
        let before = machine.status().delivered;
        let time = now();
        let Some(verdict) = machine.handle_answer(time, id, &ended.answer) else {
            return;
        };
        let metrics = &self.flow.metrics;
        let delivered = machine.status().delivered.saturating_sub(before);
        metrics.delivered.inc_by(delivered);
        let blame = match verdict.class {
            Class::Delivered => "none",
            _ => verdict.blame.name(),
        };
        metrics.attempted(verdict.class.name(), blame, ended.took);
        if verdict.class != Class::Delivered {
            tracing::debug!(
                flow = self.name(),
                outcome = verdict.class.name(),
                blame,
                counted = verdict.counted,
                "an attempt failed: {}",
                ended.answer.text
            );
            self.board.failed(time, &ended.answer.text);
        }
    }

    async fn obey(&mut self, machine: &mut Delivery<Body>, command: Command) {
        let time = now();
        match command {
            Command::Pause { paused, answer } => {
                let written = pause::write(&self.hub, self.name(), paused).await;
                if written.is_ok() {
                    if paused {
                        machine.pause(time);
                    } else {
                        machine.resume(time);
                    }
                }
                let _nobody_waits = answer.send(written.map_err(CommandError::NotKept));
            }
            Command::Resubmit { fault, answer } => {
                let taken = machine.handle_resubmit(time, *fault);
                let _nobody_waits = answer.send(taken.map_err(CommandError::Fault));
            }
            Command::Discard { fault, answer } => {
                let taken = machine.handle_discard(time, fault);
                let _nobody_waits = answer.send(taken.map_err(CommandError::Fault));
            }
            Command::Replay {
                replay,
                only_ask,
                answer,
            } => self.replay(machine, *replay, (only_ask, answer)),
        }
    }

    fn replay(
        &mut self,
        machine: &mut Delivery<Body>,
        replay: Replay<Body>,
        (only_ask, answer): (bool, ReplayAnswer),
    ) {
        let place = replay.place;
        let taken = if only_ask {
            machine.may_replay(now(), &replay)
        } else {
            machine.handle_replay(now(), replay)
        };
        let _nobody_waits = match taken {
            Err(refusal) => answer.send(Err(refusal.into())),
            Ok(()) if only_ask => answer.send(Ok(ReplayOutcome::Possible)),
            Ok(()) => {
                self.replays.insert(place, answer);
                Ok(())
            }
        };
    }

    fn replayed(&mut self, replayed: Replayed) {
        self.flow.metrics.replayed(replayed.failed.is_none());
        let outcome = replayed
            .failed
            .map_or(ReplayOutcome::Delivered, ReplayOutcome::Failed);
        if let Some(answer) = self.replays.remove(&replayed.place) {
            let _nobody_waits = answer.send(Ok(outcome));
        }
    }

    /// Writes now and then how far the flow needs the log.
    async fn tell_low(&mut self, machine: &Delivery<Body>) {
        let time = now();
        let stopping = self.stop.is_asked();
        if time.since(self.low_asked) < ASK_LOW_EVERY && !stopping {
            return;
        }
        self.low_asked = time;
        let low = machine.low_water();
        self.reached.low = low;
        let (written, at) = self.low_written;
        if written.is_some_and(|written| written.frame >= low.frame)
            || (written.is_some() && time.since(at) < LOW_EVERY && !stopping)
        {
            return;
        }
        let cursor = Content::Cursor {
            subscription: low_cursor(self.name()),
            place: low.before(),
        };
        match self.hub.offer(cursor).await {
            Answer::Refused(refusal) => {
                tracing::debug!(flow = self.name(), %refusal, "how far the log is needed was not written");
            }
            _ => self.low_written.0 = Some(low),
        }
        self.low_written.1 = time;
    }
}
