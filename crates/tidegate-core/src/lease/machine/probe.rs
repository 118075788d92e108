//! What the tests see of a machine: everything that can make a difference later, and nothing else.

use std::hash::{Hash, Hasher};

use super::{Lease, Pending, Purpose, Rule};
use crate::lease::record::SessionRecord;
use crate::lease::session::State;
use crate::lease::standing::Until;
use crate::lease::store::{Key, RequestId, Revision};
use tidegate_types::time::BootMillis;

/// Gives each revision of a record a small number, the same in all worlds that differ only by how
/// often a record was written before.
pub(in crate::lease) type Canon<'a> = dyn FnMut(&Key, Option<Revision>) -> u64 + 'a;

impl Lease {
    /// The machine with one of its rules broken.
    pub(in crate::lease) fn breaking(mut self, rule: Option<Rule>) -> Self {
        self.broken = rule;
        self
    }

    /// Whether an answer to this request would still be heard.
    pub(in crate::lease) fn awaits(&self, id: RequestId) -> bool {
        self.pending.values().any(|pending| pending.id == id)
    }

    /// Which record that request is about.
    pub(in crate::lease) fn awaited(&self, id: RequestId) -> Option<Key> {
        let mut pending = self.pending.iter();
        let found = pending.find(|(_, pending)| pending.id == id);
        found.map(|(key, _)| key.clone())
    }

    /// Hashes the machine at `now`: times as distances, without counters. Two that hash alike behave alike.
    pub(in crate::lease) fn fingerprint(
        &self,
        now: BootMillis,
        canon: &mut Canon<'_>,
        out: &mut impl Hasher,
    ) {
        let own = Key::Session(self.me.node.clone());
        let ahead = |at: BootMillis| at.since(now);
        let longest = self.timing.lease.saturating_add(self.timing.gap());
        let ago = |at: BootMillis| now.since(at).min(longest);
        match &self.session.state {
            State::Live(live) => {
                (0, live.number, live.ending, live.confirmed.map(ago)).hash(out);
                canon(&own, Some(live.revision)).hash(out);
            }
            State::Beginning {
                number, expected, ..
            } => {
                (1, number).hash(out);
                canon(&own, *expected).hash(out);
            }
            State::Reading => 2.hash(out),
            State::Foreign => 3.hash(out),
            State::Ended => 4.hash(out),
        }
        (self.begun, ahead(self.session.due), self.told).hash(out);
        for (node, watch) in &self.watches {
            let key = Key::Session(node.clone());
            node.hash(out);
            (watch.ended, ahead(watch.due)).hash(out);
            watch.fingerprint(&ago, &mut |revision| canon(&key, revision), out);
        }
        for (key, batch) in &self.batches {
            (ahead(batch.due), ahead(batch.hurry), batch.unchecked).hash(out);
            batch.intents.hash(out);
            if let Some(known) = &batch.known {
                canon(key, known.revision).hash(out);
                known.record.hash(out);
            }
        }
        let until = |until: Until| match until {
            Until::Before(at) => Some(ahead(at)),
            Until::Never | Until::Always => None,
        };
        (until(self.standing.start), until(self.standing.finish)).hash(out);
        (self.standing.ending, &self.standing.session).hash(out);
        for (shard, held) in self.standing.held.iter() {
            (shard, held.epoch, held.stopped, ahead(held.not_before)).hash(out);
        }
        for (key, pending) in &self.pending {
            key.hash(out);
            pending.fingerprint(&ago, out);
        }
    }
}

impl Pending {
    fn fingerprint(&self, ago: &impl Fn(BootMillis) -> u64, out: &mut impl Hasher) {
        ago(self.sent).hash(out);
        match &self.purpose {
            Purpose::ReadSession => 0.hash(out),
            Purpose::WriteSession(record) => (1, uncounted(record)).hash(out),
            Purpose::EndSession(ending) => (2, uncounted(&ending.record)).hash(out),
            Purpose::ReadShards => 3.hash(out),
            Purpose::WriteShards(write) => (4, write).hash(out),
        }
    }
}

/// The record without how often it was written.
pub(in crate::lease) fn uncounted(record: &SessionRecord) -> SessionRecord {
    SessionRecord {
        counter: 0,
        ..record.clone()
    }
}
