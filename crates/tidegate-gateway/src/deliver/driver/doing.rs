//! What a driver has under way: bounded by the machine, which has one read, one append, some fetches
//! and as many requests as the flow allows.

use std::collections::HashMap;

use tidegate_core::deliver::{AttemptId, Page, Purpose};
use tidegate_core::receive::intake::Refusal;
use tidegate_hub::query::QueryError;
use tidegate_types::position::Place;
use tokio::task::{Id, JoinError, JoinSet};

use crate::deliver::attempt::Ended;
use crate::deliver::log::{Body, Content};

#[derive(Debug, Default)]
pub(super) struct Doing {
    pub(super) tasks: JoinSet<Done>,
    what: HashMap<Id, What>,
}

/// What a task does, to tell the machine if it panics.
#[derive(Debug)]
pub(super) enum What {
    Send(AttemptId),
    Read,
    Fetch(Vec<Place>),
    Append,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum Done {
    Sent(AttemptId, Ended),
    Read(Purpose, Result<Page<Body>, QueryError>),
    Fetched(Vec<Place>, Result<Vec<(Place, Content)>, QueryError>),
    Appended(Result<(), Refusal>),
    Panicked(What),
    Unknown,
}

impl Doing {
    pub(super) fn spawn(&mut self, what: What, task: impl Future<Output = Done> + Send + 'static) {
        let handle = self.tasks.spawn(task);
        self.what.insert(handle.id(), what);
    }

    /// Whether an append is under way.
    pub(super) fn appends(&self) -> bool {
        self.what.values().any(|what| matches!(what, What::Append))
    }

    /// What came of a task that has ended.
    pub(super) fn ended(&mut self, done: Result<(Id, Done), JoinError>) -> Done {
        match done {
            Ok((id, done)) => {
                self.what.remove(&id);
                done
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a task of a flow panicked"
                );
                self.what
                    .remove(&error.id())
                    .map_or(Done::Unknown, Done::Panicked)
            }
        }
    }
}
