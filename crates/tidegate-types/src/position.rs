//! Where something stands in a region's log.

use std::fmt;
use std::str::FromStr;

use crate::name::is_name;

/// One life of a region's log.
///
/// A new one starts with a new directory, a restore, or a peer that knows more than we do; a cut
/// tail keeps it. Later incarnations are larger (the number is the wall time of the start in
/// milliseconds, or the old number plus one if that is larger).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// Number of a frame within an incarnation, from 1 on, without gaps. 0 stands before the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameNumber(pub u64);

impl FrameNumber {
    /// The number after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for FrameNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in one log whose origin is known from the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which life of that log.
    pub incarnation: Incarnation,
    /// Which frame.
    pub frame: FrameNumber,
    /// Which entry of the frame, from 0 on.
    pub index: u32,
}

impl Place {
    /// Before every place of every log.
    pub const NOWHERE: Self = Self::start_of(Incarnation(0), FrameNumber(0));

    /// Where the first entry of a frame stands.
    #[must_use]
    pub const fn start_of(incarnation: Incarnation, frame: FrameNumber) -> Self {
        Self {
            incarnation,
            frame,
            index: 0,
        }
    }

    /// The place before this one: frames end with an index that no entry has.
    #[must_use]
    pub const fn before(self) -> Self {
        match self.index.checked_sub(1) {
            Some(index) => Self { index, ..self },
            None => Self {
                frame: FrameNumber(self.frame.0.saturating_sub(1)),
                index: u32::MAX,
                ..self
            },
        }
    }

    /// The place after this one.
    #[must_use]
    pub const fn behind(self) -> Self {
        match self.index.checked_add(1) {
            Some(index) => Self { index, ..self },
            None => Self::start_of(self.incarnation, self.frame.next()),
        }
    }

    /// This place in the log of `origin`.
    #[must_use]
    pub fn of(self, origin: &str) -> Position {
        Position {
            origin: origin.to_owned(),
            incarnation: self.incarnation,
            frame: self.frame,
            index: self.index,
        }
    }
}

/// A place in a region's log: the entry `index` of a frame. Means the same everywhere.
///
/// Its text form is `origin/incarnation/frame/index`, the incarnation in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The region whose log it is.
    pub origin: String,
    /// Which life of that log.
    pub incarnation: Incarnation,
    /// Which frame.
    pub frame: FrameNumber,
    /// Which entry of the frame, from 0 on.
    pub index: u32,
}

impl Position {
    /// The place without its origin.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place {
            incarnation: self.incarnation,
            frame: self.frame,
            index: self.index,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            self.origin, self.incarnation, self.frame, self.index
        )
    }
}

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let mut parts = text.split('/');
        let mut part = || parts.next().ok_or(InvalidPosition);
        let origin = part()?;
        let incarnation = u64::from_str_radix(part()?, 16).map_err(|_| InvalidPosition)?;
        let frame = part()?.parse().map_err(|_| InvalidPosition)?;
        let index = part()?.parse().map_err(|_| InvalidPosition)?;
        if parts.next().is_some() || !is_name(origin) {
            return Err(InvalidPosition);
        }
        Ok(Self {
            origin: origin.to_owned(),
            incarnation: Incarnation(incarnation),
            frame: FrameNumber(frame),
            index,
        })
    }
}

/// The text is not a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a position is written origin/incarnation/frame/index, for example local/19a9c2f0b1d/17/3")]
pub struct InvalidPosition;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_before_and_behind_lead_back() {
        let place = |frame, index| Place {
            incarnation: Incarnation(7),
            frame: FrameNumber(frame),
            index,
        };
        for (one, next) in [
            (place(3, 0), place(3, 1)),
            (place(3, u32::MAX - 1), place(3, u32::MAX)),
            (place(3, u32::MAX), place(4, 0)),
        ] {
            assert_eq!(one.behind(), next);
            assert_eq!(next.before(), one);
        }
        assert_eq!(
            place(0, 0).before(),
            place(0, u32::MAX),
            "there is none before"
        );
        assert!(Place::NOWHERE < place(0, 0));
    }

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_round_trips(incarnation: u64, frame: u64, index: u32) {
            let position = Position {
                origin: "us-east-1".to_owned(),
                incarnation: Incarnation(incarnation),
                frame: FrameNumber(frame),
                index,
            };
            prop_assert_eq!(position.to_string().parse(), Ok(position));
        }

        #[test]
        fn any_text_is_refused_or_read(text in ".{0,40}") {
            if let Ok(position) = text.parse::<Position>() {
                prop_assert_eq!(position.to_string().parse(), Ok(position));
            }
        }
    }
}
