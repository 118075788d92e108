//! Serve: feeds that external systems fetch.
//!
//! A feed has a path. There a reader gets pages, or a stream of server-sent events, and goes on
//! from the cursor it keeps itself. Below the path there is one path per region for clients of HTTP
//! feeds, which go on from the id of the last event. Who may read, and what out of the feed, is told
//! by the token.

mod accept;
mod asked;
mod door;
mod key;
mod page;
mod reader;
mod refusal;
mod seat;
mod stream;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{Method, Response, header};
use tidegate_types::id::EventId;
use tokio::time::Instant;

use crate::generation::Generation;
use crate::http::ReplyBody;
use crate::public::Public;

use self::accept::Format;
use self::asked::Asked;
use self::reader::{PageSize, Reader, Start};
use self::refusal::Refused;
use self::seat::Seat;

pub(crate) use self::door::{ConsumerDoor, FeedDoor};
pub use self::key::KeyError;
pub(crate) use self::key::KeyFile;
pub(crate) use self::reader::searches;

/// Why requests to feeds are refused, as label values.
pub(crate) const REASONS: [&str; 11] = Refused::REASONS;

/// Readers that wait for a page, or have not taken all of it, at once. Each costs a connection, a look at each new
/// frame, and the bytes of its page.
pub(crate) const READERS_MAX: usize = 256;

/// Streams at once.
pub(crate) const STREAMS_MAX: usize = 256;

/// Bytes of a page at most, but for a single event that is larger.
const PAGE_BYTES: usize = 4 << 20;

/// A feed that a path belongs to, and the origin where the path names one.
#[derive(Debug)]
pub(crate) struct Found<'g> {
    pub(crate) feed: &'g Arc<FeedDoor>,
    pub(crate) origin: Option<&'g str>,
}

/// Answers a request to a feed.
pub(crate) async fn call(
    public: &Public,
    generation: &Generation,
    found: &Found<'_>,
    parts: &Parts,
) -> Response<ReplyBody> {
    let is_head = parts.method == Method::HEAD;
    let answered = match serve(public, generation, found, parts).await {
        Ok(response) => response,
        Err(refused) => {
            found.feed.metrics.refused(refused.reason());
            refused.answer(found.feed, parts.uri.path())
        }
    };
    if is_head {
        answered.map(|_| ReplyBody::empty())
    } else {
        answered
    }
}

async fn serve(
    public: &Public,
    generation: &Generation,
    found: &Found<'_>,
    parts: &Parts,
) -> Result<Response<ReplyBody>, Refused> {
    let feed = found.feed;
    let is_head = parts.method == Method::HEAD;
    if !is_head && parts.method != Method::GET {
        return Err(Refused::Method);
    }
    let consumer = consumer(feed, parts).ok_or(Refused::Token)?;
    let plain = match found.origin {
        None => false,
        Some(origin) if origin == public.hub.origin() => true,
        Some(_) => return Err(Refused::UnknownOrigin),
    };
    let format = accept::negotiate(&parts.headers, !plain && !is_head).ok_or(Refused::Accept)?;
    let query = parts.uri.query().unwrap_or_default();
    let mut asked = Asked::parse(query, plain, feed.feed.page_max).map_err(Refused::Parameter)?;
    if format == Format::Stream {
        asked.resume(&parts.headers);
    }
    let (start, presented) = start(feed, consumer, plain, &asked)?;
    let mut reader = Reader::new(public, generation, (feed, consumer), start);
    if format == Format::Stream {
        let seat = Seat::take(&public.streams, &consumer.seats.streams);
        let seat = seat.ok_or(Refused::Overload)?;
        return stream::start(reader, seat, generation.retired()).await;
    }
    let seat = Seat::take(&public.feed_readers, &consumer.seats.pages);
    let seat = seat.ok_or(Refused::Overload)?;
    let deadline = if is_head {
        Instant::now()
    } else {
        Instant::now() + asked.wait
    };
    let size = PageSize {
        events: asked.limit,
        bytes: PAGE_BYTES,
    };
    let page = reader.next(size, deadline).await?;
    if !is_head {
        consumer.metrics.gave(page.given.len());
    }
    Ok(page::answer(
        feed,
        consumer,
        (&page, seat),
        &page::Shown {
            plain,
            format,
            asked: &asked,
            resumed: presented,
            path: parts.uri.path(),
        },
    ))
}

/// Where to begin, and whether the reader said so.
fn start(
    feed: &FeedDoor,
    consumer: &ConsumerDoor,
    plain: bool,
    asked: &Asked,
) -> Result<(Start, bool), Refused> {
    let Some(text) = &asked.after else {
        let start = if plain {
            Start::OwnOldest
        } else {
            Start::Oldest
        };
        return Ok((start, false));
    };
    if plain {
        let id = text.parse::<EventId>().map_err(|_| Refused::NoEventId)?;
        return Ok((Start::AfterEvent(id), true));
    }
    let position = feed
        .keys
        .open(consumer.hash, text)
        .map_err(|error| Refused::cursor(error, feed, consumer, text))?;
    Ok((Start::After(position), true))
}

/// The consumer whose token the request has. Every token is compared, each in constant time.
fn consumer<'f>(feed: &'f FeedDoor, parts: &Parts) -> Option<&'f Arc<ConsumerDoor>> {
    if let Some(anyone) = feed.anyone() {
        return Some(anyone);
    }
    let value = parts.headers.get(header::AUTHORIZATION)?.as_bytes();
    let at = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, rest) = value.split_at_checked(at)?;
    let given = rest.trim_ascii_start();
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return feed.consumer_with(given);
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    // RFC 7617: base64 of the user name, a colon and the password.
    let pair = STANDARD.decode(given).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    feed.consumer_with(pair.get(colon.checked_add(1)?..)?)
}
