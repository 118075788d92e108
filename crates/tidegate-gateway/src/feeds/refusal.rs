//! Why a reader is not served, and the way out.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;
use tidegate_core::feed::cursor::CursorError;
use tidegate_core::feed::{Unservable, Vector};
use tidegate_hub::query::QueryError;
use tidegate_types::id::EventId;
use tidegate_wire::form;

use super::door::{ConsumerDoor, FeedDoor};
use crate::answer::{problem, reply};
use crate::http::ReplyBody;

/// Seconds after which a mirror may have caught up, or a search may be gone on with.
const RETRY_SOON: HeaderValue = HeaderValue::from_static("2");

/// Seconds after which to try again when the log cannot be read.
const RETRY_LATER: HeaderValue = HeaderValue::from_static("30");

const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a reader is not served.
#[derive(Debug)]
pub(super) enum Refused {
    Method,
    Token,
    UnknownOrigin,
    Accept,
    Parameter(String),
    /// What stands in for a cursor is none.
    Cursor(CursorError),
    /// An id of an event where a cursor is needed.
    EventId,
    /// Something else where the id of an event is needed.
    NoEventId,
    /// The feed's filter has changed; the same position under the new filter.
    Filter(String),
    /// Something unread is gone; the position behind what is gone.
    Gone(Unservable, String),
    /// The event is not in the log, or not any more.
    UnknownEvent,
    /// This region has not caught up with the reader.
    Ahead(Unservable),
    Overload,
    /// The search takes longer than a request may.
    Searching,
    Unreadable(QueryError),
}

impl From<QueryError> for Refused {
    fn from(error: QueryError) -> Self {
        Self::Unreadable(error)
    }
}

impl Refused {
    /// The reasons, as label values.
    pub(super) const REASONS: [&'static str; 11] = [
        "method",
        "token",
        "origin",
        "accept",
        "parameter",
        "cursor",
        "filter",
        "gone",
        "ahead",
        "overload",
        "unreadable",
    ];

    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Token => "token",
            Self::UnknownOrigin => "origin",
            Self::Accept => "accept",
            Self::Parameter(_) => "parameter",
            Self::Cursor(_) | Self::EventId | Self::NoEventId => "cursor",
            Self::Filter(_) => "filter",
            Self::Gone(..) | Self::UnknownEvent => "gone",
            Self::Ahead(_) => "ahead",
            Self::Overload | Self::Searching => "overload",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// A cursor that does not open.
    pub(super) fn cursor(
        error: CursorError,
        feed: &FeedDoor,
        consumer: &ConsumerDoor,
        text: &str,
    ) -> Self {
        match error {
            CursorError::OtherFilter(position) => {
                Self::Filter(feed.keys.seal(consumer.hash, &position))
            }
            _ if text.parse::<EventId>().is_ok() => Self::EventId,
            error => Self::Cursor(error),
        }
    }

    /// A position that cannot be served.
    pub(super) fn position(
        reason: Unservable,
        feed: &FeedDoor,
        consumer: &ConsumerDoor,
        way_out: &Vector,
    ) -> Self {
        match reason {
            Unservable::Ahead { .. } => Self::Ahead(reason),
            Unservable::Gone { .. } => Self::Gone(reason, feed.keys.seal(consumer.hash, way_out)),
        }
    }

    /// The answer to a request for `path`, which is the feed's or one below it.
    pub(super) fn answer(&self, feed: &FeedDoor, path: &str) -> Response<ReplyBody> {
        match self {
            Self::Method => {
                let text = "a feed takes GET and HEAD";
                let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "method", text);
                let allow = HeaderValue::from_static("GET, HEAD");
                response.headers_mut().insert(header::ALLOW, allow);
                response
            }
            Self::Token => unauthorized(),
            Self::UnknownOrigin => problem(
                StatusCode::NOT_FOUND,
                "unknown-origin",
                "this region has no log of that name; the path of the feed itself gives all",
            ),
            Self::Accept => problem(
                StatusCode::NOT_ACCEPTABLE,
                "accept",
                "a feed comes as application/cloudevents-batch+json, application/json, or (not below its path) text/event-stream",
            ),
            Self::Parameter(text) => problem(StatusCode::BAD_REQUEST, "invalid-parameter", text),
            Self::Cursor(error) => {
                let text = format!("{error}, or begin anew without one");
                with_way_out(StatusCode::BAD_REQUEST, cursor_code(error), &text, path)
            }
            Self::EventId => problem(
                StatusCode::BAD_REQUEST,
                "event-id",
                "ids of events name a position only on the path of an origin, below that of the feed; here, send the cursor of the event",
            ),
            Self::NoEventId => with_way_out(
                StatusCode::BAD_REQUEST,
                "invalid-event-id",
                "lastEventId is the id of the last event as it was given; leave it out to begin anew",
                path,
            ),
            Self::Filter(cursor) => {
                let text = "the feed gives other events than when the cursor was made; the new cursor goes on at the same position";
                moved(StatusCode::CONFLICT, "cursor-filter", text, (path, cursor))
            }
            Self::Gone(reason, cursor) => {
                let text = format!("{reason}; the new cursor begins with the oldest that is left");
                moved(StatusCode::GONE, "cursor-gone", &text, (path, cursor))
            }
            Self::UnknownEvent => with_way_out(
                StatusCode::GONE,
                "event-gone",
                "the event is not in this feed, or older than its retention; leave lastEventId out to begin with the oldest that is left",
                path,
            ),
            Self::Ahead(reason) => unavailable("cursor-ahead", &reason.to_string(), RETRY_SOON),
            Self::Overload => unavailable("overload", "too many readers at the moment", RETRY_SOON),
            Self::Searching => unavailable(
                "searching",
                "a long stretch of the log holds nothing for this reader; the next request goes on from there",
                RETRY_SOON,
            ),
            Self::Unreadable(error) => {
                tracing::error!(
                    error = error as &dyn std::error::Error,
                    feed = feed.feed.name,
                    "a feed could not be read"
                );
                unavailable(
                    "unreadable",
                    "the log cannot be read at the moment",
                    RETRY_LATER,
                )
            }
        }
    }
}

const fn cursor_code(error: &CursorError) -> &'static str {
    match error {
        CursorError::Malformed => "cursor-malformed",
        CursorError::UnknownVersion(_) => "cursor-version",
        CursorError::Tampered => "cursor-tampered",
        CursorError::OtherFeed => "cursor-feed",
        CursorError::OtherFilter(_) => "cursor-filter",
    }
}

fn unauthorized() -> Response<ReplyBody> {
    let text = "send the token of a consumer as `authorization: Bearer TOKEN`, or as the password of basic authentication";
    let mut response = problem(StatusCode::UNAUTHORIZED, "unknown-consumer", text);
    for challenge in ["Bearer", "Basic realm=\"tidegate\", charset=\"UTF-8\""] {
        let challenge = HeaderValue::from_static(challenge);
        response
            .headers_mut()
            .append(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn unavailable(code: &str, text: &str, retry: HeaderValue) -> Response<ReplyBody> {
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, code, text);
    response.headers_mut().insert(header::RETRY_AFTER, retry);
    response
}

/// A problem with the address to go on from.
fn with_way_out(status: StatusCode, code: &str, text: &str, href: &str) -> Response<ReplyBody> {
    let body = json!({ "status": status.as_u16(), "code": code, "title": text, "href": href });
    reply(status, PROBLEM, body.to_string())
}

/// A problem with the cursor to go on from.
fn moved(
    status: StatusCode,
    code: &str,
    text: &str,
    (path, cursor): (&str, &str),
) -> Response<ReplyBody> {
    let href = format!("{path}?{}", form::write([("cursor", cursor)]));
    let body = json!({
        "status": status.as_u16(), "code": code, "title": text, "cursor": cursor, "href": href,
    });
    reply(status, PROBLEM, body.to_string())
}
