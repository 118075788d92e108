//! What a region may give a reader, by the reader's position and what the region holds.

use tidegate_types::position::{FrameNumber, Incarnation, Place};

use super::{Vector, before_frame, next_frame};

/// One life of an origin's log, as far as this region holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Which.
    pub incarnation: Incarnation,
    /// The first frame that may be given: older ones are removed, or past the feed's retention.
    pub first: FrameNumber,
    /// The last frame that is here; the one before `first` if there is none.
    pub last: FrameNumber,
    /// Whether `last` is its published end: another life has begun, and this one gets no more.
    pub ended: bool,
}

/// What this region holds of one origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginView {
    /// The origin.
    pub origin: String,
    /// Its lives, the oldest first. All but the last one have ended.
    pub lives: Vec<Life>,
}

/// A stretch of one life to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The origin.
    pub origin: String,
    /// What comes after this place, in its incarnation.
    pub after: Place,
    /// The last frame to give.
    pub last: FrameNumber,
    /// Whether another life follows behind `last`.
    pub ended: bool,
}

/// What to give a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The reader's position, with the starts of origins it did not know and of the lives it has reached.
    pub from: Vector,
    /// What there is to read. Empty: nothing at the moment.
    pub reads: Vec<Read>,
}

/// Why a reader cannot be served from its position.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unservable {
    /// Something it has not read is gone.
    #[error("events of {origin} after this position are older than the feed's retention")]
    Gone {
        /// Of which origin.
        origin: String,
    },
    /// It has read a life of the origin that this region has not heard of yet.
    #[error("this region has not caught up with {origin} so far")]
    Ahead {
        /// Of which origin.
        origin: String,
    },
}

/// What to give a reader that is at `position`.
///
/// - An origin it does not know is given from the start of what is here.
/// - An origin of which it has read more than is here gives nothing, and is never gone back in.
/// - A life that it has read to its published end is followed by the next one, from frame 1 on.
/// - An origin that is not here (any more) keeps its mark.
///
/// # Errors
/// See [`Unservable`]. `Gone` for any origin comes before `Ahead`, since waiting does not cure it.
pub fn plan(position: &Vector, origins: &[OriginView]) -> Result<Plan, Unservable> {
    let mut plan = Plan {
        from: position.clone(),
        reads: Vec::new(),
    };
    let mut ahead = None;
    for view in origins {
        let Some(start) = start_of(view) else {
            continue;
        };
        let mark = position.mark(&view.origin).unwrap_or(start);
        let origin = || view.origin.clone();
        match settle(mark, view) {
            Ok((mark, read)) => {
                plan.from.set(&view.origin, mark);
                plan.reads.extend(read);
            }
            Err(Stuck::Gone { .. }) => return Err(Unservable::Gone { origin: origin() }),
            Err(Stuck::Ahead) => ahead = Some(Unservable::Ahead { origin: origin() }),
        }
    }
    ahead.map_or(Ok(plan), Err)
}

/// The way out of [`Unservable::Gone`]: the position, with those origins that cannot be gone on in
/// moved forward to what is still here. Never goes back.
#[must_use]
pub fn earliest(position: &Vector, origins: &[OriginView]) -> Vector {
    let mut vector = position.clone();
    for view in origins {
        let restart = match position.mark(&view.origin) {
            None => start_of(view),
            Some(mark) => match settle(mark, view) {
                Err(Stuck::Gone { restart }) => Some(restart),
                Ok(_) | Err(Stuck::Ahead) => None,
            },
        };
        if let Some(restart) = restart {
            vector.set(&view.origin, restart);
        }
    }
    vector
}

/// Why there is no going on from a mark.
enum Stuck {
    /// Something behind it is gone; what is still here follows `restart`.
    Gone { restart: Place },
    /// It stands in a life that is not known here yet.
    Ahead,
}

/// Before everything that is here of an origin.
fn start_of(view: &OriginView) -> Option<Place> {
    view.lives.first().map(start)
}

const fn start(life: &Life) -> Place {
    before_frame(life.incarnation, life.first)
}

/// Where a mark stands among the lives of its origin, and what there is to read behind it.
fn settle(from: Place, view: &OriginView) -> Result<(Place, Option<Read>), Stuck> {
    let mut mark = from;
    // Lives before the reader's are behind it.
    let mut lives = view
        .lives
        .iter()
        .filter(|life| life.incarnation >= from.incarnation)
        .peekable();
    match lives.peek() {
        None => return Err(Stuck::Ahead),
        Some(life) if life.incarnation > from.incarnation => {
            return Err(Stuck::Gone {
                restart: start(life),
            });
        }
        Some(_) => {}
    }
    for life in lives {
        if life.incarnation != mark.incarnation {
            // The life before was read to its published end.
            mark = before_frame(life.incarnation, FrameNumber(1));
        }
        let next = next_frame(mark);
        if next > life.last && life.ended {
            continue;
        }
        if next < life.first {
            return Err(Stuck::Gone {
                restart: start(life),
            });
        }
        let read = (next <= life.last).then(|| Read {
            origin: view.origin.clone(),
            after: mark,
            last: life.last,
            ended: life.ended,
        });
        return Ok((mark, read));
    }
    // The last life has ended too: the origin is retired, and there is nothing more.
    Ok((mark, None))
}
