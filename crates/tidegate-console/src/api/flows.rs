//! Pausing flows that deliver or poll.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::StatusCode;

use crate::admin::Admin;
use crate::problem::{Problem, Refusal};

/// Sends, or fetches, nothing more of a flow that delivers or polls, over restarts too.
#[utoipa::path(
    post, path = "/api/v1/flows/{name}/pause", operation_id = "pause-flow", tag = "flows",
    params(("name" = String, Path, description = "Name of the flow")),
    responses(
        (status = 204, description = "It is paused"),
        (status = 404, description = "No such flow", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It could not be written", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn pause(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    admin.node().pause(name, true).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a flow that delivers or polls go on, also after its endpoint said that it is gone.
#[utoipa::path(
    post, path = "/api/v1/flows/{name}/resume", operation_id = "resume-flow", tag = "flows",
    params(("name" = String, Path, description = "Name of the flow")),
    responses(
        (status = 204, description = "It goes on"),
        (status = 404, description = "No such flow", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It could not be written", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn resume(
    State(admin): State<Arc<Admin>>,
    Path(name): Path<String>,
) -> Result<StatusCode, Refusal> {
    admin.node().pause(name, false).await?;
    Ok(StatusCode::NO_CONTENT)
}
