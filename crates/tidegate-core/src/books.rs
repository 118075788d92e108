//! The books: for each flow and hour, what became of the events that were appended in that hour.
//!
//! Guarantee: received = delivered + filtered + parked + faults + discarded + pending. Both sides come from different
//! places. What was **received** is counted from the event entries themselves; what became of them is counted from
//! what the flow wrote about them (receipts, what it passed over, faults and how they were closed); what is
//! **pending** is counted by looking at the events again that the flow has not settled. Each side is a number and a
//! digest of the identities ([`Tally`]), so two errors that cancel in number are still seen.
//!
//! [`Books`] follows the log, entry by entry, and holds a bounded number of hours. [`Pending`] goes through the events
//! from the lowest unsettled one on when the books are closed. Neither reads a clock or a disk.
//!
//! The pairs are of event and flow: an event that two flows deliver stands in the books of both. Repeats that were
//! refused at the door stand in no book, since they are not in the log.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod account;
mod follow;
mod given_up;
mod pending;
mod tally;

#[cfg(test)]
mod tests;

pub use account::{Balance, Kind, Row};
pub use follow::{Books, Limits, Page};
pub use pending::Pending;
pub use tally::{Hour, HourTally, Tally};
