//! What comes in: by long poll, and as a stream of server-sent events.
#![expect(
    unused_qualifications,
    reason = "utoipa writes out paths in what it generates"
)]

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use tidegate_gateway::http::{ReplyBody, ReplySender};
use tidegate_types::position::Place;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, timeout_at};
use utoipa::IntoParams;

use super::events::views;
use super::filter::{Filter, FilterParams};
use super::params::{self, Params};
use crate::admin::Admin;
use crate::limits::{KEEP_ALIVE, PAGE_MAX, SCAN_BYTES_MAX, STREAM_PARTS_MAX, WAIT_MAX};
use crate::problem::{Problem, Refusal};
use crate::search::{Search, Sweep};
use crate::view::TailPage;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct TailParams {
    /// The event type, or its beginning followed by `*`: `order.*`.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kind: Option<String>,
    /// The flow, or `services/NAME`.
    flow: Option<String>,
    /// The partition key.
    key: Option<String>,
    /// Text that stands in the payload or in the original body, as it is written there.
    text: Option<String>,
    /// What follows this position; `next` of the answer before.
    after: Option<String>,
    /// Without `after`: begin this many events back, at most 1000; 0 by default.
    last: Option<usize>,
    /// Seconds to wait for something, at most 30; 0 by default. Ignored for a stream.
    wait: Option<u64>,
    /// Events at most, from 1 to 1000; 50 by default.
    limit: Option<usize>,
}

/// What follows in the log: waits for it, or streams it if `accept` is `text/event-stream`.
///
/// In a stream each message has the event as `data` and its position as `id`; `last-event-id` goes
/// on from there.
#[utoipa::path(
    get, path = "/api/v1/events/tail", operation_id = "tail-events", tag = "events",
    params(TailParams, ("last-event-id" = Option<String>, Header, description = "For a stream: what follows this position")),
    responses(
        (status = 200, description = "What came, or nothing within `wait`", content(
            (TailPage = "application/json"), (String = "text/event-stream"),
        )),
        (status = 400, description = "A parameter cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 410, description = "The position is not in the log", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many wait already, or the node is shutting down", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn tail(
    State(admin): State<Arc<Admin>>,
    headers: HeaderMap,
    Params(params): Params<TailParams>,
) -> Result<Response, Refusal> {
    let TailParams {
        kind,
        flow,
        key,
        text,
        after,
        last,
        wait,
        limit,
    } = params;
    let filter = Filter::new(FilterParams {
        kind,
        flow,
        key,
        text,
    })?;
    let limit = params::limit(limit)?;
    let streams = accepts_stream(&headers);
    let resumed = headers.get("last-event-id").filter(|_| streams);
    let resumed = resumed.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let permit = admin.waiter()?;
    let start = match resumed.or(after) {
        Some(text) => Some(admin.place("after", &text)?),
        None => begin(&admin, last.unwrap_or(0), filter.clone()).await?,
    };
    let mut follow = Follow::new(admin, filter, start, limit);
    if streams {
        return Ok(stream(follow, permit));
    }
    let wait = Duration::from_secs(wait.unwrap_or(0)).min(WAIT_MAX);
    let sweep = follow.next(Instant::now() + wait).await?;
    let origin = follow.admin.hub().origin();
    let next = follow
        .after
        .unwrap_or_else(|| end_of(&follow.head))
        .of(origin)
        .to_string();
    Ok(Json(TailPage {
        events: views(origin, &sweep),
        next,
    })
    .into_response())
}

fn accepts_stream(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter();
    accept
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/event-stream"))
}

type Head = watch::Receiver<tidegate_core::log::engine::Head>;

/// Behind everything that is there.
fn end_of(head: &Head) -> Place {
    let head = *head.borrow();
    Place {
        incarnation: head.incarnation,
        frame: head.frame,
        index: u32::MAX,
    }
}

/// Where a tail begins that goes `last` events back; `None` is the beginning of the log.
async fn begin(admin: &Admin, last: usize, filter: Filter) -> Result<Option<Place>, Refusal> {
    if last == 0 {
        return Ok(Some(end_of(&admin.hub().head())));
    }
    if last > PAGE_MAX {
        return Err(Refusal::parameter("last", format!("from 0 to {PAGE_MAX}")));
    }
    admin
        .ask(move |hub| Ok(hub.tail_start(last, SCAN_BYTES_MAX, |entry| filter.wants(entry))?))
        .await
}

/// A reader that follows the log.
struct Follow {
    admin: Arc<Admin>,
    filter: Filter,
    after: Option<Place>,
    limit: usize,
    head: Head,
    stopping: watch::Receiver<bool>,
}

impl Follow {
    fn new(admin: Arc<Admin>, filter: Filter, after: Option<Place>, limit: usize) -> Self {
        let (head, stopping) = (admin.hub().head(), admin.stopping());
        Self {
            admin,
            filter,
            after,
            limit,
            head,
            stopping,
        }
    }

    /// The next events; empty when none came until `deadline`, or the node is shutting down.
    async fn next(&mut self, deadline: Instant) -> Result<Sweep, Refusal> {
        loop {
            // What is appended from here on wakes us again.
            self.head.borrow_and_update();
            let (filter, search) = (self.filter.clone(), self.search());
            let question = move |hub: &tidegate_hub::hub::Hub| {
                Ok(search.run(&*hub.reader(), |entry| filter.wants(entry))?)
            };
            let sweep = self.admin.ask(question).await?;
            self.after = sweep.reached.or(self.after);
            if !sweep.found.is_empty() || *self.stopping.borrow() {
                return Ok(sweep);
            }
            if !sweep.at_end && Instant::now() < deadline {
                continue;
            }
            tokio::select! {
                changed = timeout_at(deadline, self.head.changed()) => {
                    if !matches!(changed, Ok(Ok(()))) {
                        return Ok(sweep);
                    }
                }
                _ = self.stopping.wait_for(|stop| *stop) => return Ok(sweep),
            }
        }
    }

    const fn search(&self) -> Search {
        Search {
            backwards: false,
            after: self.after,
            since: None,
            until: None,
            limit: self.limit,
            scan_bytes: SCAN_BYTES_MAX,
        }
    }
}

/// An answer that goes on until the reader leaves or the node shuts down.
fn stream(follow: Follow, permit: OwnedSemaphorePermit) -> Response {
    let (sender, body) = ReplyBody::stream(STREAM_PARTS_MAX);
    tokio::spawn(async move {
        let gone = tokio::select! {
            gone = send_all(follow, &sender) => gone,
            () = sender.closed() => true,
        };
        if !gone {
            sender.finish().await.ok();
        }
        drop(permit);
    });
    let kind = HeaderValue::from_static("text/event-stream");
    let store = HeaderValue::from_static("no-store");
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, store)];
    (headers, Body::new(body)).into_response()
}

/// Sends what comes; `true` if the reader is gone.
async fn send_all(mut follow: Follow, sender: &ReplySender) -> bool {
    // The head of the answer goes out with its first bytes.
    let mut part = ": tidegate\n\n".to_owned();
    loop {
        if sender.send(part).await.is_err() {
            return true;
        }
        part = match follow.next(Instant::now() + KEEP_ALIVE).await {
            Ok(sweep) if sweep.found.is_empty() => {
                if *follow.stopping.borrow() {
                    return false;
                }
                ": waiting\n\n".to_owned()
            }
            Ok(sweep) => messages(follow.admin.hub().origin(), &sweep),
            Err(refusal) => {
                let data = serde_json::to_string(&Problem::from(refusal)).unwrap_or_default();
                let told = sender
                    .send(format!("event: problem\ndata: {data}\n\n"))
                    .await;
                return told.is_err();
            }
        };
    }
}

fn messages(origin: &str, sweep: &Sweep) -> String {
    let mut text = String::new();
    for view in views(origin, sweep) {
        // A view always serialises. Its raw JSON may hold line breaks, which would end the field.
        let data = serde_json::to_string(&view).unwrap_or_default();
        text.push_str("id: ");
        text.push_str(&view.position);
        for line in data.split(['\n', '\r']) {
            text.push_str("\ndata: ");
            text.push_str(line);
        }
        text.push_str("\n\n");
    }
    text
}
