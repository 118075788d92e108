//! Reading the log for a machine.

use std::sync::Arc;
use std::time::Duration;

use tidegate_core::books::{Hour, HourTally, Tally};
use tidegate_core::deliver::{Arrival, Delivery, Page, Purpose, ReadRequest};
use tidegate_core::log::engine::{LogReader, ReadError};
use tidegate_core::log::entry::{Entry, EventEntry};
use tidegate_core::log::frame::Frame;
use tidegate_core::park::{Met, ParkReader};
use tidegate_types::name::kind_matches;
use tidegate_types::position::Place;
use tidegate_types::time::UnixMillis;

use super::Body;
use crate::context::Step;
use crate::node::parks::Store;
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
        let sabotage = self.scenario.sabotage;
        let unread = sabotage == Some(Sabotage::ParkUnread);
        let park = self.node.parks.stores.get(at).filter(|_| !unread);
        let source = Source {
            log: &*up.reader,
            park: park.and_then(Store::reader),
        };
        let page = Page {
            arrivals: Vec::new(),
            end: request.from,
            filtered_after: Vec::new(),
            at_end: false,
        };
        let reading = Reading {
            on: flow.flow.on,
            machine,
            request,
            keyless: sabotage == Some(Sabotage::DeliverKeyIgnored),
            page,
            bytes: 0,
        };
        match source.read(reading) {
            Ok((page, parked)) => {
                if parked && !page.arrivals.is_empty() {
                    self.cx.seen(Situation::ParkReadBack);
                }
                machine.handle_page(now, page);
            }
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
        let Some(flow) = self.flows.get_mut(at) else {
            return;
        };
        for place in std::mem::take(&mut flow.fetch) {
            self.cx.seen(Situation::DeliverFetched);
            let content = self.event_at(at, place);
            let content = content.as_ref().map(body_of);
            if let Some(machine) = self.flow_machine(at) {
                machine.handle_body(now, place, content);
            }
        }
        self.drive_soon(at);
    }

    /// The event that stands or stood at this place, or that is at fault there: from the log, else
    /// from the park of the flow.
    pub(super) fn event_at(&mut self, at: usize, place: Place) -> Option<EventEntry> {
        let up = self.node.up.as_ref()?;
        match up.reader.read_entry(place.frame, place.index) {
            Ok(Entry::Event(event)) => return Some(event),
            Ok(Entry::Fault(fault)) => return fault.event,
            _ => {}
        }
        let park = self.node.parks.stores.get(at)?.reader()?;
        match park.event(place) {
            Ok(parked) => {
                if parked.is_some() {
                    self.cx.seen(Situation::ParkFetched);
                }
                parked.map(|parked| parked.event)
            }
            Err(error) => {
                self.cx.violate(Rule::Parked, error.to_string());
                None
            }
        }
    }
}

pub(super) fn body_of(entry: &EventEntry) -> (usize, Body) {
    let body = Body {
        id: entry.event.id,
        key: entry.event.key.clone(),
        entry: Arc::new(entry.clone()),
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

/// Where a flow reads.
struct Source<'a> {
    log: &'a dyn LogReader,
    park: Option<ParkReader>,
}

impl Source<'_> {
    /// A page from the request's place on, from the park what the log holds no longer; gives whether it
    /// was. What is in neither is passed over.
    fn read(&self, mut reading: Reading<'_>) -> Result<(Page<Body>, bool), ReadError> {
        let from = reading.request.from;
        let gone = from.frame < self.log.bounds().first;
        let park = self.park.as_ref().filter(|_| gone);
        if let Some(park) = park.filter(|park| park.through() > Some(from)) {
            let end = park.walk(from, SCAN_BYTES as u64, |met| match met {
                Met::Passed(hours) => {
                    for it in hours {
                        HourTally::note(&mut reading.page.filtered_after, it.hour, it.tally);
                    }
                    true
                }
                Met::Event(parked) => reading.event(parked.place, parked.appended, &parked.event),
            })?;
            let until = reading.request.until;
            reading.page.end = until.map_or(end, |until| end.min(until)).max(from);
            return Ok((reading.page, true));
        }
        let mut scanned = 0;
        while scanned < SCAN_BYTES {
            let frames = match self.log.read(reading.page.end.frame, SCAN_BYTES) {
                Err(ReadError::Trimmed { first }) => {
                    reading.page.end = Place::start_of(reading.page.end.incarnation, first);
                    continue;
                }
                frames => frames?,
            };
            if frames.is_empty() {
                reading.page.at_end = true;
                break;
            }
            for frame in &frames {
                if !reading.take(frame, self.log.entries(frame)?) {
                    return Ok((reading.page, false));
                }
                scanned += frame.bytes().len();
            }
        }
        Ok((reading.page, false))
    }
}

impl Reading<'_> {
    /// Takes in a frame; gives whether there is room for more.
    fn take(&mut self, frame: &Frame, entries: Vec<(u32, Entry)>) -> bool {
        for (index, entry) in entries {
            let place = Place {
                incarnation: frame.header().incarnation,
                frame: frame.number(),
                index,
            };
            if self.request.until.is_some_and(|until| place >= until) {
                self.page.end = place.max(self.request.from);
                return false;
            }
            let Entry::Event(event) = entry else {
                continue;
            };
            if place >= self.request.from && !self.event(place, frame.header().time, &event) {
                self.page.end = place;
                return false;
            }
        }
        self.page.end = Place::start_of(frame.header().incarnation, frame.number().next());
        true
    }

    /// Takes in an event; gives whether there was room for it.
    fn event(&mut self, place: Place, appended: UnixMillis, event: &EventEntry) -> bool {
        let ReadRequest {
            until,
            events_max,
            bytes_max,
            purpose,
            ..
        } = self.request;
        let full = self.page.arrivals.len() >= events_max || self.bytes >= bytes_max;
        if full || until.is_some_and(|until| place >= until) {
            return false;
        }
        if !kind_matches(self.on, &event.event.kind) {
            let filtered = &mut self.page.filtered_after;
            HourTally::note(filtered, Hour::of(appended), Tally::of(&event.event.id));
            return true;
        }
        let key = if self.keyless {
            ""
        } else {
            event.event.key.as_str()
        };
        if purpose == Purpose::Forward || self.machine.wants(key, place) {
            self.arrival(place, key.to_owned(), event);
        }
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
