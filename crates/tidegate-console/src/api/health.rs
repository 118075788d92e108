//! Probes and metrics.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::admin::Admin;
use crate::node::Readiness;

/// The media type that the OpenMetrics 1.0 specification registers.
const EXPOSITION: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// The process answers.
#[utoipa::path(
    get, path = "/healthz", tag = "probes", security(()),
    responses((status = 200, description = "The process answers", body = String)),
)]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether requests should be sent here.
#[utoipa::path(
    get, path = "/readyz", tag = "probes", security(()),
    responses(
        (status = 200, description = "They should", body = Readiness),
        (status = 503, description = "They should not, and why", body = Readiness),
    ),
)]
pub(super) async fn readyz(State(admin): State<Arc<Admin>>) -> Response {
    let readiness = readiness(&admin);
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness)).into_response()
}

/// The node's word, unless it is shutting down.
pub(super) fn readiness(admin: &Admin) -> Readiness {
    let mut readiness = admin.node().readiness();
    if *admin.stopping().borrow() {
        readiness.ready = false;
        readiness
            .reasons
            .push("the node is shutting down".to_owned());
    }
    readiness
}

/// All metrics, as OpenMetrics text, which Prometheus reads.
#[utoipa::path(
    get, path = "/metrics", tag = "probes",
    responses((status = 200, description = "The metrics", body = String, content_type = "application/openmetrics-text")),
)]
pub(super) async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    (
        [(header::CONTENT_TYPE, EXPOSITION)],
        admin.node().metrics_text(),
    )
        .into_response()
}
