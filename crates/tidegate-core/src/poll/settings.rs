//! How a flow polls. Values that exist are usable.

use std::time::Duration;

/// What one flow does. A change makes a new machine, restored from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Name of the flow, as it stands in the log.
    pub flow: String,
    /// How one page leads to the next.
    pub paging: Paging,
    /// Where a round begins when the one before has ended.
    pub resume: Resume,
    /// What a round asks for is bounded by a time.
    pub mark: Option<Mark>,
    /// Pages of one round at most; the next round goes on from there. Default 1,000.
    pub pages_max: u32,
    /// How long to wait after failures.
    pub backoff: Backoff,
    /// A longer `Retry-After` is cut to this, so that one answer cannot stop a flow for good. Default 1 h.
    pub retry_after_max: Duration,
    /// Tells one request from another: a digest of how requests are made. An `ETag` is only used for
    /// the request it was given for.
    pub request: [u8; 16],
}

/// How one page leads to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// A round is one request.
    Single,
    /// The answer holds what the next request asks with: a cursor, or the address of the next page.
    Token,
    /// Pages have numbers.
    Number {
        /// The number of the first one.
        first: u64,
        /// Items of a full page; one with fewer is the last. Without it the last one is empty.
        size: Option<u32>,
    },
}

/// Where a round begins when the one before has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// At the last token: what is new comes behind it.
    Last,
    /// At the start: what is new may stand anywhere.
    Start,
}

/// Rounds ask for what is newer than a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// How far behind the newest item a round begins: for items that appear late, and for clocks that
    /// differ.
    pub overlap: Duration,
    /// How far back the first round reaches; `None` for everything.
    pub reach: Option<Duration>,
    /// The source gives the newest first: a round ends at a page that is older than what it asks for.
    pub newest_first: bool,
    /// With [`Paging::Single`]: items of a full page, after which the next request asks for what is
    /// newer than its newest item. `None` if one answer holds all.
    pub page_size: Option<u32>,
}

/// How long to wait after failures: doubled with each one in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// After the first one. Default 1 s.
    pub least: Duration,
    /// At most. Default 5 min.
    pub most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            least: Duration::from_secs(1),
            most: Duration::from_secs(300),
        }
    }
}

impl Settings {
    /// The defaults for a flow.
    #[must_use]
    pub fn new(flow: &str, paging: Paging, resume: Resume) -> Self {
        Self {
            flow: flow.to_owned(),
            paging,
            resume,
            mark: None,
            pages_max: 1000,
            backoff: Backoff::default(),
            retry_after_max: Duration::from_secs(3600),
            request: [0; 16],
        }
    }
}
