//! Watching the session of one node, on the watcher's own clock.

use tidegate_types::time::BootMillis;

use super::Timing;
use super::record::{Name, SessionRecord};
use super::store::Revision;

/// What is known of a node's session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Watch {
    /// What was read last, while the reading does not break off.
    seen: Option<Seen>,
    /// Sessions of the node up to this number have ended: a fact that no older reading takes back.
    pub(super) ended: u64,
    /// The newest session that was named somewhere.
    named: u64,
    /// Where the node is, once its record was read.
    pub(super) region: Option<Name>,
    /// How long the newest session that has ended was silent, if this node ended it.
    pub(super) silent_when_ended: Option<u64>,
    /// When to read it next.
    pub(super) due: BootMillis,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seen {
    revision: Option<Revision>,
    record: Option<SessionRecord>,
    /// When it was found like this for the first time.
    since: BootMillis,
    /// When it was found like this for the last time.
    last: BootMillis,
}

/// The write that ends a silent session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ending {
    pub(super) expected: Option<Revision>,
    pub(super) record: SessionRecord,
    pub(super) silent_ms: u64,
}

impl Watch {
    pub(super) const fn new(now: BootMillis) -> Self {
        Self {
            seen: None,
            ended: 0,
            named: 0,
            region: None,
            silent_when_ended: None,
            due: now,
        }
    }

    /// A record of shards names this session of the node.
    pub(super) fn named(&mut self, number: u64) {
        self.named = self.named.max(number);
    }

    /// Whether this session of the node is known to have ended.
    pub(super) const fn has_ended(&self, number: u64) -> bool {
        number <= self.ended
    }

    /// How long the record has not changed, by this node's clock.
    pub(super) fn silent_ms(&self) -> Option<u64> {
        let seen = self.seen.as_ref()?;
        Some(seen.last.since(seen.since))
    }

    /// The record was found like this; readings further apart than `gap` do not add up. Gives whether it has changed since it was found last.
    pub(super) fn found(
        &mut self,
        gap: u64,
        now: BootMillis,
        found: Option<(Revision, SessionRecord)>,
    ) -> bool {
        let (revision, record) = found.unzip();
        if let Some(record) = &record {
            self.region = Some(record.region.clone());
            let ended = record.number.saturating_sub(u64::from(!record.ended));
            if ended > self.ended {
                self.ended = ended;
                self.silent_when_ended = None;
            }
        }
        let moved = self.seen.as_ref();
        let moved = moved.is_some_and(|seen| seen.revision != revision);
        let since = match &self.seen {
            Some(seen) if seen.revision == revision && now.since(seen.last) <= gap => seen.since,
            _ => now,
        };
        self.seen = Some(Seen {
            revision,
            record,
            since,
            last: now,
        });
        moved
    }

    /// It could not be read: the count starts again with the next good reading.
    pub(super) fn lost_sight(&mut self) {
        self.seen = None;
    }

    /// The write that ends the session, if it has been silent for long enough.
    pub(super) fn ending(
        &self,
        timing: &Timing,
        gap: u64,
        now: BootMillis,
        me: &Name,
    ) -> Option<Ending> {
        let seen = self.seen.as_ref()?;
        let silent_ms = now.since(seen.since);
        if silent_ms < timing.lease || now.since(seen.last) > gap {
            return None;
        }
        let record = match &seen.record {
            Some(record) if record.ended => return None,
            Some(record) => SessionRecord {
                ended: true,
                counter: record.counter.saturating_add(1),
                ..record.clone()
            },
            // Somebody has removed the record, and with it the proof that its sessions have ended.
            None if self.named > self.ended => SessionRecord {
                number: self.named,
                nonce: 0,
                region: self.region.clone().unwrap_or_else(|| me.clone()),
                counter: 0,
                ended: true,
            },
            None => return None,
        };
        Some(Ending {
            expected: seen.revision,
            record,
            silent_ms,
        })
    }

    /// When the session will have been silent for long enough.
    pub(super) fn ends_at(&self, timing: &Timing) -> Option<BootMillis> {
        let seen = self.seen.as_ref()?;
        let over = match &seen.record {
            Some(record) => record.ended,
            None => self.named <= self.ended,
        };
        (!over).then(|| seen.since.plus(timing.lease))
    }
}

#[cfg(test)]
impl Watch {
    /// Hashes what can make a difference later; see `Lease::fingerprint`.
    pub(super) fn fingerprint(
        &self,
        ago: &impl Fn(BootMillis) -> u64,
        canon: &mut impl FnMut(Option<Revision>) -> u64,
        out: &mut impl std::hash::Hasher,
    ) {
        use std::hash::Hash as _;
        self.named.hash(out);
        if let Some(seen) = &self.seen {
            canon(seen.revision).hash(out);
            let record = seen.record.as_ref();
            let record = record.map(super::machine::probe::uncounted);
            (record, ago(seen.since), ago(seen.last)).hash(out);
        }
    }
}
