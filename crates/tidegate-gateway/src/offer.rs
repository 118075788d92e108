//! From what was mapped, or was not, to what is offered to the log.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tidegate_core::log::entry::{Blame, EventEntry, Fault, FaultCause, encode_event};
use tidegate_core::receive::fingerprint;
use tidegate_core::receive::intake::Content;
use tidegate_map::Mapped;
use tidegate_types::event::{Event, Raw};
use tidegate_types::id::{EventId, FlowNamespace};
use tidegate_types::position::FrameNumber;
use tidegate_types::time::UnixMillis;
use tidegate_wire::cloudevents::{CloudEvent, PARTITION_KEY};

/// The flow an event came in by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door<'a> {
    pub(crate) flow: &'a str,
    pub(crate) namespace: &'a FlowNamespace,
    pub(crate) now: UnixMillis,
    /// Copies in frames before this one are forgotten.
    pub(crate) horizon: FrameNumber,
}

/// Identities for events that have none: unique on this node, made of its start and a counter.
#[derive(Debug)]
pub(crate) struct Unique {
    prefix: String,
    next: AtomicU64,
}

impl Unique {
    /// `origin` and the start of the process, which no other process of that region shares, since
    /// only one at a time holds the data directory.
    pub(crate) fn new(origin: &str, started: UnixMillis) -> Self {
        Self {
            prefix: format!("{origin}/{:x}", started.0),
            next: AtomicU64::new(0),
        }
    }

    pub(crate) fn next(&self) -> String {
        format!(
            "{}/{:x}",
            self.prefix,
            self.next.fetch_add(1, Ordering::Relaxed)
        )
    }
}

impl Door<'_> {
    /// An event made by a mapping.
    pub(crate) fn mapped(
        &self,
        external_id: String,
        mapped: Mapped,
        content_type: &str,
        raw: Raw,
    ) -> Content {
        self.event(Event {
            id: EventId::derive(self.namespace, &external_id),
            flow: self.flow.to_owned(),
            external_id,
            kind: mapped.kind,
            time: mapped.time.unwrap_or(self.now),
            received: self.now,
            key: mapped.key,
            content_type: content_type.to_owned(),
            data: mapped.data,
            attributes: Vec::new(),
            raw: Some(raw),
        })
    }

    /// A CloudEvent as it came. Its identity is `source` and `id` together, as its specification has it.
    pub(crate) fn cloud_event(&self, event: CloudEvent, raw: Option<Raw>) -> Content {
        let external_id = format!("{} {}", event.source, event.id);
        let key = event
            .extension(PARTITION_KEY)
            .unwrap_or_default()
            .to_owned();
        let mut attributes = vec![("source".to_owned(), event.source)];
        attributes.extend(event.subject.map(|subject| ("subject".to_owned(), subject)));
        attributes.extend(
            event
                .dataschema
                .map(|schema| ("dataschema".to_owned(), schema)),
        );
        let extensions = event.extensions.into_iter();
        attributes.extend(extensions.filter(|(name, _)| name != PARTITION_KEY));
        self.event(Event {
            id: EventId::derive(self.namespace, &external_id),
            flow: self.flow.to_owned(),
            external_id,
            kind: event.kind,
            time: event.time.unwrap_or(self.now),
            received: self.now,
            key,
            content_type: event.datacontenttype.unwrap_or_default(),
            data: event.data,
            attributes,
            raw,
        })
    }

    fn event(&self, event: Event) -> Content {
        let fingerprint = fingerprint::of_event(&event.kind, &event.key, &event.data);
        let (id, horizon) = (event.id, self.horizon);
        let entry = encode_event(&EventEntry { event, fingerprint });
        Content::Event {
            id,
            fingerprint,
            horizon,
            entry,
        }
    }

    /// An event that could not be made; `name` is its identity as far as that is known.
    ///
    /// The fault's own identity is made from that and the body: the same body is the same fault,
    /// and another one under the same identity is not lost. It lies below the event's, where
    /// nothing leads that a sender may choose.
    pub(crate) fn fault(&self, name: &str, failure: Failure, raw: Raw) -> Content {
        let fingerprint = fingerprint::of_original(&raw.body);
        let body = fingerprint::hex(&fingerprint);
        Content::Fault(Box::new(Fault {
            id: EventId::derive(self.namespace, name).child(&format!("fault:{body}")),
            flow: self.flow.to_owned(),
            cause: failure.cause,
            blame: failure.blame,
            message: failure.message,
            time: self.now,
            external_id: failure.external_id,
            event: None,
            fingerprint,
            raw,
            carried: false,
        }))
    }
}

/// Why there is no event.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) cause: FaultCause,
    pub(crate) blame: Blame,
    pub(crate) message: String,
    /// The sender's identity, if that much is known.
    pub(crate) external_id: String,
}

/// The identity of a body under `id: content`: its SHA-256.
pub(crate) fn content_id(body: &Bytes) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, body);
    fingerprint::hex(digest.as_ref())
}
