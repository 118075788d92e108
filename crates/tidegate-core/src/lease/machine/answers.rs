//! What becomes of what was asked.

use bytes::Bytes;
use tidegate_types::time::BootMillis;

use super::{Event, Held, Lease, Pending, Purpose, Rule};
use crate::lease::record::{Holding, RecordError, SessionRecord, ShardRecord};
use crate::lease::session::{Live, Seen, Session, State};
use crate::lease::shards::{Change, Known, Write};
use crate::lease::standing::Standing;
use crate::lease::store::{Answer, Key, RequestId, Revision, Stored};
use crate::lease::watch::Ending;

impl Lease {
    /// Hands in the answer to a request. Answers that come after their time change nothing.
    pub fn answer(&mut self, now: BootMillis, id: RequestId, answer: Answer) {
        let found = self.pending.iter().find(|(_, pending)| pending.id == id);
        let Some((key, _)) = found else {
            return;
        };
        let key = key.clone();
        if let Some(pending) = self.pending.remove(&key)
            && self.session.state != State::Ended
        {
            self.resolve(now, &key, pending, answer);
        }
        self.tick(now);
    }

    pub(super) fn resolve(&mut self, now: BootMillis, key: &Key, pending: Pending, answer: Answer) {
        let retry = pending.sent.plus(self.timing.retry).max(now);
        match pending.purpose {
            Purpose::ReadSession => match answer {
                Answer::Found(found) => self.session_read(now, key, found),
                _ => self.session_unread(key, retry),
            },
            Purpose::EndSession(ending) => match answer {
                Answer::Done(revision) => self.session_ended(now, key, revision, *ending),
                Answer::Conflict(found) => self.session_read(now, key, found),
                _ => self.session_unread(key, retry),
            },
            Purpose::WriteSession(record) => match answer {
                Answer::Done(revision) => self.renewed(now, pending.sent, revision, &record),
                Answer::Conflict(found) => self.not_renewed(now, key, found),
                _ => {
                    let confirms = !self.keeps(Rule::UnknownConfirmsNothing);
                    if let State::Live(live) = &mut self.session.state
                        && confirms
                    {
                        live.confirmed = Some(pending.sent);
                    }
                    self.session.due = retry;
                }
            },
            Purpose::ReadShards => match answer {
                Answer::Found(found) => self.shards_read(now, key, found),
                _ => self.read_again(key, retry),
            },
            Purpose::WriteShards(write) => match answer {
                Answer::Done(revision) => self.written(now, key, revision, *write),
                Answer::Conflict(found) => self.shards_read(now, key, found),
                _ => self.written_perhaps(key, retry, &write),
            },
        }
    }

    /// A record that cannot be read is as good as none that was read.
    fn decode<T>(
        &mut self,
        key: &Key,
        found: Option<Stored>,
        decode: fn(&Bytes) -> Result<T, RecordError>,
    ) -> Option<Option<(Revision, T)>> {
        let Some(Stored { revision, value }) = found else {
            return Some(None);
        };
        match decode(&value) {
            Ok(record) => Some(Some((revision, record))),
            Err(error) => {
                let key = key.clone();
                self.event(Event::Unreadable { key, error });
                None
            }
        }
    }
}

/// Sessions.
impl Lease {
    fn session_unread(&mut self, key: &Key, retry: BootMillis) {
        let Key::Session(node) = key else {
            return;
        };
        let restarts = self.keeps(Rule::CountRestarts);
        if let Some(watch) = self.watches.get_mut(node) {
            if restarts {
                watch.lost_sight();
            }
            watch.due = retry;
        }
        if *node == self.me.node {
            self.session.due = retry;
        }
    }

    fn session_read(&mut self, now: BootMillis, key: &Key, found: Option<Stored>) {
        let Some(found) = self.decode(key, found, SessionRecord::decode) else {
            self.session_unread(key, now.plus(self.timing.retry));
            return;
        };
        self.session_found(now, key, found.as_ref());
    }

    fn session_found(
        &mut self,
        now: BootMillis,
        key: &Key,
        found: Option<&(Revision, SessionRecord)>,
    ) {
        let Key::Session(node) = key else {
            return;
        };
        let gap = self.gap();
        let Some(watch) = self.watches.get_mut(node) else {
            return;
        };
        let ended = watch.ended;
        let moved = watch.found(gap, now, found.cloned());
        watch.due = now.plus(self.timing.read);
        if watch.ended > ended {
            self.check_all();
        }
        if *node == self.me.node {
            self.own_found(now, found, moved);
        }
    }

    fn session_ended(&mut self, now: BootMillis, key: &Key, revision: Revision, ending: Ending) {
        let silent_ms = ending.silent_ms;
        let session = key.session(ending.record.number);
        self.session_found(now, key, Some(&(revision, ending.record)));
        let Some(session) = session else {
            return;
        };
        if let Some(watch) = self.watches.get_mut(&session.node) {
            watch.silent_when_ended = Some(silent_ms);
        }
        self.event(Event::Ended { session, silent_ms });
    }

    /// The record of this node was found like this. `moved`: it has changed while it was watched.
    fn own_found(
        &mut self,
        now: BootMillis,
        found: Option<&(Revision, SessionRecord)>,
        moved: bool,
    ) {
        let was_live = matches!(self.session.state, State::Live(_));
        match Session::look(found, self.begun, self.me.nonce) {
            Seen::Mine { revision, counter } => {
                if let State::Live(live) = &mut self.session.state {
                    // An earlier renewal took place after all.
                    (live.revision, live.counter) = (revision, counter);
                } else {
                    self.began(Live {
                        number: self.begun,
                        revision,
                        counter,
                        confirmed: None,
                        ending: false,
                    });
                }
                self.session.due = now;
            }
            Seen::Free(state) => {
                if was_live {
                    self.lose();
                }
                if self.session.state == State::Ended {
                    return;
                }
                if let State::Beginning { number, .. } = &state {
                    self.begun = *number;
                }
                self.session.state = state;
                self.session.due = now;
            }
            Seen::Foreign => {
                if was_live {
                    self.lose();
                }
                if self.session.state == State::Ended {
                    return;
                }
                self.session.state = State::Foreign;
                if moved && !self.name_in_use_told {
                    self.name_in_use_told = true;
                    self.event(Event::NameInUse);
                }
            }
        }
    }

    fn renewed(
        &mut self,
        now: BootMillis,
        sent: BootMillis,
        revision: Revision,
        record: &SessionRecord,
    ) {
        let confirmed = if self.keeps(Rule::DeadlineFromSending) {
            sent
        } else {
            now
        };
        self.session.due = sent.plus(self.timing.renew).max(now);
        match &mut self.session.state {
            State::Live(_) if record.ended => self.closed(),
            State::Live(live) if live.number == record.number => {
                live.revision = revision;
                live.counter = record.counter;
                live.confirmed = Some(confirmed);
                if live.ending {
                    self.session.due = now;
                }
            }
            State::Beginning { .. } => self.began(Live {
                number: record.number,
                revision,
                counter: record.counter,
                confirmed: Some(confirmed),
                ending: false,
            }),
            _ => {}
        }
    }

    fn not_renewed(&mut self, now: BootMillis, key: &Key, found: Option<Stored>) {
        let ends = self.keeps(Rule::ConflictEndsSession);
        if !ends && let (State::Live(live), Some(stored)) = (&mut self.session.state, &found) {
            live.revision = stored.revision;
            self.session.due = now;
            return;
        }
        self.session.due = now.plus(self.timing.retry);
        self.session_read(now, key, found);
    }

    fn began(&mut self, live: Live) {
        let number = live.number;
        if let Some(watch) = self.watches.get_mut(&self.me.node) {
            watch.ended = watch.ended.max(number.saturating_sub(1));
        }
        self.session.state = State::Live(live);
        self.name_in_use_told = false;
        self.check_all();
        if let Some(session) = self.session_id() {
            self.standing.session = Some(session.clone());
            self.event(Event::Began(session));
        }
    }

    /// The session is another one's doing now, and everything under it is over.
    fn lose(&mut self) {
        let Some(session) = self.session_id() else {
            return;
        };
        let ending = matches!(&self.session.state, State::Live(live) if live.ending);
        let shards = self.standing.held.len();
        self.standing = Standing {
            ending: self.standing.ending,
            ..Standing::nothing()
        };
        for intent in self
            .batches
            .values_mut()
            .flat_map(|it| it.intents.values_mut())
        {
            intent.give = None;
        }
        self.check_all();
        self.event(Event::Lost { session, shards });
        if ending {
            self.closed();
        }
    }
}

/// Shards.
impl Lease {
    fn read_again(&mut self, key: &Key, retry: BootMillis) {
        if let Some(batch) = self.batches.get_mut(key) {
            batch.due = retry;
        }
    }

    fn shards_read(&mut self, now: BootMillis, key: &Key, found: Option<Stored>) {
        let Some(found) = self.decode(key, found, ShardRecord::decode) else {
            if let Some(batch) = self.batches.get_mut(key) {
                batch.known = None;
            }
            self.read_again(key, now.plus(self.timing.retry));
            return;
        };
        let (revision, record) = found.unzip();
        let known = Known {
            revision,
            record: record.unwrap_or_default(),
        };
        self.know(now, key, known);
    }

    /// The record is this one now, or was a moment ago.
    fn know(&mut self, now: BootMillis, key: &Key, known: Known) {
        let session = self.session_id();
        let owned_by_write = self.keeps(Rule::OwnedByWriteOnly);
        let Some(batch) = self.batches.get_mut(key) else {
            return;
        };
        let pace = if now < batch.hurry {
            self.timing.hurry
        } else {
            self.timing.renew
        };
        batch.due = now.plus(pace);
        batch.unchecked |= batch.known.as_ref() != Some(&known);
        let mut ours = Vec::new();
        for (shard, intent) in &mut batch.intents {
            let held = self.standing.held.get(shard);
            let Some(holding) = known.record.shards.get(shard) else {
                continue;
            };
            match (held, holding) {
                (Some(held), Holding::Yielded { by, epoch, to, .. })
                    if *epoch == held.epoch && Some(by) == session.as_ref() =>
                {
                    intent.give = None;
                    ours.push((shard.clone(), held.epoch, Some(to.clone())));
                }
                (Some(held), _) if holding.epoch() > held.epoch => {
                    intent.give = None;
                    ours.push((shard.clone(), held.epoch, None));
                }
                (None, Holding::Held { by, epoch })
                    if !owned_by_write && Some(by) == session.as_ref() =>
                {
                    let held = Held {
                        epoch: *epoch,
                        not_before: now,
                        stopped: false,
                    };
                    std::sync::Arc::make_mut(&mut self.standing.held).insert(shard.clone(), held);
                }
                _ => {}
            }
        }
        batch.known = Some(known);
        for (shard, epoch, to) in ours {
            self.held().remove(&shard);
            self.event(match to {
                Some(to) => Event::Yielded { shard, epoch, to },
                None => Event::Gone { shard, epoch },
            });
        }
        self.watch_owners(now, key);
    }

    /// A write took place: what it changed is so, if the session it was for is still this one.
    fn written(&mut self, now: BootMillis, key: &Key, revision: Revision, write: Write) {
        if self.session_id().as_ref() == Some(&write.session) {
            for change in write.changes {
                self.changed(now, change);
            }
        }
        let known = Known {
            revision: Some(revision),
            record: write.record,
        };
        self.know(now, key, known);
    }

    fn changed(&mut self, now: BootMillis, change: Change) {
        match change {
            Change::Take {
                shard,
                epoch,
                source,
                delay_ms,
            } => {
                let delay_ms = if self.keeps(Rule::LockDelay) {
                    delay_ms
                } else {
                    0
                };
                let held = Held {
                    epoch,
                    not_before: now.plus(delay_ms),
                    stopped: false,
                };
                self.held().insert(shard.clone(), held);
                self.event(Event::Taken {
                    shard,
                    epoch,
                    source,
                    not_before: held.not_before,
                });
            }
            Change::Give { shard, epoch, to } => {
                self.held().remove(&shard);
                if let Some(intent) = self.intent(&shard) {
                    intent.give = None;
                }
                self.event(Event::Yielded { shard, epoch, to });
            }
        }
    }

    /// The write may have taken place, or may still: the record must be read before anything else.
    fn written_perhaps(&mut self, key: &Key, retry: BootMillis, write: &Write) {
        if let Some(batch) = self.batches.get_mut(key) {
            batch.known = None;
            batch.unchecked = true;
        }
        self.read_again(key, retry);
        if !self.keeps(Rule::UnknownMayHaveHappened) {
            for change in &write.changes {
                if let Change::Give { shard, .. } = change {
                    if let Some(held) = self.held().get_mut(shard) {
                        held.stopped = false;
                    }
                    if let Some(intent) = self.intent(shard) {
                        intent.give = None;
                    }
                }
            }
        }
    }
}
