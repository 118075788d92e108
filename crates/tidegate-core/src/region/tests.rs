//! The decision against the reference model, its properties, and mutants of it.

mod flips;
mod mutants;
mod properties;
mod reference;
mod relations;
mod spaces;
mod stale;
pub(super) mod world;
