//! The HTTP edge over real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test fails the test"
)]

mod basics;
mod drain;
mod limits;
mod support;
mod tls;
