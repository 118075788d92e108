//! The admin API over a real hub in a temporary folder, asked without a port.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot be set up has failed, and the place tells where"
)]

mod committed;
mod pages;
mod paths;
mod tail;
mod world;
