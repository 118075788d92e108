//! What an answer means for a copy.

use tidegate_types::position::{FrameNumber, Incarnation};
use tidegate_types::time::UnixMillis;

use super::{Answer, Batch, Copied, LIVES_MAX, Span};
use crate::log::engine::Head;
use crate::log::frame::{Frame, genesis};

/// What an answer is held against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// Nothing is known of the origin's lives: the question was which there are.
    Nothing,
    /// A life that is here up to this place.
    Copied(Copied),
    /// A life that is to be begun.
    Fresh(Start),
}

/// Where a life that is not here yet begins for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// Which life.
    pub incarnation: Incarnation,
    /// The frame before the first that is to be had.
    pub after: FrameNumber,
    /// Why it is begun.
    pub why: Begun,
}

/// Why a life is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// There is no copy of this origin yet.
    First,
    /// The life before has ended; our copy of it ends at this frame.
    NextLife {
        /// Which it was.
        before: Incarnation,
        /// The last frame of it that is here.
        copied: FrameNumber,
        /// Its published end; `None` if the origin does not hold it any more.
        end: Option<FrameNumber>,
    },
    /// The origin does not hold what would follow our copy any more.
    Gap {
        /// The last frame that was here.
        copied: FrameNumber,
    },
}

/// A life to begin in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin {
    /// What its first frame follows.
    pub after: Head,
    /// Why it is begun. After a gap it replaces what is here of the same life.
    pub why: Begun,
}

/// How an origin went backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regress {
    /// Its head is behind our copy.
    Behind {
        /// Its head.
        theirs: FrameNumber,
        /// Ours.
        ours: FrameNumber,
    },
    /// It has another frame where our copy ends.
    OtherHash {
        /// The frame.
        frame: FrameNumber,
    },
    /// Its newest life is older than the one we have.
    OlderLife {
        /// Its newest life.
        theirs: Incarnation,
        /// Ours.
        ours: Incarnation,
    },
}

/// An answer that no honest origin gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    /// The lives make no sense: none, too many, out of order, or one before the last that goes on.
    #[error("the lives it names contradict each other")]
    Lives,
    /// A frame is not the one that should follow.
    #[error("frame {0} does not follow from the one before it")]
    Chain(FrameNumber),
    /// A frame lies beyond the head, or is not the head it names.
    #[error("frame {0} is not among those it says it has")]
    Beyond(FrameNumber),
    /// The frames belong to another life than was asked for.
    #[error("its frames belong to another life")]
    OtherLife,
}

/// What to make of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Store this. Empty if there is nothing new.
    Take(Batch),
    /// Go on with another life: ask for it.
    Turn(Start),
    /// The origin went backwards: store nothing.
    Regressed(Regress),
    /// The answer cannot be right: store nothing.
    Defective(Defect),
}

/// What `answer` of `origin` means for what is here.
#[must_use]
pub fn judge(origin: &str, base: &Base, answer: Answer) -> Verdict {
    if let Some(defect) = contradiction(&answer.spans) {
        return Verdict::Defective(defect);
    }
    let lives = Lives(&answer.spans);
    match base {
        Base::Nothing => lives
            .first()
            .map_or(Verdict::Defective(Defect::Lives), |span| {
                Verdict::Turn(start(span, Begun::First))
            }),
        Base::Copied(copied) => match lives.of(copied.head.incarnation) {
            Some(span) => follow(copied, span, lives, &answer.frames),
            None => lives.next(copied, None),
        }
        .unwrap_or_else(|| chained(copied, lives, None, answer.frames)),
        Base::Fresh(fresh) => begin(origin, fresh, lives, answer.frames),
    }
}

/// The lives an answer names.
#[derive(Clone, Copy)]
struct Lives<'a>(&'a [Span]);

impl<'a> Lives<'a> {
    fn first(self) -> Option<&'a Span> {
        self.0.first()
    }

    fn of(self, incarnation: Incarnation) -> Option<&'a Span> {
        self.0.iter().find(|span| span.incarnation() == incarnation)
    }

    /// The turn to the life after the copied one, `None` if there is none yet.
    fn next(self, copied: &Copied, end: Option<FrameNumber>) -> Option<Verdict> {
        let before = copied.head.incarnation;
        let next = self.0.iter().find(|span| span.incarnation() > before);
        if let Some(span) = next {
            let why = Begun::NextLife {
                before,
                copied: copied.head.frame,
                end,
            };
            return Some(Verdict::Turn(start(span, why)));
        }
        if end.is_some() {
            return None;
        }
        let newest = self.0.last()?;
        Some(Verdict::Regressed(Regress::OlderLife {
            theirs: newest.incarnation(),
            ours: before,
        }))
    }
}

fn contradiction(spans: &[Span]) -> Option<Defect> {
    let sorted = spans.is_sorted_by(|a, b| a.incarnation() < b.incarnation());
    let bounds = |span: &Span| span.first.0 >= 1 && span.first <= span.head.frame.next();
    let Some((_, before)) = spans.split_last() else {
        return Some(Defect::Lives);
    };
    let fine = sorted
        && spans.len() <= LIVES_MAX
        && spans.iter().all(bounds)
        && before.iter().all(|span| span.ended);
    (!fine).then_some(Defect::Lives)
}

const fn start(span: &Span, why: Begun) -> Start {
    Start {
        incarnation: span.head.incarnation,
        after: FrameNumber(span.first.0.saturating_sub(1)),
        why,
    }
}

/// What is to be said before frames are looked at; `None` if they go on where the copy ends.
fn follow(copied: &Copied, span: &Span, lives: Lives<'_>, frames: &[Frame]) -> Option<Verdict> {
    let (ours, theirs) = (copied.head.frame, span.head.frame);
    let forked = match frames.first() {
        Some(first) => first.number() == ours.next() && first.header().prev != copied.head.hash,
        None => theirs == ours && span.head.hash != copied.head.hash,
    };
    if span.ended && (theirs <= ours || forked) {
        // A copy that differs, or goes beyond the end, is of a life that is over: what follows counts.
        return lives.next(copied, Some(theirs));
    }
    if theirs < ours {
        return Some(Verdict::Regressed(Regress::Behind { theirs, ours }));
    }
    if forked {
        let frame = ours;
        return Some(Verdict::Regressed(Regress::OtherHash { frame }));
    }
    if span.first > ours.next() {
        let why = Begun::Gap { copied: ours };
        return Some(Verdict::Turn(start(span, why)));
    }
    None
}

/// A life that is to be begun, with its first frames if they came.
fn begin(origin: &str, fresh: &Start, lives: Lives<'_>, frames: Vec<Frame>) -> Verdict {
    let Some(span) = lives.of(fresh.incarnation) else {
        // Gone meanwhile: begin with the oldest there is that is not older.
        let next = lives
            .0
            .iter()
            .find(|it| it.incarnation() > fresh.incarnation);
        return next.map_or(Verdict::Defective(Defect::Lives), |span| {
            Verdict::Turn(start(span, fresh.why))
        });
    };
    if span.first > fresh.after.next() {
        // Trimmed meanwhile.
        return Verdict::Turn(start(span, fresh.why));
    }
    let hash = match frames.first() {
        Some(first) => first.header().prev,
        None if span.head.frame == fresh.after => span.head.hash,
        // There are frames, and none came.
        None => return Verdict::Take(Batch::default()),
    };
    let after = Head {
        incarnation: fresh.incarnation,
        frame: fresh.after,
        hash,
    };
    if after.frame.0 == 0 && hash != genesis(origin, fresh.incarnation) {
        return Verdict::Defective(Defect::Chain(FrameNumber(1)));
    }
    let begin = Begin {
        after,
        why: fresh.why,
    };
    let copied = Copied {
        head: after,
        time: UnixMillis(0),
    };
    chained(&copied, lives, Some(begin), frames)
}

/// The frames, if each follows the one before.
fn chained(copied: &Copied, lives: Lives<'_>, begin: Option<Begin>, frames: Vec<Frame>) -> Verdict {
    let Copied { mut head, mut time } = *copied;
    let Some(span) = lives.of(head.incarnation) else {
        return Verdict::Take(Batch {
            begin,
            frames: Vec::new(),
        });
    };
    for frame in &frames {
        let header = frame.header();
        if header.incarnation != head.incarnation {
            return Verdict::Defective(Defect::OtherLife);
        }
        let follows =
            header.number == head.frame.next() && header.prev == head.hash && header.time >= time;
        if !follows {
            return Verdict::Defective(Defect::Chain(header.number));
        }
        head.frame = header.number;
        head.hash = frame.hash();
        time = header.time;
        let is_head = head.frame == span.head.frame;
        if head.frame > span.head.frame || (is_head && head.hash != span.head.hash) {
            return Verdict::Defective(Defect::Beyond(header.number));
        }
    }
    Verdict::Take(Batch { begin, frames })
}
