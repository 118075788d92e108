//! One flow's task: it does what the machine says and tells it how that ended.

use std::sync::Arc;
use std::time::Duration;

use tidegate_config::config::Schedule;
use tidegate_core::log::entry::Polled;
use tidegate_core::poll::{Append, AttemptId, Failed, Fetched, KeptError, Output, Poll};
use tidegate_core::receive::intake::{Answer, Content, Refusal};
use tidegate_core::receive::page::{Page, PageKept};
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;
use tidegate_types::time::UnixMillis;
use tokio::task::JoinSet;

use super::events::{copy, stuck};
use super::fetch::{Body, fetch};
use super::flow::{PollFlow, Source};
use super::notes;
use super::status::Board;
use crate::outbound::Transport;
use crate::pause;
use crate::tasks::Stop;

/// How long it waits before it looks again for what could not be read.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// How long it sleeps at most: an operator may have paused it, or the clock may have been set.
const SLEEP_MAX: Duration = Duration::from_secs(5);

/// A flow and everything its task holds.
pub(super) struct Driver {
    hub: Arc<Hub>,
    transport: Arc<Transport>,
    flow: Arc<PollFlow>,
    stop: Stop,
    board: Arc<Board>,
    doing: JoinSet<Done>,
    /// The request under way.
    attempt: Option<AttemptId>,
    /// The page on its way to the log.
    page: Option<Polled>,
}

/// What has ended.
enum Done {
    Fetched(AttemptId, Fetched<Body>),
    Appended(Answer),
}

/// Why a task ends.
enum End {
    Stop,
    /// Another reader of the same flow has gone on: what the log says counts.
    Overtaken,
}

impl Driver {
    pub(super) fn new(
        (hub, transport): (Arc<Hub>, Arc<Transport>),
        flow: Arc<PollFlow>,
        stop: Stop,
        board: Arc<Board>,
    ) -> Self {
        Self {
            hub,
            transport,
            flow,
            stop,
            board,
            doing: JoinSet::new(),
            attempt: None,
            page: None,
        }
    }

    fn name(&self) -> &str {
        &self.flow.config.name
    }

    /// Polls until it is told to stop. A request under way is given up then, a page on its way to the log
    /// is waited for.
    pub(super) async fn run(mut self) {
        while let Some(machine) = self.restore().await {
            match self.poll(machine).await {
                End::Stop => return,
                End::Overtaken => tracing::warn!(
                    flow = self.name(),
                    "the source was read further by another task; the flow begins again from the log"
                ),
            }
        }
    }

    async fn poll(&mut self, mut machine: Poll<Body>) -> End {
        let mut stop = self.stop.clone();
        let mut appending = false;
        loop {
            self.obey_pause(&mut machine);
            self.carry_out(&mut machine, &mut appending);
            if stop.is_asked() && !appending {
                self.doing.shutdown().await;
                self.attempt = None;
                return End::Stop;
            }
            let until = machine.next_timeout().map(|at| at.since(now()));
            let nap = tokio::time::sleep(until.unwrap_or(SLEEP_MAX).min(SLEEP_MAX));
            let stopping = stop.is_asked();
            tokio::select! {
                Some(done) = self.doing.join_next() => {
                    let done = done.unwrap_or_else(|_| self.panicked(appending));
                    appending = appending && !matches!(done, Done::Appended(_));
                    if let Some(end) = self.ended(&mut machine, done) {
                        return end;
                    }
                }
                () = stop.asked(), if !stopping => {}
                () = nap => {}
            }
        }
    }

    /// The machine as the log left it; `None` if it is to stop before that is known.
    async fn restore(&self) -> Option<Poll<Body>> {
        let Source::Http(lists) = &self.flow.source else {
            return None;
        };
        let mut stop = self.stop.clone();
        loop {
            let (hub, name) = (Arc::clone(&self.hub), self.name().to_owned());
            let read = tokio::task::spawn_blocking(move || hub.polled(&name)).await;
            let problem = match read {
                Ok(Ok(polled)) => match self.begin(lists.settings.clone(), polled.as_ref()) {
                    Ok(machine) => return Some(machine),
                    Err(error) => error.to_string(),
                },
                Ok(Err(error)) => error.to_string(),
                Err(error) => error.to_string(),
            };
            tracing::warn!(
                flow = self.name(),
                "the flow cannot begin yet, since how far its source was read is not known: {problem}"
            );
            tokio::select! {
                () = tokio::time::sleep(READ_AGAIN) => {}
                () = stop.asked() => return None,
            }
        }
    }

    fn begin(
        &self,
        settings: tidegate_core::poll::Settings,
        polled: Option<&Polled>,
    ) -> Result<Poll<Body>, KeptError> {
        let time = now();
        let seed = time.0 ^ u64::from(std::process::id()).rotate_left(32);
        Poll::restore(settings, polled, time, seed)
    }

    fn obey_pause(&self, machine: &mut Poll<Body>) {
        if pause::is_paused(&self.hub, self.name()) {
            machine.pause();
        } else {
            machine.resume();
        }
    }

    /// Does all that the machine wants done now.
    fn carry_out(&mut self, machine: &mut Poll<Body>, appending: &mut bool) {
        let stopping = self.stop.is_asked();
        while !stopping && let Some(output) = machine.poll_output(now()) {
            match output {
                Output::Note(note) => notes::record(&self.hub, self.name(), &note),
                Output::Plan { after } => machine.handle_planned(now(), self.due(after)),
                Output::Fetch(asked) => {
                    let attempt = asked.attempt;
                    let work = fetch(
                        Some(Arc::clone(&self.hub)),
                        Arc::clone(&self.transport),
                        Arc::clone(&self.flow),
                        asked,
                    );
                    self.attempt = Some(attempt);
                    self.doing
                        .spawn(async move { Done::Fetched(attempt, work.await) });
                }
                Output::Append(append) => {
                    *appending = true;
                    let page = self.page(&append);
                    self.page = Some(append.polled);
                    let hub = Arc::clone(&self.hub);
                    self.doing
                        .spawn(async move { Done::Appended(hub.offer(page).await) });
                }
            }
        }
        self.board.update(machine.status());
    }

    /// When the next round is due.
    fn due(&self, after: Option<UnixMillis>) -> UnixMillis {
        let Source::Http(lists) = &self.flow.source else {
            return now();
        };
        match &lists.config.schedule {
            Schedule::Every(every) => after.map_or_else(now, |after| after.plus(*every)),
            // What fell due while the process was down is made up for once.
            Schedule::Cron(cron) => {
                let next = cron.next_after(after.unwrap_or_else(now));
                next.unwrap_or(UnixMillis(u64::MAX))
            }
        }
    }

    fn page(&self, append: &Append<Body>) -> Content {
        let contents = append.body.items.iter();
        let mut items: Vec<Content> = contents.filter_map(copy).collect();
        if let Some(found) = &append.stuck {
            let told = (found.name.as_str(), found.reason.to_string());
            let body = append.body.body.clone();
            items.push(stuck(&self.flow, &self.hub, now(), told, body));
        }
        let by_id = self.flow.is_known_by_id();
        let page = Page::new(items, append.polled.clone(), by_id);
        let page = if append.moved { page } else { page.unmoved() };
        Content::Page(Box::new(page))
    }

    fn panicked(&mut self, appending: bool) -> Done {
        match self.attempt.take() {
            Some(attempt) if !appending => Done::Fetched(
                attempt,
                Fetched::Failed(Failed {
                    blame: tidegate_core::log::entry::Blame::Us,
                    text: "a task panicked".to_owned(),
                    wait: None,
                }),
            ),
            _ => Done::Appended(Answer::Refused(Refusal::Closing)),
        }
    }

    fn ended(&mut self, machine: &mut Poll<Body>, done: Done) -> Option<End> {
        match done {
            Done::Fetched(attempt, fetched) => {
                self.attempt = None;
                self.flow.metrics.polled(&fetched);
                if let Fetched::Failed(failed) = &fetched {
                    tracing::debug!(
                        flow = self.name(),
                        blame = failed.blame.name(),
                        "a poll failed: {}",
                        failed.text
                    );
                    self.board.failed(now(), &failed.text);
                } else {
                    self.board.answered(now());
                }
                machine.handle_fetched(now(), attempt, fetched);
            }
            Done::Appended(Answer::Page(PageKept { outcome, place })) => {
                if let Some(page) = self.page.take() {
                    self.flow.metrics.counted(&page);
                    self.flow.events.filtered.inc_by(page.filtered.into());
                }
                self.flow.events.page(outcome, now());
                machine.handle_appended(now(), place.is_some());
            }
            Done::Appended(Answer::Refused(Refusal::UnknownCursor)) => return Some(End::Overtaken),
            Done::Appended(answer) => {
                self.flow.events.answered(&answer, now());
                tracing::warn!(
                    flow = self.name(),
                    ?answer,
                    "a page was not written; the source waits for it"
                );
                machine.handle_refused(now());
            }
        }
        None
    }
}
