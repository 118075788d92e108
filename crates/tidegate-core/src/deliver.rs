//! Delivers the events of a log to an endpoint: in order, at a bearable pace, with patience.
//!
//! [`Delivery`] is one machine for one shard of one flow. It does no I/O and reads no clock: the
//! shell tells it what happened with `handle_*`, each with the time, and does what
//! [`Delivery::poll_output`] says.
//!
//! # How a shell drives it
//!
//! ```text
//! start:  follow the log's receipts and retries with Progress::apply (or a view of the same content)
//!         Delivery::restore(settings, progress.restored(), now, seed); pause() it if it was paused
//! loop:   while let Some(output) = poll_output(now): do it (below), without waiting for its end
//!         sleep until something ends, the log grows, a command comes, or next_timeout()
//!         tell it what ended: handle_answer, handle_appended/refused, handle_page, handle_body, …
//! ```
//!
//! - **[`Output::Read`]**: read events from `from` on (before `until`), pass those over that the
//!   flow does not want, and give the rest to [`Delivery::handle_page`]; for
//!   [`Purpose::Held`] only those that [`Delivery::wants`]. One is outstanding at a time. A page
//!   may be shorter than asked for, as long as `end` moves or `at_end` is set. At the end of the
//!   log the page says so, and [`Delivery::handle_grown`] is called when more is synced. Only
//!   synced frames are read. A log that begins later than `from` gives a page from there.
//! - **[`Output::Fetch`]**: read these places again, and call [`Delivery::handle_body`] once for
//!   each. The place of an event that was resubmitted is that of its fault: its content is the event
//!   in there.
//! - **[`Output::Send`]**: make one request of the events, and call [`Delivery::handle_answer`]
//!   exactly once when it has ended, within the flow's timeout. The machine has no timeout of its own. Redirects are not followed: 3xx is
//!   an answer like any other. A request that cannot be made from the event is
//!   [`Failure::Request`]; what is wrong on our own side is [`Failure::Local`]. When shutting down, wait for what is under
//!   way or drop the machine: what has no receipt is sent again.
//! - **[`Output::Append`]**: offer all parts to the log, in any order and in any frames: each
//!   `aside` as a fault entry with the event in it, the others as they are. When all are durable call
//!   [`Delivery::handle_appended`]; if any was refused, once all have ended,
//!   [`Delivery::handle_refused`]: they will be offered again, and what is then there twice does
//!   no harm, since views keep them by fault, by place and by key.
//! - **[`Output::Replayed`]**: tell whoever called [`Delivery::handle_replay`].
//! - **[`Output::Note`]**: write it as a system event.
//!
//! `now` is wall time, since it stands in the log. If it goes back by more than a second, all
//! deadlines move with it.
//!
//! # What it promises
//!
//! - With [`Order::PerKey`] the successor of an event leaves after the predecessor's receipt is
//!   durable (or its fault was closed); a key that fails keeps back only itself.
//! - After a restart only events without a durable receipt are sent again.
//! - An attempt counts if the answer is about the event, or if another key was delivered in the
//!   minute before. Everything else is the endpoint's and feeds the breaker. An event whose
//!   attempts never count is set aside once it has failed for as long as the whole schedule takes
//!   with answers of the endpoint, or when it failed three probes while others were delivered.
//! - Memory is bounded by [`settings::Window`], whatever stands in the log.
//! - `low` never goes back: see [`crate::log::entry::Receipts`]. [`Delivery::low_water`] says
//!   what the log must keep.
//!
//! # What it does not do
//!
//! Choose between endpoints, sign, authenticate, map: that is the shell's. New [`Settings`] apply
//! to what is read from then on; keys that are held go on under the order they began with.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod breaker;
pub mod classify;
mod lane;
mod machine;
mod output;
mod pace;
mod pins;
mod progress;
pub mod settings;

use tidegate_types::id::EventId;

pub use breaker::BreakerState;
pub use classify::{Answer, AttemptResult, Class, Classification, Failure, Rule};
pub(crate) use lane::LaneKey;
pub use machine::{Delivery, REPLAYS_MAX, RESUBMITTED_MAX, Status};
pub use output::{
    Append, Arrival, AttemptId, Discard, FaultRefusal, HeldBy, IdempotencyKey, Note, Output, Page,
    Purpose, ReadRequest, Replay, ReplayRefusal, Replayed, Resubmission, Send, SendEvent, SetAside,
    Verdict,
};
pub use progress::{Progress, Restored};
pub use settings::{
    Batch, BreakerSettings, InvalidSchedule, OnFault, Order, Rate, Schedule, Settings, Window,
};

/// Identity of the fault that an event becomes for a flow, the same whenever it does.
#[must_use]
pub fn fault_of(flow: &str, id: EventId) -> EventId {
    id.child(&format!("deliver/{flow}"))
}
