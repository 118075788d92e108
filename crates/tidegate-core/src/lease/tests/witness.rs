//! What must hold at every moment, told from outside: what each node may do, and what happened.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_types::time::BootMillis;

use super::store::Store;
use crate::lease::{
    Epoch, Event, Holding, Key, Lease, SessionRecord, ShardId, ShardRecord, Source,
};

/// Which promise was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// Two nodes may start an effect for one shard at the same time.
    TwoMayStart,
    /// An epoch was given twice, or somebody acts under a lower one than was acted under before.
    EpochAgain,
    /// A shard that was given up was taken before its seal was seen.
    SealNotSeen,
    /// A shard was taken and effects may start although those of the lost owner may be under way.
    TooSoon,
    /// A session was ended although its node was well and only the store was away.
    MovedByElection,
    /// Nobody may act although all has been well for long enough.
    NobodyActs,
}

/// Remembers what the promises are about.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Witness {
    given: BTreeSet<(ShardId, Epoch)>,
    acted: BTreeMap<ShardId, Epoch>,
    /// When each node could last start something, by the true time.
    could: BTreeMap<ShardId, BTreeMap<usize, u64>>,
    /// Which nodes took a shard from an owner that was lost.
    from_lost: BTreeSet<(ShardId, usize)>,
    lock_delay: u64,
}

impl Witness {
    pub(super) fn new(lock_delay: u64) -> Self {
        Self {
            lock_delay,
            ..Self::default()
        }
    }

    /// The times as distances, as long as they can matter.
    pub(super) fn fingerprint(&self, now: u64, out: &mut impl std::hash::Hasher) {
        use std::hash::Hash as _;
        self.given.hash(out);
        self.acted.hash(out);
        self.from_lost.hash(out);
        for (shard, could) in &self.could {
            for (node, at) in could {
                let ago = now.saturating_sub(*at);
                (ago <= self.lock_delay)
                    .then_some((shard, node, ago))
                    .hash(out);
            }
        }
    }

    /// Something happened at `node`, whose mirror shows `seals`.
    pub(super) fn event(
        &mut self,
        node: usize,
        event: &Event,
        seals: &BTreeSet<(ShardId, Epoch)>,
        before: &Store,
    ) -> Result<(), Broken> {
        let Event::Taken {
            shard,
            epoch,
            source,
            ..
        } = event
        else {
            return Ok(());
        };
        if !self.given.insert((shard.clone(), *epoch)) {
            return Err(Broken::EpochAgain);
        }
        let lost = matches!(source, Source::Ended { .. } | Source::Unsure);
        if lost {
            self.from_lost.insert((shard.clone(), node));
        } else {
            self.from_lost.remove(&(shard.clone(), node));
        }
        let Source::Sealed { session } = source else {
            return Ok(());
        };
        // By what the store held, not by what the machine says it saw.
        let owner = before.records.get(&Key::Session(session.node.clone()));
        let owner = owner.and_then(|it| SessionRecord::decode(&it.value).ok());
        let lives = owner.is_some_and(|it| it.number == session.number && !it.ended);
        let sealed = Epoch(epoch.0.saturating_sub(1));
        if lives && !seals.contains(&(shard.clone(), sealed)) {
            return Err(Broken::SealNotSeen);
        }
        Ok(())
    }

    /// The world stands still at the true time `now`; each node is given with its own clock.
    pub(super) fn look<'a>(
        &mut self,
        now: u64,
        shards: &[ShardId],
        nodes: &(impl Iterator<Item = (usize, &'a Lease, BootMillis)> + Clone),
    ) -> Result<(), Broken> {
        for shard in shards {
            let mut acting = nodes.clone().filter_map(|(node, lease, clock)| {
                let may = lease.standing().may_start(shard.as_str(), clock);
                Some((node, may.ok()?))
            });
            let Some((node, epoch)) = acting.next() else {
                continue;
            };
            if acting.next().is_some() {
                return Err(Broken::TwoMayStart);
            }
            let acted = self.acted.entry(shard.clone()).or_default();
            if epoch < *acted {
                return Err(Broken::EpochAgain);
            }
            *acted = epoch;
            let could = self.could.entry(shard.clone()).or_default();
            let others = could.iter().filter(|(other, _)| **other != node);
            let last = others.map(|(_, at)| *at).max();
            let lost = self.from_lost.contains(&(shard.clone(), node));
            if lost && last.is_some_and(|last| now < last + self.lock_delay) {
                return Err(Broken::TooSoon);
            }
            could.insert(node, now);
        }
        Ok(())
    }
}

/// Whether the store says that somebody alive has the shard.
pub(super) fn owned(store: &Store, shard: &ShardId) -> bool {
    let Some(stored) = store.records.get(&Key::of(shard)) else {
        return false;
    };
    let record = ShardRecord::decode(&stored.value).unwrap();
    let Some(Holding::Held { by, .. }) = record.shards.get(shard) else {
        return false;
    };
    let session = store.records.get(&Key::Session(by.node.clone()));
    session.is_some_and(|stored| {
        let record = SessionRecord::decode(&stored.value).unwrap();
        record.number == by.number && !record.ended
    })
}
