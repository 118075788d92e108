//! The receive core: what makes of an offered event a kept one, a repeat or a fault.
//!
//! [`intake::Intake`] stands in front of a region's log. Callers offer encoded entries with their
//! identity; it answers repeats, groups what is new into frames and tells everybody what became
//! of their offer once the frame is on disk. It does no I/O and knows no clock: a shell appends
//! the frames it hands out and reports back.

pub mod batch;
pub mod fingerprint;
pub mod intake;
pub mod ledger;
pub mod page;
mod window;
