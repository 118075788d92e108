//! From an item to what is offered to the log.

use bytes::Bytes;
use tidegate_config::config::Identity;
use tidegate_core::log::entry::{Blame, FaultCause};
use tidegate_core::receive::intake::Content;
use tidegate_hub::hub::Hub;
use tidegate_map::{Filter, Mapped};
use tidegate_types::event::Raw;
use tidegate_types::position::FrameNumber;
use tidegate_types::time::UnixMillis;

use super::flow::{PollFlow, Received};
use super::items::ITEM_TYPE;
use crate::mapper::{MapFailure, Subject};
use crate::offer::{Door, Failure, content_id};

/// What became of an item.
pub(super) enum Made {
    Event(Content),
    Fault(Content),
    /// The flow leaves it out.
    Filtered,
}

/// What is looked at.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) raw: Raw,
    pub(super) content_type: String,
    /// The identity that its source gives it besides what it holds.
    pub(super) id: Option<String>,
}

impl Item {
    /// One of a list.
    pub(super) fn of_list(body: Bytes) -> Self {
        Self {
            raw: Raw {
                headers: vec![("content-type".to_owned(), ITEM_TYPE.to_owned())],
                query: String::new(),
                body,
            },
            content_type: ITEM_TYPE.to_owned(),
            id: None,
        }
    }
}

impl PollFlow {
    /// Without a hub, as in a trial, nothing is forgotten.
    fn door<'a>(&'a self, hub: Option<&Hub>, now: UnixMillis) -> Door<'a> {
        Door {
            flow: &self.events_of,
            namespace: &self.namespace,
            now,
            horizon: hub.map_or(FrameNumber(0), |hub| {
                self.horizon.frame(now, &*hub.reader())
            }),
        }
    }

    /// Makes an event of an item; one that cannot be made becomes a fault, and never stops the others.
    pub(super) async fn make(&self, hub: Option<&Hub>, now: UnixMillis, item: Item) -> Made {
        let door = self.door(hub, now);
        let item = match &self.shape.received {
            None => item,
            Some(received) => match received.shaped(&item) {
                Ok(shaped) => shaped,
                // Not a request of the other flow yet: the fault is this one's, which can try again.
                Err(message) => {
                    let flow = &self.config.name;
                    let own = Door { flow, ..door };
                    let cause = FaultCause::Mapping;
                    return fault(&own, item, (cause, Blame::Us, message), None);
                }
            },
        };
        let subject = Subject {
            raw: &item.raw,
            content_type: &item.content_type,
            body: &item.raw.body,
        };
        match self.shape.mapper.map(subject).await {
            Ok(None) => Made::Filtered,
            Ok(Some(mapped)) => self.mapped(&door, item, mapped),
            Err(failure) => {
                let known = match self.shape.identity {
                    Identity::Expression if !matches!(failure, MapFailure::Quarantined) => {
                        self.shape.mapper.identity(subject).await
                    }
                    Identity::Content => Some(content_id(&item.raw.body)),
                    _ => item.id.clone(),
                };
                fault(&door, item, failure.told(), known)
            }
        }
    }

    fn mapped(&self, door: &Door<'_>, item: Item, mut mapped: Mapped) -> Made {
        let id = match self.shape.identity {
            Identity::Expression => mapped.external_id.take(),
            Identity::Content => Some(content_id(&item.raw.body)),
            _ => item.id.clone(),
        };
        let Some(id) = id.filter(|id| !id.is_empty()) else {
            let message = "the item has no identity where the flow looks for it".to_owned();
            let told = (FaultCause::Identity, Blame::Us, message);
            return fault(door, item, told, None);
        };
        let content_type = if self.shape.maps_data {
            ITEM_TYPE
        } else {
            &item.content_type
        };
        Made::Event(door.mapped(id, mapped, content_type, item.raw))
    }
}

impl Received {
    /// The request that the item stands for.
    fn shaped(&self, item: &Item) -> Result<Item, String> {
        let body = &item.raw.body;
        let run = |filter: &Option<Filter>| {
            let output = filter.as_ref().map(|filter| filter.apply(body));
            let output = output.transpose().map_err(|error| error.to_string())?;
            Ok::<_, String>(output.flatten())
        };
        let mut headers = match run(&self.headers)? {
            None => Vec::new(),
            Some(json) => headers(&json)?,
        };
        if !headers.iter().any(|(name, _)| name == "content-type") {
            headers.push(("content-type".to_owned(), ITEM_TYPE.to_owned()));
        }
        let id = match run(&self.id)? {
            None => None,
            Some(json) => match serde_json::from_slice(&json) {
                Ok(serde_json::Value::String(text)) => Some(text),
                Ok(serde_json::Value::Number(number)) => Some(number.to_string()),
                _ => return Err("received.id: a text or a number is needed".to_owned()),
            },
        };
        Ok(Item {
            raw: Raw {
                headers,
                query: String::new(),
                body: run(&self.body)?.unwrap_or_else(|| body.clone()),
            },
            content_type: ITEM_TYPE.to_owned(),
            id,
        })
    }
}

fn headers(json: &Bytes) -> Result<Vec<(String, String)>, String> {
    let wrong = || "received.headers: an object of texts is needed".to_owned();
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(json).map_err(|_| wrong())?;
    let pairs = object.into_iter().filter_map(|(name, value)| match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(Ok((name.to_ascii_lowercase(), text))),
        serde_json::Value::Number(number) => {
            Some(Ok((name.to_ascii_lowercase(), number.to_string())))
        }
        _ => Some(Err(wrong())),
    });
    pairs.collect()
}

/// A fault is told from another one by the item's identity, or by its content where that is not known: so
/// an item that comes again is the same fault.
fn fault(
    door: &Door<'_>,
    item: Item,
    (cause, blame, message): (FaultCause, Blame, String),
    known: Option<String>,
) -> Made {
    let name = known.clone().unwrap_or_else(|| content_id(&item.raw.body));
    let failure = Failure {
        cause,
        blame,
        message,
        external_id: known.unwrap_or_default(),
    };
    Made::Fault(door.fault(&name, failure, item.raw))
}

/// A copy of what [`Made`] holds, to offer it again if it was refused.
pub(super) fn copy(content: &Content) -> Option<Content> {
    match content {
        Content::Event {
            id,
            fingerprint,
            horizon,
            entry,
        } => Some(Content::Event {
            id: *id,
            fingerprint: *fingerprint,
            horizon: *horizon,
            entry: entry.clone(),
        }),
        Content::Fault(fault) => Some(Content::Fault(fault.clone())),
        _ => None,
    }
}

/// The fault of a source that does not get on, with the answer that shows it.
pub(super) fn stuck(
    flow: &PollFlow,
    hub: &Hub,
    now: UnixMillis,
    stuck: (&str, String),
    body: Bytes,
) -> Content {
    let (name, message) = stuck;
    let failure = Failure {
        cause: FaultCause::Stuck,
        blame: Blame::Them,
        message,
        external_id: String::new(),
    };
    let item = Item::of_list(body);
    // The answer may differ in what does not matter, and is one fault all the same.
    match flow.door(Some(hub), now).fault(name, failure, item.raw) {
        Content::Fault(mut fault) => {
            fault.id =
                tidegate_types::id::EventId::derive(&flow.namespace, &flow.config.name).child(name);
            Content::Fault(fault)
        }
        other => other,
    }
}
