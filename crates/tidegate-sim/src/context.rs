//! What all actors share: time, the queue of steps, chance, and what is written down.

use std::cmp::{Ordering, Reverse};
use std::collections::hash_map::DefaultHasher;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;

use crate::item::Item;
use crate::random::Random;
use crate::report::{Report, Rule, Situation, Violation};

/// Wall time at which every world begins: a quarter of a minute before a full hour, so that books have two.
const EPOCH: UnixMillis = UnixMillis(1_795_255_185_000);

/// Lines of the trace that are kept for a violation.
const TRACE_LINES: usize = 120;

/// Everything that can happen.
#[derive(Clone, Debug, Hash)]
pub(crate) enum Step {
    /// An external system has something to send.
    Send { sender: usize },
    /// It tries an item again.
    Retry { sender: usize, item: Item },
    /// A request reaches the node.
    Arrive { request: Request },
    /// The answer reaches the sender.
    Reply { request: Request, accepted: bool },
    /// The sender waits no longer.
    Expire { request: Request },
    /// The node's next frame goes to disk.
    Write { life: u64 },
    /// The answers for it go out.
    Settle { life: u64 },
    /// The views take in what was written.
    Apply { life: u64 },
    /// The node looks at the size of its log and trims it.
    Look { life: u64 },
    /// A subscriber asks for a page.
    Read { subscriber: usize },
    /// Its acknowledgement reaches the node.
    Acknowledge { subscriber: usize, place: Place },
    /// A consumer asks for a page of its feed.
    Fetch { consumer: usize },
    /// The flow that polls looks at its machine.
    Poll,
    /// An answer of its source arrives.
    Polled { life: u64, attempt: u64 },
    /// A flow that delivers says what it wants done.
    Drive { flow: usize, life: u64 },
    /// What it wanted read is there.
    FlowPage { flow: usize, life: u64 },
    /// Contents it wanted read again are there.
    FlowFetch { flow: usize, life: u64 },
    /// A request of a flow has ended.
    Answered {
        flow: usize,
        life: u64,
        attempt: u64,
    },
    /// What a flow holds of the log is parked, a step of it.
    Park { flow: usize, life: u64 },
    /// Somebody looks at the faults of the flows.
    Operate,
    /// Something goes wrong.
    Fault,
    /// The machine goes down at the latest now.
    Doom { life: u64 },
    /// What went wrong with the disk is over.
    DiskFreed,
    /// The node starts.
    Restart,
    /// From now on nothing goes wrong, and nothing new is sent.
    Heal,
    /// Has everything come to rest?
    Check,
}

/// One request of an external system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Request {
    pub(crate) sender: usize,
    pub(crate) serial: u32,
    pub(crate) item: Item,
}

/// A step in the queue; what is due at the same time comes in the order in which it was put there.
#[derive(Debug)]
struct Due<S> {
    at: Duration,
    order: u64,
    step: S,
}

impl<S> PartialEq for Due<S> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<S> Eq for Due<S> {}

impl<S> PartialOrd for Due<S> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<S> Ord for Due<S> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[derive(Debug)]
enum Line<S> {
    Step(Duration, S),
    Note(Duration, String),
}

/// See the module's documentation. `S`: the steps of a world; `R`: what is counted in it.
#[derive(Debug)]
pub(crate) struct Context<S = Step, R = Report> {
    pub(crate) now: Duration,
    pub(crate) random: Random,
    pub(crate) report: R,
    pub(crate) violations: Vec<Violation>,
    /// Steps that were taken.
    pub(crate) steps: u64,
    queue: BinaryHeap<Reverse<Due<S>>>,
    order: u64,
    /// What the node's clock lacks.
    clock_behind: Duration,
    trace: VecDeque<Line<S>>,
    digest: DefaultHasher,
}

impl Context {
    pub(crate) fn seen(&mut self, situation: Situation) {
        self.report.seen(situation);
    }
}

impl<S: Clone + Debug + Hash, R: Default> Context<S, R> {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            now: Duration::ZERO,
            random: Random::new(seed),
            report: R::default(),
            steps: 0,
            violations: Vec::new(),
            queue: BinaryHeap::new(),
            order: 0,
            clock_behind: Duration::ZERO,
            trace: VecDeque::new(),
            digest: DefaultHasher::new(),
        }
    }

    /// Puts a step into the queue.
    pub(crate) fn after(&mut self, delay: Duration, step: S) {
        let due = Due {
            at: self.now + delay,
            order: self.order,
            step,
        };
        self.order += 1;
        self.queue.push(Reverse(due));
    }

    /// Takes the next step, and moves time there.
    pub(crate) fn next(&mut self) -> Option<S> {
        let Reverse(due) = self.queue.pop()?;
        self.now = due.at;
        self.steps += 1;
        (due.at, &due.step).hash(&mut self.digest);
        self.line(Line::Step(due.at, due.step.clone()));
        Some(due.step)
    }

    /// What the node's clock shows.
    pub(crate) fn wall(&self) -> UnixMillis {
        EPOCH.plus(self.now).minus(self.clock_behind)
    }

    pub(crate) fn step_clock_back(&mut self, by: Duration) {
        self.clock_behind += by;
    }

    /// Writes something into the trace.
    pub(crate) fn note(&mut self, text: String) {
        self.line(Line::Note(self.now, text));
    }

    pub(crate) fn violate(&mut self, rule: Rule, detail: String) {
        self.violations.push(Violation {
            at: self.now,
            rule,
            detail,
        });
    }

    /// What tells two runs apart: a hash of all steps and their times.
    pub(crate) fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// The last steps, oldest first.
    pub(crate) fn trace(&self) -> Vec<String> {
        let show = |at: &Duration| format!("{:>10.6} s", at.as_secs_f64());
        let lines = self.trace.iter().map(|line| match line {
            Line::Step(at, step) => format!("{}  {step:?}", show(at)),
            Line::Note(at, text) => format!("{}      {text}", show(at)),
        });
        lines.collect()
    }

    fn line(&mut self, line: Line<S>) {
        if self.trace.len() >= TRACE_LINES {
            self.trace.pop_front();
        }
        self.trace.push_back(line);
    }
}
