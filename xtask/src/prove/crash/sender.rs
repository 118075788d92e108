//! An external system: it sends, and sends again what was not answered.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::history::{History, Sent};
use super::http::Connection;
use super::random::Random;
use super::traffic::{Key, Kind, Traffic};

/// How long it holds off when it is refused or cannot connect.
const HOLD_OFF: Duration = Duration::from_millis(10);

/// Of a thousand requests: those that repeat an acknowledged one, and those that use its identity again
/// for other content; of the latter one sender in [`Senders::count`] does, the others repeat.
const REPEATS: u64 = 20;
const REUSES: u64 = 200;

/// What all senders of a trial share.
#[derive(Debug)]
pub(crate) struct Senders<'a> {
    pub(crate) traffic: &'a Traffic,
    pub(crate) history: &'a History,
    /// How many there are.
    pub(crate) count: u64,
    /// How far back repeats go: as far as the node still remembers.
    pub(crate) window: usize,
    pub(crate) stop: &'a AtomicBool,
}

/// One connection. It lives longer than the node.
#[derive(Debug)]
pub(crate) struct Sender {
    number: u64,
    random: Random,
    /// Sent, and not answered with success yet.
    pending: Option<Sent>,
}

impl Sender {
    pub(crate) const fn new(seed: u64, number: u64) -> Self {
        Self {
            number,
            random: Random::of(seed, number),
            pending: None,
        }
    }

    /// Sends until it is told to stop.
    pub(crate) fn run(&mut self, all: &Senders<'_>, node: SocketAddr) -> Result<()> {
        while !all.stop.load(Ordering::Relaxed) {
            // Whatever ends a connection, what was under way is sent again on the next one.
            let Ok(connection) = Connection::open(node) else {
                thread::sleep(HOLD_OFF);
                continue;
            };
            if self.talk(all, connection)?.is_err() {
                thread::sleep(HOLD_OFF);
            }
        }
        Ok(())
    }

    /// The inner result is that of the connection.
    fn talk(&mut self, all: &Senders<'_>, mut connection: Connection) -> Result<io::Result<()>> {
        while !all.stop.load(Ordering::Relaxed) {
            let sent = match self.pending {
                Some(sent) => sent,
                None => self.next(all),
            };
            let request = all.traffic.request(sent.key)?;
            self.pending = Some(Sent {
                unanswered: sent.unanswered + 1,
                ..sent
            });
            match connection.call(&request) {
                Ok(response) if all.history.answered(sent, &response) => self.pending = None,
                Ok(_) => thread::sleep(HOLD_OFF),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(()))
    }

    fn next(&mut self, all: &Senders<'_>) -> Sent {
        let chance = self.random.below(1000);
        let known = (chance < REPEATS + REUSES)
            .then(|| all.history.pick(&mut self.random, all.window))
            .flatten();
        let key = match known {
            // Each identity is used again by one sender only, so that none overtakes the first answer.
            Some(known)
                if chance < REUSES
                    && known.number % all.count == self.number
                    && all.traffic.can_be_reused(known.number) =>
            {
                Key {
                    reused: true,
                    ..known
                }
            }
            Some(known) => known,
            None => Key {
                number: all.history.fresh(),
                reused: false,
            },
        };
        first(all.traffic, key)
    }
}

/// What is sent for the first time, or again after an answer.
pub(crate) fn first(traffic: &Traffic, key: Key) -> Sent {
    let fault = key.reused || traffic.kind(key.number) == Kind::Unmappable;
    Sent {
        key,
        unanswered: 0,
        fault,
    }
}
