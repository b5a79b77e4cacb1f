//! What was done to a device.

use axum::Json;
use axum::extract::State;

use super::extract::{Caller, Id, Params};
use super::page::{Page, Paging};
use super::{AppState, Problem, devices};
use crate::audit::{self, DeviceChange};

/// What was done to a device, to its asset, alarms, commands and pictures, and the windows of maintenance for it alone;
/// newest first.
#[utoipa::path(get, path = "/api/v1/devices/{id}/changes", tag = "devices", params(("id" = String, Path), Paging),
    responses((status = 200, body = Page<DeviceChange>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Params(paging): Params<Paging>,
) -> Result<Json<Page<DeviceChange>>, Problem> {
    let (limit, before) = (paging.limit()?, paging.cursor()?.unwrap_or(i64::MAX));
    let device = devices::find(&shared, &caller.sites, &id)?;
    let asset = shared.topology.now().asset_of(&device.id).cloned();
    let rows = shared.state_readers.read(move |conn| {
        let asset = asset.as_ref().map(crate::assets::AssetId::as_str);
        audit::of_device(conn, &caller.sites, (&id, asset), before, limit + 1)
    });
    Ok(Json(Page::cut(rows.await?, limit, |row| row.id.to_string())))
}
