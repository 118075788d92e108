//! From a request to its answer: read, verify, decode, map, offer, answer.

mod again;

use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use tidegate_config::config::Identity;
use tidegate_core::log::entry::{Blame, FaultCause};
use tidegate_core::receive::intake::Content;
use tidegate_hub::clock::now;
use tidegate_map::{MapErrorKind, Mapped};
use tidegate_types::event::Raw;
use tidegate_types::time::UnixMillis;
use tidegate_wire::cloudevents::{
    self, CloudEvent, DecodeError, Limits, encode_structured, handshake,
};
use tidegate_wire::content::{self, ContentError, decode_body};
use tidegate_wire::signature::{Refusal as Unverified, Request, slack};

use crate::answer::{self, Outcome, problem};
use crate::generation::ReceiveFlow;
use crate::http::{ReplyBody, read_body};
use crate::mapper::{FlowMapper, MapFailure, Subject};
use crate::offer::{Door, Failure, content_id};
use crate::original::original;
use crate::public::Public;

pub(crate) use again::again;

/// Answers a request to a flow's path.
pub(crate) async fn receive(
    public: &Public,
    flow: &ReceiveFlow,
    parts: Parts,
    body: Incoming,
) -> Response<ReplyBody> {
    let (now, begun) = (now(), Instant::now());
    if let Some(answered) = before_body(flow, &parts) {
        return answered;
    }
    let timeout = public.request_timeout();
    let announced = body.size_hint().upper().unwrap_or(u64::MAX);
    if announced > UNPROVEN_BYTES_MAX
        && let Err(refusal) = judge_head(flow, &parts, now)
    {
        return unverified(public, flow, now, &refusal);
    }
    let body = match read_body(body, flow.flow.body_max, timeout).await {
        Ok(body) => body,
        Err(error) => {
            flow.metrics.unread.inc();
            return problem(error.status(), "body", &error.to_string());
        }
    };
    let request = request(&parts, &body);
    let verified = match flow.verifier.verify(now, &request) {
        Ok(verified) => verified,
        Err(refusal) => return unverified(public, flow, now, &refusal),
    };
    if flow.is_slack
        && let Some(challenge) = slack::challenge(&verified, &body)
    {
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        return answer::reply(StatusCode::OK, text, challenge);
    }
    let encoding = content_encoding(&parts.headers);
    let decoded = match decode_body(Some(&encoding), &body, flow.flow.body_max) {
        Ok(decoded) => decoded,
        Err(error) => {
            flow.metrics.unread.inc();
            return undecoded(&error);
        }
    };
    let external_id = match flow.flow.identity {
        Identity::Scheme => verified.external_id.map(str::to_owned),
        _ => None,
    };
    let raw = original(flow, &parts.headers, request.query, body.clone());
    drop(body);
    let accepted = Accepted {
        public,
        flow,
        now,
        external_id,
        headers: parts.headers,
    };
    // The target shares the connection's read buffer as well, see [`Accepted`].
    drop(parts.uri);
    let response = if flow.is_cloudevents() {
        accepted.cloud_events(decoded, raw).await
    } else {
        accepted.webhook(decoded, raw).await
    };
    flow.metrics.took(begun.elapsed());
    response
}

/// What the schemes look at.
fn request<'a>(parts: &'a Parts, body: &'a [u8]) -> Request<'a> {
    Request {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body,
    }
}

/// Refuses by the head alone what no body could make genuine: so a stranger cannot have us hold
/// large bodies by sending them.
fn judge_head(flow: &ReceiveFlow, parts: &Parts, now: UnixMillis) -> Result<(), Unverified> {
    match flow.verifier.verify(now, &request(parts, &[])) {
        Err(Unverified::Mismatch | Unverified::TooOld { .. } | Unverified::TooNew { .. })
            if flow.flow.verify.signs_body() =>
        {
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

/// Bytes of a body that are read from anybody; the head of a larger one is judged first. Most
/// webhooks are smaller, and meet the scheme once only.
const UNPROVEN_BYTES_MAX: u64 = 64 << 10;

/// What is answered without looking at the body.
fn before_body(flow: &ReceiveFlow, parts: &Parts) -> Option<Response<ReplyBody>> {
    if parts.method == Method::OPTIONS
        && let Some(policy) = &flow.flow.handshake
    {
        return Some(match handshake(&parts.headers, policy) {
            Ok(consent) => {
                let mut response = Response::new(ReplyBody::empty());
                response.headers_mut().extend(consent);
                response
            }
            Err(refusal) => problem(StatusCode::FORBIDDEN, "handshake", &refusal.to_string()),
        });
    }
    if flow.flow.methods.contains(&parts.method.as_str()) {
        return None;
    }
    let mut allowed = flow.flow.methods.join(", ");
    if flow.flow.handshake.is_some() {
        allowed.push_str(", OPTIONS");
    }
    let text = format!("this path takes {allowed}");
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "method", &text);
    if let Ok(allow) = HeaderValue::try_from(allowed) {
        response.headers_mut().insert(header::ALLOW, allow);
    }
    Some(response)
}

/// Nothing is kept of what is not genuine but a count and now and then a line. The sender learns
/// no reason, which would help a forger.
fn unverified(
    public: &Public,
    flow: &ReceiveFlow,
    now: UnixMillis,
    refusal: &Unverified,
) -> Response<ReplyBody> {
    flow.metrics.unverified(refusal.code());
    if let Some(left_out) = public.unverified.due(now) {
        tracing::warn!(
            flow = flow.flow.name,
            reason = refusal.code(),
            left_out,
            "a request was refused: {refusal}"
        );
    }
    let mut response = problem(
        StatusCode::UNAUTHORIZED,
        "unverified",
        "the request could not be verified",
    );
    if matches!(flow.flow.verify.scheme(), "basic" | "bearer") {
        let challenge = if flow.flow.verify.scheme() == "basic" {
            // RFC 7617, section 2: the realm is required.
            r#"Basic realm="tidegate", charset="UTF-8""#
        } else {
            "Bearer"
        };
        let challenge = HeaderValue::from_static(challenge);
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

pub(crate) fn undecoded(error: &ContentError) -> Response<ReplyBody> {
    let status = match error {
        ContentError::Unknown(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ContentError::Corrupt { .. } => StatusCode::BAD_REQUEST,
        ContentError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
    };
    let mut response = problem(status, "content-encoding", &error.to_string());
    if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        let accepted = HeaderValue::from_static(content::ACCEPTED);
        response
            .headers_mut()
            .insert(header::ACCEPT_ENCODING, accepted);
    }
    response
}

/// The answer to a request that holds no CloudEvents.
pub(crate) fn undecodable(error: &DecodeError) -> Response<ReplyBody> {
    let status = match error {
        DecodeError::NotCloudEvents | DecodeError::Unsupported(_) => {
            StatusCode::UNSUPPORTED_MEDIA_TYPE
        }
        DecodeError::TooMany { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        DecodeError::Json(_) | DecodeError::Invalid(_) => StatusCode::BAD_REQUEST,
    };
    problem(status, error.code(), &error.to_string())
}

/// All that is said of the encoding: several fields are one list (RFC 9110, section 5.3), and
/// bytes that are no text must not pass for "none".
pub(crate) fn content_encoding(headers: &HeaderMap) -> String {
    let fields = headers.get_all(header::CONTENT_ENCODING).iter();
    let fields: Vec<_> = fields
        .map(|field| String::from_utf8_lossy(field.as_bytes()))
        .collect();
    fields.join(", ")
}

fn text_header<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// A genuine request. From here on nothing is turned away but for want of room.
///
/// Headers and body lie in the connection's read buffer. They are let go before the answer of the log
/// is waited for, so that the connection reads on into the same memory.
struct Accepted<'a> {
    public: &'a Public,
    flow: &'a ReceiveFlow,
    now: UnixMillis,
    /// The identity the scheme signs, if the flow goes by it.
    external_id: Option<String>,
    headers: HeaderMap,
}

impl Accepted<'_> {
    fn door(&self) -> Door<'_> {
        Door {
            flow: &self.flow.flow.name,
            namespace: &self.flow.namespace,
            now: self.now,
            horizon: self.flow.horizon.frame(self.now, &*self.public.reader),
        }
    }

    async fn webhook(self, body: Bytes, raw: Raw) -> Response<ReplyBody> {
        let (public, flow, now) = (self.public, self.flow, self.now);
        let Some(mapper) = &flow.mapper else {
            // Only CloudEvents flows have none.
            return problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "no-mapping",
                "no mapping",
            );
        };
        let subject = Subject {
            raw: &raw,
            content_type: text_header(&self.headers, &header::CONTENT_TYPE),
            body: &body,
        };
        let content = match mapper.map(subject).await {
            Ok(None) => {
                flow.metrics.filtered.inc();
                return answer::one(&Outcome::Filtered);
            }
            Ok(Some(mapped)) => self.mapped(mapped, &body, raw),
            Err(failure) => {
                let known = self.known_identity(mapper, subject, &failure).await;
                self.fault(known, failure, raw)
            }
        };
        drop((self, body));
        let answer = public.hub.offer(content).await;
        flow.metrics.answered(&answer, now);
        answer::one(&Outcome::Answered(answer))
    }

    fn mapped(&self, mapped: Mapped, body: &Bytes, raw: Raw) -> Content {
        let identity = match self.flow.flow.identity {
            Identity::Expression => mapped.external_id.clone(),
            Identity::Scheme => self.external_id.clone(),
            Identity::Content => Some(content_id(body)),
            Identity::None | Identity::CloudEvent => Some(self.public.unique.next()),
        };
        let content_type = data_type(self.flow, &self.headers);
        match identity.filter(|id| !id.is_empty()) {
            Some(id) => self.door().mapped(id, mapped, content_type, raw),
            None => {
                let failure = Failure {
                    cause: FaultCause::Identity,
                    blame: Blame::Us,
                    message: "the request has no identity where the flow looks for it".to_owned(),
                    external_id: String::new(),
                };
                self.door().fault(&self.public.unique.next(), failure, raw)
            }
        }
    }

    /// What is known of the identity of an event that could not be mapped.
    async fn known_identity(
        &self,
        mapper: &FlowMapper,
        subject: Subject<'_>,
        failure: &MapFailure,
    ) -> Option<String> {
        match self.flow.flow.identity {
            Identity::Scheme => self.external_id.clone(),
            Identity::Content => Some(content_id(subject.body)),
            Identity::Expression if !is_overrun(failure) => mapper.identity(subject).await,
            Identity::Expression | Identity::None | Identity::CloudEvent => None,
        }
    }

    /// A fault is told from another one by the event's identity. Where that is not known each
    /// request is one of its own: a copy too many does less harm than one too few.
    fn fault(&self, known: Option<String>, failure: MapFailure, raw: Raw) -> Content {
        let name = known.clone().unwrap_or_else(|| self.public.unique.next());
        let (cause, blame, message) = failure.told();
        let external_id = known.unwrap_or_default();
        self.door().fault(
            &name,
            Failure {
                cause,
                blame,
                message,
                external_id,
            },
            raw,
        )
    }

    async fn cloud_events(self, body: Bytes, raw: Raw) -> Response<ReplyBody> {
        let (public, flow, now) = (self.public, self.flow, self.now);
        let contents = match cloudevents::decode(&self.headers, &body, Limits::default()) {
            Ok(events) => self.originals(events, raw),
            // It announces events and holds none that can be read: set aside, so that it is not lost.
            Err(error @ (DecodeError::Json(_) | DecodeError::Invalid(_))) => {
                let failure = Failure {
                    cause: FaultCause::Format,
                    blame: Blame::Them,
                    message: error.to_string(),
                    external_id: String::new(),
                };
                vec![self.door().fault(&content_id(&body), failure, raw)]
            }
            Err(error) => {
                flow.metrics.unread.inc();
                return undecodable(&error);
            }
        };
        let single = contents.len() == 1;
        drop((self, body));
        let outcomes = offer_all(public, contents).await;
        flow.metrics.answered_all(&outcomes, now);
        match outcomes.as_slice() {
            [outcome] if single => answer::one(outcome),
            outcomes => answer::many(outcomes),
        }
    }

    /// Events with their originals: the request for a single one. Of a batch each event keeps its own
    /// element, in the structured form, since a copy of the whole batch with each would grow with
    /// the square of its size.
    fn originals(&self, events: Vec<CloudEvent>, raw: Raw) -> Vec<Content> {
        if let [event] = events.as_slice() {
            return vec![self.door().cloud_event(event.clone(), Some(raw))];
        }
        let own = |event: CloudEvent| {
            let body = Bytes::from(encode_structured(&event));
            let raw = Raw {
                headers: raw.headers.clone(),
                query: raw.query.clone(),
                body,
            };
            self.door().cloud_event(event, Some(raw))
        };
        events.into_iter().map(own).collect()
    }
}

/// Offers all at once, so that they share frames, and waits for all.
pub(crate) async fn offer_all(public: &Public, contents: Vec<Content>) -> Vec<Outcome> {
    let answers = public.hub.offer_all(contents).await;
    answers.into_iter().map(Outcome::Answered).collect()
}

/// The media type of what the mapping gives: JSON if it has an expression for it, else the body's.
fn data_type<'a>(flow: &ReceiveFlow, headers: &'a HeaderMap) -> &'a str {
    let mapped = flow
        .flow
        .mapping
        .as_ref()
        .is_some_and(|mapping| mapping.data.is_some());
    if mapped {
        "application/json"
    } else {
        text_header(headers, &header::CONTENT_TYPE)
    }
}

const fn is_overrun(failure: &MapFailure) -> bool {
    match failure {
        MapFailure::Quarantined => true,
        MapFailure::Failed(error) => matches!(error.kind, MapErrorKind::Overrun),
    }
}
