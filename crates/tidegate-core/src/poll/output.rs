//! What the machine is told, and what it wants done.

use std::time::Duration;

use tidegate_types::time::UnixMillis;

use super::kept::Position;
use crate::log::entry::{Blame, Fingerprint, Polled};

/// What the shell shall do next. `B` is how the shell finds the content of a page again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Output<B> {
    /// Say when the next round is due: [`super::Poll::handle_planned`] follows.
    Plan {
        /// When the last round ended; `None` if there was none.
        after: Option<UnixMillis>,
    },
    /// Make a request; its end goes to [`super::Poll::handle_fetched`].
    Fetch(Fetch),
    /// Append a page and its cursor; [`super::Poll::handle_appended`] or `handle_refused` follows.
    Append(Append<B>),
    /// Something for the timeline.
    Note(Note),
}

/// Names a request while it is under way; never used twice by one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// Names it until its end.
    pub attempt: AttemptId,
    /// What it asks for.
    pub position: Position,
    /// It asks for what is as new as this, or newer.
    pub since: Option<UnixMillis>,
    /// It need not be answered with what has this name (`If-None-Match`).
    pub etag: Option<String>,
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched<B> {
    /// With a page.
    Page(Page<B>),
    /// The source has nothing else than last time (304).
    NotModified {
        /// The source asks for no request for so long.
        wait: Option<Duration>,
    },
    /// Without a page that can be read.
    Failed(Failed),
}

/// A page that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<B> {
    /// Its content.
    pub body: B,
    /// How many items it has.
    pub items: u32,
    /// How many of them are set aside, since they cannot be mapped.
    pub faults: u32,
    /// How many of them the flow leaves out.
    pub filtered: u32,
    /// Content hash of its items.
    pub fingerprint: Fingerprint,
    /// What the next request asks with; `None` if the source says that there is no more.
    pub next: Option<String>,
    /// When its newest item is from, if the flow looks at that.
    pub newest: Option<UnixMillis>,
    /// The source's own name for it; empty if it gave none.
    pub etag: String,
    /// The source asks for no request for so long.
    pub wait: Option<Duration>,
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// Whose it is.
    pub blame: Blame,
    /// What happened, for people.
    pub text: String,
    /// The source asks for no request for so long.
    pub wait: Option<Duration>,
}

/// What goes to the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append<B> {
    /// The page.
    pub body: B,
    /// The cursor that covers it.
    pub polled: Polled,
    /// Whether the cursor says something new. If not, and the log has all the items, nothing need be written.
    pub moved: bool,
    /// The source does not get on: to be set aside together with the page.
    pub stuck: Option<Stuck>,
}

/// A source that does not get on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// The same for the same place of the source, so that it is one fault however often it is met.
    pub name: String,
    /// What is wrong.
    pub reason: StuckReason,
}

/// Why a source does not get on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StuckReason {
    /// The same cursor brings the same page again, or a round goes in a circle.
    #[error("the source gives the same page for the same cursor again and says that more follows")]
    SamePage,
    /// Another page number brings the same page.
    #[error("the source gives the same items for another page number")]
    PageIgnored,
    /// More items share a time than fit a page.
    #[error(
        "more items than fit a page are from the same time, so that nothing behind them can be asked for"
    )]
    SameTime,
}

/// Something for the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Several requests in a row have failed.
    Failing {
        /// Whose the last failure is.
        blame: Blame,
        /// The last failure.
        text: String,
    },
    /// The source answers again.
    Recovered {
        /// After so long.
        after: Duration,
    },
    /// The source asked for a pause.
    Throttled {
        /// Until then.
        until: UnixMillis,
        /// What it asked for was longer.
        cut: bool,
    },
    /// The source does not get on.
    Stuck(StuckReason),
    /// A round has as many pages as it may have; the next one goes on.
    RoundCut {
        /// So many.
        pages: u32,
    },
}
