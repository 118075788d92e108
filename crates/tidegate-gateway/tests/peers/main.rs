//! The link between regions: real hubs, real sockets, and what can happen to both.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test fails the test"
)]

mod door;
mod feeds;
mod following;
mod histories;
mod proof;
mod proxy;
mod region;
