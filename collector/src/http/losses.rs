//! Gaps and the quarantine.

use axum::Json;
use axum::extract::State;

use super::extract::{Caller, Params};
use super::page::{Page, Paging};
use super::{AppState, Problem};
use crate::state::{self, GapRow, QuarantineRow};

/// Records that will never come, newest first.
#[utoipa::path(get, path = "/api/v1/gaps", tag = "losses", params(Paging),
    responses((status = 200, body = Page<GapRow>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn gaps(
    State(shared): State<AppState>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<GapRow>>, Problem> {
    let (limit, before) = (paging.limit()?, paging.cursor()?.unwrap_or(i64::MAX));
    let rows = shared.state_readers.read(move |conn| state::gaps(conn, &caller.sites, before, limit + 1)).await?;
    Ok(Json(Page::cut(rows, limit, |row| row.id.to_string())))
}

/// Records that could not be read, newest first.
#[utoipa::path(get, path = "/api/v1/quarantine", tag = "losses", params(Paging),
    responses((status = 200, body = Page<QuarantineRow>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn quarantine(
    State(shared): State<AppState>,
    caller: Caller,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<QuarantineRow>>, Problem> {
    let (limit, before) = (paging.limit()?, paging.cursor()?.unwrap_or(i64::MAX));
    let rows = shared.state_readers.read(move |conn| state::quarantine(conn, &caller.sites, before, limit + 1)).await?;
    Ok(Json(Page::cut(rows, limit, |row| row.id.to_string())))
}
