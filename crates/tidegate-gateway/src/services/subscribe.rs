//! Subscribe: a named subscription of one of our services, with a cursor that the server keeps.
//!
//! A reader gets a page and the cursor behind it, deals with the events, and acknowledges the
//! cursor. What was not acknowledged comes again: at least once, in the order of the log.

mod reader;

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;
use tidegate_core::log::entry::Entry;
use tidegate_core::receive::intake::{Answer, Content, Refusal};
use tidegate_hub::query::{Page, QueryError};
use tidegate_types::position::{Place, Position};
use tidegate_wire::cloudevents::{CloudEvent, encode_batch};
use tidegate_wire::form;
use tokio::time::Instant;

use crate::answer::{self, problem};
use crate::document::cloud_event;
use crate::generation::ServiceDoor;
use crate::http::{ReplyBody, read_body};
use crate::public::{Counted, Public};
use reader::Reader;

/// Events of a page unless the reader says otherwise.
const LIMIT_DEFAULT: usize = 100;

/// Events of a page at most.
const LIMIT_MAX: usize = 1000;

/// Longest wait of a long poll. Common balancers cut a silent connection at 60 s.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Readers at once, those that wait included. Each costs a connection and a look at each new frame.
const READERS_MAX: usize = 256;

/// Bytes of an acknowledgement at most.
const CURSOR_BYTES_MAX: usize = 1024;

const CURSOR: HeaderName = HeaderName::from_static("tidegate-cursor");
const BATCH: HeaderValue = HeaderValue::from_static("application/cloudevents-batch+json");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a reader asks for.
struct Asked {
    limit: usize,
    wait: Duration,
    after: Option<Place>,
}

/// The next page.
pub(super) async fn read(
    public: &Public,
    service: &Arc<ServiceDoor>,
    name: &str,
    parts: &Parts,
) -> Response<ReplyBody> {
    let Some(slot) = slot_of(service, name) else {
        return unknown(name);
    };
    let asked = match asked(public, parts.uri.query().unwrap_or_default()) {
        Ok(asked) => asked,
        Err(text) => return problem(StatusCode::BAD_REQUEST, "invalid-parameter", &text),
    };
    if asked.after.is_some_and(|after| is_foreign(public, after)) {
        return answer::refused(Refusal::UnknownCursor);
    }
    // Readers that wait never use up the requests that senders need.
    let half = public.generation.load().config.limits.in_flight_max / 2;
    let readers_max = READERS_MAX.min(half.max(1));
    let Some(_counted) = Counted::take(&public.readers, readers_max) else {
        return answer::overload();
    };
    match wait_for_page(public, Reader::new(public, service, slot, &asked), &asked).await {
        Ok(page) => reply(public, &page),
        Err(error) => failed(&error),
    }
}

/// Whether a place is past the end of the log or in another life of it.
fn is_foreign(public: &Public, place: Place) -> bool {
    let head = *public.hub.head().borrow();
    place.incarnation != head.incarnation || place.frame > head.frame
}

/// A page with something on it, or what there is when the time is over.
async fn wait_for_page(
    public: &Public,
    mut reader: Reader,
    asked: &Asked,
) -> Result<Page, QueryError> {
    let deadline = Instant::now() + asked.wait;
    let mut head = public.hub.head();
    let mut draining = public.draining.subscribe();
    let mut closed = false;
    loop {
        head.mark_unchanged();
        let page = reader.next_page(asked.limit).await?;
        let over = closed || Instant::now() >= deadline || *draining.borrow_and_update();
        if over || !page.found.is_empty() || !page.at_end {
            reader.pass(&page).await;
            return Ok(page);
        }
        // Whatever ends the wait, the next turn answers with what there is.
        tokio::select! {
            changed = head.changed() => closed = changed.is_err(),
            _ = draining.changed() => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}

fn reply(public: &Public, page: &Page) -> Response<ReplyBody> {
    let subsystem = public.generation.load().config.subsystem.clone();
    let events: Vec<CloudEvent> = page
        .found
        .iter()
        .filter_map(|found| match &found.entry {
            Entry::Event(entry) => Some(cloud_event(&entry.event, &subsystem)),
            _ => None,
        })
        .collect();
    let mut response = answer::reply(StatusCode::OK, BATCH, encode_batch(&events));
    if let Some(cursor) = page
        .scanned_to
        .and_then(|place| cursor_value(public, place))
    {
        response.headers_mut().insert(CURSOR, cursor);
    }
    response
}

fn cursor_value(public: &Public, place: Place) -> Option<HeaderValue> {
    HeaderValue::try_from(place.of(public.hub.origin()).to_string()).ok()
}

/// Moves the cursor: everything up to it has been dealt with.
pub(super) async fn acknowledge(
    public: &Public,
    service: &ServiceDoor,
    name: &str,
    body: Incoming,
) -> Response<ReplyBody> {
    let Some(subscription) =
        slot_of(service, name).and_then(|slot| service.subscriptions.get(slot))
    else {
        return unknown(name);
    };
    let body = match read_body(body, CURSOR_BYTES_MAX, public.request_timeout()).await {
        Ok(body) => body,
        Err(error) => return problem(error.status(), "body", &error.to_string()),
    };
    let Some(place) = read_cursor(public, &body) else {
        let text =
            "send the cursor as it came in `tidegate-cursor`, as text or as {\"cursor\":\"…\"}";
        return problem(StatusCode::BAD_REQUEST, "invalid-cursor", text);
    };
    let subscription = subscription.cursor.clone();
    match public
        .hub
        .offer(Content::Cursor {
            subscription,
            place,
        })
        .await
    {
        Answer::Refused(refusal) => answer::refused(refusal),
        _ => answer::reply(StatusCode::OK, JSON, "{}"),
    }
}

/// Where the cursor stands.
pub(super) fn position(public: &Public, service: &ServiceDoor, name: &str) -> Response<ReplyBody> {
    let Some(subscription) =
        slot_of(service, name).and_then(|slot| service.subscriptions.get(slot))
    else {
        return unknown(name);
    };
    let place = public.hub.cursors().get(&subscription.cursor).copied();
    let cursor = place.map(|place| place.of(public.hub.origin()).to_string());
    let body = serde_json::json!({ "cursor": cursor }).to_string();
    answer::reply(StatusCode::OK, JSON, body)
}

fn read_cursor(public: &Public, body: &[u8]) -> Option<Place> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let text = match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(fields)) => fields.get("cursor")?.as_str()?.to_owned(),
        Ok(serde_json::Value::String(text)) => text,
        _ => text.to_owned(),
    };
    parse_cursor(public, &text)
}

fn parse_cursor(public: &Public, text: &str) -> Option<Place> {
    let position: Position = text.parse().ok()?;
    (position.origin == public.hub.origin()).then(|| position.place())
}

fn asked(public: &Public, query: &str) -> Result<Asked, String> {
    let mut asked = Asked {
        limit: LIMIT_DEFAULT,
        wait: Duration::ZERO,
        after: None,
    };
    let pairs = form::parse(query.as_bytes()).map_err(|error| error.to_string())?;
    for (name, value) in &pairs {
        let number = || value.parse::<u64>();
        match name.as_ref() {
            "limit" => {
                let limit = number().ok().and_then(|limit| usize::try_from(limit).ok());
                asked.limit = limit
                    .filter(|limit| (1..=LIMIT_MAX).contains(limit))
                    .ok_or_else(|| format!("limit is a number from 1 to {LIMIT_MAX}"))?;
            }
            "wait" => {
                let wait = number().ok().map(Duration::from_secs);
                asked.wait = wait.filter(|wait| *wait <= WAIT_MAX).ok_or_else(|| {
                    format!("wait is a number of seconds up to {}", WAIT_MAX.as_secs())
                })?;
            }
            "after" => {
                let after = parse_cursor(public, value);
                asked.after = Some(after.ok_or("after is a cursor of this subscription")?);
            }
            other => {
                return Err(format!(
                    "unknown parameter {other:?}; known are limit, wait, after"
                ));
            }
        }
    }
    Ok(asked)
}

fn slot_of(service: &ServiceDoor, name: &str) -> Option<usize> {
    service
        .subscriptions
        .iter()
        .position(|subscription| subscription.name == name)
}

fn unknown(name: &str) -> Response<ReplyBody> {
    let text = format!("this service has no subscription {name:?}; add it to `subscribe`");
    problem(StatusCode::NOT_FOUND, "unknown-subscription", &text)
}

fn failed(error: &QueryError) -> Response<ReplyBody> {
    tracing::error!(
        error = error as &dyn std::error::Error,
        "a subscription could not be read"
    );
    let mut response = problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "unreadable",
        "the log cannot be read at the moment",
    );
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
    response
}
