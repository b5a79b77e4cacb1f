//! The latest readings of everything at once, by column.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use kouan_protocol::{Quality, QualityReason, Value};
use serde::Serialize;
use utoipa::ToSchema;

use super::devices::DeviceFilter;
use super::extract::{Caller, Params};
use super::{AppState, Problem};
use crate::store::StoreError;

/// Latest readings of all devices.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LatestColumns<'f> {
    /// When the answer was made, in milliseconds since 1970.
    now_ms: i64,
    /// The devices that have readings.
    items: Vec<DeviceColumns<'f>>,
}

/// Latest readings of one device.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceColumns<'f> {
    /// The device.
    device: &'f str,
    /// Where.
    site: &'f str,
    /// What it is for.
    class: &'f str,
    /// Names of its points.
    points: Vec<&'f str>,
    /// When each was read, corrected, in milliseconds since 1970.
    times: Vec<i64>,
    /// The values: numbers or texts; `null` when the quality is bad.
    #[schema(value_type = Vec<Object>)]
    values: Vec<Option<&'f Value>>,
    /// The points that are not good, by their place in the lists.
    flaws: Vec<Flaw>,
}

/// What is wrong with a reading.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Flaw {
    /// Its place in the lists.
    at: usize,
    /// `uncertain` or `bad`.
    #[schema(value_type = String)]
    quality: Quality,
    /// Why.
    #[schema(value_type = String)]
    reason: QualityReason,
}

/// The latest readings of all devices in one answer, by column. `cursor` and `limit` do not count here.
#[utoipa::path(get, path = "/api/v1/latest/columns", tag = "devices", params(DeviceFilter),
    responses((status = 200, body = LatestColumns),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn columns(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<DeviceFilter>,
) -> Result<Response, Problem> {
    let now_ms = shared.clock.wall().0;
    let body = tokio::task::spawn_blocking(move || {
        let fleet = shared.fleet();
        let devices = fleet.devices().filter(|device| filter.matches(&caller.sites, device)).filter_map(|device| {
            let mut columns = DeviceColumns {
                device: device.id.as_str(),
                site: &device.site,
                class: &device.spec.class,
                points: Vec::with_capacity(device.points.len()),
                times: Vec::with_capacity(device.points.len()),
                values: Vec::with_capacity(device.points.len()),
                flaws: Vec::new(),
            };
            for (at, (name, state)) in device.points.iter().enumerate() {
                columns.points.push(name.as_str());
                columns.times.push(state.time.0);
                columns.values.push(state.value.as_ref());
                if state.quality != Quality::Good {
                    columns.flaws.push(Flaw { at, quality: state.quality, reason: state.reason });
                }
            }
            (!columns.points.is_empty()).then_some(columns)
        });
        serde_json::to_vec(&LatestColumns { now_ms, items: devices.collect() })
    });
    let body = body.await.map_err(|_| StoreError::Closed)?.map_err(StoreError::damaged("latest values"))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
