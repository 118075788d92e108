//! A linearizable store, whose reads can be made stale.

use std::collections::BTreeMap;

use crate::lease::{Action, Answer, Key, Request, Revision, Stored};

/// The records, and of each the one before.
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    pub(super) records: BTreeMap<Key, Stored>,
    pub(super) before: BTreeMap<Key, Stored>,
    writes: u64,
}

impl Store {
    /// Does what is asked.
    pub(super) fn ask(&mut self, request: &Request) -> Answer {
        let current = self.records.get(&request.key).cloned();
        match &request.action {
            Action::Read => Answer::Found(current),
            Action::CompareAndSet { expected, value } => {
                if current.as_ref().map(|it| it.revision) != *expected {
                    return Answer::Conflict(current);
                }
                self.writes += 1;
                let revision = Revision(self.writes);
                let value = value.clone();
                let stored = Stored { revision, value };
                if let Some(before) = self.records.insert(request.key.clone(), stored) {
                    self.before.insert(request.key.clone(), before);
                }
                Answer::Done(revision)
            }
        }
    }

    /// What a server that was deposed without knowing it would answer to a read.
    pub(super) fn stale(&self, request: &Request) -> Option<Answer> {
        match request.action {
            Action::Read => {
                let before = self.before.get(&request.key)?;
                Some(Answer::Found(Some(before.clone())))
            }
            Action::CompareAndSet { .. } => None,
        }
    }
}
