//! One screen.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use utoipa::IntoParams;

use super::frame::{Frame, event};
use crate::auth::{self, Principal, Right};
use crate::http::devices::{self, PointChange};
use crate::http::extract::{Caller, Params};
use crate::http::{AppState, Problem};
use crate::state::DeviceId;

/// A screen that hears nothing for longer than two of these knows that the stream is down.
const TICK: Duration = Duration::from_secs(5);
/// Ticks between two looks at whether the person may still see this.
const TICKS_PER_LOOK: u32 = 6;
/// How often readings of the devices on the screen go out at most.
const POINTS_PACE: Duration = Duration::from_millis(250);
/// Devices whose readings one screen may ask for.
const DEVICES: usize = 50;

/// What the screen shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Shown {
    /// Devices whose readings are told as well: up to 50 ids with commas between them.
    devices: Option<String>,
}

/// The readings of a device that changed.
#[derive(Debug, Serialize)]
struct PointsChange {
    device: String,
    points: Vec<PointChange>,
}

/// What changes, as server-sent events: `hello` first, then `devices`, `points`, `alarms`, `agents` and `commands` with
/// a list of what changed, `resync` when everything should be fetched anew, and `tick` every five seconds. Lists that
/// are fetched after `hello` together with the stream miss nothing.
#[utoipa::path(get, path = "/api/v1/stream", tag = "service", params(Shown),
    responses((status = 200, content_type = "text/event-stream", body = String),
        (status = 503, content_type = "application/problem+json", body = Problem, description = "Too many screens"),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(in crate::http) async fn open(
    State(shared): State<AppState>,
    caller: Caller,
    Params(shown): Params<Shown>,
) -> Result<Response, Problem> {
    let shown = shown.devices.unwrap_or_default();
    let ids: Vec<&str> = shown.split(',').filter(|id| !id.is_empty()).collect();
    if ids.len() > DEVICES {
        return Err(Problem::invalid(vec![format!("devices has {} ids, the most is {DEVICES}", ids.len())]));
    }
    let (place, frames) = shared.live.join().ok_or_else(|| {
        let detail = "too many screens are open; close some, or try again later";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too many screens", detail)
    })?;
    let devices: Vec<DeviceId> = {
        let fleet = shared.fleet();
        let seen = ids.into_iter().map(DeviceId::new);
        seen.filter(|id| fleet.get(id).is_some_and(|device| caller.sites.covers(&device.site))).collect()
    };
    let fleet_changes = shared.fleet().subscribe();
    let points_after = shared.fleet().newest_change();
    let mut ticks = tokio::time::interval_at(Instant::now() + TICK, TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let screen = Screen {
        greeted: false,
        ticks_left: TICKS_PER_LOOK,
        points_due: Instant::now(),
        shared,
        caller,
        frames,
        fleet_changes,
        devices,
        points_after,
        ticks,
        _place: place,
    };
    let body = Body::from_stream(stream::unfold(screen, |mut screen| async move {
        let bytes = screen.next().await?;
        Some((Ok::<_, Infallible>(bytes), screen))
    }));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // Proxies that gather answers would hold events back.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

struct Screen {
    shared: AppState,
    caller: Caller,
    frames: broadcast::Receiver<Arc<Frame>>,
    fleet_changes: watch::Receiver<u64>,
    devices: Vec<DeviceId>,
    points_after: u64,
    points_due: Instant,
    ticks: Interval,
    ticks_left: u32,
    greeted: bool,
    _place: OwnedSemaphorePermit,
}

impl Screen {
    /// The next bytes; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.greeted {
            self.greeted = true;
            return event("hello", &self.now());
        }
        loop {
            let points_due = self.points_due;
            tokio::select! {
                biased;
                () = self.shared.shutdown.cancelled() => return None,
                _ = self.ticks.tick() => {
                    self.ticks_left -= 1;
                    if self.ticks_left == 0 {
                        self.ticks_left = TICKS_PER_LOOK;
                        if !self.may_still_see().await {
                            return None;
                        }
                    }
                    return event("tick", &self.now());
                }
                frame = self.frames.recv() => match frame {
                    Ok(frame) if frame.site.as_ref().is_none_or(|site| self.caller.sites.covers(site)) => {
                        return Some(frame.bytes.clone());
                    }
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => return event("resync", &json!({})),
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                changed = async {
                    tokio::time::sleep_until(points_due).await;
                    self.fleet_changes.changed().await
                }, if !self.devices.is_empty() => {
                    changed.ok()?;
                    self.points_due = Instant::now() + POINTS_PACE;
                    if let Some(bytes) = self.points() {
                        return Some(bytes);
                    }
                }
            }
        }
    }

    fn now(&self) -> serde_json::Value {
        json!({ "now_ms": self.shared.clock.wall().0 })
    }

    fn points(&mut self) -> Option<Bytes> {
        let now = self.shared.clock.wall();
        let fleet = self.shared.fleet();
        let after = std::mem::replace(&mut self.points_after, fleet.newest_change());
        let devices = self.devices.iter().filter_map(|id| fleet.get(id)).filter(|device| device.change > after);
        let changes: Vec<PointsChange> = devices
            .map(|device| PointsChange { device: device.id.to_string(), points: devices::point_changes(device, now) })
            .collect();
        if changes.is_empty() { None } else { event("points", &changes) }
    }

    /// Whether the caller is still signed in, or the key still known, with the same sites. An open screen counts as
    /// use: a wall of screens stays signed in.
    async fn may_still_see(&self) -> bool {
        let Principal::User { sign_in, .. } = &self.caller.principal else {
            return self.shared.authenticator.still_knows(&self.caller.principal).await;
        };
        let Ok(Some(found)) = self.shared.authenticator.find_sign_in(*sign_in).await else { return false };
        if found.is_due {
            let (token, now) = (*sign_in, self.shared.clock.wall());
            let noted = self.shared.state.transact(move |transaction| auth::note_sign_in(transaction, token, now));
            if noted.await.is_err() {
                return false;
            }
        }
        let principal = Principal::User { user: found.user, sign_in: *sign_in };
        principal.sites_of(Right::Read).as_ref() == Some(&self.caller.sites)
    }
}
