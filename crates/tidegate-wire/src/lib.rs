//! Formats at the edges of Tidegate, pure: signature schemes, CloudEvents, content encodings, calls of AWS.
//!
//! Everything here turns bytes into values and back. Nothing opens a socket or a file, reads a clock
//! or draws a random number: time is a parameter, and keys come from the configuration. What comes
//! in is hostile until proven otherwise, so every list, header and body has a limit, and no input
//! makes a function panic.
#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)
)]

pub mod aws;
pub mod cloudevents;
pub mod content;
pub mod form;
pub mod framing;
pub mod link;
pub mod pacing;
pub mod signature;
pub mod sigv4;
