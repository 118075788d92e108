//! Where in a request something stands, and how it is read without trusting it.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};

use super::Refusal;

/// A place in a request that a scheme reads; names the culprit of a [`Refusal`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A header.
    Header(HeaderName),
    /// A parameter of the query.
    Query(Arc<str>),
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {name}"),
            Self::Query(name) => write!(f, "query parameter {name}"),
        }
    }
}

/// The one value of the header `name`, visible ASCII only, not empty and at most `bytes_max` long.
///
/// A header that comes twice is refused: parties that read different ones would see different things.
pub(super) fn header<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
    bytes_max: usize,
) -> Result<&'a str, Refusal> {
    let field = || Field::Header(name.clone());
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or_else(|| Refusal::Missing(field()))?;
    if values.next().is_some() {
        return Err(Refusal::Malformed(field()));
    }
    if value.len() > bytes_max {
        return Err(Refusal::Oversized(field()));
    }
    let text = value
        .to_str()
        .map_err(|_| Refusal::Malformed(field()))?
        .trim_ascii();
    if text.is_empty() {
        Err(Refusal::Missing(field()))
    } else {
        Ok(text)
    }
}
