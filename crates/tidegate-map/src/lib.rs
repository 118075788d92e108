//! Mapping by jq, fenced, and by a direct extractor for plain paths.
//!
//! A flow says in jq what of a request becomes the event ([`EventSpec`]); [`Mapping`] is that, compiled.
//! [`Filter`] is a single expression over a document, [`RequestMapping`] makes a request of one.
//!
//! Two engines give the same outputs. Expressions made of paths, texts, objects, alternatives and
//! comparisons are *direct*: the body is walked once, and only the wanted parts are looked at. All others
//! run in the jq interpreter, where every step is counted, so that an expression ends after a fixed number
//! of steps whatever the event holds.
//!
//! What expressions cannot do: read the environment, the clock or a file, write to a log, end the process,
//! recurse, loop without end, make a value that is too large or nested too deeply. The limits stand in
//! [`limits`]. The same request gives the same result on every machine.
//!
//! Nothing here does I/O, reads a clock or keeps state between runs.

mod code;
mod direct;
mod error;
mod filter;
mod form;
mod input;
mod jq;
mod json;
pub mod limits;
mod mapping;
mod request;
mod template;
#[cfg(test)]
mod testing;

pub use error::{CompileError, Field, MapError, MapErrorKind};
pub use filter::Filter;
pub use input::Input;
pub use mapping::{EventSpec, Mapped, Mapping};
pub use request::{MappedRequest, RequestMapping, RequestPart, RequestSpec};
