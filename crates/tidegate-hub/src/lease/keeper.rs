//! The task that keeps this node's lease: it drives the machine, asks the store, and publishes what the
//! node may do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tidegate_core::lease::{
    Answer, Epoch, Event, Lease, NotNow, Output, Request, RequestId, Standing,
};
use tidegate_types::time::BootMillis;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::store::{LeaseStore, ask};

/// Calls that wait for the task. It answers each at once, so more waiting ones would only hide a defect.
const CALLS_MAX: usize = 64;

/// Events that nobody has taken. A takeover of ten thousand shards tells as many; what does not fit is
/// dropped with a warning, since [`Keeper::standing`] tells the same.
const EVENTS_MAX: usize = 16_384;

/// Requests at the store whose answers nobody waits for any more, included. The machine has 33 under way
/// and gives each up after its timeout; a store that forgets its own timeouts is not asked any further.
const REQUESTS_MAX: usize = 128;

/// The task looks at the clock this often at least: its timer stands still while the machine sleeps, and
/// the clock of the lease does not.
const LOOK: Duration = Duration::from_secs(1);

/// A clock that gives `CLOCK_BOOTTIME`, or what plays it in a test.
pub type Clock = Arc<dyn Fn() -> BootMillis + Send + Sync>;

/// Does something with the machine, and gives what tells the caller so.
type Call = Box<dyn FnOnce(&mut Lease, BootMillis) -> Tell + Send>;

type Tell = Box<dyn FnOnce() + Send>;

/// The way to the lease of this node. Clones share it; when the last one is dropped the task ends
/// without ending the session.
#[derive(Clone)]
pub struct Keeper {
    calls: mpsc::Sender<Call>,
    standing: watch::Receiver<Arc<Standing>>,
    clock: Clock,
}

/// The task has ended: the session is over, or the process is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lease of this node is not kept any more")]
pub struct NotKept;

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = self.standing.borrow();
        f.debug_struct("Keeper")
            .field("standing", &*standing)
            .finish_non_exhaustive()
    }
}

impl Keeper {
    /// Starts the task on the current runtime. `lease` is fresh; all that happens to it comes out of the
    /// receiver.
    #[must_use]
    pub fn start(
        lease: Lease,
        store: Arc<dyn LeaseStore>,
        clock: Clock,
    ) -> (Self, mpsc::Receiver<Event>) {
        let (calls, called) = mpsc::channel(CALLS_MAX);
        let (events, happened) = mpsc::channel(EVENTS_MAX);
        let (published, standing) = watch::channel(Arc::new(lease.standing().clone()));
        let task = Task {
            lease,
            store,
            clock: Arc::clone(&clock),
            events,
            published,
            under_way: JoinSet::new(),
        };
        tokio::spawn(task.run(called));
        let keeper = Self {
            calls,
            standing,
            clock,
        };
        (keeper, happened)
    }

    /// Lets the machine do something, and publishes what came of it before this returns.
    ///
    /// # Errors
    /// The task has ended.
    pub async fn with<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Lease, BootMillis) -> T + Send + 'static,
    ) -> Result<T, NotKept> {
        let (tell, told) = oneshot::channel();
        let call: Call = Box::new(move |lease, now| {
            let done = call(lease, now);
            // Who asked may have gone.
            Box::new(move || drop(tell.send(done)))
        });
        self.calls.send(call).await.map_err(|_| NotKept)?;
        told.await.map_err(|_| NotKept)
    }

    /// Whether an effect for the shard may start now. To be asked just before each.
    ///
    /// # Errors
    /// It may not, and why.
    pub fn may_start(&self, shard: &str) -> Result<Epoch, NotNow> {
        let now = (self.clock)();
        self.standing.borrow().may_start(shard, now)
    }

    /// What this node may do, and every change of it.
    #[must_use]
    pub fn standing(&self) -> watch::Receiver<Arc<Standing>> {
        self.standing.clone()
    }

    /// Ends the session, when nothing is under way any more, and waits until it is ended or the task gave
    /// up. Others can take the shards at once then.
    pub async fn close(&self) {
        let closing = self.with(|lease, now| lease.close(now)).await;
        if closing.is_ok() {
            self.calls.closed().await;
        }
    }
}

struct Task {
    lease: Lease,
    store: Arc<dyn LeaseStore>,
    clock: Clock,
    events: mpsc::Sender<Event>,
    published: watch::Sender<Arc<Standing>>,
    under_way: JoinSet<(RequestId, Answer)>,
}

impl Task {
    async fn run(mut self, mut called: mpsc::Receiver<Call>) {
        let now = (self.clock)();
        self.lease.tick(now);
        while !self.drain() {
            let now = (self.clock)();
            let wait = self
                .lease
                .next_timeout()
                .map_or(LOOK, |at| Duration::from_millis(at.since(now)).min(LOOK));
            tokio::select! {
                Some(answered) = self.under_way.join_next(), if !self.under_way.is_empty() => {
                    // A request that panicked is one without an answer; its timeout tells so.
                    if let Ok((id, answer)) = answered {
                        self.lease.answer((self.clock)(), id, answer);
                    }
                }
                call = called.recv() => match call {
                    Some(call) => {
                        let tell = call(&mut self.lease, (self.clock)());
                        // First, so that who was told finds it published.
                        self.publish();
                        tell();
                    }
                    None => return,
                },
                () = tokio::time::sleep(wait) => self.lease.tick((self.clock)()),
            }
        }
    }

    /// Takes what the machine has to say. Gives whether its session is over.
    fn drain(&mut self) -> bool {
        let mut closed = false;
        while let Some(output) = self.lease.next_output() {
            match output {
                Output::Request(request) => self.ask(request),
                Output::Event(event) => {
                    closed |= event == Event::Closed;
                    if let Err(error) = self.events.try_send(event) {
                        tracing::warn!(%error, "an event of the lease was not told");
                    }
                }
            }
        }
        self.publish();
        closed
    }

    fn publish(&mut self) {
        let now = self.lease.standing();
        self.published.send_if_modified(|before| {
            let same = before.session == now.session
                && (before.start, before.finish, before.ending)
                    == (now.start, now.finish, now.ending)
                && (Arc::ptr_eq(&before.held, &now.held) || before.held == now.held);
            if !same {
                *before = Arc::new(now.clone());
            }
            !same
        });
    }

    fn ask(&mut self, request: Request) {
        if self.under_way.len() >= REQUESTS_MAX {
            tracing::warn!("the lease store leaves too many requests without an answer");
            return;
        }
        let store = Arc::clone(&self.store);
        self.under_way.spawn(async move {
            let answer = ask(&*store, &request).await.unwrap_or_else(|error| {
                tracing::debug!(key = %request.key, %error, "a request to the lease store");
                Answer::Unknown
            });
            (request.id, answer)
        });
    }
}
