//! A page as an answer.

use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use tidegate_wire::cloudevents::{CloudEvent, encode_batch};
use tidegate_wire::form;

use super::accept::Format;
use super::asked::{Asked, BEGINNING};
use super::door::{ConsumerDoor, FeedDoor};
use super::reader::EventPage;
use super::seat::Seat;
use crate::answer;
use crate::http::ReplyBody;

/// The cursor behind a page.
const CURSOR: HeaderName = HeaderName::from_static("tidegate-cursor");

/// The extension attribute with the cursor behind an event.
const CURSOR_ATTRIBUTE: &str = "cursor";

/// A full page behind a position is the same whenever it is asked for; an hour spares a reader that
/// starts over, and is far below any retention that matters.
const KEEPS: HeaderValue = HeaderValue::from_static("private, max-age=3600");

const CHANGES: HeaderValue = HeaderValue::from_static("no-store");

/// How a page is shown.
pub(super) struct Shown<'a> {
    /// For a client of HTTP feeds: positions are ids of events.
    pub(super) plain: bool,
    pub(super) format: Format,
    pub(super) asked: &'a Asked,
    /// The reader has said where to begin.
    pub(super) resumed: bool,
    pub(super) path: &'a str,
}

pub(super) fn answer(
    feed: &FeedDoor,
    consumer: &ConsumerDoor,
    (page, seat): (&EventPage, Seat),
    shown: &Shown<'_>,
) -> Response<ReplyBody> {
    let cursor = feed.keys.seal(consumer.hash, &page.position);
    let body = if shown.plain {
        encode_batch(page.given.iter().map(|given| &given.item))
    } else {
        encode_batch(&events(feed, consumer, page))
    };
    let mut response = answer::reply(StatusCode::OK, shown.format.media_type(), seat.with(body));
    let headers = response.headers_mut();
    let next = if shown.plain {
        let last = page.given.last().map(|given| given.item.id.as_str());
        let last = last.or(shown.asked.after.as_deref());
        ("lastEventId", last.unwrap_or(BEGINNING))
    } else {
        (CURSOR_ATTRIBUTE, cursor.as_str())
    };
    if let Some(link) = link(shown, next) {
        headers.insert(header::LINK, link);
    }
    if !shown.plain
        && let Ok(cursor) = HeaderValue::try_from(cursor.as_str())
    {
        headers.insert(CURSOR, cursor);
    }
    let is_full = page.given.len() >= shown.asked.limit;
    let keeps = is_full && shown.resumed && !shown.plain;
    let control = if keeps { KEEPS } else { CHANGES };
    headers.insert(header::CACHE_CONTROL, control);
    let vary = HeaderValue::from_static("accept, authorization");
    headers.insert(header::VARY, vary);
    response
}

/// The events of a page, each with the cursor behind it.
pub(super) fn events(
    feed: &FeedDoor,
    consumer: &ConsumerDoor,
    page: &EventPage,
) -> Vec<CloudEvent> {
    let events = page.given.iter().map(|given| {
        let mut event = given.item.clone();
        event
            .extensions
            .retain(|(name, _)| name != CURSOR_ATTRIBUTE);
        let cursor = feed.keys.seal(consumer.hash, &given.position);
        event.extensions.push((CURSOR_ATTRIBUTE.to_owned(), cursor));
        event
    });
    events.collect()
}

/// `Link` to the next page (RFC 8288).
fn link(shown: &Shown<'_>, next: (&str, &str)) -> Option<HeaderValue> {
    let limit = shown.asked.limit.to_string();
    let limit = shown.asked.own_limit.then_some(("limit", limit.as_str()));
    let query = form::write([next].into_iter().chain(limit));
    HeaderValue::try_from(format!("<{}?{query}>; rel=\"next\"", shown.path)).ok()
}
