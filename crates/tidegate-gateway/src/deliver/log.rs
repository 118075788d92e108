//! Reading the log for a flow.

use std::sync::Arc;

use bytes::Bytes;
use tidegate_config::Config;
use tidegate_config::config::Deliver;
use tidegate_core::books::{Hour, HourTally, Tally};
use tidegate_core::deliver::{Arrival, Page, ReadRequest};
use tidegate_core::log::engine::ReadError;
use tidegate_core::log::entry::{Entry, EventEntry};
use tidegate_hub::hub::Hub;
use tidegate_hub::parks::Met;
use tidegate_hub::query::{PageLimits, QueryError};
use tidegate_hub::settings::Wants;
use tidegate_map::Filter;
use tidegate_types::event::Event;
use tidegate_types::name::kind_matches;
use tidegate_types::position::{FrameNumber, Place};
use tokio::sync::Semaphore;

use super::flow::DeliverFlow;
use crate::document::document;

/// Bytes of the log that one page looks through at most: about a tenth of a second of work.
const SCAN_BYTES: u64 = 32 << 20;

/// Memory of an event besides its texts and data.
const EVENT_BYTES: usize = 512;

/// Pages that are looked up at once over all flows, so that they leave the disk and the processor to
/// everything else.
pub(super) static SCANS: Semaphore = Semaphore::const_new(2);

/// An event in hand: all but its original.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) event: Arc<Event>,
    /// The flow's condition failed on it, for this reason; it is set aside.
    pub(super) unjudged: Option<Arc<str>>,
}

/// Reads a page for the machine.
pub(super) async fn page(
    hub: Arc<Hub>,
    flow: Arc<DeliverFlow>,
    subsystem: Arc<str>,
    request: ReadRequest,
) -> Result<Page<Body>, QueryError> {
    // It is never closed.
    let _permit = SCANS.acquire().await.ok();
    let read = tokio::task::spawn_blocking(move || read(&hub, &flow, &subsystem, request));
    match read.await {
        Ok(page) => page,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

fn read(
    hub: &Hub,
    flow: &DeliverFlow,
    subsystem: &str,
    request: ReadRequest,
) -> Result<Page<Body>, QueryError> {
    let limits = PageLimits {
        entries: request.events_max,
        entry_bytes: request.bytes_max,
        scan_bytes: SCAN_BYTES,
    };
    // Events passed over since the last one that is wanted, for each one that is.
    let mut passed: Vec<Vec<HourTally>> = Vec::new();
    let mut passing: Vec<HourTally> = Vec::new();
    let mut judged: Vec<Option<Arc<str>>> = Vec::new();
    let wanted = |met: Met<'_>| {
        let (appended, entry) = match met {
            Met::Entry(appended, Entry::Event(entry)) => (appended, entry),
            Met::Entry(..) => return false,
            Met::Passed(hours) => {
                for it in hours {
                    HourTally::note(&mut passing, it.hour, it.tally);
                }
                return false;
            }
        };
        match flow.judge(&entry.event, subsystem) {
            Some(verdict) => {
                judged.push(verdict);
                passed.push(std::mem::take(&mut passing));
                true
            }
            None => {
                let tally = Tally::of(&entry.event.id);
                HourTally::note(&mut passing, Hour::of(appended), tally);
                false
            }
        }
    };
    let after = request.from.before();
    let found = match hub.scan_for(&flow.config.name, after, limits, wanted) {
        // Trimmed, which only happens to a flow that did not hold the log: it goes on with what there is.
        Err(QueryError::Log(ReadError::Trimmed { first })) => {
            return Ok(passed_over(hub, &flow.config.name, first, request.from));
        }
        other => other?,
    };
    let end = found.through.unwrap_or(after).behind().max(request.from);
    let end = request.until.map_or(end, |until| end.min(until));
    let mut arrivals = Vec::with_capacity(found.found.len());
    let mut rest = passed
        .split_off(found.found.len().min(passed.len()))
        .into_iter();
    for ((found, filtered_before), unjudged) in found.found.into_iter().zip(passed).zip(judged) {
        if let Entry::Event(entry) = found.entry
            && found.place < end
        {
            arrivals.push(arrival(found.place, entry, unjudged, filtered_before));
        }
    }
    Ok(Page {
        arrivals,
        end,
        // The scan may have met one more that did not fit.
        filtered_after: rest.next().unwrap_or(passing),
        at_end: found.at_end,
    })
}

/// The empty page that leads to the first frame that is left.
fn passed_over(hub: &Hub, name: &str, first: FrameNumber, from: Place) -> Page<Body> {
    let text = format!(
        "flow {name} goes on at frame {first}: what stood before was removed while the flow was not in the configuration"
    );
    tracing::warn!(flow = name, "{text}");
    hub.record("flow-passed", &text, &[("flow", name.to_owned())]);
    let end = Place::start_of(from.incarnation, first);
    Page {
        arrivals: Vec::new(),
        end: end.max(from),
        filtered_after: Vec::new(),
        at_end: false,
    }
}

fn arrival(
    place: Place,
    entry: EventEntry,
    unjudged: Option<Arc<str>>,
    filtered_before: Vec<HourTally>,
) -> Arrival<Body> {
    let (bytes, event) = kept(entry);
    Arrival {
        place,
        id: event.id,
        key: event.key.clone(),
        bytes,
        body: Body {
            event: Arc::new(event),
            unjudged,
        },
        filtered_before,
    }
}

/// An event without its original, in memory of its own: a slice would keep the whole frame.
pub(super) fn kept(entry: EventEntry) -> (usize, Event) {
    let mut event = entry.event;
    event.raw = None;
    event.data = Bytes::copy_from_slice(&event.data);
    let attributes: usize = event
        .attributes
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let texts = event.external_id.len() + event.kind.len() + event.key.len() + attributes;
    (event.data.len() + texts + EVENT_BYTES, event)
}

/// The content of one event, with the bytes it takes.
pub(super) type Content = Option<(usize, Body)>;

/// Reads the content of these events again; `None` for what the log holds no longer.
pub(super) async fn bodies(
    hub: Arc<Hub>,
    flow: Arc<DeliverFlow>,
    subsystem: Arc<str>,
    places: Vec<Place>,
) -> Result<Vec<(Place, Content)>, QueryError> {
    let _permit = SCANS.acquire().await.ok();
    let read = tokio::task::spawn_blocking(move || {
        let read = places.into_iter().map(|place| {
            let entry = match hub
                .at_for(&flow.config.name, place)?
                .map(|found| found.entry)
            {
                Some(Entry::Event(entry)) => Some(entry),
                // A fault that is sent again stands where its event does.
                Some(Entry::Fault(fault)) => fault.event,
                _ => None,
            };
            let content = entry.map(|entry| {
                let unjudged = flow.judge(&entry.event, &subsystem).flatten();
                let (bytes, event) = kept(entry);
                let event = Arc::new(event);
                (bytes, Body { event, unjudged })
            });
            Ok((place, content))
        });
        read.collect()
    });
    match read.await {
        Ok(bodies) => bodies,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

impl DeliverFlow {
    /// Whether the flow wants an event, or cannot tell and so must look at it.
    pub(crate) fn wants(&self, event: &Event, subsystem: &str) -> bool {
        self.judge(event, subsystem).is_some()
    }

    /// Whether the flow wants an event; inside, why that cannot be told.
    pub(super) fn judge(&self, event: &Event, subsystem: &str) -> Option<Option<Arc<str>>> {
        judge(&self.config, self.filter.as_ref(), event, subsystem)
    }
}

/// What of the log a flow wants to be parked: what it would send, or set aside since that cannot be told.
pub(crate) fn wants(config: &Config, flow: &Deliver) -> Wants {
    let (flow, subsystem) = (flow.clone(), config.subsystem.clone());
    // It compiles, as the configuration was checked; without it, too much would be parked and no less.
    let filter = flow.when.as_deref().map(Filter::compile);
    let filter = filter.and_then(Result::ok);
    Wants(Arc::new(move |event| {
        judge(&flow, filter.as_ref(), event, &subsystem).is_some()
    }))
}

fn judge(
    config: &Deliver,
    filter: Option<&Filter>,
    event: &Event,
    subsystem: &str,
) -> Option<Option<Arc<str>>> {
    let is_on = config.on.iter().any(|it| kind_matches(it, &event.kind));
    let is_from = config.from.is_empty() || config.from.contains(&event.flow);
    if !is_on || !is_from {
        return None;
    }
    let Some(filter) = filter else {
        return Some(None);
    };
    match filter.matches(&document(event, subsystem)) {
        Ok(true) => Some(None),
        Ok(false) => None,
        Err(error) => Some(Some(format!("when: {}", error.text).into())),
    }
}
