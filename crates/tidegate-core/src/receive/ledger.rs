//! What is known of identities that were taken in before.

use tidegate_types::id::EventId;
use tidegate_types::position::Place;

use super::fingerprint::Fingerprint;

/// What the ledger keeps of one identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Content of the first copy.
    pub fingerprint: Fingerprint,
    /// Where the first copy stands.
    pub place: Place,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of an offered event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It stands in the log as an event.
    Event,
    /// It stands in the log as a fault.
    Fault,
}

/// Identities that stand in the log, up to some frame.
///
/// A local projection; [`Intake`](super::intake::Intake) covers what it has not applied yet.
pub trait Ledger {
    /// What is known of `id`.
    ///
    /// # Errors
    /// When the ledger cannot be read; the offer is refused then, never taken as new.
    fn known(&self, id: &EventId) -> Result<Option<Known>, LedgerError>;
}

/// The ledger could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the ledger of identities cannot be read")]
pub struct LedgerError(#[source] pub Box<dyn std::error::Error + Send + Sync>);
