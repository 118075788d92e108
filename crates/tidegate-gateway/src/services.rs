//! The door of our own services: publish and subscribe.

mod publish;
mod subscribe;

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::answer::problem;
use crate::generation::Generation;
use crate::http::ReplyBody;
use crate::public::Public;

/// What all paths of services begin with; no flow may receive below it.
pub(crate) const PREFIX: &str = "/v1/";

/// Answers a request of one of our services.
pub(crate) async fn call(
    public: &Public,
    generation: &Generation,
    parts: &Parts,
    body: Incoming,
) -> Response<ReplyBody> {
    let token = bearer(&parts.headers);
    let Some(service) = token.and_then(|token| generation.service_of(token)) else {
        public.metrics.unknown_service.inc();
        let mut response = problem(
            StatusCode::UNAUTHORIZED,
            "unknown-service",
            "send the token of a service as `authorization: Bearer TOKEN`",
        );
        let challenge = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
        return response;
    };
    let path = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    let steps: Vec<&str> = path.split('/').collect();
    match (steps.as_slice(), &parts.method) {
        (["events"], &Method::POST) => {
            publish::publish(public, generation, service, parts, body).await
        }
        (["events"], _) => method(&[Method::POST]),
        (["subscriptions", name], &Method::GET) => {
            subscribe::read(public, service, name, parts).await
        }
        (["subscriptions", _], _) => method(&[Method::GET]),
        (["subscriptions", name, "cursor"], &Method::PUT | &Method::POST) => {
            subscribe::acknowledge(public, service, name, body).await
        }
        (["subscriptions", name, "cursor"], &Method::GET) => {
            subscribe::position(public, service, name)
        }
        (["subscriptions", _, "cursor"], _) => method(&[Method::GET, Method::PUT]),
        _ => problem(
            StatusCode::NOT_FOUND,
            "unknown-path",
            "services use /v1/events and /v1/subscriptions/NAME",
        ),
    }
}

/// The token of `authorization: Bearer TOKEN`, the scheme in any case (RFC 9110, section 11.4). Of two
/// such fields none counts: a proxy before us may have believed the other one.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut fields = headers.get_all(header::AUTHORIZATION).iter();
    let (field, None) = (fields.next()?.as_bytes(), fields.next()) else {
        return None;
    };
    let space = field.iter().position(|byte| *byte == b' ')?;
    let (scheme, token) = field.split_at(space);
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then(|| token.trim_ascii())
}

fn method(allowed: &[Method]) -> Response<ReplyBody> {
    let allowed: Vec<&str> = allowed.iter().map(Method::as_str).collect();
    let allowed = allowed.join(", ");
    let text = format!("this path takes {allowed}");
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "method", &text);
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}
