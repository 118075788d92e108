//! Faults: the open ones, and one by its identity.
#![expect(
    unused_qualifications,
    reason = "utoipa writes out paths in what it generates"
)]

pub(super) mod cure;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use tidegate_core::log::entry::{Entry, Fault};
use tidegate_core::view::FaultSummary;
use tidegate_hub::hub::Hub;
use tidegate_hub::query::Found;
use tidegate_types::id::EventId;
use utoipa::IntoParams;

use super::params::{self, Params};
use crate::admin::Admin;
use crate::limits::{PAGE_MAX, SCAN_FAULTS_MAX};
use crate::problem::{Code, Problem, Refusal};
use crate::view::{FaultList, FaultSummaryView, FaultView};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct FaultParams {
    /// The flow that set it aside.
    flow: Option<String>,
    /// What went wrong: `mapping`, `identity`, `id-reused`, `overrun`, `quarantined`, `format`,
    /// `exhausted`, `rejected` or `gone`.
    cause: Option<String>,
    /// Go on behind this fault; `next` of the page before.
    after: Option<String>,
    /// Faults at most, from 1 to 1000; 50 by default.
    limit: Option<usize>,
}

/// The open faults, newest first.
#[utoipa::path(
    get, path = "/api/v1/faults", operation_id = "list-faults", tag = "faults", params(FaultParams),
    responses(
        (status = 200, description = "A page of faults", body = FaultList),
        (status = 400, description = "A parameter cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "`after` is no open fault", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(
    State(admin): State<Arc<Admin>>,
    Params(params): Params<FaultParams>,
) -> Result<Json<FaultList>, Refusal> {
    let limit = params::limit(params.limit)?;
    let flow = params::text("flow", params.flow)?;
    let cause = params::text("cause", params.cause)?;
    let after = params
        .after
        .map(|text| params::id("after", &text))
        .transpose()?;
    let wanted = move |fault: &FaultSummary| {
        flow.as_deref().is_none_or(|flow| flow == fault.flow)
            && cause
                .as_deref()
                .is_none_or(|cause| cause == fault.cause.name())
    };
    admin.settle().await;
    let page = admin
        .ask(move |hub| page(hub, after, limit, wanted))
        .await?;
    Ok(Json(page))
}

/// Goes through the summaries in steps, so that a rare cause among many faults stays bounded.
fn page(
    hub: &Hub,
    after: Option<EventId>,
    limit: usize,
    wanted: impl Fn(&FaultSummary) -> bool,
) -> Result<FaultList, Refusal> {
    let mut last = after.map(|id| summary_of(hub, &id)).transpose()?;
    let mut faults = Vec::new();
    let mut looked = 0;
    let mut more = true;
    while more && faults.len() < limit && looked < SCAN_FAULTS_MAX {
        let step = hub.views().faults(last.as_ref(), PAGE_MAX, |_| true)?;
        more = step.len() == PAGE_MAX;
        for summary in step {
            if faults.len() >= limit {
                more = true;
                break;
            }
            looked += 1;
            if wanted(&summary)
                && let Some((found, fault)) = fault_at(hub, &summary)?
            {
                faults.push(FaultSummaryView::of(hub.origin(), &found, &fault));
            }
            last = Some(summary);
        }
    }
    let next = last.filter(|_| more).map(|summary| summary.id.to_string());
    Ok(FaultList {
        faults,
        open: hub.stats().faults_open.load(Ordering::Relaxed),
        next,
    })
}

fn summary_of(hub: &Hub, id: &EventId) -> Result<FaultSummary, Refusal> {
    match find(hub, id)? {
        Some((found, fault)) => Ok(FaultSummary::of(&fault, found.place)),
        None => Err(Refusal::new(
            Code::PositionGone,
            format!("`after`: {id} is no open fault"),
        )),
    }
}

fn fault_at(hub: &Hub, summary: &FaultSummary) -> Result<Option<(Found, Fault)>, Refusal> {
    Ok(hub.at(summary.place)?.and_then(fault_of))
}

fn find(hub: &Hub, id: &EventId) -> Result<Option<(Found, Fault)>, Refusal> {
    Ok(hub.find(id)?.and_then(fault_of))
}

fn fault_of(found: Found) -> Option<(Found, Fault)> {
    match &found.entry {
        Entry::Fault(fault) => {
            let fault = Fault::clone(fault);
            Some((found, fault))
        }
        _ => None,
    }
}

/// A fault with its original.
#[utoipa::path(
    get, path = "/api/v1/faults/{id}", operation_id = "get-fault", tag = "faults",
    params(("id" = String, Path, description = "Identity of the fault")),
    responses(
        (status = 200, description = "The fault", body = FaultView),
        (status = 400, description = "No identity", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "No such fault", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn one(
    State(admin): State<Arc<Admin>>,
    Path(text): Path<String>,
) -> Result<Json<FaultView>, Refusal> {
    let id = params::id("id", &text)?;
    admin.settle().await;
    let view = admin
        .ask(move |hub| match find(hub, &id)? {
            Some((found, fault)) => Ok(FaultView::of(hub.origin(), &found, &fault)),
            None => Err(Refusal::new(Code::NotFound, format!("no fault {id}"))),
        })
        .await?;
    Ok(Json(view))
}
