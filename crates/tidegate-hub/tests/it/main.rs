//! The hub on a real disk.

mod disk;
mod hub;
