//! What every lease store does.

use std::fmt;
use std::pin::Pin;

use bytes::Bytes;
use tidegate_core::lease::{Action, Answer, Key, Request, Revision, Stored};

/// An answer of a store that is on its way.
pub type StoreFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A linearizable place for small records.
///
/// A compare-and-set takes place at most once, at one moment between its call and its answer, or at any
/// later time if there was none. Of several that expect the same revision at most one takes place.
/// A read may give an older record than the newest; nothing that is owned depends on it.
pub trait LeaseStore: Send + Sync + fmt::Debug {
    /// Reads a record; `None` if there is none.
    ///
    /// # Errors
    /// The store cannot be asked now.
    ///
    /// # Cancel safety
    /// Dropping the future forgets the answer.
    fn read<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Stored>>;

    /// Writes a record if the one that stands there has the revision `expected`, or if there is none and
    /// `expected` is `None`.
    ///
    /// # Errors
    /// It is not known whether it was written.
    ///
    /// # Cancel safety
    /// Dropping the future forgets the answer; the write may still take place.
    fn compare_and_set<'a>(
        &'a self,
        key: &'a Key,
        expected: Option<Revision>,
        value: Bytes,
    ) -> StoreFuture<'a, Written>;
}

/// What became of a compare-and-set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It took place; the record has this revision.
    Done(Revision),
    /// It did not: the record is this one, or there is none.
    Conflict(Option<Stored>),
}

/// Why a store gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// There was no answer in time, or no connection.
    #[error("the lease store does not answer: {0}")]
    Away(String),
    /// The store answered that it cannot do this, now or ever.
    #[error("the lease store refuses: {0}")]
    Refused(String),
    /// The answer is none that this program understands.
    #[error("the lease store answers in a way that is not understood: {0}")]
    Strange(String),
}

/// Does what the machine asks.
///
/// # Errors
/// The fate of the request is not known; its answer is [`Answer::Unknown`] then.
pub async fn ask(store: &dyn LeaseStore, request: &Request) -> Result<Answer, StoreError> {
    match &request.action {
        Action::Read => store.read(&request.key).await.map(Answer::Found),
        Action::CompareAndSet { expected, value } => {
            let write = store.compare_and_set(&request.key, *expected, value.clone());
            write.await.map(|written| match written {
                Written::Done(revision) => Answer::Done(revision),
                Written::Conflict(found) => Answer::Conflict(found),
            })
        }
    }
}
