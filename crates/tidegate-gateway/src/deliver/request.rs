//! From events to one request.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use tidegate_core::deliver::SendEvent;
use tidegate_map::MappedRequest;
use tidegate_types::id::EventId;
use tidegate_wire::cloudevents::{BATCH_JSON, encode_batch};

use super::flow::DeliverFlow;
use super::log::Body;
use crate::document::{cloud_event, document};
use crate::mapper::run_request;
use crate::outbound::{Request, header};

/// Why there is no request, for people.
#[derive(Debug)]
pub(super) struct Unmapped(pub(super) String);

impl<E: std::error::Error> From<E> for Unmapped {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// The request for `events`.
pub(super) async fn request(
    flow: &DeliverFlow,
    subsystem: &str,
    events: &[SendEvent<Body>],
) -> Result<Request, Unmapped> {
    let Some(first) = events.first() else {
        return Err(Unmapped("there is no event".to_owned()));
    };
    for event in events {
        if let Some(why) = &event.body.unjudged {
            return Err(Unmapped(why.to_string()));
        }
    }
    let is_batch = flow.config.batch.is_some();
    let json = if flow.mapping.is_constant() && !is_batch {
        Bytes::from_static(b"null")
    } else if is_batch {
        let all: Vec<_> = events
            .iter()
            .map(|it| cloud_event(&it.body.event, subsystem))
            .collect();
        Bytes::from(encode_batch(&all))
    } else {
        Bytes::from(document(&first.body.event, subsystem))
    };
    let mapped = run_request(&flow.mapping, json.clone()).await?;
    let location = flow.endpoint.locate(&mapped.path, &mapped.query)?;
    let mut request = Request::new(flow.method.clone(), location);
    request.timeout = flow.config.timeout;
    request.headers = headers(flow, &mapped, first)?;
    request.id = message_id(is_batch, events);
    let key = HeaderValue::try_from(request.id.as_str())?;
    request.headers.insert(flow.idempotency_header.clone(), key);
    request.body = match mapped.body {
        Some(body) => body,
        None if is_batch => json,
        None => first.body.event.data.clone(),
    };
    Ok(request)
}

fn headers(
    flow: &DeliverFlow,
    mapped: &MappedRequest,
    first: &SendEvent<Body>,
) -> Result<HeaderMap, Unmapped> {
    let mut headers = HeaderMap::new();
    for (name, value) in &mapped.headers {
        let (name, value) = header(name, value)?;
        headers.insert(name, value);
    }
    let content_type = match &flow.content_type {
        Some(said) => Some(said.clone()),
        None if mapped.body.is_some() => Some(HeaderValue::from_static("application/json")),
        None if flow.config.batch.is_some() => Some(HeaderValue::from_static(BATCH_JSON)),
        None if first.body.event.content_type.is_empty() => None,
        None => Some(header("content-type", &first.body.event.content_type)?.1),
    };
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, content_type);
    }
    Ok(headers)
}

/// What names the request for the other side: the key of its event; for several an identity made of
/// theirs, so that only the very same batch is taken for a repeat.
fn message_id(is_batch: bool, events: &[SendEvent<Body>]) -> String {
    match events {
        [one] if !is_batch => one.key.to_string(),
        [first, ..] => {
            let keys: Vec<String> = events.iter().map(|event| event.key.to_string()).collect();
            let id: EventId = first.id.child(&format!("batch:{}", keys.join(",")));
            id.to_string()
        }
        [] => String::new(),
    }
}
