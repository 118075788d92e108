//! Replaying events to a flow: one call an event, between two that put the whole onto the timeline.
#![expect(
    unused_qualifications,
    reason = "utoipa writes out paths in what it generates"
)]

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use super::params::{self, Params};
use crate::admin::Admin;
use crate::node::{DeliverStatus, ReplayOptions, ReplayPhase, Replayed};
use crate::problem::{Code, Problem, Refusal};

/// How long a call waits for the end of its event: less than our own clients wait for an answer.
const REPLAY_WAIT: Duration = Duration::from_secs(20);

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case")]
pub(super) struct ReplayParams {
    /// Although later events of its key were delivered, which it may overwrite.
    #[serde(default)]
    superseded: bool,
    /// Under a new idempotency key, since the endpoint may remember the old one.
    #[serde(default)]
    new_key: bool,
    /// Only say whether it would be sent.
    #[serde(default)]
    dry_run: bool,
}

/// Sends an event of the log once more to the endpoint of a flow, and waits up to 20 s for the end of that.
///
/// Nothing is written of it: the books stay as they are, and a restart of the node forgets it. Of one key
/// the order of the calls is kept.
#[utoipa::path(
    post, path = "/api/v1/flows/{name}/replay/{event}", operation_id = "replay-event", tag = "flows",
    params(
        ("name" = String, Path, description = "Name of the flow"),
        ("event" = String, Path, description = "Identity of the event"),
        ReplayParams,
    ),
    responses(
        (status = 200, description = "What became of it", body = Replayed),
        (status = 400, description = "A parameter cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such event, or no such flow", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is still going to be delivered, would overtake, or its key waits", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many are on their way", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn event(
    State(admin): State<Arc<Admin>>,
    Path((flow, event)): Path<(String, String)>,
    Params(params): Params<ReplayParams>,
) -> Result<Json<Replayed>, Refusal> {
    let event = params::id("event", &event)?;
    let _leave = admin.waiter()?;
    let how = ReplayOptions {
        flow,
        event,
        superseded: params.superseded,
        new_key: params.new_key,
        dry_run: params.dry_run,
    };
    match timeout(REPLAY_WAIT, admin.node().replay(how)).await {
        Ok(done) => Ok(Json(done?)),
        Err(_) => Ok(Json(Replayed {
            event: event.to_string(),
            outcome: "under-way".to_owned(),
            why: None,
        })),
    }
}

/// Which end of a replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Phase {
    /// It begins.
    Begin,
    /// It has ended.
    End,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case")]
pub(super) struct PhaseParams {
    /// `begin` or `end`.
    #[param(inline)]
    phase: Phase,
    /// Why; stands in the log.
    reason: String,
    /// Who asks; stands in the log.
    by: Option<String>,
    /// At the end: events that were taken.
    #[serde(default)]
    delivered: u64,
    /// At the end: events that were not taken.
    #[serde(default)]
    failed: u64,
    /// At the end: events that were not sent, or whose end is not known.
    #[serde(default)]
    other: u64,
}

/// Puts onto the timeline that somebody begins to replay events to a flow, or has ended.
#[utoipa::path(
    post, path = "/api/v1/flows/{name}/replay", operation_id = "note-replay", tag = "flows",
    params(("name" = String, Path, description = "Name of the flow"), PhaseParams),
    responses(
        (status = 200, description = "It is noted", body = ReplayPhase),
        (status = 400, description = "A parameter cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such flow", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn phase(
    State(admin): State<Arc<Admin>>,
    Path(flow): Path<String>,
    Params(params): Params<PhaseParams>,
) -> Result<Json<ReplayPhase>, Refusal> {
    let reason = params::spoken("reason", &params.reason)?;
    let by = params::spoken_or("by", params.by.as_deref(), "somebody")?;
    let known = admin.node().deliveries();
    let is_it = |it: &DeliverStatus| it.flow == flow;
    if !known.iter().any(is_it) {
        let detail = format!("no flow {flow:?} delivers");
        return Err(Refusal::new(Code::NotFound, detail));
    }
    let config = admin.node().config();
    let order = config.deliveries.iter().find(|it| it.name == flow);
    let in_one_lane = order.is_some_and(|it| it.order == tidegate_config::config::Order::Total);
    let (kind, text) = match params.phase {
        Phase::Begin => (
            "replay-begun",
            format!("flow {flow}: {by} begins to replay events: {reason}"),
        ),
        Phase::End => (
            "replay-ended",
            format!(
                "flow {flow}: {by} has replayed events: {} delivered, {} failed, {} not sent or not known: {reason}",
                params.delivered, params.failed, params.other
            ),
        ),
    };
    admin.hub().record(kind, &text, &[("flow", flow)]);
    Ok(Json(ReplayPhase { in_one_lane }))
}
