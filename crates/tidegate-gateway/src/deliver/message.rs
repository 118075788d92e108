//! From an event to what a queue or a bus gets.

use bytes::Bytes;
use tidegate_config::config::Order;
use tidegate_core::deliver::SendEvent;
use tidegate_types::time::UnixMillis;
use tidegate_wire::aws::{Item, Target};

use super::flow::DeliverFlow;
use super::log::Body;
use super::request::Unmapped;
use crate::document::document;
use crate::mapper::run_request;

/// What is taken over of an event.
#[derive(Debug)]
pub(super) struct Message {
    id: String,
    kind: String,
    group: String,
    time: UnixMillis,
    body: Bytes,
    attributes: Vec<(String, String)>,
}

impl Message {
    pub(super) fn item(&self) -> Item<'_> {
        Item {
            id: &self.id,
            kind: &self.kind,
            key: &self.group,
            time: Some(self.time),
            body: &self.body,
            headers: &self.attributes,
        }
    }
}

/// The message for the one event of a send: `check` lets no flow with a target have batches.
pub(super) async fn message(
    flow: &DeliverFlow,
    target: &Target,
    subsystem: &str,
    events: &[SendEvent<Body>],
) -> Result<Message, Unmapped> {
    let [event] = events else {
        return Err(Unmapped("a target takes one event at a time".to_owned()));
    };
    if let Some(why) = &event.body.unjudged {
        return Err(Unmapped(why.to_string()));
    }
    let json = if flow.mapping.is_constant() {
        Bytes::from_static(b"null")
    } else {
        Bytes::from(document(&event.body.event, subsystem))
    };
    let mapped = run_request(&flow.mapping, json).await?;
    let id = event.key.to_string();
    let mut attributes = Vec::new();
    if let Target::Queue(_) = target {
        attributes = mapped.headers;
        let name = flow.config.idempotency_header.clone();
        attributes.retain(|(other, _)| *other != name);
        attributes.push((name, id.clone()));
    }
    let it = &event.body.event;
    Ok(Message {
        id,
        kind: it.kind.clone(),
        // A queue keeps the order of a group: all of it if the flow does.
        group: match flow.config.order {
            Order::Total => flow.config.name.clone(),
            Order::PerKey | Order::None => it.key.clone(),
        },
        time: it.time,
        body: mapped.body.unwrap_or_else(|| it.data.clone()),
        attributes,
    })
}
