//! The handlers, their paths and their description.

mod books;
mod events;
mod faults;
mod filter;
mod flows;
mod health;
mod params;
mod reload;
mod replay;
mod status;
mod tail;
mod timeline;

use std::sync::Arc;

use axum::http::Uri;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get, post};
use http::{HeaderValue, Method, header};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use crate::admin::Admin;
use crate::problem::{Code, Refusal};

/// Every path with what answers it.
pub(crate) fn routes() -> Vec<(&'static str, MethodRouter<Arc<Admin>>)> {
    vec![
        ("/healthz", get(health::healthz)),
        ("/readyz", get(health::readyz)),
        ("/metrics", get(health::metrics)),
        ("/api/openapi.json", get(openapi)),
        ("/api/v1/status", get(status::status)),
        ("/api/v1/events", get(events::list)),
        ("/api/v1/events/tail", get(tail::tail)),
        ("/api/v1/events/{id}", get(events::one)),
        ("/api/v1/faults", get(faults::list)),
        ("/api/v1/faults/{id}", get(faults::one)),
        ("/api/v1/faults/{id}/resubmit", post(faults::cure::resubmit)),
        ("/api/v1/faults/{id}/discard", post(faults::cure::discard)),
        ("/api/v1/flows/{name}/pause", post(flows::pause)),
        ("/api/v1/flows/{name}/resume", post(flows::resume)),
        ("/api/v1/flows/{name}/replay", post(replay::phase)),
        ("/api/v1/flows/{name}/replay/{event}", post(replay::event)),
        ("/api/v1/books", get(books::books)),
        ("/api/v1/timeline", get(timeline::timeline)),
        ("/api/v1/reload", post(reload::reload)),
    ]
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidegate admin API",
        description = "What operators, probes and the command line ask a node. Errors are problem \
                       details (RFC 9457) with a stable code and a cure.",
        version = "1",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        health::healthz,
        health::readyz,
        health::metrics,
        openapi,
        status::status,
        events::list,
        tail::tail,
        events::one,
        faults::list,
        faults::one,
        faults::cure::resubmit,
        faults::cure::discard,
        flows::pause,
        flows::resume,
        replay::phase,
        replay::event,
        books::books,
        timeline::timeline,
        reload::reload,
    ),
    modifiers(&Token),
    security(("token" = []))
)]
struct Description;

/// The bearer token, where the configuration demands one.
struct Token;

impl utoipa::Modify for Token {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let mut scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let told = "The value of `listen.admin.token`; not needed on loopback without one.";
        scheme.description = Some(told.to_owned());
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
    }
}

/// The description of the admin API: OpenAPI 3.1 as JSON, with a line break at its end.
#[must_use]
pub fn openapi_json() -> String {
    // It is made of plain strings and maps, which always serialise.
    let mut text = Description::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

/// This description.
#[utoipa::path(
    get, path = "/api/openapi.json", tag = "node",
    responses((status = 200, description = "OpenAPI 3.1", body = serde_json::Value)),
)]
async fn openapi() -> impl IntoResponse {
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], openapi_json())
}

pub(crate) async fn no_such_path(uri: Uri) -> Refusal {
    Refusal::new(Code::NotFound, format!("no path {}", uri.path()))
}

pub(crate) async fn no_such_method(method: Method, uri: Uri) -> Refusal {
    Refusal::new(
        Code::Method,
        format!("{method} is not possible on {}", uri.path()),
    )
}
