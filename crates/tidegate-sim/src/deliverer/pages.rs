//! Reading the log for a machine.

use std::time::Duration;

use tidegate_core::books::{Hour, HourTally, Tally};
use tidegate_core::deliver::{Arrival, Delivery, Page, Purpose, ReadRequest};
use tidegate_core::log::engine::{LogReader, ReadError};
use tidegate_core::log::entry::{Entry, EventEntry};
use tidegate_core::log::frame::Frame;
use tidegate_types::name::kind_matches;
use tidegate_types::position::Place;

use super::Body;
use crate::context::Step;
use crate::report::{Rule, Situation};
use crate::scenario::Sabotage;
use crate::world::World;

/// Bytes of the log that one page looks through at most.
const SCAN_BYTES: usize = 32 << 10;

impl World {
    pub(super) fn read_soon(&mut self, at: usize, request: ReadRequest) {
        if let Some(flow) = self.flows.get_mut(at) {
            if request.purpose == Purpose::Held {
                self.cx.seen(Situation::DeliverReadAgain);
            }
            flow.read = Some(request);
            let wait = self.cx.random.around(Duration::from_micros(800));
            let life = self.node.life;
            self.cx.after(wait, Step::FlowPage { flow: at, life });
        }
    }

    pub(super) fn fetch_soon(&mut self, at: usize, places: Vec<Place>) {
        if let Some(flow) = self.flows.get_mut(at) {
            flow.fetch.extend(places);
            let wait = self.cx.random.around(Duration::from_micros(800));
            let life = self.node.life;
            self.cx.after(wait, Step::FlowFetch { flow: at, life });
        }
    }

    /// What was asked for is read.
    pub(crate) fn flow_page(&mut self, at: usize) {
        let now = self.cx.wall();
        let (Some(up), Some(flow)) = (&self.node.up, self.flows.get_mut(at)) else {
            return;
        };
        let (Some(machine), Some(request)) = (&mut flow.machine, flow.read.take()) else {
            return;
        };
        let keyless = self.scenario.sabotage == Some(Sabotage::DeliverKeyIgnored);
        match read(&*up.reader, flow.flow.on, machine, request, keyless) {
            Ok(page) => machine.handle_page(now, page),
            Err(error) => {
                let detail = format!("{} cannot read: {error}", flow.flow.name);
                self.cx.violate(Rule::Delivered, detail);
                machine.handle_read_failed(now);
            }
        }
        self.drive_soon(at);
    }

    /// Contents are read again.
    pub(crate) fn flow_fetch(&mut self, at: usize) {
        let now = self.cx.wall();
        let (Some(up), Some(flow)) = (&self.node.up, self.flows.get_mut(at)) else {
            return;
        };
        let Some(machine) = &mut flow.machine else {
            return;
        };
        for place in flow.fetch.drain(..) {
            self.cx.seen(Situation::DeliverFetched);
            let content = match up.reader.read_entry(place.frame, place.index) {
                Ok(Entry::Event(event)) => Some(body_of(&event)),
                Ok(Entry::Fault(fault)) => fault.event.as_ref().map(body_of),
                _ => None,
            };
            machine.handle_body(now, place, content);
        }
        self.drive_soon(at);
    }
}

pub(super) fn body_of(entry: &EventEntry) -> (usize, Body) {
    let body = Body {
        id: entry.event.id,
        key: entry.event.key.clone(),
    };
    (entry.event.data.len(), body)
}

/// A page being read.
struct Reading<'a> {
    on: &'a str,
    machine: &'a Delivery<Body>,
    request: ReadRequest,
    /// Keys are not told, on purpose.
    keyless: bool,
    page: Page<Body>,
    bytes: usize,
}

/// A page from the request's place on; from the oldest there is if that has gone.
fn read(
    reader: &dyn LogReader,
    on: &str,
    machine: &Delivery<Body>,
    request: ReadRequest,
    keyless: bool,
) -> Result<Page<Body>, ReadError> {
    let page = Page {
        arrivals: Vec::new(),
        end: request.from,
        filtered_after: Vec::new(),
        at_end: false,
    };
    let mut reading = Reading {
        on,
        machine,
        request,
        keyless,
        page,
        bytes: 0,
    };
    let mut scanned = 0;
    while scanned < SCAN_BYTES {
        let frames = match reader.read(reading.page.end.frame, SCAN_BYTES) {
            Err(ReadError::Trimmed { first }) => {
                reading.page.end = Place {
                    frame: first,
                    index: 0,
                    ..reading.page.end
                };
                continue;
            }
            frames => frames?,
        };
        if frames.is_empty() {
            reading.page.at_end = true;
            break;
        }
        for frame in &frames {
            if !reading.take(frame, reader.entries(frame)?) {
                return Ok(reading.page);
            }
            scanned += frame.bytes().len();
        }
    }
    Ok(reading.page)
}

impl Reading<'_> {
    /// Takes in a frame; gives whether there is room for more.
    fn take(&mut self, frame: &Frame, entries: Vec<(u32, Entry)>) -> bool {
        let ReadRequest {
            from,
            until,
            events_max,
            bytes_max,
            purpose,
        } = self.request;
        for (index, entry) in entries {
            let place = Place {
                incarnation: frame.header().incarnation,
                frame: frame.number(),
                index,
            };
            if place < from {
                continue;
            }
            let full = self.page.arrivals.len() >= events_max || self.bytes >= bytes_max;
            if full || until.is_some_and(|until| place >= until) {
                self.page.end = place;
                return false;
            }
            let Entry::Event(event) = entry else {
                continue;
            };
            if !kind_matches(self.on, &event.event.kind) {
                let hour = Hour::of(frame.header().time);
                let filtered = &mut self.page.filtered_after;
                HourTally::note(filtered, hour, Tally::of(&event.event.id));
                continue;
            }
            let key = if self.keyless {
                ""
            } else {
                event.event.key.as_str()
            };
            if purpose == Purpose::Forward || self.machine.wants(key, place) {
                self.arrival(place, key.to_owned(), &event);
            }
        }
        self.page.end = Place {
            incarnation: frame.header().incarnation,
            frame: frame.number().next(),
            index: 0,
        };
        true
    }

    fn arrival(&mut self, place: Place, key: String, event: &EventEntry) {
        let (size, body) = body_of(event);
        self.bytes += size;
        self.page.arrivals.push(Arrival {
            place,
            id: event.event.id,
            key,
            bytes: size,
            body,
            filtered_before: std::mem::take(&mut self.page.filtered_after),
        });
    }
}
