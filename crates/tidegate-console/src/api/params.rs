//! Parameters of a query, with problems instead of rejections.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use serde::de::DeserializeOwned;
use tidegate_types::id::EventId;
use tidegate_types::time::UnixMillis;

use crate::limits::{FILTER_BYTES_MAX, PAGE_DEFAULT, PAGE_MAX, SPOKEN_BYTES_MAX};
use crate::problem::{Code, Refusal};

/// The parameters of a query.
pub(crate) struct Params<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        match read {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(Refusal::new(Code::Parameter, rejection.body_text())),
        }
    }
}

/// Entries of a page.
pub(crate) fn limit(given: Option<usize>) -> Result<usize, Refusal> {
    match given {
        None => Ok(PAGE_DEFAULT),
        Some(limit @ 1..=PAGE_MAX) => Ok(limit),
        Some(_) => Err(Refusal::parameter("limit", format!("from 1 to {PAGE_MAX}"))),
    }
}

/// A point in time.
pub(crate) fn time(name: &str, given: Option<&str>) -> Result<Option<UnixMillis>, Refusal> {
    given
        .map(|text| {
            text.parse()
                .map_err(|error| Refusal::parameter(name, error))
        })
        .transpose()
}

/// A text to compare with, of bounded length.
pub(crate) fn text(name: &str, given: Option<String>) -> Result<Option<String>, Refusal> {
    match given {
        Some(text) if text.len() > FILTER_BYTES_MAX => Err(Refusal::parameter(
            name,
            format!("longer than {FILTER_BYTES_MAX} bytes"),
        )),
        given => Ok(given),
    }
}

/// A reason that is to stand in the log.
pub(crate) fn spoken(name: &str, given: &str) -> Result<String, Refusal> {
    if given.trim().is_empty() {
        return Err(Refusal::parameter(name, "say why"));
    }
    spoken_or(name, Some(given), "")
}

/// A name or reason that is to stand in the log; `default` if there is none.
pub(crate) fn spoken_or(name: &str, given: Option<&str>, default: &str) -> Result<String, Refusal> {
    let text = given.unwrap_or(default);
    if text.len() > SPOKEN_BYTES_MAX {
        let why = format!("longer than {SPOKEN_BYTES_MAX} bytes");
        return Err(Refusal::parameter(name, why));
    }
    Ok(text.to_owned())
}

/// An identity.
pub(crate) fn id(name: &str, text: &str) -> Result<EventId, Refusal> {
    text.parse()
        .map_err(|error| Refusal::parameter(name, error))
}
