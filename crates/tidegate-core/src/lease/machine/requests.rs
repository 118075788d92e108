//! What is asked of the store, and when.

use tidegate_types::time::BootMillis;

use super::{Event, Lease, NODES_MAX, Output, Pending, Purpose, REQUESTS_MAX, Rule};
use crate::lease::record::{Holding, Name, RECORD_BYTES_MAX, SessionId, ShardRecord};
use crate::lease::session::State;
use crate::lease::shards::{self, Batch, Change, Intent, Write};
use crate::lease::standing::Epoch;
use crate::lease::store::{Action, Answer, Key, Request, RequestId};
use crate::lease::watch::Watch;

impl Lease {
    /// Does what is due at `now`.
    pub fn tick(&mut self, now: BootMillis) {
        let timeout = self.timing.timeout;
        let late = |pending: &Pending| now.since(pending.sent) >= timeout;
        let expired = self.pending.iter().filter(|(_, pending)| late(pending));
        let expired: Vec<Key> = expired.map(|(key, _)| key.clone()).collect();
        for key in expired {
            if let Some(pending) = self.pending.remove(&key) {
                self.resolve(now, &key, pending, Answer::Unknown);
            }
        }
        // First, since a renewal may have confirmed what the rest depends on.
        self.tell_deadlines(now);
        if self.session.state == State::Ended {
            return;
        }
        self.ask_own(now);
        self.ask_sessions(now);
        self.ask_shards(now);
    }

    fn send(&mut self, now: BootMillis, key: Key, purpose: Purpose, action: Action) {
        self.requests = self.requests.saturating_add(1);
        let id = RequestId(self.requests);
        let sent = now;
        let pending = Pending { id, sent, purpose };
        self.pending.insert(key.clone(), pending);
        let request = Request { id, key, action };
        self.outputs.push_back(Output::Request(request));
    }

    /// This node's own session: never held up by other requests.
    fn ask_own(&mut self, now: BootMillis) {
        let key = Key::Session(self.me.node.clone());
        if self.session.due > now || self.pending.contains_key(&key) {
            return;
        }
        if self.session.state == State::Reading {
            self.send(now, key, Purpose::ReadSession, Action::Read);
        } else if let Some((expected, record)) = self.session.write(&self.me.region, self.me.nonce)
        {
            let value = record.encode();
            let purpose = Purpose::WriteSession(Box::new(record));
            self.send(now, key, purpose, Action::CompareAndSet { expected, value });
        }
    }

    fn ask_sessions(&mut self, now: BootMillis) {
        let due: Vec<Name> = self
            .watches
            .iter()
            .filter(|(node, watch)| {
                let silent = watch.ends_at(&self.timing).is_some_and(|at| at <= now);
                (watch.due <= now || silent) && self.watched(node)
            })
            .map(|(node, _)| node.clone())
            .collect();
        for node in due {
            let key = Key::Session(node.clone());
            if self.pending.len() >= REQUESTS_MAX {
                return;
            }
            if self.pending.contains_key(&key) {
                continue;
            }
            let Some(watch) = self.watches.get(&node) else {
                continue;
            };
            match watch.ending(&self.timing, self.gap(), now, &self.me.region) {
                Some(ending) if !self.keeps(Rule::EndFirst) => {
                    self.take_as_ended(&node, ending.record.number);
                }
                Some(ending) => {
                    let (expected, value) = (ending.expected, ending.record.encode());
                    let purpose = Purpose::EndSession(Box::new(ending));
                    self.send(now, key, purpose, Action::CompareAndSet { expected, value });
                }
                None if watch.due <= now => {
                    self.send(now, key, Purpose::ReadSession, Action::Read);
                }
                None => {}
            }
        }
    }

    /// How far apart two readings may be that still are one watch.
    pub(super) fn gap(&self) -> u64 {
        if self.keeps(Rule::CountRestarts) {
            self.timing.gap()
        } else {
            u64::MAX
        }
    }

    /// What the rule [`Rule::EndFirst`] forbids.
    fn take_as_ended(&mut self, node: &Name, number: u64) {
        if let Some(watch) = self.watches.get_mut(node) {
            watch.ended = watch.ended.max(number);
        }
        self.check_all();
    }

    fn ask_shards(&mut self, now: BootMillis) {
        let open = |batch: &Batch| batch.due <= now || batch.unchecked;
        let due = self.batches.iter().filter(|(_, batch)| open(batch));
        let due: Vec<Key> = due.map(|(key, _)| key.clone()).collect();
        for key in due {
            if self.pending.len() >= REQUESTS_MAX {
                return;
            }
            if self.pending.contains_key(&key) {
                continue;
            }
            if let Some(write) = self.write(now, &key) {
                let known = self.batches.get(&key).and_then(|it| it.known.as_ref());
                let expected = known.and_then(|known| known.revision);
                let value = write.record.encode();
                let purpose = Purpose::WriteShards(Box::new(write));
                self.send(now, key, purpose, Action::CompareAndSet { expected, value });
            } else if self.batches.get(&key).is_some_and(|it| it.due <= now) {
                self.send(now, key, Purpose::ReadShards, Action::Read);
            }
        }
    }

    /// All that this node may change in a record now, in one write.
    fn write(&mut self, now: BootMillis, key: &Key) -> Option<Write> {
        let session = self.session_id()?;
        // A node whose own lease is in doubt takes nothing: it could not act anyway.
        if !self.standing.start.holds(now) {
            return None;
        }
        let batch = self.batches.get(key)?;
        let known = batch.known.as_ref()?;
        let mut record = known.record.clone();
        let mut bytes = record.bytes_at_most();
        let mut changes = Vec::new();
        let mut full = false;
        for (shard, intent) in &batch.intents {
            let holding = record.shards.get(shard);
            let change = match &intent.give {
                Some(_) => give(shard, intent, holding, &session),
                None => self.take(shard, intent, holding, &session),
            };
            let Some((holding, change)) = change else {
                continue;
            };
            let more = ShardRecord::bytes_of(shard);
            if !record.shards.contains_key(shard) {
                if bytes.saturating_add(more) > RECORD_BYTES_MAX {
                    full = true;
                    continue;
                }
                bytes = bytes.saturating_add(more);
            }
            record.shards.insert(shard.clone(), holding);
            changes.push(change);
        }
        let batch = self.batches.get_mut(key)?;
        batch.unchecked = false;
        if full && !batch.full {
            batch.full = true;
            let key = key.clone();
            self.event(Event::Full { key });
        }
        (!changes.is_empty()).then_some(Write {
            session,
            record,
            changes,
        })
    }

    fn take(
        &self,
        shard: &crate::lease::ShardId,
        intent: &Intent,
        holding: Option<&Holding>,
        session: &SessionId,
    ) -> Option<(Holding, Change)> {
        let terms = intent.want?;
        if self.standing.ending || self.standing.held.contains_key(shard) {
            return None;
        }
        let last = holding.map(Holding::epoch).unwrap_or_default();
        let sealed = if self.keeps(Rule::SealFirst) {
            intent.sealed
        } else {
            last
        };
        let source = shards::source(holding, session, sealed, |of| self.ended(of))?;
        let next = u64::from(self.keeps(Rule::EpochGrows));
        let epoch = Epoch(last.max(terms.floor).0.saturating_add(next));
        let by = session.clone();
        let delay_ms = source.delay_ms(terms);
        let shard = shard.clone();
        Some((
            Holding::Held { by, epoch },
            Change::Take {
                shard,
                epoch,
                source,
                delay_ms,
            },
        ))
    }

    /// Whether a session is known to have ended, and how long it was silent if this node ended it.
    #[expect(clippy::option_option, reason = "known to have ended, by whom")]
    fn ended(&self, session: &SessionId) -> Option<Option<u64>> {
        let watch = self.watches.get(&session.node)?;
        let ended = watch.has_ended(session.number) || !self.keeps(Rule::OnlyFromEnded);
        ended.then_some(watch.silent_when_ended)
    }

    pub(super) fn check_all(&mut self) {
        for batch in self.batches.values_mut() {
            batch.unchecked = true;
        }
    }

    /// Watches the sessions that have the shards this node knows of.
    pub(super) fn watch_owners(&mut self, now: BootMillis, key: &Key) {
        let Some(batch) = self.batches.get(key) else {
            return;
        };
        let Some(known) = &batch.known else {
            return;
        };
        let watched = |shard: &_| batch.intents.contains_key(shard);
        let shards = known.record.shards.iter();
        let owners: Vec<SessionId> = shards
            .filter(|(shard, _)| watched(*shard))
            .map(|(_, holding)| holding.session().clone())
            .collect();
        for SessionId { node, number } in owners {
            if !self.watches.contains_key(&node) && self.watches.len() >= NODES_MAX {
                let mut named = self.named_nodes();
                named.insert(self.me.node.clone());
                self.watches.retain(|node, _| named.contains(node));
                if self.watches.len() >= NODES_MAX {
                    self.event(Event::Unwatched { node });
                    continue;
                }
            }
            let watch = self.watches.entry(node).or_insert_with(|| Watch::new(now));
            watch.named(number);
        }
    }
}

fn give(
    shard: &crate::lease::ShardId,
    intent: &Intent,
    holding: Option<&Holding>,
    session: &SessionId,
) -> Option<(Holding, Change)> {
    let give = intent.give.as_ref()?;
    let Some(Holding::Held { by, epoch }) = holding else {
        return None;
    };
    if by != session || *epoch != give.epoch {
        return None;
    }
    let shard = shard.clone();
    let (epoch, to) = (give.epoch, give.to.clone());
    let holding = Holding::Yielded {
        by: session.clone(),
        epoch,
        to: to.clone(),
        seal: give.seal.clone(),
    };
    Some((holding, Change::Give { shard, epoch, to }))
}
