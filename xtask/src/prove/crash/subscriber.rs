//! A service that reads everything by a named subscription and acknowledges page by page.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tidegate_types::id::EventId;
use tidegate_types::position::{Place, Position};

use super::breach::{Breach, Breaches};
use super::history::History;
use super::http::{Connection, Request, Response};
use super::traffic::TOKEN;

/// Where it reads, and waits up to a second for something to come.
const PAGE: &str = "/v1/subscriptions/everything?limit=500&wait=1";
const CURSOR: &str = "/v1/subscriptions/everything/cursor";

/// How long it holds off when it is refused or cannot connect.
const HOLD_OFF: Duration = Duration::from_millis(10);

/// A page that was read.
#[derive(Debug, Clone)]
struct Page {
    cursor: Position,
    ids: Vec<EventId>,
}

/// The reader. It lives longer than the node.
#[derive(Debug, Default)]
pub(crate) struct Subscriber {
    /// The last cursor whose acknowledgement was confirmed.
    confirmed: Option<Position>,
    /// A page whose acknowledgement was sent and not confirmed.
    pending: Option<Page>,
    /// Everything up to the confirmed cursor, in the order it came.
    read: Vec<EventId>,
    /// How much of it was compared with the log.
    compared: usize,
}

impl Subscriber {
    /// Reads until it is told to stop.
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
        if !self.resume(history, &mut connection)? {
            return Ok(());
        }
        while !stop.load(Ordering::Relaxed) {
            let response = connection.call(&Request::get(PAGE, TOKEN))?;
            let Some(page) = page(&response) else {
                if response.status != 503 {
                    let said = String::from_utf8_lossy(&response.body)
                        .chars()
                        .take(200)
                        .collect::<String>();
                    history.lock().breaches.add(Breach::Answer, || {
                        format!("a page was answered {} {said}", response.status)
                    });
                }
                thread::sleep(HOLD_OFF);
                continue;
            };
            if page.ids.is_empty() {
                continue;
            }
            let acknowledgement = Request {
                method: "PUT",
                body: page.cursor.to_string().into_bytes(),
                ..Request::get(CURSOR, TOKEN)
            };
            self.pending = Some(page);
            if connection.call(&acknowledgement)?.status != 200 {
                // Not confirmed, and perhaps written all the same: ask where it stands.
                thread::sleep(HOLD_OFF);
                return Ok(());
            }
            self.confirm();
        }
        Ok(())
    }

    /// Asks the node where the cursor stands: at what was confirmed last, or at what was asked for last.
    fn resume(&mut self, history: &History, connection: &mut Connection) -> io::Result<bool> {
        let response = connection.call(&Request::get(CURSOR, TOKEN))?;
        if response.status != 200 {
            thread::sleep(HOLD_OFF);
            return Ok(false);
        }
        let answer: Value = serde_json::from_slice(&response.body)?;
        let at: Option<Position> = answer["cursor"].as_str().and_then(|text| text.parse().ok());
        if at.is_some() && at == self.pending.as_ref().map(|page| page.cursor.clone()) {
            self.confirm();
        } else {
            history
                .lock()
                .breaches
                .unless(at == self.confirmed, Breach::Skipped, || {
                    format!(
                        "the cursor stands at {at:?}, confirmed was {:?}, asked for {:?}",
                        self.confirmed, self.pending
                    )
                });
            self.pending = None;
        }
        Ok(true)
    }

    fn confirm(&mut self) {
        if let Some(page) = self.pending.take() {
            self.read.extend(page.ids);
            self.confirmed = Some(page.cursor);
        }
    }

    /// Compares what was read and confirmed with the events of the log, and the cursor with their places.
    pub(crate) fn compare(
        &mut self,
        log: &[(Place, EventId)],
        cursor: Option<Place>,
        breaches: &mut Breaches,
    ) {
        let wanted = log.get(self.compared..self.read.len()).unwrap_or_default();
        let read = self.read.get(self.compared..).unwrap_or_default();
        let same = wanted.len() == read.len() && wanted.iter().map(|(_, id)| id).eq(read);
        breaches.unless(same, Breach::Skipped, || {
            format!(
                "events {} to {} were not read as they stand in the log",
                self.compared,
                self.read.len()
            )
        });
        self.compared = self.read.len();
        let confirmed = self.confirmed.as_ref().map(Position::place);
        let pending = self.pending.as_ref().map(|page| page.cursor.place());
        breaches.unless(cursor == confirmed || cursor == pending, Breach::Skipped, || {
            format!("the log has the cursor {cursor:?}, confirmed was {confirmed:?}, asked for {pending:?}")
        });
        let next = log.get(self.read.len()).map(|(place, _)| *place);
        let passed = confirmed.zip(next).is_some_and(|(at, next)| at >= next);
        breaches.unless(!passed, Breach::Skipped, || {
            format!("the cursor {confirmed:?} has passed {next:?}, which was not read")
        });
    }

    /// How many events it has read and confirmed.
    pub(crate) const fn read(&self) -> usize {
        self.read.len()
    }
}

fn page(response: &Response) -> Option<Page> {
    if response.status != 200 {
        return None;
    }
    let events: Vec<Value> = serde_json::from_slice(&response.body).ok()?;
    let ids = events
        .iter()
        .map(|event| event["id"].as_str()?.parse().ok());
    let ids: Option<Vec<EventId>> = ids.collect();
    let ids = ids?;
    // Without events there may be no cursor yet.
    let cursor = response
        .header("tidegate-cursor")
        .and_then(|text| text.parse().ok());
    match cursor {
        Some(cursor) => Some(Page { cursor, ids }),
        None if ids.is_empty() => Some(Page {
            cursor: nowhere(),
            ids,
        }),
        None => None,
    }
}

fn nowhere() -> Position {
    Position {
        origin: super::checker::ORIGIN.to_owned(),
        incarnation: tidegate_types::position::Incarnation(0),
        frame: tidegate_types::position::FrameNumber(0),
        index: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_types::position::{FrameNumber, Incarnation};

    fn place(frame: u64) -> Place {
        Place {
            incarnation: Incarnation(1),
            frame: FrameNumber(frame),
            index: 0,
        }
    }

    fn id(number: u8) -> EventId {
        EventId::from_bytes([number; 16])
    }

    fn compare(read: &[u8], confirmed: u64, cursor: u64) -> u64 {
        let log = [(place(1), id(1)), (place(2), id(2)), (place(3), id(3))];
        let mut subscriber = Subscriber {
            confirmed: Some(place(confirmed).of("local")),
            read: read.iter().copied().map(id).collect(),
            ..Subscriber::default()
        };
        let mut breaches = Breaches::default();
        subscriber.compare(&log, Some(place(cursor)), &mut breaches);
        breaches.count(Breach::Skipped)
    }

    #[test]
    fn what_is_skipped_or_goes_back_is_noticed() {
        assert_eq!(compare(&[1, 2], 2, 2), 0);
        assert_eq!(compare(&[1, 3], 3, 3), 2, "one was left out");
        assert_eq!(
            compare(&[1], 2, 2),
            1,
            "the cursor passed one that was not read"
        );
        assert_eq!(compare(&[1, 2], 2, 1), 1, "the log has an older cursor");
    }
}
