//! The machine of one node.

mod answers;
#[cfg(test)]
pub(super) mod probe;
mod requests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tidegate_types::position::Position;
use tidegate_types::time::BootMillis;

use super::Timing;
use super::record::{Holding, Name, RecordError, SessionId, SessionRecord, ShardId};
use super::session::{Session, State};
use super::shards::{Batch, Give, Intent, Write};
use super::standing::{Epoch, Held, NotNow, Standing, Until};
use super::store::{Key, Request, RequestId};
use super::watch::{Ending, Watch};

/// Shards one node knows of. Each takes a few hundred bytes and a place in a record.
pub const SHARDS_MAX: usize = 16_384;

/// Nodes whose sessions one node watches: sixteen regions of sixteen nodes.
const NODES_MAX: usize = 256;

/// Requests under way, besides that for this node's own session: enough to hide the way to the store when
/// a region with all shards is taken over, and few enough not to flood it.
const REQUESTS_MAX: usize = 32;

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    /// Its name; no other node may have it.
    pub node: Name,
    /// Its region.
    pub region: Name,
    /// Drawn by chance at the start of the process.
    pub nonce: u64,
}

/// On which terms a shard is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Terms {
    /// The highest epoch of the shard in any log of this node: the new one is higher even if the
    /// store has forgotten.
    pub floor: Epoch,
    /// How long nothing starts after the shard was taken from an owner that was lost: the time a
    /// call may take, where the target cannot tell a repeat; else 0. In milliseconds.
    pub lock_delay_ms: u64,
}

/// From whom a shard was taken.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// It had never been taken.
    Nobody,
    /// A session that gave it up, and the mirror shows the seal.
    Sealed {
        /// Which.
        session: SessionId,
    },
    /// A session that has ended.
    Ended {
        /// Which.
        session: SessionId,
        /// How long it had been silent, if this node ended it. In milliseconds.
        silent_ms: Option<u64>,
    },
    /// This very session, by a write whose answer was lost.
    Unsure,
}

/// Who has a shard, as far as this node has read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// The record was not read yet, or not since a write with an unknown fate.
    Unknown,
    /// It was never taken.
    Nobody,
    /// This node.
    Me(Epoch),
    /// A session that has not ended.
    Node {
        /// Which.
        session: SessionId,
        /// Where, once its record was read.
        region: Option<Name>,
        /// Since when.
        epoch: Epoch,
        /// How long its record has not changed, in milliseconds.
        silent_ms: Option<u64>,
    },
    /// A session that has ended.
    Ended {
        /// Which.
        session: SessionId,
        /// Since when it had it.
        epoch: Epoch,
    },
    /// It was given up.
    Yielded {
        /// By whom.
        session: SessionId,
        /// The epoch that is over.
        epoch: Epoch,
        /// For which region.
        to: Name,
        /// What its successor must have in its mirror.
        seal: Position,
    },
}

/// What the shell is to do or to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Ask the store, and hand in the answer with [`Lease::answer`].
    Request(Request),
    /// Something happened.
    Event(Event),
}

/// What happened. All of it belongs on the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The node's session began.
    Began(SessionId),
    /// The node's session was ended by another one, and with it went its shards.
    Lost {
        /// Which.
        session: SessionId,
        /// How many shards it had.
        shards: usize,
    },
    /// The node ended its session.
    Closed,
    /// Another process is alive under this node's name.
    NameInUse,
    /// No renewal was confirmed for so long that no effect may start.
    Idle,
    /// No renewal was confirmed for so long that what is under way must be aborted now.
    Abort,
    /// A renewal was confirmed again; nothing has moved.
    Resumed,
    /// This node ended a session that was silent.
    Ended {
        /// Which.
        session: SessionId,
        /// How long it had been silent, in milliseconds.
        silent_ms: u64,
    },
    /// This node has a shard now.
    Taken {
        /// Which.
        shard: ShardId,
        /// Since this epoch.
        epoch: Epoch,
        /// From whom.
        source: Source,
        /// When the first effect may start.
        not_before: BootMillis,
    },
    /// This node has given a shard up.
    Yielded {
        /// Which.
        shard: ShardId,
        /// The epoch that is over.
        epoch: Epoch,
        /// For which region.
        to: Name,
    },
    /// A shard this node had is another one's, although its session lives: somebody has written to the
    /// store by hand.
    Gone {
        /// Which.
        shard: ShardId,
        /// The epoch this node had.
        epoch: Epoch,
    },
    /// A record cannot be read. Nothing is decided by it, and it is not overwritten.
    Unreadable {
        /// Which.
        key: Key,
        /// Why.
        error: RecordError,
    },
    /// A record has no room for one more shard.
    Full {
        /// Which.
        key: Key,
    },
    /// More nodes have shards than one node watches; this one's will not be taken.
    Unwatched {
        /// Which.
        node: Name,
    },
}

/// More shards than one node knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are more than {SHARDS_MAX} shards; give flows fewer of them")]
pub struct TooManyShards;

/// What a request was for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Purpose {
    ReadSession,
    WriteSession(Box<SessionRecord>),
    EndSession(Box<Ending>),
    ReadShards,
    WriteShards(Box<Write>),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Pending {
    id: RequestId,
    sent: BootMillis,
    purpose: Purpose,
}

/// How far the deadlines have passed, so that each is told once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Told {
    Nothing,
    Idle,
    Abort,
}

/// What the machine keeps to. Each rule can be broken in its tests, to see that they notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Rule {
    /// The deadline counts from the sending of a renewal, not from its answer.
    DeadlineFromSending,
    /// A write with an unknown fate confirms nothing.
    UnknownConfirmsNothing,
    /// A write with an unknown fate may have happened.
    UnknownMayHaveHappened,
    /// A renewal that loses its compare-and-set ends the session.
    ConflictEndsSession,
    /// A silent session is ended in the store before anything is taken from it.
    EndFirst,
    /// The count of silence starts again when a reading fails, or the watcher was not looking.
    CountRestarts,
    /// Nothing is taken from a session that may be alive.
    OnlyFromEnded,
    /// What was given up is taken after its seal was seen.
    SealFirst,
    /// Each taking has an epoch of its own.
    EpochGrows,
    /// A shard is owned by a write of one's own, not by what was read.
    OwnedByWriteOnly,
    /// A shard that is being given up has been stopped.
    StoppedWhileYielding,
    /// Nothing starts before the lock-delay is over.
    LockDelay,
}

/// The lease of one node. See the [module](super) for how to drive it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    timing: Timing,
    me: Identity,
    session: Session,
    /// Highest number of a session this process has begun.
    begun: u64,
    watches: BTreeMap<Name, Watch>,
    batches: BTreeMap<Key, Batch>,
    standing: Standing,
    told: Told,
    name_in_use_told: bool,
    pending: BTreeMap<Key, Pending>,
    requests: u64,
    outputs: VecDeque<Output>,
    #[cfg(test)]
    broken: Option<Rule>,
}

impl Lease {
    /// A node that knows nothing yet.
    #[must_use]
    pub fn new(timing: Timing, me: Identity, now: BootMillis) -> Self {
        let watches = BTreeMap::from([(me.node.clone(), Watch::new(now))]);
        Self {
            timing,
            me,
            session: Session::new(now),
            begun: 0,
            watches,
            batches: BTreeMap::new(),
            standing: Standing::nothing(),
            told: Told::Nothing,
            name_in_use_told: false,
            pending: BTreeMap::new(),
            requests: 0,
            outputs: VecDeque::new(),
            #[cfg(test)]
            broken: None,
        }
    }

    /// Learns who has the shard, from now on.
    ///
    /// # Errors
    /// There are too many.
    pub fn watch(&mut self, now: BootMillis, shard: &ShardId) -> Result<(), TooManyShards> {
        if self.intent(shard).is_some() {
            return Ok(());
        }
        if self
            .batches
            .values()
            .map(|it| it.intents.len())
            .sum::<usize>()
            >= SHARDS_MAX
        {
            return Err(TooManyShards);
        }
        let batch = self.batches.entry(Key::of(shard));
        let batch = batch.or_insert_with(|| Batch::new(now));
        batch.intents.insert(shard.clone(), Intent::default());
        batch.unchecked = true;
        Ok(())
    }

    /// Forgets a shard that this node neither has nor will have.
    pub fn forget(&mut self, shard: &ShardId) {
        if self.standing.held.contains_key(shard) {
            return;
        }
        let number = Key::of(shard);
        if let Some(batch) = self.batches.get_mut(&number) {
            batch.intents.remove(shard);
            if batch.intents.is_empty() {
                self.batches.remove(&number);
                self.pending.remove(&number);
            }
        }
    }

    fn intent(&mut self, shard: &ShardId) -> Option<&mut Intent> {
        let batch = self.batches.get_mut(&Key::of(shard))?;
        let intent = batch.intents.get_mut(shard)?;
        batch.unchecked = true;
        Some(intent)
    }

    /// Takes the shard as soon as it may be taken, and again after a loss, until told otherwise.
    ///
    /// # Errors
    /// There are too many.
    pub fn want(
        &mut self,
        now: BootMillis,
        shard: &ShardId,
        terms: Terms,
    ) -> Result<(), TooManyShards> {
        self.watch(now, shard)?;
        if let Some(intent) = self.intent(shard) {
            intent.want = Some(terms);
        }
        self.tick(now);
        Ok(())
    }

    /// Does not want the shard any more. What it has, it keeps, and what was sent may still give it.
    pub fn unwant(&mut self, shard: &ShardId) {
        if let Some(intent) = self.intent(shard) {
            intent.want = None;
        }
    }

    /// The mirror shows that `epoch` of the shard was sealed.
    pub fn seal_seen(&mut self, now: BootMillis, shard: &ShardId, epoch: Epoch) {
        if let Some(intent) = self.intent(shard) {
            intent.sealed = intent.sealed.max(epoch);
        }
        // Who wrote the seal writes the record next; if it cannot, its session ends within a lease.
        let hurry = now.plus(self.timing.lease);
        if let Some(batch) = self.batches.get_mut(&Key::of(shard)) {
            batch.hurry = hurry;
            batch.due = batch.due.min(now);
        }
        self.tick(now);
    }

    /// Begins to give a shard up: nothing starts for it any more, and there is no way back. The shell
    /// waits for what is under way, writes receipts and the seal of the epoch that is returned, and
    /// then calls [`Lease::give`].
    ///
    /// # Errors
    /// This node does not have the shard, or its lock-delay lasts: what a lost owner sent may still be
    /// under way, and the seal would deny that.
    pub fn stop(&mut self, now: BootMillis, shard: &ShardId) -> Result<Epoch, NotNow> {
        let keeps = self.keeps(Rule::StoppedWhileYielding);
        let held = self.held().get_mut(shard).ok_or(NotNow::NotHeld)?;
        if now < held.not_before {
            let wait_ms = held.not_before.since(now);
            return Err(NotNow::LockDelay { wait_ms });
        }
        held.stopped = keeps;
        let epoch = held.epoch;
        self.unwant(shard);
        Ok(epoch)
    }

    /// Gives up a shard that was stopped, all of whose effects stand before `seal` in this node's
    /// log. Gives whether this node had it.
    pub fn give(&mut self, now: BootMillis, shard: &ShardId, to: Name, seal: Position) -> bool {
        let stopped = !self.keeps(Rule::StoppedWhileYielding);
        let held = self.standing.held.get(shard).copied();
        let Some(held) = held.filter(|held| held.stopped || stopped) else {
            return false;
        };
        if let Some(intent) = self.intent(shard) {
            let epoch = held.epoch;
            intent.give = Some(Give { epoch, to, seal });
        }
        self.tick(now);
        true
    }

    /// The node is being shut down: nothing starts any more. When nothing is under way either the shell calls
    /// [`Lease::close`].
    pub fn drain(&mut self) {
        self.standing.ending = true;
    }

    /// Nothing is under way any more: the session is ended, so that others need not wait for it.
    pub fn close(&mut self, now: BootMillis) {
        self.drain();
        match &mut self.session.state {
            State::Live(live) => {
                live.ending = true;
                self.session.due = now;
            }
            State::Ended => return,
            _ => self.closed(),
        }
        self.tick(now);
    }

    fn closed(&mut self) {
        self.session.state = State::Ended;
        self.standing = Standing {
            ending: true,
            ..Standing::nothing()
        };
        self.event(Event::Closed);
    }

    /// What this node may do. Publish it after each call.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Who has the shard, as far as was read.
    #[must_use]
    pub fn owner(&self, shard: &ShardId) -> Owner {
        if let Some(held) = self.standing.held.get(shard) {
            return Owner::Me(held.epoch);
        }
        let batch = self.batches.get(&Key::of(shard));
        let known = batch.and_then(|it| it.known.as_ref());
        let Some(known) = known else {
            return Owner::Unknown;
        };
        let Some(holding) = known.record.shards.get(shard) else {
            return Owner::Nobody;
        };
        let (session, epoch) = (holding.session().clone(), holding.epoch());
        let watch = self.watches.get(&session.node);
        match holding {
            Holding::Yielded { to, seal, .. } => Owner::Yielded {
                session,
                epoch,
                to: to.clone(),
                seal: seal.clone(),
            },
            Holding::Held { .. } if watch.is_some_and(|it| it.has_ended(session.number)) => {
                Owner::Ended { session, epoch }
            }
            Holding::Held { .. } => Owner::Node {
                session,
                region: watch.and_then(|it| it.region.clone()),
                epoch,
                silent_ms: watch.and_then(Watch::silent_ms),
            },
        }
    }

    /// The next thing to do. Take until there is none.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Tells each deadline that has passed, and that they have been moved, once.
    fn tell_deadlines(&mut self, now: BootMillis) {
        let (start, finish) = self.session.until(&self.timing);
        (self.standing.start, self.standing.finish) = (start, finish);
        let told = match (start, self.told) {
            // Before the first confirmation, and after a loss that was told, there is nothing to tell.
            (Until::Never, _) => Told::Nothing,
            _ if start.holds(now) => Told::Nothing,
            (_, Told::Abort) => Told::Abort,
            _ if !finish.holds(now) => Told::Abort,
            _ => Told::Idle,
        };
        match (self.told, told) {
            (Told::Nothing, Told::Idle) => self.event(Event::Idle),
            (Told::Nothing, Told::Abort) => {
                self.event(Event::Idle);
                self.event(Event::Abort);
            }
            (Told::Idle, Told::Abort) => self.event(Event::Abort),
            (Told::Idle | Told::Abort, Told::Nothing) if start.holds(now) => {
                self.event(Event::Resumed);
            }
            _ => {}
        }
        self.told = told;
    }

    /// When [`Lease::tick`] is to be called at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<BootMillis> {
        if self.session.state == State::Ended {
            return None;
        }
        let timeout = self.timing.timeout;
        let answers = self.pending.values().map(|it| it.sent.plus(timeout));
        let own = Key::Session(self.me.node.clone());
        let idle = |key: &Key| !self.pending.contains_key(key);
        let waits = matches!(self.session.state, State::Foreign);
        let session = (idle(&own) && !waits).then_some(self.session.due);
        let watches = self
            .watches
            .iter()
            .filter(|(node, _)| self.watched(node) && idle(&Key::Session((*node).clone())))
            .flat_map(|(_, watch)| [Some(watch.due), watch.ends_at(&self.timing)])
            .flatten();
        let batches = self
            .batches
            .iter()
            .filter(|(batch, _)| idle(batch))
            .map(|(_, it)| it.due);
        let deadline = match (self.told, self.standing.start, self.standing.finish) {
            (Told::Nothing, Until::Before(at), _) | (Told::Idle, _, Until::Before(at)) => Some(at),
            _ => None,
        };
        let due = answers.chain(session).chain(deadline);
        let next = due.min();
        if self.pending.len() >= REQUESTS_MAX {
            // What is due besides waits for an answer.
            return next;
        }
        watches.chain(batches).chain(next).min()
    }

    /// Whether the session of `node` is to be watched: that of this node only while another process
    /// may have it.
    fn watched(&self, node: &Name) -> bool {
        *node != self.me.node || self.session.state == State::Foreign
    }

    fn session_id(&self) -> Option<SessionId> {
        let number = self.session.number()?;
        Some(SessionId {
            node: self.me.node.clone(),
            number,
        })
    }

    fn held(&mut self) -> &mut BTreeMap<ShardId, Held> {
        Arc::make_mut(&mut self.standing.held)
    }

    /// Nodes that known records name.
    fn named_nodes(&self) -> BTreeSet<Name> {
        let known = self.batches.values().filter_map(|it| it.known.as_ref());
        known
            .flat_map(|known| known.record.shards.values())
            .map(|holding| holding.session().node.clone())
            .collect()
    }

    /// Whether a rule is kept: always, but for tests that look whether its breach would be noticed.
    #[cfg_attr(
        not(test),
        expect(clippy::unused_self, reason = "the tests' machine has state for it")
    )]
    pub(super) fn keeps(&self, rule: Rule) -> bool {
        #[cfg(test)]
        let kept = self.broken != Some(rule);
        #[cfg(not(test))]
        let kept = {
            let _ = rule;
            true
        };
        kept
    }
}
