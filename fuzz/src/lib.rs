//! The fuzz targets, each a module with `run`, which must not panic whatever the input, and
//! `seeds`, the inputs to begin with.
//!
//! `cargo xtask prove fuzz` writes the seeds and runs every target; one of them alone runs by
//! `cargo fuzz run TARGET` (on a stable toolchain with `RUSTC_BOOTSTRAP=1` and `--sanitizer none`).

pub mod calls;
pub mod cloudevents;
pub mod configuration;
pub mod content;
pub mod frames;
pub mod mapping;
pub mod recovery;
pub mod signatures;
pub mod texts;

mod input;

/// A target by its name.
#[derive(Debug)]
pub struct Target {
    /// What `cargo fuzz run` calls it.
    pub name: &'static str,
    /// The inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: &[Target] = &[
    Target {
        name: "signatures",
        seeds: signatures::seeds,
    },
    Target {
        name: "cloudevents",
        seeds: cloudevents::seeds,
    },
    Target {
        name: "configuration",
        seeds: configuration::seeds,
    },
    Target {
        name: "frames",
        seeds: frames::seeds,
    },
    Target {
        name: "recovery",
        seeds: recovery::seeds,
    },
    Target {
        name: "mapping",
        seeds: mapping::seeds,
    },
    Target {
        name: "content",
        seeds: content::seeds,
    },
    Target {
        name: "texts",
        seeds: texts::seeds,
    },
    Target {
        name: "calls",
        seeds: calls::seeds,
    },
];
