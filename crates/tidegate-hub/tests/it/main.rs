//! The hub on a real disk.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of a test is a failed test"
)]

mod books;
mod disk;
mod flows;
mod hub;
mod lease;
mod parks;
