//! The vocabulary of Tidegate: what an event is, how it is named, where it stands, when it happened.
//!
//! Only values live here: no I/O, no clock, no randomness, no serde. Every other crate may depend
//! on this one; it depends on none of them.
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

pub mod event;
pub mod id;
pub mod name;
pub mod position;
pub mod secret;
pub mod tags;
pub mod time;
