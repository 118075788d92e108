//! An external system that fetches a feed all along: it knows an address, follows `Link: rel="next"`,
//! and keeps nothing else.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tidegate_types::id::EventId;
use tidegate_types::position::Place;

use super::breach::{Breach, Breaches};
use super::history::History;
use super::http::{Connection, Request, Response};
use super::traffic::TOKEN;

/// Where those begin that go on by cursor, and those that go on by the last event (HTTP feeds).
const BEGINNINGS: [&str; 2] = ["/out/feed?limit=500", "/out/feed/local?limit=500"];

/// How it asks to wait up to a second for something to come.
const WAIT: &str = "&timeout=1000";

/// How long it holds off when it is refused or cannot connect.
const HOLD_OFF: Duration = Duration::from_millis(10);

/// Refusals in a row before the end counts as one that is never reached.
const REFUSALS_MAX: u32 = 1000;

/// The consumer. It lives longer than the node.
#[derive(Debug)]
pub(crate) struct Consumer {
    /// The address of the next page.
    next: String,
    /// What it got, in the order it came.
    read: Vec<EventId>,
    seen: HashSet<EventId>,
    /// How much of it was compared with the log, and how much of the log that is.
    compared: (usize, usize),
}

impl Consumer {
    /// One of each kind.
    pub(crate) fn all() -> Vec<Self> {
        BEGINNINGS.iter().map(|next| Self::at(next)).collect()
    }

    fn at(next: &str) -> Self {
        Self {
            next: next.to_owned(),
            read: Vec::new(),
            seen: HashSet::new(),
            compared: (0, 0),
        }
    }

    /// Fetches until it is told to stop.
    pub(crate) fn run(&mut self, history: &History, node: SocketAddr, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            let talked =
                Connection::open(node).and_then(|connection| self.talk(history, connection, stop));
            if talked.is_err() {
                thread::sleep(HOLD_OFF);
            }
        }
    }

    fn talk(
        &mut self,
        history: &History,
        mut connection: Connection,
        stop: &AtomicBool,
    ) -> io::Result<()> {
        while !stop.load(Ordering::Relaxed) {
            if self.fetch(history, &mut connection, WAIT)?.is_none() {
                thread::sleep(HOLD_OFF);
            }
        }
        Ok(())
    }

    /// Fetches until nothing is left.
    ///
    /// # Errors
    /// When the connection breaks, or the feed refuses again and again.
    pub(crate) fn finish(&mut self, history: &History, node: SocketAddr) -> io::Result<()> {
        let mut connection = Connection::open(node)?;
        let mut refused = 0;
        while refused < REFUSALS_MAX {
            match self.fetch(history, &mut connection, "")? {
                Some(0) => return Ok(()),
                Some(_) => refused = 0,
                None => {
                    refused += 1;
                    thread::sleep(HOLD_OFF);
                }
            }
        }
        Err(io::Error::other(format!(
            "{} is refused again and again",
            self.next
        )))
    }

    /// How many events came; `None` if there was no page.
    fn fetch(
        &mut self,
        history: &History,
        connection: &mut Connection,
        wait: &str,
    ) -> io::Result<Option<usize>> {
        let target = format!("{}{wait}", self.next);
        let response = connection.call(&Request::get(&target, TOKEN))?;
        if let Some((ids, next)) = page(&response) {
            self.next = next;
            self.read.extend_from_slice(&ids);
            return Ok(Some(ids.len()));
        }
        if response.status != 503 {
            let said = String::from_utf8_lossy(&response.body);
            let said: String = said.chars().take(200).collect();
            history.lock().breaches.add(Breach::Answer, || {
                format!("{target} was answered {} {said}", response.status)
            });
        }
        Ok(None)
    }

    /// Holds what it got against the events of the log.
    pub(crate) fn compare(&mut self, log: &[(Place, EventId)], breaches: &mut Breaches) {
        let (compared, mut at) = self.compared;
        for id in self.read.get(compared..).unwrap_or_default() {
            if !self.seen.insert(*id) {
                breaches.add(Breach::FedTwice, || {
                    format!("{} gave {id} again", self.next)
                });
                continue;
            }
            let due = log.get(at..).unwrap_or_default();
            let skipped = due.iter().position(|(_, event)| event == id);
            breaches.unless(skipped == Some(0), Breach::Unfed, || match skipped {
                Some(count) => format!("{} left out {count} events before {id}", self.next),
                None => format!("{} gave {id}, which does not come next", self.next),
            });
            at += skipped.map_or(0, |skipped| skipped + 1);
        }
        self.compared = (self.read.len(), at);
    }

    /// Whether it has everything, once it was told to fetch what is left.
    pub(crate) fn demand_all(&self, log: &[(Place, EventId)], breaches: &mut Breaches) {
        breaches.unless(self.compared.1 == log.len(), Breach::Unfed, || {
            format!("{} got {} of {}", self.next, self.compared.1, log.len())
        });
    }

    /// How many events it got.
    pub(crate) const fn read(&self) -> usize {
        self.read.len()
    }
}

/// The events of a page, and the address of the next one.
fn page(response: &Response) -> Option<(Vec<EventId>, String)> {
    if response.status != 200 {
        return None;
    }
    let events: Vec<Value> = serde_json::from_slice(&response.body).ok()?;
    let ids = events
        .iter()
        .map(|event| event["id"].as_str()?.parse().ok());
    let link = response.header("link")?.strip_prefix('<')?;
    let (next, _) = link.split_once(">; rel=\"next\"")?;
    Some((ids.collect::<Option<_>>()?, next.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_types::position::{FrameNumber, Incarnation};

    fn id(number: u8) -> EventId {
        EventId::from_bytes([number; 16])
    }

    /// Gaps, repeats, and whether everything came.
    fn compare(read: &[u8]) -> (u64, u64, bool) {
        let place = |frame| Place {
            incarnation: Incarnation(1),
            frame: FrameNumber(frame),
            index: 0,
        };
        let log = [(place(1), id(1)), (place(2), id(2)), (place(3), id(3))];
        let mut consumer = Consumer::at("/out/feed");
        let mut breaches = Breaches::default();
        // One look for each event, as if the node was killed after each.
        for number in read {
            consumer.read.push(id(*number));
            consumer.compare(&log, &mut breaches);
        }
        let found = (
            breaches.count(Breach::Unfed),
            breaches.count(Breach::FedTwice),
        );
        let mut at_the_end = Breaches::default();
        consumer.demand_all(&log, &mut at_the_end);
        (found.0, found.1, at_the_end.is_empty())
    }

    #[test]
    fn gaps_and_repeats_are_noticed() {
        assert_eq!(compare(&[1, 2, 3]), (0, 0, true));
        assert_eq!(compare(&[1, 2]), (0, 0, false), "one is missing at the end");
        assert_eq!(compare(&[1, 3]), (1, 0, true), "one was left out");
        assert_eq!(compare(&[1, 2, 2, 3]), (0, 1, true), "one came twice");
        assert_eq!(compare(&[2, 1, 3]), (2, 0, true), "two in the wrong order");
        assert_eq!(compare(&[1, 9, 2, 3]), (1, 0, true), "one was never sent");
    }
}
