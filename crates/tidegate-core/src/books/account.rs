//! The account of one flow: a row for each hour.

use std::collections::BTreeMap;

use super::tally::{Hour, Tally};

/// What became of the events of one flow and hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Events that were appended; for a flow that takes in, together with those it set aside.
    pub received: Tally,
    /// Delivered, with a receipt; for a flow that takes in, kept in the log.
    pub delivered: Tally,
    /// Passed over, since the flow does not want them.
    pub filtered: Tally,
    /// Set aside because they could not be sent, and not resubmitted yet.
    pub parked: Tally,
    /// Set aside because they could not be processed, and not resubmitted yet.
    pub faults: Tally,
    /// Given up by somebody, with a reason.
    pub discarded: Tally,
    /// Not settled yet.
    pub pending: Tally,
}

/// How an event stands in a row besides pending and received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Delivered,
    Parked,
    Faults,
    Discarded,
}

/// Whether a row balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// It does, by number and by digest.
    Even,
    /// It does not.
    Odd {
        /// So many more were received than are accounted for; negative if fewer. 0 if only the digests differ.
        missing: i64,
    },
    /// It cannot be told: the flow began within this hour, or more is pending than was looked at.
    Unknown,
}

impl Balance {
    /// Its name in tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::Odd { .. } => "odd",
            Self::Unknown => "unknown",
        }
    }
}

/// Which way the events of a flow go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Into the log.
    Ingress,
    /// Out of it.
    Egress,
}

impl Row {
    pub(super) const fn column(&mut self, column: Column) -> &mut Tally {
        match column {
            Column::Delivered => &mut self.delivered,
            Column::Parked => &mut self.parked,
            Column::Faults => &mut self.faults,
            Column::Discarded => &mut self.discarded,
        }
    }

    /// Compares both sides.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let accounted: Tally = [
            self.delivered,
            self.filtered,
            self.parked,
            self.faults,
            self.discarded,
            self.pending,
        ]
        .into_iter()
        .sum();
        if accounted == self.received {
            return Balance::Even;
        }
        let missing = self.received.count.wrapping_sub(accounted.count);
        Balance::Odd {
            missing: missing.cast_signed(),
        }
    }

    /// Whether nothing stands in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The rows of a flow.
#[derive(Clone, Debug)]
pub(super) struct Account {
    pub(super) kind: Kind,
    pub(super) rows: BTreeMap<Hour, Row>,
    /// The hour in which it began, of which only a part counts; `None` if that is not known to be so.
    pub(super) partial: Option<Hour>,
    /// It counts from this hour on.
    pub(super) begin: Hour,
}

impl Account {
    pub(super) const fn new(kind: Kind, begin: Hour) -> Self {
        Self {
            kind,
            rows: BTreeMap::new(),
            partial: None,
            begin,
        }
    }

    /// Adds to a row, if its hour is still held.
    pub(super) fn post(&mut self, hour: Option<Hour>, column: Column, tally: Tally) {
        if let Some(hour) = hour.filter(|hour| *hour >= self.begin) {
            self.rows.entry(hour).or_default().column(column).add(tally);
        }
    }

    /// Moves events from one column to another.
    pub(super) fn transfer(
        &mut self,
        hour: Option<Hour>,
        from: Column,
        to: Option<Column>,
        tally: Tally,
    ) {
        let Some(row) = hour.and_then(|hour| self.rows.get_mut(&hour)) else {
            return;
        };
        row.column(from).remove(tally);
        if let Some(to) = to {
            row.column(to).add(tally);
        }
    }
}
