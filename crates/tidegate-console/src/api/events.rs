//! Events: search, and one by its identity.
#![expect(
    unused_qualifications,
    reason = "utoipa writes out paths in what it generates"
)]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use tidegate_core::log::entry::Entry;
use utoipa::{IntoParams, ToSchema};

use super::filter::{Filter, FilterParams};
use super::params::{self, Params};
use crate::admin::Admin;
use crate::limits::SCAN_BYTES_MAX;
use crate::problem::{Code, Problem, Refusal};
use crate::search::{Search, Sweep};
use crate::view::{EventPage, EventView};

/// In which order a page goes through the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    /// The last that came in first.
    #[default]
    Newest,
    /// The first that came in first.
    Oldest,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct EventParams {
    /// The event type, or its beginning followed by `*`: `order.*`.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
    /// The flow, or `services/NAME`.
    flow: Option<String>,
    /// The partition key.
    key: Option<String>,
    /// Text that stands in the payload or in the original body, as it is written there.
    text: Option<String>,
    /// Nothing that was appended before, RFC 3339.
    since: Option<String>,
    /// Nothing that was appended later, RFC 3339.
    until: Option<String>,
    /// Go on behind this position; `next` of the page before.
    after: Option<String>,
    /// `newest` or `oldest` first.
    #[param(inline)]
    order: Option<Order>,
    /// Events at most, from 1 to 1000; 50 by default.
    limit: Option<usize>,
}

/// Events that are wanted, newest first unless asked otherwise.
///
/// A page looks through a bounded piece of the log and may be empty although there is more: go on
/// from `next` until it is absent.
#[utoipa::path(
    get, path = "/api/v1/events", operation_id = "list-events", tag = "events", params(EventParams),
    responses(
        (status = 200, description = "A page of events", body = EventPage),
        (status = 400, description = "A parameter cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The position is not in the log", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Params(params): Params<EventParams>,
) -> Result<Json<EventPage>, Refusal> {
    let EventParams {
        kind,
        flow,
        key,
        text,
        since,
        until,
        after,
        order,
        limit,
    } = params;
    let filter = Filter::new(FilterParams {
        kind,
        flow,
        key,
        text,
    })?;
    let search = Search {
        backwards: order.unwrap_or_default() == Order::Newest,
        after: after.map(|text| admin.place("after", &text)).transpose()?,
        since: params::time("since", since.as_deref())?,
        until: params::time("until", until.as_deref())?,
        limit: params::limit(limit)?,
        scan_bytes: SCAN_BYTES_MAX,
    };
    let page = admin
        .ask(move |hub| {
            let sweep = search.run(&*hub.reader(), |entry| filter.wants(entry))?;
            Ok(EventPage {
                events: views(hub.origin(), &sweep),
                scanned: sweep.scanned,
                next: next(hub.origin(), &sweep),
            })
        })
        .await?;
    Ok(Json(page))
}

/// The events of a sweep, without their originals.
pub(super) fn views(origin: &str, sweep: &Sweep) -> Vec<EventView> {
    let found = sweep.found.iter();
    found
        .filter_map(|found| match &found.entry {
            Entry::Event(entry) => Some(EventView::listed(origin, found, &entry.event)),
            _ => None,
        })
        .collect()
}

/// Where the next page begins.
pub(super) fn next(origin: &str, sweep: &Sweep) -> Option<String> {
    let reached = sweep.reached.filter(|_| !sweep.at_end)?;
    Some(reached.of(origin).to_string())
}

/// An event with its original.
#[utoipa::path(
    get, path = "/api/v1/events/{id}", operation_id = "get-event", tag = "events",
    params(("id" = String, Path, description = "Identity of the event")),
    responses(
        (status = 200, description = "The event", body = EventView),
        (status = 400, description = "No identity", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such event", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn one(
    State(admin): State<Arc<Admin>>,
    Path(text): Path<String>,
) -> Result<Json<EventView>, Refusal> {
    let id = params::id("id", &text)?;
    admin.settle().await;
    let view = admin
        .ask(move |hub| {
            let Some(found) = hub.find(&id)? else {
                return Err(Refusal::new(Code::NotFound, format!("no event {id}")));
            };
            match &found.entry {
                Entry::Event(entry) => Ok(EventView::whole(hub.origin(), &found, &entry.event)),
                _ => Err(Refusal::new(
                    Code::NotFound,
                    format!("{id} is a fault: ask /api/v1/faults/{id}"),
                )),
            }
        })
        .await?;
    Ok(Json(view))
}
