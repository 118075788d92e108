//! Subscribe: a named subscription of one of our services, with a cursor that the server keeps.
//!
//! A reader gets a page and the cursor behind it, deals with the events, and acknowledges the
//! cursor. What was not acknowledged comes again: at least once, in the order of the log.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;
use tidegate_core::log::engine::ReadError;
use tidegate_core::log::entry::Entry;
use tidegate_core::receive::intake::{Answer, Content};
use tidegate_hub::hub::Hub;
use tidegate_hub::query::{Page, PageLimits, QueryError};
use tidegate_types::name::kind_matches;
use tidegate_types::position::{Place, Position};
use tidegate_wire::cloudevents::{CloudEvent, encode_batch, encode_structured};
use tidegate_wire::form;
use tokio::time::Instant;

use crate::answer::{self, problem};
use crate::generation::{ServiceDoor, SubscriptionDoor};
use crate::http::{ReplyBody, read_body};
use crate::public::{Counted, Public};

/// Events of a page unless the reader says otherwise.
const LIMIT_DEFAULT: usize = 100;

/// Events of a page at most.
const LIMIT_MAX: usize = 1000;

/// Bytes of a page at most, but for a single event that is larger.
const PAGE_BYTES: usize = 4 << 20;

/// Bytes of the log that one request looks through at most: about a tenth of a second of work.
const SCAN_BYTES: u64 = 64 << 20;

/// Longest wait of a long poll. Common balancers cut a silent connection at 60 s.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Readers that wait at once. Each costs a connection and a look at each new frame.
const LONG_POLLS_MAX: usize = 256;

/// Frames without a match after which the cursor is moved past them, so that a subscription to rare
/// events does not hold the log.
const IDLE_FRAMES: u64 = 1024;

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
    let Some(_counted) = Counted::take(&public.long_polls, LONG_POLLS_MAX) else {
        return answer::overload();
    };
    let deadline = Instant::now() + asked.wait;
    let mut head = public.hub.head();
    let mut draining = public.draining.subscribe();
    loop {
        head.mark_unchanged();
        let page = match next_page(public, service, slot, &asked).await {
            Ok(page) => page,
            Err(error) => return failed(&error),
        };
        let over = Instant::now() >= deadline || *draining.borrow_and_update();
        let waits = page.found.is_empty() && page.at_end && !over;
        if !waits {
            skip_idle(public, service, slot, &page).await;
            return reply(public, &page);
        }
        // Whatever ends the wait, the next turn answers with what there is.
        tokio::select! {
            _ = head.changed() => {}
            _ = draining.changed() => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}

async fn next_page(
    public: &Public,
    service: &Arc<ServiceDoor>,
    slot: usize,
    asked: &Asked,
) -> Result<Page, QueryError> {
    let (hub, service) = (Arc::clone(&public.hub), Arc::clone(service));
    let (limit, after) = (asked.limit, asked.after);
    let subsystem = public.generation.load().config.subsystem.clone();
    let scan = tokio::task::spawn_blocking(move || {
        let Some(subscription) = service.subscriptions.get(slot) else {
            return Ok(Page {
                found: Vec::new(),
                scanned_to: after,
                at_end: true,
            });
        };
        let after = match after {
            Some(after) => Some(after),
            None => acknowledged(&hub, &subscription.cursor)?,
        };
        let limits = PageLimits {
            entries: limit,
            entry_bytes: PAGE_BYTES,
            scan_bytes: SCAN_BYTES,
        };
        let wanted = |entry: &Entry| subscription.wants(entry, &subsystem);
        match hub.scan(after, limits, wanted) {
            // Its retention has passed it; a system event says so. It goes on with what there is.
            Err(QueryError::Log(ReadError::Trimmed { .. })) => hub.scan(None, limits, wanted),
            other => other,
        }
    });
    scan.await.unwrap_or_else(|_| {
        Ok(Page {
            found: Vec::new(),
            scanned_to: None,
            at_end: true,
        })
    })
}

fn acknowledged(hub: &Hub, cursor: &str) -> Result<Option<Place>, QueryError> {
    Ok(hub.views().cursors()?.get(cursor).copied())
}

impl SubscriptionDoor {
    fn wants(&self, entry: &Entry, subsystem: &str) -> bool {
        let Entry::Event(entry) = entry else {
            return false;
        };
        let event = &entry.event;
        if !self
            .on
            .iter()
            .any(|pattern| kind_matches(pattern, &event.kind))
        {
            return false;
        }
        let Some(filter) = &self.filter else {
            return true;
        };
        let json = encode_structured(&CloudEvent::of(event, &source(subsystem, &event.flow)));
        // An event the filter cannot judge is given rather than withheld.
        filter.matches(&json).unwrap_or(true)
    }
}

fn source(subsystem: &str, flow: &str) -> String {
    format!("/{subsystem}/{flow}")
}

fn reply(public: &Public, page: &Page) -> Response<ReplyBody> {
    let subsystem = public.generation.load().config.subsystem.clone();
    let events: Vec<CloudEvent> = page
        .found
        .iter()
        .filter_map(|found| match &found.entry {
            Entry::Event(entry) => {
                let event = &entry.event;
                Some(CloudEvent::of(event, &source(&subsystem, &event.flow)))
            }
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

/// Moves the cursor past a long stretch that holds nothing for the subscription.
async fn skip_idle(public: &Public, service: &ServiceDoor, slot: usize, page: &Page) {
    let (Some(place), Some(subscription)) = (page.scanned_to, service.subscriptions.get(slot))
    else {
        return;
    };
    if !page.found.is_empty() {
        return;
    }
    let at = public.hub.views().cursors().ok();
    let at = at.and_then(|cursors| cursors.get(&subscription.cursor).copied());
    let at = at.map_or(0, |place| place.frame.0);
    if place.frame.0.saturating_sub(at) >= IDLE_FRAMES {
        let subscription = subscription.cursor.clone();
        // With the next empty page.
        let cursor = Content::Cursor {
            subscription,
            place,
        };
        let _tried_again_if_refused = public.hub.offer(cursor).await;
    }
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
pub(super) async fn position(
    public: &Public,
    service: &ServiceDoor,
    name: &str,
) -> Response<ReplyBody> {
    let Some(subscription) =
        slot_of(service, name).and_then(|slot| service.subscriptions.get(slot))
    else {
        return unknown(name);
    };
    let (hub, cursor) = (Arc::clone(&public.hub), subscription.cursor.clone());
    let found = tokio::task::spawn_blocking(move || acknowledged(&hub, &cursor)).await;
    match found {
        Ok(Ok(place)) => {
            let cursor = place.map(|place| place.of(public.hub.origin()).to_string());
            let body = serde_json::json!({ "cursor": cursor }).to_string();
            answer::reply(StatusCode::OK, JSON, body)
        }
        Ok(Err(error)) => failed(&error),
        Err(_) => answer::overload(),
    }
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
