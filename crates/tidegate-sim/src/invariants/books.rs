//! What must hold of the books: every event of every flow and hour is accounted for.

use tidegate_core::books::{Balance, Hour, Pending};
use tidegate_core::log::engine::{LogReader, ReadError};
use tidegate_core::log::entry::Entry;
use tidegate_core::park::Met;
use tidegate_types::name::kind_matches;
use tidegate_types::position::Place;

use super::{Audit, READ_BYTES};
use crate::context::Context;
use crate::node::parks::Store;
use crate::node::views::Content;
use crate::report::Rule;
use crate::scenario::FLOWS;

impl Audit {
    /// When all has come to rest the books are even, by number and by digest.
    pub(crate) fn balance(
        &self,
        cx: &mut Context,
        reader: &dyn LogReader,
        (views, parks): (&Content, &[Store]),
    ) {
        let flows = views.flows.iter();
        let stood = flows.filter_map(|(name, flow)| Some((name.clone(), flow.restored()?)));
        let mut pending = self.books.pending(stood.collect());
        let parked = FLOWS.iter().zip(parks);
        let looked = parked
            .map(|(flow, store)| look_into(store, &mut pending, flow.name))
            .collect::<Result<Vec<()>, ReadError>>();
        if let Err(error) = looked.and_then(|_| look(reader, &mut pending)) {
            return cx.violate(Rule::Books, error.to_string());
        }
        let pages = self.books.close(&pending);
        let odd = |balance| matches!(balance, Balance::Odd { .. });
        if let Some(page) = pages.iter().find(|page| odd(page.balance)) {
            cx.violate(Rule::Books, format!("{page:?}"));
        }
    }
}

/// Looks at what a flow has parked: what it passes over counts from `low` on.
fn look_into(store: &Store, pending: &mut Pending, flow: &str) -> Result<(), ReadError> {
    let (Some(park), Some(through)) = (store.reader(), store.through()) else {
        return Ok(());
    };
    let Some((begin, low)) = pending.parked(flow, through) else {
        return Ok(());
    };
    let parts = [
        (begin, low.min(through), false),
        (low.max(begin), through, true),
    ];
    for (mut next, until, counts) in parts {
        while next < until {
            next = park.walk_to((next, Some(until)), READ_BYTES as u64, |met| {
                match met {
                    Met::Event(parked) => {
                        let event = &parked.event.event;
                        let hour = Hour::of(parked.appended);
                        pending.take_parked(flow, hour, parked.place, (&event.id, &event.key));
                    }
                    Met::Passed(hours) if counts => pending.take_passed(flow, &hours),
                    Met::Passed(_) => {}
                }
                true
            })?;
        }
    }
    Ok(())
}

/// Looks at what the log holds.
fn look(reader: &dyn LogReader, pending: &mut Pending) -> Result<(), ReadError> {
    let Some(begin) = pending.begin() else {
        return Ok(());
    };
    let mut next = begin.frame.max(reader.bounds().first);
    loop {
        let frames = reader.read(next, READ_BYTES)?;
        if frames.is_empty() {
            return Ok(());
        }
        for frame in &frames {
            let hour = Hour::of(frame.header().time);
            for (index, entry) in reader.entries(frame)? {
                let Entry::Event(event) = entry else {
                    continue;
                };
                let place = Place {
                    index,
                    ..Place::start_of(frame.header().incarnation, frame.number())
                };
                let (id, key) = (event.event.id, event.event.key.as_str());
                pending.take(hour, place, (&id, key), |flow| {
                    let mut flows = FLOWS.iter().filter(|it| it.name == flow);
                    flows.any(|it| kind_matches(it.on, &event.event.kind))
                });
            }
            next = frame.number().next();
        }
    }
}
