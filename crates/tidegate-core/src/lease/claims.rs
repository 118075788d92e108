//! Who acts when there is no store: claims in the regions' own logs.
//!
//! A region that takes a shard writes its claim to its own log, and the others see it in their mirrors.
//! Of two claims the one with the higher epoch counts. A region's epochs are `k·N + i` for the
//! i-th of N regions, so two that claim at the same moment, unseen by each other, have claims that
//! differ and one of which wins when they meet (failover versions in Cadence and Temporal are
//! numbered so: "Global namespace" in Temporal's documentation).
//!
//! This cannot be both safe and live while the regions do not see each other; nothing can, without a third
//! place. So each flow says which it wants. [`OnPartition::Hold`]: only its first preference
//! acts, and nobody else until an operator says so. [`OnPartition::Takeover`]: whoever has heard
//! nothing of the owner for the time of a lease takes its shards; if the owner lives, both act, and the
//! target sees repeats under one idempotency key.
//!
//! One region alone has only itself to agree with: the lock on its data directory is its lease.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_types::time::BootMillis;

use super::Timing;
use super::record::{Name, ShardId};
use super::standing::{Epoch, Held, NotNow, Standing, Until};
use super::{SHARDS_MAX, TooManyShards};

/// What a flow does when its owner is not heard of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnPartition {
    /// Waits for an operator.
    Hold,
    /// Is taken over; what was under way may be repeated.
    Takeover,
}

/// A region's claim of a shard, as it stands in its log. Later ones are larger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// The epoch.
    pub epoch: Epoch,
    /// Whose it is. Decides between equal epochs, which two regions can only have while they count
    /// different numbers of regions.
    pub region: Name,
}

/// On which terms a shard is claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimTerms {
    /// What the flow asks for.
    pub on_partition: OnPartition,
    /// Whether this region is the first preference.
    pub preferred: bool,
    /// Whether an operator has pinned the shard to this region.
    pub pinned: bool,
    /// How long nothing starts after the shard was taken from an owner that was lost, in milliseconds.
    pub lock_delay_ms: u64,
}

/// Something for the shell to do or to know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ClaimOutput {
    /// Write this claim to this region's log, and call [`Claims::written`] when it is durable.
    Write {
        /// Of which shard.
        shard: ShardId,
        /// The claim.
        claim: Claim,
    },
    /// Another region's claim is higher: nothing starts for the shard any more.
    Lost {
        /// Which.
        shard: ShardId,
        /// The claim that is.
        to: Claim,
    },
}

/// The claims of one region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    timing: Timing,
    region: Name,
    index: u64,
    regions: u64,
    heard: BTreeMap<Name, BootMillis>,
    started: BootMillis,
    shards: BTreeMap<ShardId, Shard>,
    standing: Standing,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Shard {
    /// The highest claim in any log.
    last: Option<Claim>,
    /// The highest epoch that was sealed.
    sealed: Epoch,
    /// A claim of ours on its way to the log.
    writing: Option<Claim>,
    terms: Option<ClaimTerms>,
}

impl Claims {
    /// The `index`-th of `regions` regions, from 0 on. What stands in the logs must be told by [`Claims::seen`]
    /// before the first [`Claims::want`].
    #[must_use]
    pub fn new(timing: Timing, region: Name, index: u16, regions: u16, now: BootMillis) -> Self {
        Self {
            timing,
            region,
            index: u64::from(index),
            regions: u64::from(regions).max(u64::from(index).saturating_add(1)),
            heard: BTreeMap::new(),
            started: now,
            shards: BTreeMap::new(),
            standing: Standing {
                start: Until::Always,
                finish: Until::Always,
                ..Standing::nothing()
            },
        }
    }

    /// A region has given a sign of life.
    pub fn heard(&mut self, now: BootMillis, region: &Name) {
        self.heard.insert(region.clone(), now);
    }

    /// A claim stands in a log. Gives the loss of the shard, if that is what it means.
    ///
    /// # Errors
    /// There are too many shards.
    pub fn seen(
        &mut self,
        shard: &ShardId,
        claim: Claim,
    ) -> Result<Option<ClaimOutput>, TooManyShards> {
        if !self.shards.contains_key(shard) && self.shards.len() >= SHARDS_MAX {
            return Err(TooManyShards);
        }
        let known = self.shards.entry(shard.clone()).or_default();
        if known.last.as_ref() >= Some(&claim) {
            return Ok(None);
        }
        known.last = Some(claim.clone());
        let ours = claim.region == self.region;
        let lost = !ours
            && Arc::make_mut(&mut self.standing.held)
                .remove(shard)
                .is_some();
        Ok(lost.then(|| ClaimOutput::Lost {
            shard: shard.clone(),
            to: claim,
        }))
    }

    /// The seal of an epoch stands in a log: its owner has given the shard up.
    pub fn sealed(&mut self, shard: &ShardId, epoch: Epoch) {
        if let Some(known) = self.shards.get_mut(shard) {
            known.sealed = known.sealed.max(epoch);
        }
    }

    /// Claims the shard as soon as its terms allow, and until told otherwise. Ask
    /// [`Claims::due`] for what that means now.
    ///
    /// # Errors
    /// There are too many shards.
    pub fn want(&mut self, shard: &ShardId, terms: ClaimTerms) -> Result<(), TooManyShards> {
        if !self.shards.contains_key(shard) && self.shards.len() >= SHARDS_MAX {
            return Err(TooManyShards);
        }
        self.shards.entry(shard.clone()).or_default().terms = Some(terms);
        Ok(())
    }

    /// Does not want the shard any more. What it has, it keeps.
    pub fn unwant(&mut self, shard: &ShardId) {
        if let Some(known) = self.shards.get_mut(shard) {
            known.terms = None;
        }
    }

    /// The claims to be written now.
    #[must_use]
    pub fn due(&mut self, now: BootMillis) -> Vec<ClaimOutput> {
        let mut due = Vec::new();
        for (shard, known) in &self.shards {
            if known.writing.is_none()
                && !self.standing.held.contains_key(shard)
                && self.may_claim(known, now)
            {
                let last = known.last.as_ref().map(|it| it.epoch).unwrap_or_default();
                let claim = Claim {
                    epoch: self.next_epoch(last),
                    region: self.region.clone(),
                };
                due.push((shard.clone(), claim));
            }
        }
        for (shard, claim) in &due {
            if let Some(known) = self.shards.get_mut(shard) {
                known.writing = Some(claim.clone());
            }
        }
        let write = |(shard, claim)| ClaimOutput::Write { shard, claim };
        due.into_iter().map(write).collect()
    }

    fn may_claim(&self, known: &Shard, now: BootMillis) -> bool {
        let Some(terms) = known.terms else {
            return false;
        };
        if terms.pinned {
            return true;
        }
        match &known.last {
            Some(last) if last.region == self.region || last.epoch <= known.sealed => true,
            Some(last) => {
                terms.on_partition == OnPartition::Takeover
                    && self.silence(&last.region, now) >= self.timing.lease
            }
            None if terms.preferred => true,
            // Who it would be is known by the preferences alone; it had its time to claim.
            None => {
                terms.on_partition == OnPartition::Takeover
                    && now.since(self.started) >= self.timing.lease
            }
        }
    }

    /// How long nothing was heard of a region, in milliseconds.
    fn silence(&self, region: &Name, now: BootMillis) -> u64 {
        let heard = self.heard.get(region).copied();
        now.since(heard.unwrap_or(self.started))
    }

    /// The smallest epoch of this region above `last`.
    fn next_epoch(&self, last: Epoch) -> Epoch {
        let round = last.0.checked_div(self.regions).unwrap_or_default();
        let of = |round: u64| {
            round
                .saturating_mul(self.regions)
                .saturating_add(self.index)
        };
        let same = of(round);
        Epoch(if same > last.0 {
            same
        } else {
            of(round.saturating_add(1))
        })
    }

    /// Our claim is durable: the shard is ours, unless a higher one was seen meanwhile.
    pub fn written(&mut self, now: BootMillis, shard: &ShardId, epoch: Epoch) {
        let Some(known) = self.shards.get_mut(shard) else {
            return;
        };
        let Some(claim) = known.writing.take_if(|claim| claim.epoch == epoch) else {
            return;
        };
        if known.last.as_ref() > Some(&claim) {
            return;
        }
        let lost = known
            .last
            .as_ref()
            .is_some_and(|last| last.epoch > known.sealed);
        let delay_ms = known.terms.map_or(0, |terms| terms.lock_delay_ms);
        let held = Held {
            epoch,
            not_before: now.plus(if lost { delay_ms } else { 0 }),
            stopped: false,
        };
        known.last = Some(claim);
        Arc::make_mut(&mut self.standing.held).insert(shard.clone(), held);
    }

    /// Begins to give a shard up. The shell waits for what is under way, writes the seal of the epoch
    /// that is returned to this region's log, and calls [`Claims::given`] then.
    ///
    /// # Errors
    /// This region does not have the shard, or its lock-delay lasts.
    pub fn stop(&mut self, now: BootMillis, shard: &ShardId) -> Result<Epoch, NotNow> {
        let held = Arc::make_mut(&mut self.standing.held).get_mut(shard);
        let held = held.ok_or(NotNow::NotHeld)?;
        if now < held.not_before {
            let wait_ms = held.not_before.since(now);
            return Err(NotNow::LockDelay { wait_ms });
        }
        held.stopped = true;
        let epoch = held.epoch;
        self.unwant(shard);
        Ok(epoch)
    }

    /// The seal of a shard that was stopped is durable.
    pub fn given(&mut self, shard: &ShardId) {
        let held = Arc::make_mut(&mut self.standing.held);
        if held.get(shard).is_some_and(|it| it.stopped)
            && let Some(held) = held.remove(shard)
        {
            self.sealed(shard, held.epoch);
        }
    }

    /// The node is being shut down: nothing starts any more.
    pub fn drain(&mut self) {
        self.standing.ending = true;
    }

    /// What this node may do. Publish it after each call.
    #[must_use]
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }
}
