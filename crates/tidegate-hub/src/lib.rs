//! One region's hub: the log on a real disk, the thread that writes it, and the views kept of it.
//!
//! [`hub::Hub`] is the front door. Behind it one thread owns the log and the intake
//! ([`appender`]), another applies what was written to the local views ([`views`]), and readers
//! read synced frames beside them.
//!
//! Boundary: this crate knows entries, not HTTP, schemes or configuration files.

pub mod books;
pub mod clock;
pub mod disk;
pub mod hub;
pub mod lease;
pub mod mirrors;
pub mod parks;
pub mod post;
pub mod query;
pub mod remote;
pub mod settings;
pub mod stats;
pub mod views;

mod appender;
mod applier;
mod inbox;
mod pace;
mod parker;
mod progress;
mod scrub;
mod trim;
