//! How a mirror does, and what went wrong, in words.

use std::fmt;
use std::time::Duration;

use tidegate_types::position::Incarnation;

use super::{Begun, Copied, Defect, Regress};

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nobody listens there, or the way is cut.
    #[error("no connection to it can be made")]
    Unreachable,
    /// There is a connection, and no answer came in time.
    #[error("it does not answer in time")]
    Silent,
    /// The connection broke, or what came is no answer.
    #[error("its answer broke off or cannot be read")]
    Broken,
    /// One of the two does not believe the other's certificate, or does not know the region.
    #[error(
        "it refuses this region, or its certificate is not believed; look at its log and at `listen.peer.tls`"
    )]
    Refused,
}

/// Why something could not be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreFailure {
    /// No room.
    #[error("the disk here is full")]
    Full,
    /// Writing failed; trying again may help.
    #[error("the disk here failed")]
    Failed,
    /// The copy is damaged.
    #[error(
        "the copy here is damaged; move its folder below `mirrors` away while the node is stopped to fetch it anew"
    )]
    Damaged,
}

/// How a mirror does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MirrorState {
    /// It has had no answer yet.
    Starting,
    /// It follows.
    Following,
    /// The origin can be reached, and for 10 s nothing of it got here.
    Stalled,
    /// The origin cannot be reached.
    Unreachable,
    /// The origin refuses this region, or the other way round.
    Refused,
    /// The origin went backwards.
    Regressed,
    /// Nothing can be stored here.
    Blocked,
}

impl MirrorState {
    /// Every state, for metrics that announce their labels.
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::Following,
        Self::Stalled,
        Self::Unreachable,
        Self::Refused,
        Self::Regressed,
        Self::Blocked,
    ];

    /// Its name in metrics, tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Following => "following",
            Self::Stalled => "stalled",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Regressed => "regressed",
            Self::Blocked => "blocked",
        }
    }
}

impl fmt::Display for MirrorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Regress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Behind { theirs, ours } => write!(
                f,
                "its log ends at frame {theirs}, and frames up to {ours} of it are here"
            ),
            Self::OtherHash { frame } => {
                write!(f, "its frame {frame} is another one than the copy here")
            }
            Self::OlderLife { theirs, ours } => {
                write!(f, "its log is of life {theirs}, and life {ours} is here")
            }
        }
    }
}

/// What stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Reach(Failure),
    Defect(Defect),
    /// It answers, has more, and gives nothing of it.
    Withheld,
    Regress(Regress),
    Store(StoreFailure),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reach(failure) => failure.fmt(f),
            Self::Defect(defect) => write!(f, "its answer cannot be right: {defect}"),
            Self::Withheld => f.write_str("it has more and gives nothing of it"),
            Self::Regress(regress) => regress.fmt(f),
            Self::Store(failure) => failure.fmt(f),
        }
    }
}

/// A mirror at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirrorStatus {
    /// How it does.
    pub state: MirrorState,
    /// Since when, in the time of the machine.
    pub since: Duration,
    /// What stands in the way; `None` if nothing does.
    pub reason: Option<String>,
    /// Where the copy ends; `None` if there is none.
    pub copied: Option<Copied>,
    /// How many frames the origin has that are not here, as far as is known.
    pub behind_frames: u64,
    /// How long ago the origin had nothing that is not here now; `None` if that never was.
    pub lag: Option<Duration>,
}

/// Something the timeline should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The state is another one.
    Changed {
        /// What it was.
        from: MirrorState,
        /// What it is.
        to: MirrorState,
        /// What stands in the way.
        reason: Option<String>,
    },
    /// A life was begun.
    Begun {
        /// Which.
        incarnation: Incarnation,
        /// Why.
        why: Begun,
    },
}
