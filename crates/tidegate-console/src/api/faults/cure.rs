//! Resubmitting and discarding faults.
#![expect(
    unused_qualifications,
    reason = "utoipa writes out paths in what it generates"
)]

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Deserialize;
use tidegate_core::log::entry::Entry;
use tidegate_hub::hub::Hub;
use tidegate_types::id::EventId;
use utoipa::IntoParams;

use super::super::params::{self, Params};
use super::find;
use crate::admin::Admin;
use crate::node::{OpenFault, ResubmitOptions, Resubmitted};
use crate::problem::{Code, Problem, Refusal};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "kebab-case")]
pub(in crate::api) struct ResubmitParams {
    /// Although later events of its key may have been delivered.
    #[serde(default)]
    superseded: bool,
    /// Under a new idempotency key, since the endpoint remembers its answer to the old one.
    #[serde(default)]
    new_key: bool,
    /// Who asks; stands in the log.
    by: Option<String>,
}

/// Tries again what was set aside. The same twice changes nothing.
#[utoipa::path(
    post, path = "/api/v1/faults/{id}/resubmit", operation_id = "resubmit-fault", tag = "faults",
    params(("id" = String, Path, description = "Identity of the fault"), ResubmitParams),
    responses(
        (status = 200, description = "It is tried again", body = Resubmitted),
        (status = 400, description = "A parameter cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such open fault, or no such flow", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It fails again, was overtaken, or is on its way already", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many are on their way", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn resubmit(
    State(admin): State<Arc<Admin>>,
    Path(text): Path<String>,
    Params(params): Params<ResubmitParams>,
) -> Result<Json<Resubmitted>, Refusal> {
    let how = ResubmitOptions {
        superseded: params.superseded,
        new_key: params.new_key,
        by: params::spoken_or("by", params.by.as_deref(), "")?,
    };
    let fault = open(&admin, &text).await?;
    let done = admin.node().resubmit(fault, how).await?;
    Ok(Json(done))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::api) struct DiscardParams {
    /// Why; stands in the log.
    reason: String,
    /// Who asks; stands in the log.
    by: Option<String>,
}

/// Gives up what was set aside, for a reason. What waits for it goes on.
#[utoipa::path(
    post, path = "/api/v1/faults/{id}/discard", operation_id = "discard-fault", tag = "faults",
    params(("id" = String, Path, description = "Identity of the fault"), DiscardParams),
    responses(
        (status = 204, description = "It will be closed"),
        (status = 400, description = "A parameter cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such open fault", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It is being resubmitted", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(in crate::api) async fn discard(
    State(admin): State<Arc<Admin>>,
    Path(text): Path<String>,
    Params(params): Params<DiscardParams>,
) -> Result<StatusCode, Refusal> {
    let reason = params::spoken("reason", &params.reason)?;
    let by = params::spoken_or("by", params.by.as_deref(), "")?;
    let fault = open(&admin, &text).await?;
    admin.node().discard(fault, reason, by).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn open(admin: &Admin, text: &str) -> Result<OpenFault, Refusal> {
    let id = params::id("id", text)?;
    admin.settle().await;
    admin.ask(move |hub| open_fault(hub, &id)).await
}

fn open_fault(hub: &Hub, id: &EventId) -> Result<OpenFault, Refusal> {
    let none = || Refusal::new(Code::NotFound, format!("no open fault {id}"));
    let (_, known) = find(hub, id)?.ok_or_else(none)?;
    // A fault may have been carried forward since, or closed and set aside anew.
    let open = hub.views().open_fault(known.time, id)?;
    let found = match open {
        Some(summary) => hub.at(summary.place)?,
        None => None,
    };
    let found = found.ok_or_else(none)?;
    match found.entry {
        Entry::Fault(fault) => Ok(OpenFault {
            fault: *fault,
            place: found.place,
        }),
        _ => Err(none()),
    }
}
