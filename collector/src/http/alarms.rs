//! Alarms.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Caller, Params};
use super::page::{Page, Paging};
use super::{AppState, Problem};
use crate::alarms::{self, AlarmRow};

/// Which alarms.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// All changes instead of what stands now.
    #[serde(default)]
    log: bool,
    /// Of this device.
    device: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
}

/// Alarms that stand, or the log of their changes, newest first.
#[utoipa::path(get, path = "/api/v1/alarms", tag = "alarms", params(Filter),
    responses((status = 200, body = Page<AlarmRow>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<AlarmRow>>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let (limit, before) = (paging.limit()?, paging.cursor()?.unwrap_or(i64::MAX));
    let rows = shared
        .state_readers
        .read(move |conn| alarms::list(conn, &caller.sites, filter.log, filter.device.as_deref(), before, limit + 1));
    Ok(Json(Page::cut(rows.await?, limit, |row| row.id.to_string())))
}
