//! What stands in a park: the log beside the log, where a flow keeps what it has not sent.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use tidegate_types::id::EventId;
use tidegate_types::position::{FrameNumber, Place};
use tidegate_types::time::UnixMillis;

use super::deliver::{
    encode_held, encode_place, encode_retrying, read_held, read_place, read_retrying,
};
use super::{EventEntry, HeldLane, Retrying};
use crate::log::codec::{Decoder, Encoder, FieldError, length};

/// An entry of a park. It stands in no other log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParkEntry {
    /// An event that the flow still needs.
    Event(Box<ParkedEvent>),
    /// Events that the flow does not want, so that they can be counted. They stand before the next
    /// event of the park.
    Passed(Vec<PassedRun>),
    /// Everything the flow needs of the log before a place stands in the park before this.
    Mark(Box<ParkMark>),
}

/// An event with the place it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedEvent {
    /// Where it stood in the log.
    pub place: Place,
    /// When its frame was appended there.
    pub appended: UnixMillis,
    /// The event.
    pub event: EventEntry,
}

/// Events that a flow which delivers will not get: its park was full, and its configuration says that this gives them
/// up. Stands in the log itself, and is synced before their frames may go, so that the books count each of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    /// The flow.
    pub flow: String,
    /// Which of its shards.
    pub shard: u16,
    /// When it was written.
    pub time: UnixMillis,
    /// The events, in the order of their places. From the first to the last, nothing that the flow wanted and had not
    /// settled is left out.
    pub runs: Vec<PassedRun>,
}

impl GivenUp {
    /// The places of the first and the last event; `None` if there are none.
    #[must_use]
    pub fn span(&self) -> Option<(Place, Place)> {
        Some((self.runs.first()?.first, self.runs.last()?.last()?))
    }
}

/// Events in a row in one frame of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedRun {
    /// Where the first one stood.
    pub first: Place,
    /// When the frame was appended.
    pub appended: UnixMillis,
    /// Their identities, at consecutive places: the books add them up.
    pub ids: Vec<EventId>,
}

impl PassedRun {
    /// Where the last event stood; `None` if there is none.
    #[must_use]
    pub fn last(&self) -> Option<Place> {
        let others = u32::try_from(self.ids.len().checked_sub(1)?).ok()?;
        let index = self.first.index.checked_add(others)?;
        Some(Place {
            index,
            ..self.first
        })
    }

    /// Its events, each with its place.
    pub fn events(&self) -> impl Iterator<Item = (Place, EventId)> {
        let ids = self.ids.iter().zip(self.first.index..);
        ids.map(|(id, index)| {
            let place = Place {
                index,
                ..self.first
            };
            (place, *id)
        })
    }

    /// Adds an event to the last of `runs` if it stands behind that, else to a new one.
    pub fn note(runs: &mut Vec<Self>, (place, appended): (Place, UnixMillis), id: EventId) {
        if let Some(run) = runs.last_mut()
            && run.last().map(Place::behind) == Some(place)
        {
            run.ids.push(id);
            return;
        }
        runs.push(Self {
            first: place,
            appended,
            ids: vec![id],
        });
    }
}

/// What a flow needs that its log holds no longer: the parked events, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkMark {
    /// The flow.
    pub flow: String,
    /// Which of its shards.
    pub shard: u16,
    /// When this was written.
    pub time: UnixMillis,
    /// What the flow needs of the log before this place is parked. Never goes back.
    pub through: Place,
    /// The fields below are at least as new as this frame of the log. They are the beginning of
    /// what is rebuilt from the log if it begins at the frame after this one or before.
    pub as_of: FrameNumber,
    /// The first place that is not settled.
    pub low: Place,
    /// Settled events behind it.
    pub done: Vec<Place>,
    /// Faults whose events have no receipt yet.
    pub set_aside: Vec<EventId>,
    /// Lanes that are held.
    pub held: Vec<HeldLane>,
    /// Events that failed and are not settled.
    pub retrying: Vec<Retrying>,
}

pub(super) fn encode_passed(out: &mut Encoder<'_>, runs: &[PassedRun]) {
    out.u32(length(runs.len()));
    for run in runs {
        encode_place(out, run.first);
        out.u64(run.appended.0);
        out.u32(length(run.ids.len()));
        for id in &run.ids {
            out.fixed(id.as_bytes());
        }
    }
}

pub(super) fn decode_passed(fields: &mut Decoder<'_>) -> Result<Vec<PassedRun>, FieldError> {
    fields.list(|fields| {
        Ok(PassedRun {
            first: read_place(fields)?,
            appended: UnixMillis(fields.u64()?),
            ids: fields.list(read_id)?,
        })
    })
}

pub(super) fn encode_given_up(out: &mut Encoder<'_>, entry: &GivenUp) {
    out.text(&entry.flow);
    out.fixed(&entry.shard.to_le_bytes());
    out.u64(entry.time.0);
    encode_passed(out, &entry.runs);
}

pub(super) fn decode_given_up(fields: &mut Decoder<'_>) -> Result<GivenUp, FieldError> {
    Ok(GivenUp {
        flow: fields.text()?,
        shard: u16::from_le_bytes(fields.array()?),
        time: UnixMillis(fields.u64()?),
        runs: decode_passed(fields)?,
    })
}

pub(super) fn encode_mark(out: &mut Encoder<'_>, mark: &ParkMark) {
    out.text(&mark.flow);
    out.fixed(&mark.shard.to_le_bytes());
    out.u64(mark.time.0);
    encode_place(out, mark.through);
    out.u64(mark.as_of.0);
    encode_place(out, mark.low);
    out.u32(length(mark.done.len()));
    for place in &mark.done {
        encode_place(out, *place);
    }
    out.u32(length(mark.set_aside.len()));
    for fault in &mark.set_aside {
        out.fixed(fault.as_bytes());
    }
    out.u32(length(mark.held.len()));
    for lane in &mark.held {
        encode_held(out, lane);
    }
    out.u32(length(mark.retrying.len()));
    for retrying in &mark.retrying {
        encode_retrying(out, retrying);
    }
}

pub(super) fn decode_mark(fields: &mut Decoder<'_>) -> Result<ParkMark, FieldError> {
    Ok(ParkMark {
        flow: fields.text()?,
        shard: u16::from_le_bytes(fields.array()?),
        time: UnixMillis(fields.u64()?),
        through: read_place(fields)?,
        as_of: FrameNumber(fields.u64()?),
        low: read_place(fields)?,
        done: fields.list(read_place)?,
        set_aside: fields.list(read_id)?,
        held: fields.list(read_held)?,
        retrying: fields.list(read_retrying)?,
    })
}

fn read_id(fields: &mut Decoder<'_>) -> Result<EventId, FieldError> {
    Ok(EventId::from_bytes(fields.array()?))
}
