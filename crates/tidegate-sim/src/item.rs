//! What an external system sends: made from numbers, so that any copy of it is the same.

use bytes::Bytes;
use tidegate_core::log::entry::{Blame, EventEntry, Fault, FaultCause, Fingerprint, encode_event};
use tidegate_core::receive::fingerprint;
use tidegate_core::receive::intake::Content;
use tidegate_types::event::{Event, Raw};
use tidegate_types::id::{EventId, FlowNamespace};
use tidegate_types::position::FrameNumber;
use tidegate_types::time::UnixMillis;

use crate::random::Random;

/// Types of events, in turn.
const KINDS: [&str; 4] = [
    "order.created",
    "order.changed",
    "payment.made",
    "stock.moved",
];

/// One thing to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Item {
    /// The sender's identity of it.
    pub(crate) number: u32,
    /// Which content under that identity; only the first is honest.
    pub(crate) version: u8,
    pub(crate) shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Shape {
    /// An event with so many bytes of data.
    Event(u32),
    /// Something the flow's mapping fails on.
    Broken,
}

/// An item as the node gets it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offered {
    pub(crate) sender: usize,
    pub(crate) id: EventId,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) broken: bool,
}

/// One external system's flow.
#[derive(Debug)]
pub(crate) struct Flow {
    index: usize,
    name: String,
    namespace: FlowNamespace,
}

impl Flow {
    pub(crate) fn new(index: usize) -> Self {
        let name = format!("flow-{index}");
        let namespace = FlowNamespace::new("simulated", &name);
        Self {
            index,
            name,
            namespace,
        }
    }

    /// What is offered for an item that came at `now`.
    pub(crate) fn offer(
        &self,
        now: UnixMillis,
        item: &Item,
        horizon: FrameNumber,
    ) -> (Offered, Content) {
        let external_id = item.number.to_string();
        let id = EventId::derive(&self.namespace, &external_id);
        let data = self.data(item);
        let broken = item.shape == Shape::Broken;
        let kind = KINDS
            .get(item.number as usize % KINDS.len())
            .copied()
            .unwrap_or_default();
        let fingerprint = if broken {
            fingerprint::of_original(&data)
        } else {
            fingerprint::of_event(kind, &key_of(item), &data)
        };
        let offered = Offered {
            sender: self.index,
            id,
            fingerprint,
            broken,
        };
        let raw = Raw {
            body: data.clone(),
            ..Raw::default()
        };
        if broken {
            let fault = Fault {
                id,
                flow: self.name.clone(),
                cause: FaultCause::Mapping,
                blame: Blame::Us,
                message: "the mapping failed as asked".to_owned(),
                time: now,
                external_id,
                event: None,
                raw,
                fingerprint,
                carried: false,
            };
            return (offered, Content::Fault(Box::new(fault)));
        }
        let event = Event {
            id,
            flow: self.name.clone(),
            key: key_of(item),
            external_id,
            kind: kind.to_owned(),
            time: now,
            received: now,
            content_type: "application/octet-stream".to_owned(),
            data,
            attributes: Vec::new(),
            raw: item.number.is_multiple_of(2).then_some(raw),
        };
        let entry = encode_event(&EventEntry { event, fingerprint });
        (
            offered,
            Content::Event {
                id,
                fingerprint,
                horizon,
                entry,
            },
        )
    }

    /// Bytes without zeros, so that a lost sector shows.
    fn data(&self, item: &Item) -> Bytes {
        let len = match item.shape {
            Shape::Event(bytes) => bytes as usize,
            Shape::Broken => 40,
        };
        let version = u64::from(item.version) << 56;
        let mut random = Random::new((self.index as u64) << 32 | u64::from(item.number) | version);
        let mut data = Vec::with_capacity(len + size_of::<u64>());
        while data.len() < len {
            data.extend_from_slice(&(random.next() | 0x0101_0101_0101_0101).to_le_bytes());
        }
        data.truncate(len);
        Bytes::from(data)
    }
}

/// Few keys, so that events of a key follow on one another; some have none.
fn key_of(item: &Item) -> String {
    match item.number % 7 {
        0 => String::new(),
        key => format!("key-{key}"),
    }
}

/// The fingerprint that the content of an event calls for.
pub(crate) fn fingerprint_of(event: &Event) -> Fingerprint {
    fingerprint::of_event(&event.kind, &event.key, &event.data)
}
