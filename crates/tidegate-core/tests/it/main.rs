//! The frame log through crashes, failing disks and flipped bits, against a model.

mod log_copies;
mod log_crash_points;
mod log_damage;
mod log_model;
mod log_recovery;
mod log_world;
