//! For how much of a time devices could be used.

use axum::Json;
use axum::extract::State;
use kouan_protocol::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Caller, Params};
use super::page::Paging;
use super::readings::time;
use super::{AppState, Problem, Shared, rfc3339};
use crate::assets;
use crate::availability::{self, Tally};
use crate::state::{self, Device};
use crate::store::StoreError;
use crate::telemetry::Span;

const DAY_MS: i64 = 24 * 3_600_000;
/// The longest range, in milliseconds: 400 days.
pub(super) const RANGE_MS: i64 = 400 * DAY_MS;

/// Which devices, and when.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// This device.
    device: Option<String>,
    /// Of this class.
    class: Option<String>,
    /// At this site.
    site: Option<String>,
    /// In this area or a part of it: an area's id, or the path of its name such as `A / B`.
    area: Option<String>,
    /// From this time on, RFC 3339 or milliseconds; a day before `to` by default.
    from: Option<String>,
    /// Before this time; now by default, and never later than now.
    to: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Devices on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
}

/// A device, its site and its class.
pub(super) type DeviceKey = (String, String, String);

/// What a range was of each device.
pub(super) async fn tallies(
    shared: &Shared,
    devices: Vec<DeviceKey>,
    from: Timestamp,
    to: Timestamp,
) -> Result<(Vec<DeviceKey>, Vec<Tally>), StoreError> {
    let now = shared.clock.wall();
    let read = shared.state_readers.read(move |conn| {
        let spans = state::bindings(conn, None)?.into_iter().map(Span::try_from);
        let spans = spans.collect::<Result<Vec<_>, StoreError>>()?;
        let evidence = availability::evidence(conn, &devices, &spans, (from.0, to.0), now.0)?;
        let tallies = evidence.iter().map(|evidence| availability::tally(evidence, from.0, to.0)).collect();
        Ok((devices, tallies))
    });
    read.await
}

impl Filter {
    fn matches(&self, device: &Device) -> bool {
        let equal = |wanted: &Option<String>, actual: &str| wanted.as_deref().is_none_or(|wanted| wanted == actual);
        equal(&self.device, device.id.as_str())
            && equal(&self.class, &device.spec.class)
            && equal(&self.site, &device.site)
            && assets::is_wanted(self.area.as_deref(), device.area())
    }
}

/// What a range consists of. The parts add up to its length, times the number of devices.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Parts {
    /// Milliseconds in which it answered everything.
    working_ms: i64,
    /// In which it answered, but not everything.
    answering_ms: i64,
    /// In which nobody answered, or nothing valid.
    down_ms: i64,
    /// Of which nothing is known.
    not_observed_ms: i64,
    /// In which it was being worked on; they do not count.
    maintenance_ms: i64,
    /// In which it was out of service on purpose; they do not count.
    disabled_ms: i64,
    /// Working, of working, answering and down; `null` if they are nothing.
    availability: Option<f64>,
    /// Working and answering, of the same.
    reachability: Option<f64>,
}

impl Parts {
    /// For sorting: what is not known comes last.
    pub(super) fn share(&self) -> f64 {
        self.availability.unwrap_or(f64::INFINITY)
    }
}

impl From<Tally> for Parts {
    fn from(tally: Tally) -> Self {
        let (availability, reachability) = (tally.availability(), tally.reachability());
        let Tally { working_ms, answering_ms, down_ms, not_observed_ms, maintenance_ms, disabled_ms } = tally;
        Self {
            working_ms,
            answering_ms,
            down_ms,
            not_observed_ms,
            maintenance_ms,
            disabled_ms,
            availability,
            reachability,
        }
    }
}

/// One device.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeviceParts {
    /// The device.
    device: String,
    /// Where.
    site: String,
    /// Its name for people.
    label: String,
    /// What it is for.
    class: String,
    #[serde(flatten)]
    parts: Parts,
}

/// Availability over a range.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AvailabilityAnswer)]
pub(super) struct Answer {
    /// The beginning of the range.
    from: String,
    /// The same in milliseconds.
    from_ms: i64,
    /// The end of the range.
    to: String,
    /// The same in milliseconds.
    to_ms: i64,
    /// How many devices were asked for.
    devices: usize,
    /// All of them together, each counting as much as the others.
    total: Parts,
    /// Each by itself, by its id.
    items: Vec<DeviceParts>,
    /// Give it as `cursor` to get the next page; `null` on the last one.
    next: Option<String>,
}

/// For how much of a range devices could be used: a device, a class, a site, or all. Time in maintenance does not
/// count, and time that nobody observed is told apart from time in which a device was down.
#[utoipa::path(get, path = "/api/v1/availability", tag = "availability", params(Filter),
    responses((status = 200, body = Answer),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn of_devices(
    State(shared): State<AppState>,
    caller: Caller,
    Params(mut filter): Params<Filter>,
) -> Result<Json<Answer>, Problem> {
    shared.resolve_area(&mut filter.area);
    let paging = Paging { cursor: filter.cursor.clone(), limit: filter.limit };
    let limit = paging.limit()?;
    let now = shared.clock.wall();
    let to = time("to", filter.to.as_ref(), now)?.min(now);
    let from = time("from", filter.from.as_ref(), to.plus_ms(-DAY_MS))?;
    if from > to || to.0.saturating_sub(from.0) > RANGE_MS {
        return Err(Problem::invalid(vec!["from must be before to and now, by at most 400 days".to_owned()]));
    }
    let mut labels = Vec::new();
    let mut devices = Vec::new();
    {
        let fleet = shared.fleet();
        for device in fleet.devices().filter(|device| caller.sites.covers(&device.site) && filter.matches(device)) {
            labels.push(device.label().to_owned());
            devices.push((device.id.to_string(), device.site.clone(), device.spec.class.clone()));
        }
    }
    if filter.device.is_some() && devices.is_empty() {
        return Err(Problem::not_found("such device"));
    }
    let (devices, tallies) = tallies(&shared, devices, from, to).await?;
    let mut total = Tally::default();
    for tally in &tallies {
        total.add(tally);
    }
    let count = devices.len();
    let rows = devices.into_iter().zip(labels).zip(tallies);
    let after = paging.cursor.unwrap_or_default();
    let mut items: Vec<DeviceParts> = rows
        .filter(|(((device, ..), _), _)| *device > after)
        .take(limit + 1)
        .map(|(((device, site, class), label), tally)| DeviceParts { device, site, label, class, parts: tally.into() })
        .collect();
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|item| item.device.clone());
    let (from_text, to_text) = (rfc3339(from.0), rfc3339(to.0));
    Ok(Json(Answer {
        from: from_text,
        from_ms: from.0,
        to: to_text,
        to_ms: to.0,
        devices: count,
        total: total.into(),
        items,
        next,
    }))
}
