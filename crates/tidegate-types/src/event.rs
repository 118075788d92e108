//! The event: what Tidegate keeps and moves.

use bytes::Bytes;

use crate::id::EventId;
use crate::time::UnixMillis;

/// One event as it stands in the log.
///
/// `data` is what the flow's mapping made of the original; `raw` is the original, byte for byte,
/// for events that came from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Deterministic identity, the same in every region (see [`EventId::derive`]).
    pub id: EventId,
    /// The flow that took the event in, or `services/NAME` for one of our own services.
    pub flow: String,
    /// The identity the sender gave it, before it was folded into `id`.
    pub external_id: String,
    /// Event type, for example `github.push`.
    pub kind: String,
    /// When it happened, by the sender's word if the flow says where that stands, else when it was taken in.
    pub time: UnixMillis,
    /// When this region took it in.
    pub received: UnixMillis,
    /// Partition key; order is kept per key. Empty means "no key".
    pub key: String,
    /// Media type of `data`, for example `application/json`.
    pub content_type: String,
    /// The mapped payload.
    pub data: Bytes,
    /// Further CloudEvents attributes (`source`, `subject`, `dataschema`, extensions), by name.
    pub attributes: Vec<(String, String)>,
    /// The original request, kept whole; `None` for what our own services publish.
    pub raw: Option<Raw>,
}

/// The original of an event: what came over the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raw {
    /// Request headers in the order they came, names in lower case, without credentials
    /// (`authorization`, `cookie`, `proxy-authorization` and the flow's own key headers).
    pub headers: Vec<(String, String)>,
    /// Query string without the `?`; empty if there was none.
    pub query: String,
    /// The body as it was sent, after transfer decoding and before content decoding.
    pub body: Bytes,
}
