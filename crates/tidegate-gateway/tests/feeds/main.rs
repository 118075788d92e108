//! Feeds as their readers meet them: a real hub, real sockets, a configuration from text.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test fails the test"
)]

mod consumers;
mod cursors;
mod hostile;
mod http_feeds;
mod site;
mod streams;
