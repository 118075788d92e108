//! The interpreter, fenced.
//!
//! An expression is parsed ([`syntax`]), checked for what is withheld ([`fence`]), rewritten so that all it
//! does is counted ([`meter`], [`natives`]), joined with the part of the standard library that it calls
//! ([`prelude`]), and compiled ([`program`]).
//!
//! Counting makes an overrun deterministic: an expression that would run for ever, fill the memory or
//! exhaust the stack ends with an error after a fixed number of steps, on any machine.

pub(crate) mod fence;
pub(crate) mod guard;
pub(crate) mod meter;
pub(crate) mod natives;
pub(crate) mod prelude;
pub(crate) mod program;
pub(crate) mod syntax;
