//! What must not happen, counted by kind, with the first few told in words.

use std::collections::BTreeMap;
use std::fmt;

/// How many are told in words; the rest is counted.
const TOLD_MAX: usize = 20;

/// A kind of breach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Breach {
    /// Something acknowledged is not in the log.
    Lost,
    /// Something stands in the log twice, or a repeat was appended.
    Repeated,
    /// An entry is not what was sent.
    Altered,
    /// A subscription skipped something, or its cursor went back.
    Skipped,
    /// A feed left out an event, or gave one that does not come next.
    Unfed,
    /// A feed gave an event again to a consumer that went on from where it was.
    FedTwice,
    /// A delivered flow left out an event, or set it aside though the sink takes it in the end.
    Undelivered,
    /// Something was delivered that is not in the log, or was not yet.
    Premature,
    /// A receiver that honours the idempotency key would process an event twice.
    DeliveredTwice,
    /// A delivery was repeated though its receipt was on disk.
    Unexplained,
    /// An event came before another one of its key that was appended earlier, or before that one's receipt was on disk.
    Disordered,
    /// A polled flow left out an item, or went on before its items were on disk.
    Unpolled,
    /// The books do not balance, or do not say what was counted here.
    Books,
    /// A request of the node to another system is not what was promised.
    Request,
    /// An answer is not what was promised.
    Answer,
    /// The log itself is not what it was.
    Log,
}

impl Breach {
    const fn name(self) -> &'static str {
        match self {
            Self::Lost => "acknowledged and lost",
            Self::Repeated => "repeats appended",
            Self::Altered => "entries altered",
            Self::Skipped => "subscriptions that skipped or went back",
            Self::Unfed => "feed gaps",
            Self::FedTwice => "feed repeats",
            Self::Undelivered => "events not delivered",
            Self::Premature => "deliveries of what was not on disk",
            Self::DeliveredTwice => "repeats at a receiver that honours the key",
            Self::Unexplained => "repeated deliveries without a reason",
            Self::Disordered => "violations of the order per key",
            Self::Unpolled => "poll gaps",
            Self::Books => "books that do not balance",
            Self::Request => "wrong requests",
            Self::Answer => "wrong answers",
            Self::Log => "logs shortened, damaged or rewritten",
        }
    }
}

/// All breaches of one trial.
#[derive(Debug, Default)]
pub(crate) struct Breaches {
    counts: BTreeMap<Breach, u64>,
    told: Vec<String>,
}

impl Breaches {
    pub(crate) fn add(&mut self, breach: Breach, what: impl FnOnce() -> String) {
        *self.counts.entry(breach).or_default() += 1;
        if self.told.len() < TOLD_MAX {
            self.told.push(format!("{}: {}", breach.name(), what()));
        }
    }

    /// Adds one unless `good`.
    pub(crate) fn unless(&mut self, good: bool, breach: Breach, what: impl FnOnce() -> String) {
        if !good {
            self.add(breach, what);
        }
    }

    /// Takes those of another.
    pub(crate) fn join(&mut self, other: Self) {
        for (breach, count) in other.counts {
            *self.counts.entry(breach).or_default() += count;
        }
        let room = TOLD_MAX.saturating_sub(self.told.len());
        self.told.extend(other.told.into_iter().take(room));
    }

    pub(crate) fn count(&self, breach: Breach) -> u64 {
        self.counts.get(&breach).copied().unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }
}

impl fmt::Display for Breaches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (breach, count) in &self.counts {
            writeln!(f, "BREACH {}: {count}", breach.name())?;
        }
        for told in &self.told {
            writeln!(f, "  {told}")?;
        }
        Ok(())
    }
}
