//! The latest readings of everything at once, by column.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use kouan_protocol::{Quality, QualityReason, Value};
use serde::Serialize;
use serde_json::Error;
use utoipa::ToSchema;

use super::devices::DeviceFilter;
use super::extract::{Caller, Params};
use super::{AppState, Problem};
use crate::state::{Device, DeviceId};
use crate::store::StoreError;

/// Devices that are written while nobody may change any: readings must not wait for an answer about a large fleet.
const AT_ONCE: usize = 1_000;

/// Latest readings of all devices.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the answer, which is written device by device")]
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
    Params(mut filter): Params<DeviceFilter>,
) -> Result<Response, Problem> {
    filter.resolve(&shared);
    let now_ms = shared.clock.wall().0;
    let asked = shared.clone();
    let body = asked.quickly(move || {
        let mut body = format!("{{\"now_ms\":{now_ms},\"items\":[").into_bytes();
        let mut after = DeviceId::new("");
        loop {
            let fleet = shared.fleet();
            let mut last = None;
            for (device, at) in fleet.devices_of_after(filter.site(), &after).take(AT_ONCE).zip(1..) {
                if filter.matches(&shared, &caller.sites, device) && !device.points.is_empty() {
                    if !body.ends_with(b"[") {
                        body.push(b',');
                    }
                    serde_json::to_writer(&mut body, &DeviceColumns::of(device))?;
                }
                last = (at == AT_ONCE).then(|| device.id.clone());
            }
            match last {
                Some(last) => after = last,
                None => break,
            }
        }
        body.extend_from_slice(b"]}");
        Ok(body)
    });
    let body = body.await?.map_err(StoreError::damaged::<Error>("latest values"))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

impl<'f> DeviceColumns<'f> {
    fn of(device: &'f Device) -> Self {
        let count = device.points.len();
        let mut columns = Self {
            device: device.id.as_str(),
            site: &device.site,
            class: &device.spec.class,
            points: Vec::with_capacity(count),
            times: Vec::with_capacity(count),
            values: Vec::with_capacity(count),
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
        columns
    }
}
