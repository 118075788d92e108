//! The books as JSON.

use serde::{Deserialize, Serialize};
use tidegate_core::books::{Balance, Kind, Page, Tally};
use tidegate_hub::books::Closed;
use utoipa::ToSchema;

/// What became of the events of each flow and hour.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BooksView {
    /// The last frame of the log that is in them.
    pub frame: u64,
    /// The first hour that is counted, RFC 3339.
    pub since: String,
    /// Whether no row is odd.
    pub balanced: bool,
    /// Flow by flow, the oldest hour first.
    pub rows: Vec<BookRow>,
}

/// One flow and hour: received = delivered + filtered + parked + faults + discarded + pending.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct BookRow {
    /// The flow, or `services/NAME`.
    pub flow: String,
    /// `in` for what was taken in, `out` for what is delivered.
    pub direction: String,
    /// When the hour of append begins, RFC 3339.
    pub hour: String,
    /// What was appended; of a flow that takes in, with what it set aside.
    pub received: TallyView,
    /// Delivered with a receipt; of a flow that takes in, kept.
    pub delivered: TallyView,
    /// Not wanted by the flow.
    pub filtered: TallyView,
    /// Set aside because they could not be sent.
    pub parked: TallyView,
    /// Set aside because they could not be processed.
    pub faults: TallyView,
    /// Given up by somebody.
    pub discarded: TallyView,
    /// Not settled yet.
    pub pending: TallyView,
    /// `even`, `odd`, or `unknown`: the flow began within the hour, or too much is pending to look at.
    pub balance: String,
    /// Received and not accounted for; negative if more is accounted for than was received.
    pub missing: i64,
}

/// So many events, and the sum of their identities modulo 2^128 in hexadecimal digits.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TallyView {
    /// How many.
    pub count: u64,
    /// The sum of the identities: equal sets have equal sums.
    pub digest: String,
}

impl From<Tally> for TallyView {
    fn from(tally: Tally) -> Self {
        Self {
            count: tally.count,
            digest: format!("{:032x}", tally.digest),
        }
    }
}

impl BooksView {
    /// What is shown of the pages that are `wanted`.
    pub(crate) fn of(closed: &Closed, wanted: impl Fn(&Page) -> bool) -> Self {
        let pages = || closed.pages.iter().filter(|page| wanted(page));
        Self {
            frame: closed.frame.0,
            since: closed.begin.begin().to_string(),
            balanced: !pages().any(|page| matches!(page.balance, Balance::Odd { .. })),
            rows: pages().map(BookRow::of).collect(),
        }
    }
}

impl BookRow {
    fn of(page: &Page) -> Self {
        let row = &page.row;
        let direction = match page.kind {
            Kind::Ingress => "in",
            Kind::Egress => "out",
        };
        let missing = match page.balance {
            Balance::Odd { missing } => missing,
            Balance::Even | Balance::Unknown => 0,
        };
        Self {
            flow: page.flow.clone(),
            direction: direction.to_owned(),
            hour: page.hour.begin().to_string(),
            received: row.received.into(),
            delivered: row.delivered.into(),
            filtered: row.filtered.into(),
            parked: row.parked.into(),
            faults: row.faults.into(),
            discarded: row.discarded.into(),
            pending: row.pending.into(),
            balance: page.balance.name().to_owned(),
            missing,
        }
    }
}
