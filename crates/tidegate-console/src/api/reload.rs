//! Reading the configuration again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::admin::Admin;
use crate::node::{ReloadRefusal, Reloaded};
use crate::problem::{Code, Problem, Refusal};

/// Reads the configuration again and applies it; an invalid one changes nothing.
#[utoipa::path(
    post, path = "/api/v1/reload", tag = "node",
    responses(
        (status = 200, description = "It is in force", body = Reloaded),
        (status = 422, description = "It was not applied, and nothing has changed", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn reload(State(admin): State<Arc<Admin>>) -> Result<Json<Reloaded>, Refusal> {
    let node = Arc::clone(admin.node());
    let done = tokio::task::spawn_blocking(move || node.reload()).await;
    match done {
        Ok(Ok(reloaded)) => Ok(Json(reloaded)),
        Ok(Err(refusal)) => Err(refused(refusal)),
        Err(panicked) => Err(Refusal::internal(&panicked)),
    }
}

fn refused(refusal: ReloadRefusal) -> Refusal {
    let told = Refusal::new(Code::ReloadInvalid, refusal.to_string());
    match refusal {
        ReloadRefusal::Invalid(problems) => Refusal { problems, ..told },
        ReloadRefusal::Unreadable(_) | ReloadRefusal::NotApplied(_) => told,
    }
}
