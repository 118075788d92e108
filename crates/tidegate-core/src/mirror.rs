//! Mirrors: following the log of another region, frame by frame.
//!
//! A region keeps a copy of each other region's log, so that what happened there is here when that
//! region is gone. [`Mirror`] is one such copy's machine: it says what to ask the origin for next, checks
//! every frame that comes against the hash chain, and names what is wrong. [`judge()`] is the
//! part without time: what an answer means for a copy. [`message`] is the form of an answer.
//!
//! What an origin may do and a mirror makes of it:
//!
//! - *It goes on*: frames that follow ours in number and hash are stored byte for byte.
//! - *It begins a new life*: the old one is followed to its published end, or sealed where the copy ends
//!   if the origin does not hold it any more; then the new one from its first frame on.
//! - *It went backwards*: its head is behind our copy, or it has another frame at the same number. Nothing
//!   is stored and nothing removed; the mirror says so until the origin fits again or begins a new life.
//! - *It trimmed what we have not read*: the copy begins anew where the origin begins, and the gap is told.
//! - *It stands still*: each answer says where the origin's head is, and at least one comes a
//!   second, so an origin that answers but does not let us get on is told from one with nothing to say.
//!
//! How far a mirror lags is measured by its own clock: it is the time since the origin had nothing that is
//! not stored here. Clocks of two regions are never compared.
//!
//! Boundary: no socket, no disk, no clock. A shell sends what is asked and stores what is given.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod judge;
mod machine;
pub mod message;
mod state;

use std::time::Duration;

use tidegate_types::position::{FrameNumber, Incarnation};
use tidegate_types::time::UnixMillis;

pub use judge::{Base, Begin, Begun, Defect, Regress, Start, Verdict, judge};
pub use machine::{Mirror, MirrorSettings};
pub use state::{Failure, MirrorState, MirrorStatus, Note, StoreFailure};

use crate::log::FrameHash;
use crate::log::engine::Head;
use crate::log::frame::Frame;

/// The most lives of one origin that an answer may name: a life begins when a region lost its data
/// or was restored, which nobody does this often within a retention.
pub const LIVES_MAX: usize = 64;

/// One life of an origin's log, as whoever serves it holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The oldest frame that is kept; the one after the head if there is none.
    pub first: FrameNumber,
    /// The last one.
    pub head: Head,
    /// Whether the head is its published end: a later life has begun, and this one gets no more.
    pub ended: bool,
}

impl Span {
    /// Which life.
    #[must_use]
    pub const fn incarnation(&self) -> Incarnation {
        self.head.incarnation
    }
}

/// What a mirror asks for: frames of one life behind a frame it has on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Which life; `None` asks which there are.
    pub incarnation: Option<Incarnation>,
    /// The frame to go on behind. Whatever is up to there is durable here: the origin goes by that.
    pub after: FrameNumber,
    /// The hash of that frame, if it is here, so that the origin hears of a copy that differs.
    pub hash: Option<FrameHash>,
    /// How many bytes of frames to give at most; one frame is always given.
    pub bytes_max: usize,
    /// How long the origin may wait for something to give.
    pub wait: Duration,
    /// When to give up on the answer, in the time of the machine.
    pub until: Duration,
}

/// What the origin answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The lives of its log, the oldest first.
    pub spans: Vec<Span>,
    /// Its clock when it answered, for people; nothing is decided by it.
    pub time: UnixMillis,
    /// How long it had waited before it looked at what it has.
    pub waited: Duration,
    /// Frames of the life that was asked for, in order, each checked by itself.
    pub frames: Vec<Frame>,
}

/// Where the copy of one life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its last frame.
    pub head: Head,
    /// The time of that frame; 0 if there is none.
    pub time: UnixMillis,
}

/// Frames to store, in this order: begin a life if there is one to begin, then append.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// The life to begin.
    pub begin: Option<Begin>,
    /// Frames to append.
    pub frames: Vec<Frame>,
}

/// What a shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output {
    /// Send this, and hand in the answer or the failure.
    Ask(Ask),
    /// Store this durably, and hand in what came of it.
    Store(Batch),
    /// Drop the connection: the next question goes over a new one.
    Reconnect,
    /// Something the timeline should know.
    Note(Note),
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may panic")]
mod tests;
