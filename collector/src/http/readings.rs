//! Readings of a point over time.

use axum::Json;
use axum::extract::State;
use kouan_protocol::{PointName, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{Caller, Id, Params};
use super::{AppState, Problem, devices, parse_time};
use crate::state;
use crate::telemetry::{Incomplete, ReadingRow, SeriesQuery, Slice, Span};

/// The longest range of one request, in milliseconds: 400 days.
const RANGE_MS: i64 = 400 * 24 * 3600 * 1000;
/// Most readings on a page.
const MOST: usize = 10_000;

/// Which readings.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Range {
    /// The point.
    point: String,
    /// From this time on, RFC 3339 or milliseconds; an hour before `to` by default.
    from: Option<String>,
    /// Before this time; now by default.
    to: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Readings on the page, 1 to 10,000; 1,000 by default.
    limit: Option<usize>,
}

/// Readings of one point, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Series {
    /// The device.
    device: String,
    /// The point.
    point: String,
    /// Its unit now; empty if it has none.
    unit: String,
    /// The readings.
    items: Vec<ReadingRow>,
    /// Give it as `cursor` to get the next page; `null` on the last one.
    next: Option<String>,
    /// Times of this page of which readings may be missing, because a part of the history is damaged; empty when
    /// nothing is known to be.
    incomplete: Vec<Incomplete>,
}

/// Reads a time of a query.
pub(super) fn time(name: &str, text: Option<&String>, default: Timestamp) -> Result<Timestamp, Problem> {
    let Some(text) = text else { return Ok(default) };
    parse_time(text).ok_or_else(|| {
        Problem::invalid(vec![format!("{name} must be a time such as 2026-11-22T08:00:00Z, or milliseconds")])
    })
}

/// Raw readings of a point.
#[utoipa::path(get, path = "/api/v1/devices/{id}/readings", tag = "devices", params(("id" = String, Path), Range),
    responses((status = 200, body = Series),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Params(range): Params<Range>,
) -> Result<Json<Series>, Problem> {
    let device = devices::find(&shared, &caller.sites, &id)?;
    let invalid = |problem: String| Problem::invalid(vec![problem]);
    let point: PointName = range.point.parse().map_err(|error| invalid(format!("point: {error}")))?;
    let to = time("to", range.to.as_ref(), shared.clock.wall().plus_ms(1))?;
    let from = time("from", range.from.as_ref(), to.plus_ms(-3_600_000))?;
    if from > to || to.0.saturating_sub(from.0) > RANGE_MS {
        return Err(invalid("from must be before to, by at most 400 days".to_owned()));
    }
    let limit = range.limit.unwrap_or(1000);
    if !(1..=MOST).contains(&limit) {
        return Err(invalid(format!("limit is {limit}; it must be between 1 and {MOST}")));
    }
    let after = range.cursor.as_ref().map(|text| text.parse()).transpose();
    let after = after.map_err(|()| invalid("cursor is not one that this list gave out".to_owned()))?;
    let groups = device.spec.groups.iter().flat_map(|group| &group.points);
    let unit = groups.filter(|spec| spec.name == point).map(|spec| spec.unit.clone()).next();
    let bound = id.clone();
    let bindings = shared.state_readers.read(move |conn| state::bindings(conn, Some(&bound))).await?;
    let spans = bindings.into_iter().map(Span::try_from).collect::<Result<_, _>>()?;
    let query = SeriesQuery { spans, point, from, to, after, limit };
    let slice = shared.history(move |history| history.series(&query)).await?;
    let unit = unit.unwrap_or_default();
    let Slice { rows: items, next, incomplete } = slice;
    Ok(Json(Series { device: id, point: range.point, unit, items, next, incomplete }))
}
