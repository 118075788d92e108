//! Publish: CloudEvents of our own services, in any of the three modes.

use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use tidegate_hub::clock::now;
use tidegate_types::name::kind_matches;
use tidegate_types::position::FrameNumber;
use tidegate_wire::cloudevents::{self, CloudEvent, Limits};
use tidegate_wire::content::decode_body;

use crate::answer::{self, problem};
use crate::generation::{Generation, ServiceDoor};
use crate::http::{ReplyBody, read_body};
use crate::offer::Door;
use crate::public::Public;
use crate::receive::{content_encoding, offer_all, undecodable, undecoded};

/// Takes the events of a request, all or none.
pub(super) async fn publish(
    public: &Public,
    generation: &Generation,
    service: &ServiceDoor,
    parts: &Parts,
    body: Incoming,
) -> Response<ReplyBody> {
    let limits = &generation.config.limits;
    let body = match read_body(body, limits.body_max, limits.request_timeout).await {
        Ok(body) => body,
        Err(error) => return problem(error.status(), "body", &error.to_string()),
    };
    let encoding = content_encoding(&parts.headers);
    let body = match decode_body(Some(&encoding), &body, limits.body_max) {
        Ok(body) => body,
        Err(error) => return undecoded(&error),
    };
    let events = match cloudevents::decode(&parts.headers, &body, Limits::default()) {
        Ok(events) => events,
        Err(error) => return undecodable(&error),
    };
    if let Some(refused) = events.iter().find(|event| !may_publish(service, event)) {
        let text = format!(
            "service {} may not publish events of type {:?}; add a pattern for it to `publish`",
            service.service.name, refused.kind
        );
        return problem(StatusCode::FORBIDDEN, "type-not-allowed", &text);
    }
    let single = events.len() == 1;
    let now = now();
    let door = Door {
        flow: &service.flow,
        namespace: &service.namespace,
        now,
        horizon: FrameNumber(0),
    };
    let contents = events
        .into_iter()
        .map(|event| door.cloud_event(event, None))
        .collect();
    let outcomes = offer_all(public, contents).await;
    service.metrics.answered_all(&outcomes, now);
    match outcomes.as_slice() {
        [outcome] if single => answer::one(outcome),
        outcomes => answer::many(outcomes),
    }
}

fn may_publish(service: &ServiceDoor, event: &CloudEvent) -> bool {
    service
        .service
        .publish
        .iter()
        .any(|pattern| kind_matches(pattern, &event.kind))
}
