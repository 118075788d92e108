//! Errors as problem details (RFC 9457) with a stable code and a cure.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use tidegate_core::log::engine::ReadError;
use tidegate_hub::query::QueryError;
use tidegate_hub::views::ViewsError;
use utoipa::ToSchema;

use crate::node::CommandRefusal;
use crate::view::ProblemView;

/// What went wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `urn:tidegate:error:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short title, the same for every problem with this code.
    pub title: String,
    /// The status of the answer.
    pub status: u16,
    /// The code, for example `TG-0603`.
    pub code: String,
    /// What is wrong with this request.
    pub detail: String,
    /// What to do.
    pub cure: String,
    /// The problems of a configuration that was refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<ProblemView>,
}

/// A row of the table of codes.
#[derive(Clone, Copy, Debug)]
pub struct CodeRow {
    /// The kind.
    pub code: Code,
    /// What is printed.
    pub id: &'static str,
    /// The status of the answer.
    pub status: u16,
    /// A short title.
    pub title: &'static str,
    /// What to do.
    pub cure: &'static str,
}

macro_rules! codes {
    ($($code:ident $id:literal $status:literal $title:literal cure $cure:literal;)+) => {
        /// The kinds of problems a request to the admin API can have.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $(#[doc = $title] $code,)+
        }

        /// The table of all codes of the admin API, in the order of [`Code`].
        pub const CODES: &[CodeRow] = &[$(CodeRow {
            code: Code::$code,
            id: $id,
            status: $status,
            title: $title,
            cure: $cure,
        },)+];

        impl Code {
            const fn row(self) -> CodeRow {
                match self {
                    $(Self::$code => CodeRow {
                        code: Self::$code,
                        id: $id,
                        status: $status,
                        title: $title,
                        cure: $cure,
                    },)+
                }
            }
        }
    };
}

codes! {
    Unauthorized "TG-0601" 401 "The token is missing or wrong"
        cure "send `authorization: Bearer TOKEN` with the value of `listen.admin.token`";
    CrossSite "TG-0602" 403 "The request comes from a web page"
        cure "ask by 127.0.0.1, [::1] or localhost and without an `origin` header, or set `listen.admin.token`";
    Parameter "TG-0603" 400 "A parameter cannot be used"
        cure "correct the parameter; /api/openapi.json describes all of them";
    NotFound "TG-0604" 404 "There is nothing here"
        cure "look at /api/openapi.json for the paths; an event is gone once it is older than `log.keep`";
    Method "TG-0605" 405 "The method is not possible here"
        cure "look at /api/openapi.json for the methods";
    PositionGone "TG-0606" 410 "The position is not in the log"
        cure "begin again without `after`; what was removed by `log.keep` or `log.size-max` cannot be read";
    Busy "TG-0607" 503 "Too many are waiting already"
        cure "try again later, or close event streams that nobody reads";
    Stopping "TG-0608" 503 "The node is shutting down"
        cure "ask again once it has been started";
    ReloadInvalid "TG-0609" 422 "The configuration was not applied"
        cure "correct the file as `tidegate check` says; nothing has changed";
    Unreadable "TG-0610" 500 "The log or its views cannot be read"
        cure "look at the log lines of the node and at `tidegate status`";
    Conflict "TG-0611" 409 "The command cannot be carried out as things stand"
        cure "do what the detail says; the fault or flow is as it was";
    BooksReading "TG-0612" 503 "The books are not there yet"
        cure "ask again in a moment: after a start the log of the last two days is read for them";
    Superseded "TG-0613" 409 "It may overwrite what is newer"
        cure "ask with `superseded` (`--superseded`) if the other side can tell which version is newer, or if none was delivered";
}

impl From<CommandRefusal> for Refusal {
    fn from(refusal: CommandRefusal) -> Self {
        let code = match refusal {
            CommandRefusal::NotFound(_) => Code::NotFound,
            CommandRefusal::Conflict(_) => Code::Conflict,
            CommandRefusal::Superseded(_) => Code::Superseded,
            CommandRefusal::Busy(_) => Code::Busy,
        };
        Self::new(code, refusal.to_string())
    }
}

/// Why a request is not answered: what a handler returns, and [`Problem`] shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) detail: String,
    pub(crate) problems: Vec<ProblemView>,
}

impl Refusal {
    /// A refusal with its detail: a lower-case fragment.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            problems: Vec::new(),
        }
    }

    pub(crate) fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::new(Code::Parameter, format!("`{name}`: {why}"))
    }

    /// A failure inside; its causes go to the log, and to the operator who asked.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error, "a question to the admin API could not be answered");
        let mut detail = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            detail = format!("{detail}: {cause}");
            source = cause.source();
        }
        Self::new(Code::Unreadable, detail)
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Trimmed { .. } => Self::new(Code::PositionGone, error.to_string()),
            error => Self::internal(&error),
        }
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Log(error) => error.into(),
            error => Self::internal(&error),
        }
    }
}

impl From<ViewsError> for Refusal {
    fn from(error: ViewsError) -> Self {
        Self::internal(&error)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let row = refusal.code.row();
        Self {
            kind: format!("urn:tidegate:error:{}", row.id),
            title: row.title.to_owned(),
            status: row.status,
            code: row.id.to_owned(),
            detail: refusal.detail,
            cure: row.cure.to_owned(),
            problems: refusal.problems,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = Problem::from(self);
        let status = StatusCode::from_u16(problem.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, axum::Json(problem)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_and_their_statuses_are_errors() {
        assert!(CODES.is_sorted_by(|a, b| a.id < b.id));
        for row in CODES {
            assert!((400..600).contains(&row.status), "{}", row.id);
            assert_eq!(row.code.row().id, row.id);
        }
    }
}
