//! The machine itself: what it knows, how it starts, and in which order it wants things done.

mod page;
#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use tidegate_types::time::UnixMillis;

use super::kept::{Kept, KeptError, Position, Round};
use super::output::{Append, AttemptId, Failed, Fetch, Fetched, Note, Output};
use super::settings::{Paging, Settings};
use crate::log::entry::{Blame, Fingerprint, Polled};
use crate::random::Random;
use page::Pending;

/// Notes that wait to be taken; a shell that drains the outputs never has more than a few.
const NOTES_MAX: usize = 64;

/// A clock that goes back by more than this moves all deadlines with it; by less, it is waited for.
const CLOCK_BACK_MAX: Duration = Duration::from_secs(1);

/// Failures in a row after which the timeline says so: one or two happen every day.
const FAILING_AFTER: u32 = 5;

/// Shorter pauses are usual between pages, and not worth a line.
const NOTED_WAIT: Duration = Duration::from_secs(60);

/// Polls one source for one flow. See the [module](super) for how to drive it.
#[derive(Debug)]
pub struct Poll<B> {
    settings: Settings,
    now: UnixMillis,
    random: Random,
    /// What is durable.
    kept: Kept,
    /// Number of the newest `Polled` entry.
    number: u64,
    run: Run,
    phase: Phase<B>,
    attempts: u64,
    /// No request goes before this.
    not_before: UnixMillis,
    failures: u32,
    failing_since: UnixMillis,
    stuck: bool,
    /// Of the round under way; not durable.
    pages: u32,
    empty_in_a_row: u32,
    seen: HashSet<Fingerprint>,
    previous: Option<Fingerprint>,
    /// When the last round ended.
    ended: Option<UnixMillis>,
    paused: bool,
    notes: VecDeque<Note>,
}

/// Whether requests go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    /// Nobody has said yet when the next round is due.
    Unplanned,
    /// The shell was asked.
    Asked,
    /// The next round is due then.
    Due(UnixMillis),
    /// A round is under way.
    Going,
}

/// What is under way.
#[derive(Debug)]
enum Phase<B> {
    Idle,
    Fetching(Fetch),
    /// To be handed out then.
    Held(Box<Pending<B>>, UnixMillis),
    Appending(Box<Pending<B>>),
}

/// What a status page shows of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// A round is under way.
    pub going: bool,
    /// When the next request goes; `None` if that is not known.
    pub next: Option<UnixMillis>,
    /// Failures in a row.
    pub failures: u32,
    /// The source does not get on.
    pub stuck: bool,
    /// Whether an operator paused it.
    pub paused: bool,
    /// When the last round ended, as far as is known.
    pub ended: Option<UnixMillis>,
    /// The newest item of all rounds that have ended, if the flow looks at that.
    pub mark: Option<UnixMillis>,
}

impl<B: Clone> Poll<B> {
    /// A machine that goes on where the log says the flow stands. `seed` is for jitter only.
    ///
    /// # Errors
    /// The log says it in a form that this version does not know.
    pub fn restore(
        settings: Settings,
        polled: Option<&Polled>,
        now: UnixMillis,
        seed: u64,
    ) -> Result<Self, KeptError> {
        let kept = match polled {
            Some(polled) => Kept::restore(&settings, polled)?,
            None => Kept::new(settings.request),
        };
        let going = kept.round.is_some();
        Ok(Self {
            now,
            random: Random::new(seed),
            number: polled.map_or(0, |polled| polled.number),
            run: if going { Run::Going } else { Run::Unplanned },
            phase: Phase::Idle,
            attempts: 0,
            not_before: UnixMillis(0),
            failures: 0,
            failing_since: now,
            stuck: false,
            pages: 0,
            empty_in_a_row: 0,
            seen: HashSet::new(),
            previous: None,
            ended: polled.map(|polled| polled.time),
            paused: false,
            notes: VecDeque::new(),
            kept,
            settings,
        })
    }

    /// What is to be done next; called until it gives `None`, after every `handle_*` and when
    /// [`Poll::next_timeout`] has come.
    #[must_use]
    pub fn poll_output(&mut self, now: UnixMillis) -> Option<Output<B>> {
        self.advance(now);
        if let Some(note) = self.notes.pop_front() {
            return Some(Output::Note(note));
        }
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Held(pending, at) if at <= self.now => {
                let append = self.append_of(&pending);
                self.phase = Phase::Appending(pending);
                Some(Output::Append(append))
            }
            Phase::Idle => self.next_request(),
            under_way => {
                self.phase = under_way;
                None
            }
        }
    }

    fn next_request(&mut self) -> Option<Output<B>> {
        match self.run {
            Run::Unplanned => {
                self.run = Run::Asked;
                return Some(Output::Plan { after: self.ended });
            }
            Run::Due(at) if at <= self.now && !self.paused => self.begin(),
            Run::Going => {}
            Run::Asked | Run::Due(_) => return None,
        }
        if self.paused || self.now < self.not_before {
            return None;
        }
        self.attempts = self.attempts.saturating_add(1);
        let round = self.kept.round.as_ref();
        // It is kept only until the first request of a round has brought a page.
        let etag = Some(&self.kept.etag).filter(|etag| !etag.is_empty());
        let fetch = Fetch {
            attempt: AttemptId(self.attempts),
            position: self.position(),
            since: round.and_then(|round| round.since),
            etag: etag.cloned(),
        };
        self.phase = Phase::Fetching(fetch.clone());
        Some(Output::Fetch(fetch))
    }

    /// A page number stands for the start, so that a changed first number is noticed.
    fn position(&self) -> Position {
        match (&self.kept.position, self.settings.paging) {
            (Position::Start, Paging::Number { first, .. }) => Position::Page(first),
            (position, _) => position.clone(),
        }
    }

    /// When [`Poll::poll_output`] has something new although nothing was handled; `None` if never.
    #[must_use]
    pub fn next_timeout(&self) -> Option<UnixMillis> {
        match (&self.phase, self.run) {
            (Phase::Held(_, at), _) => Some(*at),
            (Phase::Idle, Run::Due(at)) if !self.paused => Some(at.max(self.not_before)),
            (Phase::Idle, Run::Going) if !self.paused => Some(self.not_before),
            _ => None,
        }
    }

    /// The next round is due at that time.
    pub fn handle_planned(&mut self, now: UnixMillis, at: UnixMillis) {
        self.advance(now);
        if matches!(self.run, Run::Asked | Run::Due(_)) {
            self.run = Run::Due(at);
        }
    }

    /// A request has ended.
    pub fn handle_fetched(&mut self, now: UnixMillis, attempt: AttemptId, fetched: Fetched<B>) {
        self.advance(now);
        let fetch = match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Fetching(fetch) if fetch.attempt == attempt => fetch,
            other => {
                self.phase = other;
                return;
            }
        };
        match fetched {
            Fetched::Page(page) => self.take_page(&fetch, page),
            Fetched::NotModified { wait } => {
                self.answered();
                self.wait(wait);
                // Nothing has changed, so nothing is written.
                self.kept.round = None;
                self.rest();
            }
            Fetched::Failed(failed) => self.failed(&failed),
        }
    }

    /// The page is on disk, and its cursor with it if one was `written`.
    pub fn handle_appended(&mut self, now: UnixMillis, written: bool) {
        self.advance(now);
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Appending(pending) => {
                self.number = self.number.saturating_add(u64::from(written));
                self.settle(*pending);
            }
            other => self.phase = other,
        }
    }

    /// The page is not on disk. It is handed out again after a while.
    pub fn handle_refused(&mut self, now: UnixMillis) {
        self.advance(now);
        match std::mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Appending(mut pending) => {
                pending.refused = pending.refused.saturating_add(1);
                let at = self.now.plus(self.delay(pending.refused));
                self.phase = Phase::Held(pending, at);
            }
            other => self.phase = other,
        }
    }

    /// Fetches nothing more until resumed; what is under way ends.
    pub fn pause(&mut self) {
        self.paused = true;
    }

    /// Fetches again.
    pub fn resume(&mut self) {
        self.paused = false;
    }

    /// How the flow stands.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            going: self.run == Run::Going,
            next: self.next_timeout(),
            failures: self.failures,
            stuck: self.stuck,
            paused: self.paused,
            ended: self.ended,
            mark: self.kept.mark,
        }
    }

    fn begin(&mut self) {
        let since = self.settings.mark.and_then(|mark| {
            let from_mark = self.kept.mark.map(|at| at.minus(mark.overlap));
            from_mark.or_else(|| mark.reach.map(|reach| self.now.minus(reach)))
        });
        self.forget_round();
        // A round that was cut goes on as it began.
        let began = Round {
            began: self.now,
            since,
            newest: None,
        };
        self.kept.round.get_or_insert(began);
        self.run = Run::Going;
    }

    fn rest(&mut self) {
        self.run = Run::Unplanned;
        self.ended = Some(self.now);
        self.forget_round();
    }

    fn forget_round(&mut self) {
        self.pages = 0;
        self.empty_in_a_row = 0;
        self.seen.clear();
        self.previous = None;
    }

    /// They gave an answer that can be used.
    fn answered(&mut self) {
        if self.failures >= FAILING_AFTER {
            let after = self.now.since(self.failing_since);
            self.note(Note::Recovered { after });
        }
        self.failures = 0;
    }

    fn failed(&mut self, failed: &Failed) {
        if self.failures == 0 {
            self.failing_since = self.now;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures == FAILING_AFTER {
            let (blame, text) = (failed.blame, failed.text.clone());
            self.note(Note::Failing { blame, text });
        }
        let delay = self.delay(self.failures);
        self.not_before = self.now.plus(delay);
        self.wait(failed.wait);
    }

    /// Twice as long after each failure, with jitter.
    fn delay(&mut self, failures: u32) -> Duration {
        let backoff = self.settings.backoff;
        let doubled = 1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        let delay = backoff.least.saturating_mul(doubled).min(backoff.most);
        self.random.jitter(delay)
    }

    /// Obeys a wish for a pause: never less than that, and a little more, so that all who were told the
    /// same do not come at once.
    fn wait(&mut self, wait: Option<Duration>) {
        let Some(wait) = wait.filter(|wait| !wait.is_zero()) else {
            return;
        };
        let most = self.settings.retry_after_max;
        let spread = wait.min(most).checked_div(10).unwrap_or_default();
        let until = self
            .now
            .plus(wait.min(most))
            .plus(self.random.up_to(spread));
        if until > self.not_before {
            self.not_before = until;
            if wait >= NOTED_WAIT && self.failures <= 1 {
                let cut = wait > most;
                self.note(Note::Throttled { until, cut });
            }
        }
    }

    fn note(&mut self, note: Note) {
        if self.notes.len() < NOTES_MAX {
            self.notes.push_back(note);
        }
    }

    fn advance(&mut self, now: UnixMillis) {
        if now.plus(CLOCK_BACK_MAX) < self.now {
            let back = self.now.since(now);
            self.not_before = self.not_before.minus(back);
            self.failing_since = self.failing_since.minus(back);
            if let Run::Due(at) = &mut self.run {
                *at = at.minus(back);
            }
            if let Phase::Held(_, at) = &mut self.phase {
                *at = at.minus(back);
            }
            self.now = now;
        }
        self.now = self.now.max(now);
    }

    fn append_of(&self, pending: &Pending<B>) -> Append<B> {
        let page = &pending.page;
        let polled = Polled {
            flow: self.settings.flow.clone(),
            number: self.number.saturating_add(1),
            time: self.now,
            cursor: pending.next.encode(),
            etag: pending.next.etag.clone(),
            items: page.items,
            faults: page.faults,
            filtered: page.filtered,
            carried: false,
        };
        Append {
            body: page.body.clone(),
            polled,
            moved: pending.is_moved(&self.kept),
            stuck: pending.stuck.clone(),
        }
    }

    /// A failure of theirs that was no failed request.
    fn blocked(&mut self, text: String) {
        self.failed(&Failed {
            blame: Blame::Them,
            text,
            wait: None,
        });
    }
}
