//! Reads a source of theirs page by page, at a pace both sides can bear.
//!
//! [`Poll`] is one machine for one flow. It does no I/O and reads no clock: the shell tells it what
//! happened with `handle_*`, each with the time, and does what [`Poll::poll_output`] says.
//!
//! # Rounds
//!
//! A **round** begins when it is due, reads pages one after the other, and ends where the source says
//! that there is no more. What the next request asks for is a [`Position`]: the start, a token of
//! theirs (an opaque cursor or the address of the next page) or the number of a page. With a
//! [`Mark`] each round asks for what is newer than the newest the round before has seen, less
//! an overlap.
//!
//! ```text
//!            due                       more                        no more
//!  resting ───────► fetch ──► append ─────────► fetch ──► append ──────────► resting
//!                    │ ▲                         failed: the same again, later and later
//!                    └─┘
//! ```
//!
//! # How a shell drives it
//!
//! ```text
//! start:  Poll::restore(settings, newest Polled entry of the flow, now, seed)
//! loop:   while let Some(output) = poll_output(now): do it (below), without waiting for its end
//!         sleep until something ends, a command comes, or next_timeout()
//!         tell it what ended: handle_planned, handle_fetched, handle_appended, handle_refused
//! ```
//!
//! - **[`Output::Plan`]**: say with [`Poll::handle_planned`] when the next round is due.
//! - **[`Output::Fetch`]**: make one request and call [`Poll::handle_fetched`] exactly once when it has
//!   ended. One is under way at a time. Redirects are not followed.
//! - **[`Output::Append`]**: offer the items as one [`crate::receive::page::Page`] with `polled`,
//!   unmoved unless it says `moved`; if `stuck` is given, with a fault that says so. Then [`Poll::handle_appended`] or
//!   [`Poll::handle_refused`]; what was refused is handed out again.
//! - **[`Output::Note`]**: write it as a system event.
//!
//! # What it promises
//!
//! - The cursor moves past a page only when the page is durable with it; after a crash the page that
//!   was under way is asked for again. So nothing that the source still has is passed over, and what
//!   comes twice has the same identity and is dropped by the ledger.
//! - A page that cannot be read is not passed over: it is asked for again, later and later.
//! - A source that gives the same page for the same cursor again and again, or goes round in a
//!   circle, is a fault ([`Stuck`]) and not a loop.
//! - `Retry-After` is obeyed up to a limit, with jitter on top, never below.
//! - Memory: one page, and 24 bytes for each page of a round.
//!
//! # What it cannot do
//!
//! Page numbers shift when the source takes items away while a round is under way; what moves to a
//! page that was read already is seen in the next round at the earliest.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod kept;
mod machine;
mod output;
mod settings;

pub use kept::{KeptError, Position};
pub use machine::{Poll, Status};
pub use output::{
    Append, AttemptId, Failed, Fetch, Fetched, Note, Output, Page, Stuck, StuckReason,
};
pub use settings::{Backoff, Mark, Paging, Resume, Settings};

/// Longest token of a source: URLs of theirs with a signed cursor in them stay below this.
pub const CURSOR_BYTES_MAX: usize = 8 * 1024;

/// Longest `ETag` that is kept; a longer one is not used.
pub const ETAG_BYTES_MAX: usize = 512;
