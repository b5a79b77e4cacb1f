//! What a rule would have done, and how quickly alarms were answered.

use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use kouan_protocol::{HealthLevel, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::alarm_log::scope_of;
use super::alarm_rules::{invalid, read};
use super::extract::{Caller, Input, Params};
use super::readings::time;
use super::{AppState, Problem};
use crate::alarms::rule::When;
use crate::alarms::{self, Past, Replayed, Report, replay};
use crate::availability;
use crate::state;
use crate::store::During as _;
use crate::telemetry::Span;

/// Most devices that are looked back at.
const DEVICES: usize = 500;
/// Most readings of one device.
const READINGS: usize = 200_000;
/// How long a look back may take.
const TIME: Duration = Duration::from_secs(15);
/// The longest time that is looked back at: 31 days.
const LONGEST_MS: i64 = 31 * 24 * 3_600_000;
/// Looks back at the same time.
const AT_ONCE: usize = 1;
static TRIALS: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(AT_ONCE);

/// A rule and a time to try it on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Trial {
    /// The rule's text.
    toml: String,
    /// From this time on.
    from_ms: i64,
    /// Before this time; at most 31 days later.
    to_ms: i64,
}

/// What the rule would have done with a device.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OfDevice {
    /// The device's id.
    device: String,
    /// What people call it.
    label: String,
    /// How often it would have been raised.
    raised: u64,
    /// For how long it would have stood.
    active_ms: i64,
    /// When it would have been raised first.
    first_ms: Option<i64>,
}

/// What the rule would have done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Tried {
    /// How often it would have been raised.
    raised: u64,
    /// How many devices were looked at.
    devices: usize,
    /// Devices that would have had an alarm, the most raises first.
    per_device: Vec<OfDevice>,
    /// How long this took.
    took_ms: u64,
    /// Whether there was more than may be looked at.
    truncated: bool,
}

/// Plays the history to a rule that is about devices, and changes nothing. What hides alarms (lines, parents, windows of
/// maintenance) is not played.
#[utoipa::path(post, path = "/api/v1/alarm-rules/try", tag = "alarms", request_body = Trial,
    responses((status = 200, body = Tried), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn dry_run(
    State(shared): State<AppState>,
    caller: Caller,
    Input(trial): Input<Trial>,
) -> Result<Json<Tried>, Problem> {
    let rule = read(&trial.toml).map_err(invalid)?;
    if !(trial.from_ms < trial.to_ms && trial.to_ms.saturating_sub(trial.from_ms) <= LONGEST_MS) {
        return Err(Problem::invalid(vec!["from_ms must be before to_ms, by at most 31 days".to_owned()]));
    }
    let When::Device(test) = rule.when.clone() else {
        return Err(Problem::invalid(vec!["only rules about single devices can be tried".to_owned()]));
    };
    let mut events = false;
    test.visit(&mut |test| events |= matches!(test, alarms::rule::Test::NoEvent { .. }));
    if events {
        return Err(Problem::invalid(vec!["rules about events cannot be tried".to_owned()]));
    }
    // Blocking work holds it: whoever goes away does not end the work.
    let turn = TRIALS.try_acquire().map_err(|_| Problem::busy("another rule is being tried"))?;
    let (mut devices, mut truncated) = (Vec::new(), false);
    {
        let fleet = shared.fleet();
        for device in fleet.devices().filter(|device| caller.sites.covers(&device.site) && rule.matching.fits(device)) {
            if devices.len() == DEVICES {
                truncated = true;
                break;
            }
            let points = device.spec.groups.iter().flat_map(|group| &group.points);
            let points: Vec<_> = points.map(|point| (point.name.clone(), point.unit.clone())).collect();
            devices.push((device.id.clone(), device.site.clone(), device.label().to_owned(), points));
        }
    }
    let range = (Timestamp(trial.from_ms), Timestamp(trial.to_ms));
    let pasts = shared.state_readers.read(move |conn| {
        let mut pasts = Vec::with_capacity(devices.len());
        for (id, site, label, points) in devices {
            let bindings = state::bindings(conn, Some(id.as_str()))?;
            let spans = bindings.into_iter().map(Span::try_from).collect::<Result<_, _>>()?;
            let health = health(conn, id.as_str(), range)?;
            let zone = availability::zone_of(conn, &site)?;
            pasts.push((label, Past { id, spans, points, health, zone }));
        }
        Ok((pasts, turn))
    });
    let (pasts, turn) = pasts.await?;
    let began = Instant::now();
    let tried = shared.history(move |history| {
        let _turn = turn;
        let mut tried = Tried { raised: 0, devices: 0, per_device: Vec::new(), took_ms: 0, truncated };
        for (label, past) in pasts {
            if began.elapsed() > TIME {
                tried.truncated = true;
                break;
            }
            let Replayed { raised, active_ms, first_ms, is_cut, .. } =
                replay(history, &rule, &test, &past, range, READINGS, began + TIME)?;
            tried.truncated |= is_cut;
            tried.devices += 1;
            tried.raised += raised;
            if raised > 0 {
                tried.per_device.push(OfDevice { device: past.id.to_string(), label, raised, active_ms, first_ms });
            }
        }
        tried.per_device.sort_by_key(|device| std::cmp::Reverse((device.raised, device.active_ms)));
        Ok(tried)
    });
    let mut tried = tried.await?;
    tried.took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Json(tried))
}

/// A device's changes of health by time, the last one before the range among them.
fn health(
    conn: &rusqlite::Connection,
    device: &str,
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<(i64, HealthLevel)>, crate::store::StoreError> {
    let rows: Vec<(i64, String)> = conn
        .prepare_cached(
            "SELECT time_ms, level FROM health_log WHERE device = ?1 AND time_ms < ?3
                 AND time_ms >= coalesce((SELECT max(time_ms) FROM health_log WHERE device = ?1 AND time_ms < ?2), ?2)
             ORDER BY time_ms LIMIT 100000",
        )
        .and_then(|mut statement| {
            let values = rusqlite::params![device, from.0, to.0];
            statement.query_map(values, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .during("read a device's health")?;
    let level = |name: &str| (1..=6).filter_map(HealthLevel::from_number).find(|level| level.as_str() == name);
    Ok(rows.into_iter().filter_map(|(time, name)| Some((time, level(&name)?))).collect())
}

/// Which alarms.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Raised from this time on; 30 days ago by default.
    from: Option<String>,
    /// Raised before this time; now by default.
    to: Option<String>,
    /// At this site.
    site: Option<String>,
}

/// How quickly alarms were acknowledged and cleared, by site, class and severity.
#[utoipa::path(get, path = "/api/v1/alarm-reports", tag = "alarms", params(Wanted),
    responses((status = 200, body = Report), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn report(
    State(shared): State<AppState>,
    caller: Caller,
    Params(wanted): Params<Wanted>,
) -> Result<Json<Report>, Problem> {
    let now = shared.clock.wall();
    let to = time("to", wanted.to.as_ref(), now)?;
    let from = time("from", wanted.from.as_ref(), to.plus_ms(-30 * 24 * 3_600_000))?;
    let scope = scope_of(wanted.site, caller.sites);
    Ok(Json(shared.state_readers.read(move |conn| alarms::report(conn, &scope, (from.0, to.0), now)).await?))
}
