//! What stands in a frame: the kinds of entries and their binary form.
//!
//! An entry is `len u32 | kind u8 | payload`, where `len` counts kind and payload. A kind this
//! version does not know is kept as [`Entry::Unknown`], so that an older program can read a newer
//! log; the fields of a known kind never change (a change gets a new kind).
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod decode;
mod deliver;
mod encode;
mod park;
mod poll;

use bytes::Bytes;
use tidegate_types::event::{Event, Raw};
use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

pub use super::codec::FieldError;
pub use decode::{EntryError, decode_entry};
pub use deliver::{Closing, FaultClosed, HeldLane, Receipt, ReceiptOutcome, Receipts, Retrying};
pub use encode::{EncodedEntry, encode_entry, encode_event};
pub use park::{GivenUp, ParkEntry, ParkMark, ParkedEvent, PassedRun};
pub use poll::Polled;

/// Bytes before the payload of an entry: its length and its kind.
pub const ENTRY_HEADER_BYTES: usize = 5;

/// Content hash of an event's mapped data, by which a repeat is told from a reused id.
pub type Fingerprint = [u8; 16];

/// One entry of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all entries are events, and a box for each would be one more allocation"
)]
pub enum Entry {
    /// An event that was taken in.
    Event(EventEntry),
    /// An event that could not be processed, with all that is needed to try again.
    Fault(Box<Fault>),
    /// How far a subscription has read.
    Cursor(Cursor),
    /// What must outlive the segments that are about to be removed.
    Checkpoint(Checkpoint),
    /// Something worth recording on the timeline.
    System(System),
    /// A piece of an entry that is larger than a frame.
    Chunk(Chunk),
    /// The end of a series of chunks; stands for the whole entry.
    Joined(Joined),
    /// How far a flow has read its source.
    Polled(Box<Polled>),
    /// How far a flow that delivers has come.
    Receipts(Box<Receipts>),
    /// A failed attempt that counts.
    Retrying(Box<Retrying>),
    /// A fault that is open no longer.
    FaultClosed(Box<FaultClosed>),
    /// Events that a flow which delivers will not get, since its park was full.
    GivenUp(Box<GivenUp>),
    /// An entry of a park, which is a log of its own.
    Park(ParkEntry),
    /// A kind of a later version.
    Unknown {
        /// Its code.
        kind: u8,
        /// Its payload as it stands in the log.
        payload: Bytes,
    },
}

/// An event with what the ledger needs to recognise it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventEntry {
    /// The event.
    pub event: Event,
    /// Content hash of its mapped data.
    pub fingerprint: Fingerprint,
}

/// An event set aside, because it could not be mapped, identified or told from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Identity of the fault: made from the identity of the event and its content, so that it is never
    /// taken for the event, and other content under the same identity is another fault.
    pub id: EventId,
    /// The flow that took it in.
    pub flow: String,
    /// What went wrong.
    pub cause: FaultCause,
    /// Whose it is to repair.
    pub blame: Blame,
    /// What went wrong, for people.
    pub message: String,
    /// When it was set aside.
    pub time: UnixMillis,
    /// The sender's identity of it; empty if it was not found.
    pub external_id: String,
    /// What had been mapped before it failed.
    pub event: Option<EventEntry>,
    /// The original.
    pub raw: Raw,
    /// Content hash of the original.
    pub fingerprint: Fingerprint,
    /// Whether it was only copied forward, out of segments that were about to be removed.
    pub carried: bool,
}

/// Codes and names of an enumeration that stands in the log, and has `Other(u8)` for later versions.
macro_rules! coded {
    ($kind:ident: $($variant:ident = $code:literal $name:literal,)+) => {
        impl $kind {
            /// The code in the log.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self {
                    $(Self::$variant => $code,)+
                    Self::Other(code) => code,
                }
            }

            /// The one with this code.
            #[must_use]
            pub const fn from_code(code: u8) -> Self {
                match code {
                    $($code => Self::$variant,)+
                    other => Self::Other(other),
                }
            }

            /// Its name in metrics, tables and JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Other(_) => "other",
                }
            }
        }
    };
}

/// What went wrong with an event. The codes are part of the format and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FaultCause {
    /// The flow's mapping failed.
    Mapping,
    /// The identity is not where the flow says.
    Identity,
    /// The same identity came with other data.
    IdReused,
    /// The mapping went over its limits of time, depth or size.
    Overrun,
    /// The flow's mapping is switched off after overruns.
    Quarantined,
    /// The body is not what its media type says.
    Format,
    /// The source gives the same page again and again.
    Stuck,
    /// All attempts to deliver it failed.
    Exhausted,
    /// The endpoint will not take it.
    Rejected,
    /// It was to be delivered, and the log holds it no longer.
    Gone,
    /// A cause of a later version.
    Other(u8),
}

coded! { FaultCause:
    Mapping = 1 "mapping",
    Identity = 2 "identity",
    IdReused = 3 "id-reused",
    Overrun = 4 "overrun",
    Quarantined = 5 "quarantined",
    Format = 6 "format",
    Exhausted = 7 "exhausted",
    Rejected = 8 "rejected",
    Gone = 9 "gone",
    Stuck = 10 "stuck",
}

impl FaultCause {
    /// Whether a flow that delivers set the event aside.
    #[must_use]
    pub const fn is_of_delivery(self) -> bool {
        matches!(self, Self::Exhausted | Self::Rejected | Self::Gone)
    }
}

/// Whose it is to repair. The codes are part of the format and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// Ours: the mapping or the configuration of the flow.
    Us,
    /// Theirs: what they sent.
    Them,
    /// The path between us.
    Path,
    /// Somebody did it by hand.
    Operator,
    /// The proxy between us.
    Proxy,
    /// A code of a later version.
    Other(u8),
}

coded! { Blame:
    Us = 1 "us",
    Them = 2 "them",
    Path = 3 "path",
    Operator = 4 "operator",
    Proxy = 5 "proxy",
}

/// How far a named subscription has read: up to and including the entry at this place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Name of the subscription.
    pub subscription: String,
    /// The place, in this log.
    pub place: Place,
    /// When it was moved there.
    pub time: UnixMillis,
}

/// What must outlive removed segments. Written, and synced, before they are removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The first frame that is kept.
    pub oldest: FrameNumber,
    /// When it was written.
    pub time: UnixMillis,
    /// The last cursor of every subscription.
    pub cursors: Vec<Cursor>,
    /// How many faults are open; those of removed segments stand carried before this entry.
    pub faults_open: u64,
}

/// A system event: a start, a recovered tail, a changed configuration, …
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// What happened, a fixed word such as `started`.
    pub kind: String,
    /// When.
    pub time: UnixMillis,
    /// The same for people.
    pub text: String,
    /// Further facts, by name.
    pub tags: Vec<(String, String)>,
}

/// A piece of an entry that is larger than a frame. Stands alone in its frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Which series it belongs to: the number of the frame with the first piece.
    pub group: u64,
    /// Which piece, from 0 on.
    pub index: u32,
    /// The piece.
    pub bytes: Bytes,
}

/// The last piece of an entry that is larger than a frame. The entry stands at its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Which series it ends.
    pub group: u64,
    /// How many chunks stand before it, one in each frame from `first` on.
    pub chunks: u32,
    /// Length of the encoded entry in bytes, the tail included.
    pub total_len: u64,
    /// The frame with the first chunk.
    pub first: FrameNumber,
    /// The last piece.
    pub tail: Bytes,
}

mod kind {
    pub(super) const EVENT: u8 = 1;
    pub(super) const FAULT: u8 = 2;
    pub(super) const CURSOR: u8 = 3;
    pub(super) const CHECKPOINT: u8 = 4;
    pub(super) const SYSTEM: u8 = 5;
    pub(super) const CHUNK: u8 = 6;
    pub(super) const JOINED: u8 = 7;
    pub(super) const POLLED: u8 = 11;
    pub(super) const RECEIPTS: u8 = 8;
    pub(super) const RETRYING: u8 = 9;
    pub(super) const FAULT_CLOSED: u8 = 10;
    pub(super) const PARKED_EVENT: u8 = 12;
    pub(super) const PARK_PASSED: u8 = 13;
    pub(super) const PARK_MARK: u8 = 14;
    pub(super) const GIVEN_UP: u8 = 15;
}

mod flag {
    /// An event has an original.
    pub(super) const RAW: u8 = 1;
    /// The original's body is the mapped data, and stored once.
    pub(super) const SAME_BODY: u8 = 2;
    /// A fault holds what had been mapped.
    pub(super) const MAPPED: u8 = 1;
    /// A fault or a cursor was copied forward.
    pub(super) const CARRIED: u8 = 2;
    /// A held lane waits for a fault.
    pub(super) const BLOCKED: u8 = 1;
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
pub(crate) mod tests;
