//! Whom to blame: us, them, or the way between.

use std::fmt;

use crate::region::Breaker;

/// Whose disruption it is that a region does not reach an endpoint, as far as all regions together
/// can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// It is reached.
    Nobody,
    /// Our region: it reaches nothing at all, or not what others reach.
    Us,
    /// Their endpoint: no region reaches it, and they reach other things.
    Them,
    /// The way between the two: others reach it, and this region reaches other things.
    Path,
    /// Them or the way: no other region looks at it, and this one reaches other things.
    NotUs,
    /// Too little is known.
    Unclear,
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "nobody",
            Self::Us => "us",
            Self::Them => "them",
            Self::Path => "path",
            Self::NotUs => "them or path",
            Self::Unclear => "unclear",
        })
    }
}

/// What a region reaches besides the endpoint in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Tried {
    /// It looks at nothing else.
    Nothing,
    /// Nothing of what else it looks at.
    InVain,
    /// Something.
    Reached,
}

impl Tried {
    pub(super) fn and(self, breaker: Breaker) -> Self {
        match (self, breaker) {
            (Self::Reached, _) | (_, Breaker::Closed) => Self::Reached,
            (Self::Nothing, Breaker::Unknown) => Self::Nothing,
            (Self::InVain, _) | (_, Breaker::Open | Breaker::HalfOpen) => Self::InVain,
        }
    }
}

/// Who sees what of one endpoint.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    /// The region in question.
    pub(super) own: Breaker,
    pub(super) own_elsewhere: Tried,
    /// The other regions that look at the endpoint.
    pub(super) others: Vec<(Breaker, Tried)>,
}

impl Sight {
    pub(super) fn blame(&self) -> Blame {
        match self.own {
            Breaker::Closed => return Blame::Nobody,
            Breaker::Unknown => return Blame::Unclear,
            Breaker::Open | Breaker::HalfOpen => {}
        }
        if self.others.is_empty() {
            return match self.own_elsewhere {
                Tried::Reached => Blame::NotUs,
                Tried::InVain => Blame::Us,
                Tried::Nothing => Blame::Unclear,
            };
        }
        if self
            .others
            .iter()
            .any(|(breaker, _)| *breaker == Breaker::Closed)
        {
            return match self.own_elsewhere {
                Tried::InVain => Blame::Us,
                Tried::Reached | Tried::Nothing => Blame::Path,
            };
        }
        let elsewhere = self.others.iter().map(|(_, elsewhere)| *elsewhere);
        let mut elsewhere = elsewhere.chain([self.own_elsewhere]);
        if elsewhere.clone().any(|tried| tried == Tried::Reached) {
            Blame::Them
        } else if elsewhere.any(|tried| tried == Tried::InVain) {
            // Nobody reaches anything: this looks like us, or like a day on which all is lost.
            Blame::Unclear
        } else {
            // Several regions fail alike, and there is nothing to compare with.
            Blame::Them
        }
    }
}
