//! What a flow that delivers writes: receipts, retries, and how faults were closed.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Incarnation, Place};
use tidegate_types::time::UnixMillis;

use super::{Blame, flag};
use crate::books::{Hour, HourTally, Tally};
use crate::log::codec::{Decoder, Encoder, FieldError, length};

/// How far one shard of a flow has come.
///
/// Every event of the shard before `low` has a receipt, or a [`Retrying`] record that stands
/// before this entry, or belongs to a held lane and stands at or after that lane's `from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipts {
    /// The flow.
    pub flow: String,
    /// Which of its shards; 0 if it has one.
    pub shard: u16,
    /// When this was written.
    pub time: UnixMillis,
    /// The first place that is not settled. Never goes back.
    pub low: Place,
    /// Events between the `low` before and this one that the flow does not want, by the hour in which they were appended. An entry that does
    /// not move `low` repeats what was counted already.
    pub filtered: Vec<HourTally>,
    /// Names of the endpoints that `done` speaks of.
    pub endpoints: Vec<String>,
    /// Events that are settled now.
    pub done: Vec<Receipt>,
    /// Lanes that are held from now on, or from another place on than before.
    pub held: Vec<HeldLane>,
    /// Lanes that are no longer held, by their key.
    pub released: Vec<String>,
}

/// Proof that one event is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Where the event stands; for one that was resubmitted, its fault.
    pub place: Place,
    /// Its identity.
    pub id: EventId,
    /// What became of it.
    pub outcome: ReceiptOutcome,
    /// How often it was sent.
    pub attempts: u32,
    /// When the answer came.
    pub time: UnixMillis,
}

/// What became of an event. The codes are part of the format and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptOutcome {
    /// The endpoint took it.
    Delivered {
        /// With this status.
        status: u16,
        /// Index into [`Receipts::endpoints`].
        endpoint: u16,
    },
    /// It was set aside.
    SetAside {
        /// As this fault.
        fault: EventId,
    },
}

/// A lane (a key, or the whole flow) whose events are not covered by `low` from a place on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLane {
    /// The key; empty for the lane that is the whole flow.
    pub key: String,
    /// Its first event that may not be settled stands here or later; all before are settled.
    pub from: Place,
    /// The fault it waits for, if it does not just lag.
    pub blocked: Option<EventId>,
}

/// A failed attempt that counts, so that attempts and waiting survive a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retrying {
    /// The flow.
    pub flow: String,
    /// Which of its shards.
    pub shard: u16,
    /// Where the event stands.
    pub place: Place,
    /// Its identity.
    pub id: EventId,
    /// The key by which it is ordered; empty if it is not.
    pub key: String,
    /// Attempts that count, so far.
    pub attempts: u32,
    /// How often it was sent, so far.
    pub sent: u32,
    /// When the first attempt failed.
    pub since: UnixMillis,
    /// When it is due again.
    pub next: UnixMillis,
    /// Whose the last failure is.
    pub blame: Blame,
    /// Status of the last answer; 0 if there was none.
    pub status: u16,
    /// The last failure, for people.
    pub text: String,
    /// When this was written.
    pub time: UnixMillis,
}

/// A fault that is open no longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultClosed {
    /// Identity of the fault.
    pub id: EventId,
    /// When it was set aside; the views find it by this.
    pub set_aside: UnixMillis,
    /// The flow that set it aside.
    pub flow: String,
    /// How it was closed.
    pub how: Closing,
    /// Who asked for it.
    pub by: String,
    /// When.
    pub time: UnixMillis,
}

/// How a fault was closed. The codes are part of the format and never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Closing {
    /// It was processed again, with success.
    Resubmitted {
        /// Later events of its key may have gone before it.
        superseded: bool,
    },
    /// It was given up.
    Discarded {
        /// Why, in the words of who did it.
        reason: String,
    },
}

mod code {
    pub(super) const DELIVERED: u8 = 1;
    pub(super) const SET_ASIDE: u8 = 2;
    pub(super) const RESUBMITTED: u8 = 1;
    pub(super) const DISCARDED: u8 = 2;
}

pub(super) fn encode_receipts(out: &mut Encoder<'_>, entry: &Receipts) {
    out.text(&entry.flow);
    out.fixed(&entry.shard.to_le_bytes());
    out.u64(entry.time.0);
    encode_place(out, entry.low);
    out.u32(length(entry.filtered.len()));
    for filtered in &entry.filtered {
        out.u32(filtered.hour.0);
        out.u64(filtered.tally.count);
        out.fixed(&filtered.tally.digest.to_le_bytes());
    }
    texts(out, &entry.endpoints);
    out.u32(length(entry.done.len()));
    for receipt in &entry.done {
        encode_place(out, receipt.place);
        out.fixed(receipt.id.as_bytes());
        match receipt.outcome {
            ReceiptOutcome::Delivered { status, endpoint } => {
                out.u8(code::DELIVERED);
                out.fixed(&status.to_le_bytes());
                out.fixed(&endpoint.to_le_bytes());
            }
            ReceiptOutcome::SetAside { fault } => {
                out.u8(code::SET_ASIDE);
                out.fixed(fault.as_bytes());
            }
        }
        out.u32(receipt.attempts);
        out.u64(receipt.time.0);
    }
    out.u32(length(entry.held.len()));
    for lane in &entry.held {
        encode_held(out, lane);
    }
    texts(out, &entry.released);
}

pub(super) fn decode_receipts(fields: &mut Decoder<'_>) -> Result<Receipts, FieldError> {
    Ok(Receipts {
        flow: fields.text()?,
        shard: u16::from_le_bytes(fields.array()?),
        time: UnixMillis(fields.u64()?),
        low: read_place(fields)?,
        filtered: fields.list(read_filtered)?,
        endpoints: fields.list(Decoder::text)?,
        done: fields.list(read_receipt)?,
        held: fields.list(read_held)?,
        released: fields.list(Decoder::text)?,
    })
}

pub(super) fn encode_retrying(out: &mut Encoder<'_>, entry: &Retrying) {
    out.text(&entry.flow);
    out.fixed(&entry.shard.to_le_bytes());
    encode_place(out, entry.place);
    out.fixed(entry.id.as_bytes());
    out.text(&entry.key);
    out.u32(entry.attempts);
    out.u32(entry.sent);
    out.u64(entry.since.0);
    out.u64(entry.next.0);
    out.u8(entry.blame.code());
    out.fixed(&entry.status.to_le_bytes());
    out.text(&entry.text);
    out.u64(entry.time.0);
}

pub(super) fn read_retrying(fields: &mut Decoder<'_>) -> Result<Retrying, FieldError> {
    Ok(Retrying {
        flow: fields.text()?,
        shard: u16::from_le_bytes(fields.array()?),
        place: read_place(fields)?,
        id: EventId::from_bytes(fields.array()?),
        key: fields.text()?,
        attempts: fields.u32()?,
        sent: fields.u32()?,
        since: UnixMillis(fields.u64()?),
        next: UnixMillis(fields.u64()?),
        blame: Blame::from_code(fields.u8()?),
        status: u16::from_le_bytes(fields.array()?),
        text: fields.text()?,
        time: UnixMillis(fields.u64()?),
    })
}

pub(super) fn encode_closed(out: &mut Encoder<'_>, entry: &FaultClosed) {
    out.fixed(entry.id.as_bytes());
    out.u64(entry.set_aside.0);
    out.text(&entry.flow);
    match &entry.how {
        Closing::Resubmitted { superseded } => {
            out.u8(code::RESUBMITTED);
            out.u8(u8::from(*superseded));
        }
        Closing::Discarded { reason } => {
            out.u8(code::DISCARDED);
            out.text(reason);
        }
    }
    out.text(&entry.by);
    out.u64(entry.time.0);
}

pub(super) fn decode_closed(fields: &mut Decoder<'_>) -> Result<FaultClosed, FieldError> {
    Ok(FaultClosed {
        id: EventId::from_bytes(fields.array()?),
        set_aside: UnixMillis(fields.u64()?),
        flow: fields.text()?,
        how: match fields.u8()? {
            code::RESUBMITTED => Closing::Resubmitted {
                superseded: match fields.u8()? {
                    0 => false,
                    1 => true,
                    other => return Err(FieldError::Code(other)),
                },
            },
            code::DISCARDED => Closing::Discarded {
                reason: fields.text()?,
            },
            other => return Err(FieldError::Code(other)),
        },
        by: fields.text()?,
        time: UnixMillis(fields.u64()?),
    })
}

fn read_filtered(fields: &mut Decoder<'_>) -> Result<HourTally, FieldError> {
    Ok(HourTally {
        hour: Hour(fields.u32()?),
        tally: Tally {
            count: fields.u64()?,
            digest: u128::from_le_bytes(fields.array()?),
        },
    })
}

fn read_receipt(fields: &mut Decoder<'_>) -> Result<Receipt, FieldError> {
    Ok(Receipt {
        place: read_place(fields)?,
        id: EventId::from_bytes(fields.array()?),
        outcome: match fields.u8()? {
            code::DELIVERED => ReceiptOutcome::Delivered {
                status: u16::from_le_bytes(fields.array()?),
                endpoint: u16::from_le_bytes(fields.array()?),
            },
            code::SET_ASIDE => ReceiptOutcome::SetAside {
                fault: EventId::from_bytes(fields.array()?),
            },
            other => return Err(FieldError::Code(other)),
        },
        attempts: fields.u32()?,
        time: UnixMillis(fields.u64()?),
    })
}

pub(super) fn encode_held(out: &mut Encoder<'_>, lane: &HeldLane) {
    out.text(&lane.key);
    encode_place(out, lane.from);
    out.u8(if lane.blocked.is_some() {
        flag::BLOCKED
    } else {
        0
    });
    if let Some(fault) = lane.blocked {
        out.fixed(fault.as_bytes());
    }
}

pub(super) fn read_held(fields: &mut Decoder<'_>) -> Result<HeldLane, FieldError> {
    Ok(HeldLane {
        key: fields.text()?,
        from: read_place(fields)?,
        blocked: match fields.u8()? {
            0 => None,
            flag::BLOCKED => Some(EventId::from_bytes(fields.array()?)),
            other => return Err(FieldError::Code(other)),
        },
    })
}

pub(super) fn encode_place(out: &mut Encoder<'_>, place: Place) {
    out.u64(place.incarnation.0);
    out.u64(place.frame.0);
    out.u32(place.index);
}

pub(super) fn read_place(fields: &mut Decoder<'_>) -> Result<Place, FieldError> {
    Ok(Place {
        incarnation: Incarnation(fields.u64()?),
        frame: FrameNumber(fields.u64()?),
        index: fields.u32()?,
    })
}

fn texts(out: &mut Encoder<'_>, list: &[String]) {
    out.u32(length(list.len()));
    for text in list {
        out.text(text);
    }
}
