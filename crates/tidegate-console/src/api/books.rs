//! The books.
#![expect(
    unused_qualifications,
    reason = "utoipa writes out paths in what it generates"
)]

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use tidegate_core::books::{Hour, Page};
use tidegate_hub::clock::now;
use utoipa::IntoParams;

use super::params::{self, Params};
use crate::admin::Admin;
use crate::node::BooksRefusal;
use crate::problem::{Code, Problem, Refusal};
use crate::view::BooksView;

/// Hours that are shown at most: as many as the books have.
const HOURS_MAX: u32 = 49;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BooksParams {
    /// Only this flow.
    flow: Option<String>,
    /// Only the last hours, the present one included: from 1 to 49; 24 by default.
    hours: Option<u32>,
}

/// What became of the events of each flow and hour, and whether that is all of them.
///
/// Closed for this question: what was acknowledged before it is in.
#[utoipa::path(
    get, path = "/api/v1/books", operation_id = "books", tag = "node", params(BooksParams),
    responses(
        (status = 200, description = "The books", body = BooksView),
        (status = 400, description = "A parameter cannot be used", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "After a start the log is still being read for them", body = Problem, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn books(
    State(admin): State<Arc<Admin>>,
    Params(params): Params<BooksParams>,
) -> Result<Json<BooksView>, Refusal> {
    let flow = params::text("flow", params.flow)?;
    let hours = params.hours.unwrap_or(24);
    if !(1..=HOURS_MAX).contains(&hours) {
        let problem = format!("from 1 to {HOURS_MAX}");
        return Err(Refusal::parameter("hours", problem));
    }
    admin.settle().await;
    let node = Arc::clone(admin.node());
    let closed = admin
        .ask(move |_| node.books().map_err(Refusal::from))
        .await?;
    let first = Hour(Hour::of(now()).0.saturating_sub(hours - 1));
    let wanted =
        |page: &Page| page.hour >= first && flow.as_deref().is_none_or(|flow| flow == page.flow);
    Ok(Json(BooksView::of(&closed, wanted)))
}

impl From<BooksRefusal> for Refusal {
    fn from(refusal: BooksRefusal) -> Self {
        match refusal {
            BooksRefusal::Reading => Self::new(Code::BooksReading, refusal.to_string()),
            BooksRefusal::Unreadable(detail) => Self::new(Code::Unreadable, detail),
        }
    }
}
