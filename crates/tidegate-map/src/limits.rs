//! What bounds an expression and its work, each number with its reason.

/// Longest expression, in bytes. The longest mapping seen in practice is a few KiB; what is larger is a program.
pub const PROGRAM_BYTES_MAX: usize = 16 * 1024;

/// Deepest nesting of an expression, counted as the parser and the interpreter would recurse: brackets,
/// operators in a row, entries of an object. The deepest expressions that were tried need 512 KiB of stack in
/// an optimised build and 4 MiB in one without optimisation.
pub const PROGRAM_DEPTH_MAX: usize = 128;

/// Deepest nesting of a JSON value that comes in.
pub const JSON_DEPTH_MAX: usize = 128;

/// Deepest nesting of a value that an expression makes: one wrapping of the deepest input in another.
pub const VALUE_DEPTH_MAX: usize = 2 * JSON_DEPTH_MAX;

/// Longest number in JSON, in bytes. Longer ones exist only to make a parser of big integers slow
/// (its time is quadratic in the length).
pub const NUMBER_BYTES_MAX: usize = 1000;

/// Largest integer that arithmetic may make, in bits; the same size as [`NUMBER_BYTES_MAX`] decimal digits.
pub const INTEGER_BITS_MAX: u64 = 4096;

/// Steps that a run may take besides one for each byte of the body. A step is a call, an output of a
/// generator, or a handling of one node (or 16 bytes of string) of a value; a million take well below a second.
pub const STEPS: u64 = 1_000_000;

/// How far a run may go down the stack from where it began, in bytes. Threads have 2 MiB unless told
/// otherwise; the rest is for the caller and for what goes on below the deepest check.
pub const STACK_BYTES: usize = 768 * 1024;

/// Largest `data` that a mapping may make unless told otherwise, in bytes: what a body may have by default.
pub const DATA_BYTES_MAX: usize = 1024 * 1024;

/// Longest `id`, `type` or `key` that a mapping may make, in bytes: they stand in every index and frame header.
pub const TEXT_BYTES_MAX: usize = 1024;

/// Most fields of a form or a query string.
pub const FORM_FIELDS_MAX: usize = 1000;

/// Longest quotation in the text of an error, in bytes.
pub const ERROR_BYTES_MAX: usize = 256;
