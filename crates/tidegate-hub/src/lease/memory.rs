//! A store for one process that plays several regions: development, demonstrations, tests.
//!
//! Each node reaches it over a [`Link`] of its own, which can be cut and slowed. It forgets everything
//! with the process, and so do all nodes it serves.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tidegate_core::lease::{Key, Revision, Stored};

use super::store::{LeaseStore, StoreError, StoreFuture, Written};

/// The records.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Records>>);

#[derive(Debug, Default)]
struct Records {
    by_key: BTreeMap<Key, Stored>,
    writes: u64,
}

/// What a link does to what goes over it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Requests are lost.
    pub requests_lost: bool,
    /// What was asked is done, and the answer is lost.
    pub answers_lost: bool,
    /// How long a request takes to the store.
    pub delay: Duration,
}

/// One node's way to the store.
#[derive(Clone, Debug)]
pub struct Link {
    store: MemoryStore,
    trouble: Arc<Mutex<Trouble>>,
}

impl MemoryStore {
    /// A way to it.
    #[must_use]
    pub fn link(&self) -> Link {
        Link {
            store: self.clone(),
            trouble: Arc::default(),
        }
    }

    fn read(&self, key: &Key) -> Option<Stored> {
        let records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.by_key.get(key).cloned()
    }

    fn compare_and_set(&self, key: &Key, expected: Option<Revision>, value: Bytes) -> Written {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = records.by_key.get(key);
        if found.map(|stored| stored.revision) != expected {
            return Written::Conflict(found.cloned());
        }
        records.writes += 1;
        let revision = Revision(records.writes);
        let stored = Stored { revision, value };
        records.by_key.insert(key.clone(), stored);
        Written::Done(revision)
    }
}

impl Link {
    /// Makes trouble, or ends it.
    pub fn set(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    fn trouble(&self) -> Trouble {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn over<T: Send>(&self, done: impl FnOnce() -> T + Send) -> Result<T, StoreError> {
        let Trouble {
            requests_lost,
            delay,
            ..
        } = self.trouble();
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if requests_lost {
            return Err(StoreError::Away("the link is cut".to_owned()));
        }
        let answer = done();
        if self.trouble().answers_lost {
            return Err(StoreError::Away("the answer was lost".to_owned()));
        }
        Ok(answer)
    }
}

impl LeaseStore for Link {
    fn read<'a>(&'a self, key: &'a Key) -> StoreFuture<'a, Option<Stored>> {
        Box::pin(self.over(|| self.store.read(key)))
    }

    fn compare_and_set<'a>(
        &'a self,
        key: &'a Key,
        expected: Option<Revision>,
        value: Bytes,
    ) -> StoreFuture<'a, Written> {
        Box::pin(self.over(move || self.store.compare_and_set(key, expected, value)))
    }
}
