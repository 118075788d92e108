//! Writing what the machine decides.

use std::sync::Arc;

use tidegate_core::deliver::{Append, SetAside};
use tidegate_core::log::entry::{Entry, EventEntry, Fault};
use tidegate_core::receive::fingerprint;
use tidegate_core::receive::intake::{Answer, Content, Refusal};
use tidegate_hub::hub::Hub;
use tidegate_types::position::Place;

use super::log::Body;

/// Appends all parts; gives whether all are durable.
pub(super) async fn append(
    hub: Arc<Hub>,
    flow: Arc<str>,
    append: Append<Body>,
) -> Result<(), Refusal> {
    let asides = faults(&hub, flow, append.aside).await;
    let plain = append
        .retrying
        .into_iter()
        .map(|it| Entry::Retrying(Box::new(it)));
    let closed = append
        .closed
        .into_iter()
        .map(|it| Entry::FaultClosed(Box::new(it)));
    let receipts = append.receipts.map(|it| Entry::Receipts(Box::new(it)));
    let plain = plain.chain(closed).chain(receipts);
    // Faults are plain entries too: an event may be set aside anew after its fault was closed.
    let asides = asides.into_iter().map(|it| Entry::Fault(Box::new(it)));
    let contents = asides
        .chain(plain)
        .map(|entry| Content::Plain(Box::new(entry)));
    let answers = hub.offer_all(contents).await;
    let mut refused = answers.into_iter().filter_map(|answer| match answer {
        Answer::Refused(refusal) => Some(refusal),
        _ => None,
    });
    refused.next().map_or(Ok(()), Err)
}

/// The faults, each with its event and, as long as the log has it, the original.
async fn faults(hub: &Arc<Hub>, flow: Arc<str>, asides: Vec<SetAside<Body>>) -> Vec<Fault> {
    if asides.is_empty() {
        return Vec::new();
    }
    let hub = Arc::clone(hub);
    let read = tokio::task::spawn_blocking(move || {
        let faults = asides.into_iter().map(|aside| {
            let entry = whole(&hub, &flow, aside.place);
            fault(&flow, aside, entry)
        });
        faults.collect()
    });
    match read.await {
        Ok(faults) => faults,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

fn whole(hub: &Hub, flow: &str, place: Place) -> Option<EventEntry> {
    match hub.at_for(flow, place) {
        Ok(Some(found)) => match found.entry {
            Entry::Event(entry) => Some(entry),
            _ => None,
        },
        Ok(None) => None,
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an event is set aside without its original"
            );
            None
        }
    }
}

fn fault(flow: &str, aside: SetAside<Body>, entry: Option<EventEntry>) -> Fault {
    let mut entry = entry.or_else(|| {
        let event = aside.body?.event.as_ref().clone();
        let fingerprint = fingerprint::of_event(&event.kind, &event.key, &event.data);
        Some(EventEntry { event, fingerprint })
    });
    let raw = entry.as_mut().and_then(|entry| entry.event.raw.take());
    let external_id = entry.as_ref().map(|entry| entry.event.external_id.clone());
    let fingerprint = entry.as_ref().map(|entry| entry.fingerprint);
    Fault {
        id: aside.fault,
        flow: flow.to_owned(),
        cause: aside.cause,
        blame: aside.blame,
        message: aside.message,
        time: aside.time,
        external_id: external_id.unwrap_or_default(),
        event: entry,
        raw: raw.unwrap_or_default(),
        fingerprint: fingerprint.unwrap_or_default(),
        carried: false,
    }
}
