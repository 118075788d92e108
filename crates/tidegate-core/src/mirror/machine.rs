//! The machine of one mirror: when to ask, what to store, and what to call the state it is in.
//!
//! One thing is under way at a time: a question, or something to be stored. The shell calls
//! [`Mirror::poll_output`] until there is nothing to do, does what it says, hands in what came of it, and
//! calls again then, or when [`Mirror::next_timeout`] has come. Time is what has passed since any fixed
//! moment, by a clock that never steps.

use std::collections::VecDeque;
use std::time::Duration;

use super::state::Trouble;
use super::{
    Answer, Ask, Base, Batch, Copied, Defect, Failure, MirrorState, MirrorStatus, Note, Output,
    Span, Start, StoreFailure, Verdict, judge,
};
use crate::log::frame::Frame;
use crate::random::Random;

/// How a mirror behaves; the defaults stand at each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MirrorSettings {
    /// How long the origin may wait for something new (1 s): so often it is heard of at least.
    pub wait: Duration,
    /// How much longer an answer may take (5 s): what is asked for has to pass the slowest link.
    pub patience: Duration,
    /// From when on an origin is called unreachable (3 s): a restart of a connection takes less.
    pub unreachable_after: Duration,
    /// From when on an origin that can be reached is called stalled (10 s).
    pub stalled_after: Duration,
    /// The first pause after a failure (100 ms); each further one is twice as long.
    pub retry_least: Duration,
    /// The longest pause (5 s): what was cut is followed again soon, and a dead address costs little.
    pub retry_most: Duration,
    /// Bytes of frames of one answer (4 MiB): bounds the memory of both sides.
    pub bytes_max: usize,
}

impl Default for MirrorSettings {
    fn default() -> Self {
        Self {
            wait: Duration::from_secs(1),
            patience: Duration::from_secs(5),
            unreachable_after: Duration::from_secs(3),
            stalled_after: Duration::from_secs(10),
            retry_least: Duration::from_millis(100),
            retry_most: Duration::from_secs(5),
            bytes_max: 4 << 20,
        }
    }
}

/// Turns from life to life in a row without a frame, past which an origin leads us in circles.
const TURNS_MAX: u32 = 8;

/// Follows one origin. See the module's documentation for the order of calls.
#[derive(Debug)]
pub struct Mirror {
    origin: String,
    settings: MirrorSettings,
    random: Random,
    copied: Option<Copied>,
    base: Base,
    phase: Phase,
    outputs: VecDeque<Output>,
    /// The lives the last answer named.
    spans: Vec<Span>,
    trouble: Option<Trouble>,
    state: MirrorState,
    since: Duration,
    /// When something got on: frames were stored, or there were none to store.
    progressed: Duration,
    /// What the origin had then is all here.
    complete: Option<Duration>,
    failures: u32,
    turns: u32,
}

/// What is under way.
#[derive(Debug)]
enum Phase {
    Resting { until: Duration },
    Asking { sent: Duration },
    Storing { batch: Batch, looked: Duration },
}

impl Mirror {
    /// A mirror of `origin`, of which `copied` is here. Chance only spreads pauses.
    #[must_use]
    pub fn new(
        origin: &str,
        copied: Option<Copied>,
        settings: MirrorSettings,
        now: Duration,
        seed: u64,
    ) -> Self {
        Self {
            origin: origin.to_owned(),
            settings,
            random: Random::new(seed),
            copied,
            base: copied.map_or(Base::Nothing, Base::Copied),
            phase: Phase::Resting { until: now },
            outputs: VecDeque::new(),
            spans: Vec::new(),
            trouble: None,
            state: MirrorState::Starting,
            since: now,
            progressed: now,
            complete: None,
            failures: 0,
            turns: 0,
        }
    }

    /// What is to be done now, if anything.
    pub fn poll_output(&mut self, now: Duration) -> Option<Output> {
        self.look(now);
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        match self.phase {
            Phase::Resting { until } if until <= now => {
                self.phase = Phase::Asking { sent: now };
                Some(Output::Ask(self.ask(now)))
            }
            _ => None,
        }
    }

    /// When to call again if nothing happens before.
    #[must_use]
    pub fn next_timeout(&self, now: Duration) -> Option<Duration> {
        let rest = match self.phase {
            Phase::Resting { until } => Some(until),
            Phase::Asking { .. } | Phase::Storing { .. } => None,
        };
        let settings = &self.settings;
        let named = [settings.unreachable_after, settings.stalled_after]
            .into_iter()
            .map(|after| self.progressed.saturating_add(after))
            .filter(|at| *at > now);
        rest.into_iter().chain(named).min()
    }

    /// Takes in an answer. One that nobody waits for is left alone.
    pub fn handle_answer(&mut self, now: Duration, answer: Answer) {
        let Phase::Asking { sent } = self.phase else {
            return;
        };
        // Before its answer was made the origin had waited so long, by its own clock, since we asked.
        let looked = sent.saturating_add(answer.waited).min(now);
        let waited = answer.waited;
        self.spans.clone_from(&answer.spans);
        match judge(&self.origin, &self.base, answer) {
            Verdict::Take(batch) if batch == Batch::default() => {
                self.nothing_new(now, looked, waited)
            }
            Verdict::Take(batch) => {
                self.outputs.push_back(Output::Store(batch.clone()));
                self.phase = Phase::Storing { batch, looked };
            }
            Verdict::Turn(start) => self.turn(now, start),
            Verdict::Regressed(regress) => {
                self.trouble = Some(Trouble::Regress(regress));
                self.start_over();
                self.rest(now, self.settings.retry_most);
            }
            Verdict::Defective(defect) => self.defective(now, defect),
        }
        self.look(now);
    }

    /// No answer came.
    pub fn handle_failure(&mut self, now: Duration, failure: Failure) {
        if !matches!(self.phase, Phase::Asking { .. }) {
            return;
        }
        self.fail(now, Trouble::Reach(failure));
    }

    /// What was to be stored is on disk.
    pub fn handle_stored(&mut self, now: Duration) {
        let resting = Phase::Resting { until: now };
        let Phase::Storing { batch, looked } = std::mem::replace(&mut self.phase, resting) else {
            return;
        };
        if let Some(begin) = batch.begin {
            self.copied = Some(Copied {
                head: begin.after,
                time: tidegate_types::time::UnixMillis(0),
            });
            self.outputs.push_back(Output::Note(Note::Begun {
                incarnation: begin.after.incarnation,
                why: begin.why,
            }));
        }
        if let (Some(copied), Some(last)) = (&mut self.copied, batch.frames.last()) {
            *copied = behind(last);
        }
        self.start_over();
        self.got_on(now);
        if self.behind_frames() == 0 {
            self.complete = Some(looked);
        }
        self.look(now);
    }

    /// It could not be stored whole; `copied` is what is here now.
    pub fn handle_store_failure(
        &mut self,
        now: Duration,
        failure: StoreFailure,
        copied: Option<Copied>,
    ) {
        if !matches!(self.phase, Phase::Storing { .. }) {
            return;
        }
        self.copied = copied;
        self.fail(now, Trouble::Store(failure));
    }

    /// How it does.
    #[must_use]
    pub fn status(&self, now: Duration) -> MirrorStatus {
        let troubled = self.state != MirrorState::Following;
        MirrorStatus {
            state: self.state,
            since: self.since,
            reason: self.reason().filter(|_| troubled),
            copied: self.copied,
            behind_frames: self.behind_frames(),
            lag: self.complete.map(|at| now.saturating_sub(at)),
        }
    }

    fn ask(&self, now: Duration) -> Ask {
        let settings = &self.settings;
        let (incarnation, after, hash, wait) = match &self.base {
            Base::Nothing => (None, Default::default(), None, Duration::ZERO),
            Base::Copied(copied) => {
                let head = &copied.head;
                (
                    Some(head.incarnation),
                    head.frame,
                    Some(head.hash),
                    settings.wait,
                )
            }
            Base::Fresh(start) => (Some(start.incarnation), start.after, None, Duration::ZERO),
        };
        Ask {
            incarnation,
            after,
            hash,
            bytes_max: settings.bytes_max,
            wait,
            until: now
                .saturating_add(settings.wait)
                .saturating_add(settings.patience),
        }
    }

    fn turn(&mut self, now: Duration, start: Start) {
        self.turns = self.turns.saturating_add(1);
        if self.turns > TURNS_MAX {
            return self.defective(now, Defect::Lives);
        }
        self.base = Base::Fresh(start);
        self.rest(now, Duration::ZERO);
    }

    fn nothing_new(&mut self, now: Duration, looked: Duration, waited: Duration) {
        if self.copied.is_some() && self.behind_frames() == 0 {
            self.got_on(now);
            self.complete = Some(looked);
            // Who answers at once that there is nothing would be asked in circles.
            let hasty = waited.saturating_mul(2) < self.settings.wait;
            let pause = if hasty {
                self.settings.retry_least
            } else {
                Duration::ZERO
            };
            self.rest(now, pause);
        } else {
            self.fail(now, Trouble::Withheld);
        }
    }

    fn defective(&mut self, now: Duration, defect: Defect) {
        self.fail(now, Trouble::Defect(defect));
    }

    /// Something is in the way: try again after a while, from what is here.
    fn fail(&mut self, now: Duration, trouble: Trouble) {
        let doubled = 1_u32 << self.failures.min(16);
        let pause = self.settings.retry_least.saturating_mul(doubled);
        let pause = self.random.jitter(pause.min(self.settings.retry_most));
        self.failures = self.failures.saturating_add(1);
        self.turns = 0;
        if matches!(
            trouble,
            Trouble::Reach(_) | Trouble::Defect(_) | Trouble::Withheld
        ) {
            self.outputs.push_back(Output::Reconnect);
        }
        self.trouble = Some(trouble);
        self.start_over();
        self.rest(now, pause);
        self.look(now);
    }

    fn start_over(&mut self) {
        self.base = self.copied.map_or(Base::Nothing, Base::Copied);
    }

    fn rest(&mut self, now: Duration, pause: Duration) {
        let until = now.saturating_add(pause);
        self.phase = Phase::Resting { until };
    }

    fn got_on(&mut self, now: Duration) {
        self.progressed = now;
        self.trouble = None;
        self.failures = 0;
        self.turns = 0;
        self.enter(now, MirrorState::Following);
    }

    /// Names the state anew.
    fn look(&mut self, now: Duration) {
        let idle = now.saturating_sub(self.progressed);
        let stalled = idle >= self.settings.stalled_after;
        let state = match self.trouble {
            Some(Trouble::Regress(_)) => MirrorState::Regressed,
            Some(Trouble::Store(_)) => MirrorState::Blocked,
            Some(Trouble::Reach(Failure::Refused)) => MirrorState::Refused,
            Some(Trouble::Reach(Failure::Unreachable))
                if idle >= self.settings.unreachable_after =>
            {
                MirrorState::Unreachable
            }
            Some(Trouble::Reach(Failure::Unreachable)) => return,
            _ if stalled => MirrorState::Stalled,
            _ => return,
        };
        self.enter(now, state);
    }

    fn enter(&mut self, now: Duration, state: MirrorState) {
        if state == self.state {
            return;
        }
        let from = std::mem::replace(&mut self.state, state);
        self.since = now;
        self.outputs.push_back(Output::Note(Note::Changed {
            from,
            to: state,
            reason: self.reason(),
        }));
    }

    fn reason(&self) -> Option<String> {
        self.trouble.map(|trouble| trouble.to_string())
    }

    /// Frames the origin has, as it said last, that are not here.
    fn behind_frames(&self) -> u64 {
        let of = |span: &Span| {
            let all = span.head.frame.next().0.saturating_sub(span.first.0);
            match &self.copied {
                None => all,
                Some(copied) if span.incarnation() < copied.head.incarnation => 0,
                Some(copied) if span.incarnation() > copied.head.incarnation => all,
                Some(copied) => span.head.frame.0.saturating_sub(copied.head.frame.0),
            }
        };
        self.spans.iter().map(of).fold(0, u64::saturating_add)
    }
}

/// Where a copy ends whose last frame this is.
fn behind(frame: &Frame) -> Copied {
    let header = frame.header();
    Copied {
        head: crate::log::engine::Head {
            incarnation: header.incarnation,
            frame: header.number,
            hash: frame.hash(),
        },
        time: header.time,
    }
}
