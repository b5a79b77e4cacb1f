//! Gaps, the quarantine, and digests of outages.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Caller, Id, Params};
use super::page::{Page, Paging};
use super::{AppState, Problem};
use crate::outages::{self, OutageRow};
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

/// The bytes of a record that could not be read, as they came. They may hold personal values.
#[utoipa::path(get, path = "/api/v1/quarantine/{id}/body", tag = "losses", params(("id" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn quarantined_body(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Response, Problem> {
    let Ok(id) = id.parse::<i64>() else { return Err(Problem::not_found("such record in quarantine")) };
    let body = shared.state_readers.read(move |conn| state::quarantined_body(conn, &caller.sites, id)).await?;
    let body = body.ok_or_else(|| Problem::not_found("such record in quarantine; it may have been dropped since"))?;
    let name = format!("attachment; filename=\"quarantine-{id}.bin\"");
    let headers = [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, body).into_response())
}

/// Which outages.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct OutageFilter {
    /// Of this agent.
    agent: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
}

/// What came and went while agents could not be heard, newest outage first.
#[utoipa::path(get, path = "/api/v1/outages", tag = "losses", params(OutageFilter),
    responses((status = 200, body = Page<OutageRow>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn outages(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<OutageFilter>,
) -> Result<Json<Page<OutageRow>>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let (limit, before) = (paging.limit()?, paging.cursor()?.unwrap_or(i64::MAX));
    let rows = shared
        .state_readers
        .read(move |conn| outages::list(conn, &caller.sites, filter.agent.as_deref(), before, limit + 1));
    Ok(Json(Page::cut(rows.await?, limit, |row| row.id.to_string())))
}
