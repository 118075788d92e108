//! JSON as the two ways of mapping share it: one strict scanner, one reading, one way of writing.
//!
//! Both the interpreter and the direct extractor read and write through this module, so what is accepted
//! and how it is spelled cannot differ between them.

pub(crate) mod compact;
pub(crate) mod scan;
pub(crate) mod text;
pub(crate) mod tree;
pub(crate) mod write;

/// Why a text is not JSON that we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {problem}")]
pub(crate) struct JsonError {
    /// Offset of the byte at which reading stopped.
    pub(crate) at: usize,
    /// What is wrong there.
    pub(crate) problem: &'static str,
}
