//! Current points of devices for Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use kouan_protocol::{HealthLevel, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Caller, Params};
use super::{AppState, Problem};
use crate::assets;
use crate::monitoring::{Exposition, Labels};
use crate::state::Device;

/// A reading of a group that promises no heartbeat is current for so long.
const CURRENT_MS: i64 = 3_600_000;
/// Beside two heartbeats a reading may take so long.
const SLACK_MS: i64 = 10_000;

/// Which devices.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// At this site.
    site: Option<String>,
    /// Of this class.
    class: Option<String>,
    /// In this area or a part of it: an area's id, or the path of its name such as `A / B`.
    area: Option<String>,
}

impl Filter {
    fn matches(&self, device: &Device) -> bool {
        let equal = |wanted: &Option<String>, actual: &str| wanted.as_deref().is_none_or(|wanted| wanted == actual);
        equal(&self.site, &device.site)
            && equal(&self.class, &device.spec.class)
            && assets::is_wanted(self.area.as_deref(), device.area())
    }
}

/// The current points of devices in the text format of Prometheus: numbers, counters and states. Texts, bad readings,
/// and readings that are older than their agent promised to send them again are left out.
#[utoipa::path(get, path = "/metrics/points", tag = "service", params(Filter),
    responses((status = 200, content_type = "text/plain", body = String),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn scrape(
    State(shared): State<AppState>,
    caller: Caller,
    Params(mut filter): Params<Filter>,
) -> Result<Response, Problem> {
    shared.resolve_area(&mut filter.area);
    let (now, boot_now) = (shared.clock.wall(), shared.clock.boot_time());
    let counting = shared.clone();
    let rendered = counting.quickly(move || {
        let mut exposition = Exposition::new(shared.config.points_series);
        let fleet = shared.fleet();
        let devices = fleet.devices().filter(|device| device.binding.is_some() && device.configured);
        for device in devices.filter(|device| caller.sites.covers(&device.site) && filter.matches(device)) {
            let mut labels = Labels {
                site: device.site.clone(),
                area: device.area().to_owned(),
                device: device.id.to_string(),
                class: device.spec.class.clone(),
                point: String::new(),
            };
            // Of a device whose agent is silent nobody knows how it is.
            if let Some(health) = &device.health
                && shared.sessions.is_connected(&device.agent, boot_now)
            {
                exposition.device(&labels, health.level == HealthLevel::Working);
            }
            points(device, &mut labels, &mut exposition, now);
        }
        exposition.finish()
    });
    let (text, scraped) = rendered.await?;
    counting.counters.points_left_out.add(scraped.left_out as u64);
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

fn points(device: &Device, labels: &mut Labels, exposition: &mut Exposition, now: Timestamp) {
    for group in &device.spec.groups {
        let patience = match i64::from(group.heartbeat_ms) {
            0 => CURRENT_MS,
            heartbeat_ms => heartbeat_ms * 2 + SLACK_MS,
        };
        for spec in &group.points {
            let Some(state) = device.points.get(&spec.name) else { continue };
            if now.0.saturating_sub(state.time.0) > patience {
                exposition.stale();
                continue;
            }
            let Some(value) = &state.value else { continue };
            labels.point.clear();
            labels.point.push_str(spec.name.as_str());
            exposition.point(labels, spec.kind, &spec.states, value);
        }
    }
}
