//! The frame log: one region's durable, ordered truth.
//!
//! A log is a sequence of **frames**, each the outcome of one group commit: a header with CRC and
//! the hash of the frame before, then **entries** (events, faults, cursors, …). Frames stand in
//! **segments**, preallocated files that are only appended to and removed as a whole.
//!
//! Everything here is pure over the [`disk::Disk`] trait: no file, clock or randomness. One thread
//! owns the [`engine::Engine`]; any number of [`engine::LogReader`]s read what is already synced.
//!
//! Invariants:
//! - Frame n+1 is written only after the sync of frame n returned, so only the last frame can be torn.
//! - Readers see synced frames only, so cutting a torn tail takes back nothing anybody saw.
//! - A frame is never changed after it was acknowledged; a bad one stops the log and is named.
//! - The time of frames never decreases, even if the clock steps back.
//!
//! It deliberately does not know what entries mean: dedup, cursors and faults are projections of others.

pub(crate) mod codec;

pub mod entry;
pub mod frame;

pub mod disk;
pub mod engine;

mod chunk;
pub mod embedded;
mod read;
pub mod recovery;
mod scan;
mod segment;
mod trim;
mod view;

pub mod conformance;
pub mod memdisk;

/// The largest frame, header included. A frame must fit one message of the engine on NATS later
/// (1 MiB by default there), and bounds what a torn write can touch.
pub const FRAME_BYTES_MAX: usize = 512 * 1024;

/// The largest encoded entry: a raw body of 32 MiB, mapped data of the same size, and headers with room.
pub const ENTRY_BYTES_MAX: usize = 80 * 1024 * 1024;

/// SHA-256 of a frame, or the genesis hash that stands before the first one.
pub type FrameHash = [u8; 32];
