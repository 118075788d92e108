//! One request for a page, and what comes back.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tidegate_config::config::{Next, TimeFormat};
use tidegate_core::log::entry::Blame;
use tidegate_core::poll::{Failed, Fetch, Fetched, Page, Position};
use tidegate_core::receive::intake::Content;
use tidegate_hub::clock::now;
use tidegate_hub::hub::Hub;
use tidegate_types::time::UnixMillis;
use tidegate_wire::{link, pacing};

use super::events::{Item, Made};
use super::flow::{Lists, PollFlow, Source};
use super::items::Read;
use crate::mapper::{on_a_thread, run_request};
use crate::outbound::{Answer, BodyEnd, Location, Request, Transport, header};

/// Longest text of theirs that is quoted in a failure.
const QUOTED_CHARS_MAX: usize = 200;

/// The content of a page, shared with the machine.
#[derive(Debug)]
pub(super) struct Contents {
    /// Events and faults, in the order of the page.
    pub(super) items: Vec<Content>,
    /// The answer as it came.
    pub(super) body: Bytes,
}

pub(super) type Body = Arc<Contents>;

/// Makes the request and reads the answer; without a hub for a trial.
pub(super) async fn fetch(
    hub: Option<Arc<Hub>>,
    transport: Arc<Transport>,
    flow: Arc<PollFlow>,
    fetch: Fetch,
) -> Fetched<Body> {
    let Source::Http(lists) = &flow.source else {
        return failed(Blame::Us, "the flow reads a queue", None);
    };
    let request = match request(lists, &fetch).await {
        Ok(request) => request,
        Err((blame, text)) => return failed(blame, &text, None),
    };
    let begun = std::time::Instant::now();
    let outcome = transport.send(&lists.endpoint, &request).await;
    flow.metrics.took(begun.elapsed());
    match outcome.result {
        Err(failure) => failed(failure.blame(), &failure.to_string(), None),
        Ok(answer) => judge(hub.as_deref(), &flow, lists, answer).await,
    }
}

async fn judge(hub: Option<&Hub>, flow: &PollFlow, lists: &Lists, answer: Answer) -> Fetched<Body> {
    let time = now();
    let wait = pacing::wait(&answer.headers, time);
    match answer.status {
        StatusCode::NOT_MODIFIED => return Fetched::NotModified { wait },
        status if status.is_success() => {}
        status => return refused(status, &answer, wait),
    }
    match answer.body_end {
        BodyEnd::Whole => {}
        BodyEnd::Cut => {
            let text = format!(
                "the answer has more than `body-max` ({} bytes)",
                lists.config.body_max
            );
            return failed(Blame::Us, &text, wait);
        }
        BodyEnd::BrokenOff => return failed(Blame::Them, "the answer broke off", wait),
    }
    let link = match &lists.config.next {
        Next::Link(relation) => link::target(&answer.headers, relation),
        _ => None,
    };
    let (reader, body) = (Arc::clone(&lists.reader), answer.body.clone());
    match on_a_thread(move || reader.read(&body, link)).await {
        Some(Ok(read)) => Fetched::Page(page(hub, flow, &answer, (read, wait)).await),
        Some(Err(problem)) => failed(problem.blame, &problem.text, wait),
        None => failed(Blame::Us, "reading the page panicked", wait),
    }
}

async fn page(
    hub: Option<&Hub>,
    flow: &PollFlow,
    answer: &Answer,
    (read, wait): (Read, Option<std::time::Duration>),
) -> Page<Body> {
    let (mut faults, mut filtered) = (0_u32, 0_u32);
    let count = u32::try_from(read.items.len()).unwrap_or(u32::MAX);
    let mut items = Vec::with_capacity(read.items.len());
    for item in read.items {
        match flow.make(hub, now(), Item::of_list(item)).await {
            Made::Event(content) => items.push(content),
            Made::Fault(content) => {
                faults = faults.saturating_add(1);
                items.push(content);
            }
            Made::Filtered => filtered = filtered.saturating_add(1),
        }
    }
    let etag = answer.headers.get(ETAG).and_then(|etag| etag.to_str().ok());
    Page {
        items: count,
        faults,
        filtered,
        fingerprint: read.fingerprint,
        next: read.next,
        newest: read.newest,
        etag: etag.unwrap_or_default().to_owned(),
        wait,
        body: Arc::new(Contents {
            items,
            body: answer.body.clone(),
        }),
    }
}

fn failed(blame: Blame, text: &str, wait: Option<std::time::Duration>) -> Fetched<Body> {
    Fetched::Failed(Failed {
        blame,
        text: text.to_owned(),
        wait,
    })
}

/// An answer that is no page: what is ours to repair, and what is theirs.
fn refused(
    status: StatusCode,
    answer: &Answer,
    wait: Option<std::time::Duration>,
) -> Fetched<Body> {
    let theirs = status.is_server_error()
        || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status);
    let said = String::from_utf8_lossy(&answer.body);
    let said: String = said
        .chars()
        .filter(|one| !one.is_control())
        .take(QUOTED_CHARS_MAX)
        .collect();
    let text = if status.is_redirection() {
        format!("{status}: redirects are not followed")
    } else {
        format!("{status}: {said}")
    };
    failed(if theirs { Blame::Them } else { Blame::Us }, &text, wait)
}

pub(super) async fn request(lists: &Lists, fetch: &Fetch) -> Result<Request, (Blame, String)> {
    let ours =
        |error: &dyn std::fmt::Display| (Blame::Us, format!("the request cannot be made: {error}"));
    let made = run_request(&lists.request, document(lists, fetch)).await;
    let made = made.map_err(|error| ours(&error))?;
    let location = location(lists, fetch, (&made.path, &made.query))?;
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    for (name, value) in &made.headers {
        let (name, value) = header(name, value).map_err(|error| ours(&error))?;
        headers.insert(name, value);
    }
    if let Some(etag) = &fetch.etag
        && let Ok(etag) = HeaderValue::from_str(etag)
    {
        headers.insert(IF_NONE_MATCH, etag);
    }
    let mut request = Request::new(lists.method.clone(), location);
    if lists.method == Method::POST {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        request.body = made.body.unwrap_or_else(|| Bytes::from_static(b"{}"));
    }
    request.headers = headers;
    request.timeout = lists.config.timeout;
    request.answer_bytes_max = lists.config.body_max;
    Ok(request)
}

/// Where the request goes: the address they gave, or the flow's own path.
fn location(
    lists: &Lists,
    fetch: &Fetch,
    (path, query): (&str, &str),
) -> Result<Location, (Blame, String)> {
    match (&lists.config.next, &fetch.position) {
        (Next::Url(_) | Next::Link(_), Position::Token(link)) => {
            lists.endpoint.follow(link).map_err(|error| {
                (
                    Blame::Them,
                    format!("the next page cannot be asked for: {error}"),
                )
            })
        }
        _ => lists
            .endpoint
            .locate(path, &with_values(query))
            .map_err(|error| (Blame::Us, format!("the request cannot be made: {error}"))),
    }
}

/// The query without parameters that have no value.
fn with_values(query: &str) -> String {
    let pairs = query.split('&').filter(|pair| !pair.ends_with('='));
    pairs.collect::<Vec<_>>().join("&")
}

/// What the expressions of the request look at.
fn document(lists: &Lists, fetch: &Fetch) -> Bytes {
    let format = lists
        .config
        .timestamp
        .as_ref()
        .map(|timestamp| timestamp.format);
    let since = fetch
        .since
        .zip(format)
        .map(|(since, format)| written(since, format));
    let (cursor, page) = match &fetch.position {
        Position::Start => ("", None),
        Position::Token(token) => (token.as_str(), None),
        Position::Page(number) => ("", Some(*number)),
    };
    let document = serde_json::json!({
        "cursor": cursor,
        "page": page.map_or_else(|| serde_json::Value::from(""), serde_json::Value::from),
        "since": since.unwrap_or_default(),
    });
    Bytes::from(document.to_string())
}

fn written(time: UnixMillis, format: TimeFormat) -> String {
    match format {
        TimeFormat::Rfc3339 => time.to_string(),
        TimeFormat::Seconds => time.seconds().to_string(),
        TimeFormat::Millis => time.0.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_without_a_value_are_left_out() {
        for (query, expected) in [
            ("a=1&b=&c=2", "a=1&c=2"),
            ("b=", ""),
            ("", ""),
            ("flag&x=1", "flag&x=1"),
        ] {
            assert_eq!(with_values(query), expected);
        }
    }

    #[test]
    fn times_as_the_source_wants_them() {
        let time = UnixMillis(1_795_255_200_123);
        assert_eq!(
            written(time, TimeFormat::Rfc3339),
            "2026-11-21T10:00:00.123Z"
        );
        assert_eq!(written(time, TimeFormat::Seconds), "1795255200");
        assert_eq!(written(time, TimeFormat::Millis), "1795255200123");
    }
}
