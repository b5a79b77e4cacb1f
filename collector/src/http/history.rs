//! The history as a whole.

use axum::Json;
use axum::extract::State;

use super::extract::Caller;
use super::{AppState, Problem};
use crate::store::DataFolder;
use crate::telemetry::{HistorySizes, sizes};

/// What the history takes on disk: its files by level, and readings and sums by class of device.
#[utoipa::path(get, path = "/api/v1/history/sizes", tag = "service",
    responses((status = 200, body = HistorySizes),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn of_files(State(shared): State<AppState>, caller: Caller) -> Result<Json<HistorySizes>, Problem> {
    let folder = DataFolder::new(&shared.data).history();
    Ok(Json(shared.history(move |_| sizes(&folder, &caller.sites)).await?))
}
