//! The frame log through crashes, failing disks and flipped bits, against a model.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking; the lints exempt test functions only"
)]

mod log_crash_points;
mod log_damage;
mod log_model;
mod log_recovery;
mod log_world;
