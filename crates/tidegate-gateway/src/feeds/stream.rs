//! A feed as server-sent events (WHATWG HTML, section 9.2).
//!
//! The id of each event is the cursor behind it, so that a browser's `EventSource` goes on by itself.

use std::time::Duration;

use http::{HeaderValue, Response, StatusCode, header};
use tidegate_wire::cloudevents::encode_structured;
use tokio::sync::watch;
use tokio::time::Instant;

use super::page;
use super::reader::{EventPage, PageSize, Reader};
use super::refusal::Refused;
use super::seat::Seat;
use crate::answer::reply;
use crate::http::{ReplyBody, ReplySender};

/// Silence before a sign of life. Common balancers cut a silent connection at 60 s.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a stream lasts. Then the reader connects again, which spreads readers anew over nodes.
const STREAM_MAX: Duration = Duration::from_secs(3600);

/// What one part of a stream holds at most, but for a single event that is larger: one part waits
/// and one is made, so this bounds the memory of a stream whose reader is slow.
const PART: PageSize = PageSize {
    events: 100,
    bytes: 256 << 10,
};

/// Begins a stream. It ends after an hour, at a reload, and when the node goes down.
///
/// What cannot be served is told as a problem, as long as nothing was sent.
pub(super) async fn start(
    mut reader: Reader,
    seat: Seat,
    retired: watch::Receiver<bool>,
) -> Result<Response<ReplyBody>, Refused> {
    let first = reader.next(PART, Instant::now()).await?;
    let (sender, body) = ReplyBody::stream(1);
    tokio::spawn(async move {
        let ended = tokio::select! {
            ended = run(reader, first, &sender, retired) => ended,
            () = sender.closed() => Ended::Gone,
        };
        if ended == Ended::Well {
            // A reader that has gone meanwhile does not need the end.
            sender.finish().await.ok();
        }
        drop(seat);
    });
    let mut response = reply(
        StatusCode::OK,
        HeaderValue::from_static("text/event-stream"),
        body,
    );
    let store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, store);
    Ok(response)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Well,
    Gone,
}

async fn run(
    mut reader: Reader,
    first: EventPage,
    sender: &ReplySender,
    mut retired: watch::Receiver<bool>,
) -> Ended {
    let end = Instant::now() + STREAM_MAX;
    let mut page = first;
    loop {
        if sender.send(part(&reader, &page)).await.is_err() {
            return Ended::Gone;
        }
        reader.consumer.metrics.gave(page.given.len());
        let over = Instant::now() >= end || *retired.borrow() || *reader.draining.borrow();
        if over {
            return Ended::Well;
        }
        let next = tokio::select! {
            next = reader.next(PART, Instant::now() + HEARTBEAT) => next,
            _ = retired.changed() => return Ended::Well,
        };
        page = match next {
            Ok(page) => page,
            // The reader connects again with its cursor, and is told why it cannot go on.
            Err(refused) => {
                reader.feed.metrics.refused(refused.reason());
                return Ended::Well;
            }
        };
    }
}

/// The events of a page; of an empty one the cursor alone, which is taken over without an event.
fn part(reader: &Reader, page: &EventPage) -> String {
    let (feed, consumer) = (&reader.feed, &reader.consumer);
    if page.given.is_empty() {
        let cursor = feed.keys.seal(consumer.hash, &page.position);
        return format!(": waiting\nid: {cursor}\n\n");
    }
    let mut text = String::new();
    for event in page::events(feed, consumer, page) {
        text.push_str("id: ");
        text.push_str(event.extension("cursor").unwrap_or_default());
        let json = encode_structured(&event);
        // Data of a sender may hold line breaks between its tokens, which would end the field.
        for line in String::from_utf8_lossy(&json).split(['\n', '\r']) {
            text.push_str("\ndata: ");
            text.push_str(line);
        }
        text.push_str("\n\n");
    }
    text
}
