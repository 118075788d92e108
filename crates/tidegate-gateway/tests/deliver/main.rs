//! Delivering to endpoints on real sockets: requests, order, retries, breaker, faults, restarts.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests end a test by panicking"
)]

mod books;
mod faults;
mod operate;
mod parks;
mod replays;
mod requests;
mod retries;
mod sink;
mod site;
mod targets;
