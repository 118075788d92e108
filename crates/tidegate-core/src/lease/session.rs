//! A node's own session: begin, renew, lose, end.

use tidegate_types::time::BootMillis;

use super::Timing;
use super::record::{Name, SessionRecord};
use super::standing::Until;
use super::store::Revision;

/// The session of this node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Session {
    pub(super) state: State,
    /// When something is to be asked next.
    pub(super) due: BootMillis,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum State {
    /// The record is to be read.
    Reading,
    /// A session of this name is alive that this process did not begin.
    Foreign,
    /// A new one is to be written over what was read.
    Beginning {
        number: u64,
        expected: Option<Revision>,
        counter: u64,
    },
    /// It is alive as far as is known.
    Live(Live),
    /// It was given up.
    Ended,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Live {
    pub(super) number: u64,
    pub(super) revision: Revision,
    pub(super) counter: u64,
    /// When the last confirmed renewal was sent.
    pub(super) confirmed: Option<BootMillis>,
    /// It is to be ended instead of renewed.
    pub(super) ending: bool,
}

/// What a record says to the process that looks for its own session in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Seen {
    /// It is this process's own.
    Mine { revision: Revision, counter: u64 },
    /// There is none, or it has ended: a new one can begin.
    Free(State),
    /// Another process's is alive.
    Foreign,
}

impl Session {
    pub(super) const fn new(now: BootMillis) -> Self {
        Self {
            state: State::Reading,
            due: now,
        }
    }

    /// What `found` says to the process that writes under `nonce` and may have begun session `mine`;
    /// 0 if it has begun none.
    pub(super) fn look(found: Option<&(Revision, SessionRecord)>, mine: u64, nonce: u64) -> Seen {
        match found {
            None => Seen::Free(State::Beginning {
                number: mine.saturating_add(1),
                expected: None,
                counter: 0,
            }),
            Some((revision, record)) if record.ended => Seen::Free(State::Beginning {
                number: record.number.saturating_add(1),
                expected: Some(*revision),
                counter: record.counter.saturating_add(1),
            }),
            Some((revision, record)) if record.nonce == nonce && record.number == mine => {
                Seen::Mine {
                    revision: *revision,
                    counter: record.counter,
                }
            }
            Some(_) => Seen::Foreign,
        }
    }

    /// The number of the session that is alive.
    pub(super) const fn number(&self) -> Option<u64> {
        match &self.state {
            State::Live(live) => Some(live.number),
            _ => None,
        }
    }

    /// What is to be written next: the revision that is expected, and the record.
    pub(super) fn write(
        &self,
        region: &Name,
        nonce: u64,
    ) -> Option<(Option<Revision>, SessionRecord)> {
        let (expected, number, counter, ended) = match &self.state {
            State::Beginning {
                number,
                expected,
                counter,
            } => (*expected, *number, *counter, false),
            State::Live(live) => {
                let counter = live.counter.saturating_add(1);
                (Some(live.revision), live.number, counter, live.ending)
            }
            State::Reading | State::Foreign | State::Ended => return None,
        };
        let record = SessionRecord {
            number,
            nonce,
            region: region.clone(),
            counter,
            ended,
        };
        Some((expected, record))
    }

    /// Until when effects may start and go on.
    pub(super) const fn until(&self, timing: &Timing) -> (Until, Until) {
        match &self.state {
            State::Live(Live {
                confirmed: Some(sent),
                ..
            }) => (
                Until::Before(sent.plus(timing.start)),
                Until::Before(sent.plus(timing.lease)),
            ),
            _ => (Until::Never, Until::Never),
        }
    }
}
