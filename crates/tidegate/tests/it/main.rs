//! The command, end to end: real processes on ports the system chose.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be set up has failed, and the place tells where"
)]

mod codes;
mod deliver;
mod feeds;
mod look;
mod node;
mod plan;
mod quickstart;
mod regions;
mod reload;
mod schemes;
mod signals;
mod texts;
