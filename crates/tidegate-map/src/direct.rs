//! The direct extractor: expressions made of plain paths, without an interpreter and without a tree.
//!
//! Expressions are turned into plans ([`plan`]); the paths of all plans of a flow share one trie
//! ([`walk`]), so that the body is walked once and only the extents of wanted parts are kept; then each
//! plan is evaluated over those extents ([`eval`]). Outputs and errors are those of the interpreter; an
//! expression that does anything else has no plan.

pub(crate) mod eval;
pub(crate) mod plan;
pub(crate) mod value;
pub(crate) mod walk;

#[cfg(test)]
mod tests;
