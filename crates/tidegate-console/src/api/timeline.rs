//! What happened to the node.
#![expect(
    unused_qualifications,
    reason = "utoipa writes out paths in what it generates"
)]

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use tidegate_core::log::entry::Entry;
use tidegate_hub::query::Found;
use utoipa::IntoParams;

use super::events::next;
use super::params::{self, Params};
use crate::admin::Admin;
use crate::problem::{Problem, Refusal};
use crate::search::Search;
use crate::view::{SystemView, Timeline};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TimelineParams {
    /// Nothing that was appended before, RFC 3339.
    since: Option<String>,
    /// Nothing that was appended later, RFC 3339.
    until: Option<String>,
    /// Go on behind this position; `next` of the page before.
    after: Option<String>,
    /// Entries at most, from 1 to 1000; 50 by default.
    limit: Option<usize>,
}

/// System events, newest first: starts, stops, reloads, what recovery found.
///
/// A page looks through a bounded piece of the log and may be empty although there is more: go on
/// from `next` until it is absent.
#[utoipa::path(
    get, path = "/api/v1/timeline", operation_id = "timeline", tag = "node", params(TimelineParams),
    responses(
        (status = 200, description = "A page of the timeline", body = Timeline),
        (status = 400, description = "A parameter cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The position is not in the log", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn timeline(
    State(admin): State<Arc<Admin>>,
    Params(params): Params<TimelineParams>,
) -> Result<Json<Timeline>, Refusal> {
    let search = Search {
        after: params
            .after
            .map(|text| admin.place("after", &text))
            .transpose()?,
        since: params::time("since", params.since.as_deref())?,
        until: params::time("until", params.until.as_deref())?,
        ..Search::newest(params::limit(params.limit)?)
    };
    let page = admin
        .ask(move |hub| {
            let is_system = |entry: &Entry| matches!(entry, Entry::System(_));
            let sweep = search.run(&*hub.reader(), is_system)?;
            let found = sweep.found.iter();
            let entries = found
                .filter_map(|found| view(hub.origin(), found))
                .collect();
            Ok(Timeline {
                entries,
                scanned: sweep.scanned,
                next: next(hub.origin(), &sweep),
            })
        })
        .await?;
    Ok(Json(page))
}

fn view(origin: &str, found: &Found) -> Option<SystemView> {
    let Entry::System(system) = &found.entry else {
        return None;
    };
    Some(SystemView {
        time: system.time.to_string(),
        kind: system.kind.clone(),
        text: system.text.clone(),
        tags: system.tags.iter().cloned().collect(),
        position: found.place.of(origin).to_string(),
    })
}
