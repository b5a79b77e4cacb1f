//! Availability by the day, the month and the year, and how many pictures came.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};
use kouan_protocol::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::availability::{Parts, RANGE_MS, tallies};
use super::extract::{Caller, Params};
use super::image_rates::{self, Images};
use super::readings::time;
use super::{AppState, Problem, rfc3339};
use crate::assets;
use crate::availability::{self, Tally};

/// Days begin at midnight here, unless the caller names another zone, or a site.
const ZONE: &str = "Asia/Shanghai";
/// Groups of an answer.
const GROUPS: usize = 10_000;
/// Cameras whose pictures are judged in one answer.
const CAMERAS: usize = 20_000;

/// Which figures.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// `day`, `month` or `year`, or `range` with `from` and `to`; `day` by default.
    period: Option<String>,
    /// Which one: `2026-11-22`, `2026-11` or `2026`; the present one by default.
    at: Option<String>,
    /// With `range`: from this time on, RFC 3339 or milliseconds.
    from: Option<String>,
    /// With `range`: before this time.
    to: Option<String>,
    /// Where days begin and end, such as `Europe/Berlin`; that of the site by default, and `Asia/Shanghai` without one.
    zone: Option<String>,
    /// `site`, `area` or `class`; `site` by default.
    by: Option<String>,
    /// At this site.
    site: Option<String>,
    /// In this area.
    area: Option<String>,
    /// Of this class.
    class: Option<String>,
}

/// One site, area or class.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AvailabilityGroup)]
pub(super) struct Group {
    /// The site; `null` where groups go across sites.
    site: Option<String>,
    /// The site's, area's or class's name; empty for devices without one.
    key: String,
    /// How many devices it has now.
    devices: usize,
    #[serde(flatten)]
    parts: Parts,
}

/// Figures of a period.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AvailabilityFigures)]
pub(super) struct Figures {
    /// The beginning.
    from: String,
    /// The same in milliseconds.
    from_ms: i64,
    /// The end; of a period that is not over, now.
    to: String,
    /// The same in milliseconds.
    to_ms: i64,
    /// Where its days begin and end.
    zone: String,
    /// All devices together.
    total: Parts,
    /// The groups, the worst first.
    items: Vec<Group>,
    /// Pictures of the cameras among them.
    images: Images,
}

/// Availability of sites, areas or classes over a day, a month or a year, and rates of pictures online and intact.
#[utoipa::path(get, path = "/api/v1/availability/summary", tag = "availability", params(Wanted),
    responses((status = 200, body = Figures),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn summary(
    State(shared): State<AppState>,
    caller: Caller,
    Params(mut wanted): Params<Wanted>,
) -> Result<Json<Figures>, Problem> {
    shared.resolve_area(&mut wanted.area);
    let now = shared.clock.wall();
    let zone = zone_name(&shared, wanted.zone.take(), wanted.site.clone()).await?;
    let tz = TimeZone::get(&zone).map_err(|_| invalid(format!("zone: \"{zone}\" is not known; try {ZONE}")))?;
    let (from, to) = match wanted.period.as_deref().unwrap_or("day") {
        "range" => (time("from", wanted.from.as_ref(), now)?, time("to", wanted.to.as_ref(), now)?),
        period => bounds(period, wanted.at.as_deref(), &tz, now)?,
    };
    let to = to.min(now);
    if from > to || to.0.saturating_sub(from.0) > RANGE_MS {
        return Err(invalid("from must be before to and now, by at most 400 days"));
    }
    let by = wanted.by.as_deref().unwrap_or("site");
    if !["site", "area", "class"].contains(&by) {
        return Err(invalid("by must be site, area or class"));
    }
    let equal = |wanted: &Option<String>, actual: &str| wanted.as_deref().is_none_or(|wanted| wanted == actual);
    let mut keys = Vec::new();
    let mut devices = Vec::new();
    for device in shared.fleet().devices().filter(|device| {
        caller.sites.covers(&device.site)
            && equal(&wanted.site, &device.site)
            && assets::is_wanted(wanted.area.as_deref(), device.area())
            && equal(&wanted.class, &device.spec.class)
    }) {
        keys.push(match by {
            "area" => (Some(device.site.clone()), device.area().to_owned()),
            "class" => (None, device.spec.class.clone()),
            _ => (Some(device.site.clone()), device.site.clone()),
        });
        devices.push((device.id.to_string(), device.site.clone(), device.spec.class.clone()));
    }
    let (devices, tallies) = tallies(&shared, devices, from, to).await?;

    let (mut total, mut of_cameras) = (Tally::default(), Tally::default());
    let mut groups: BTreeMap<(Option<String>, String), (usize, Tally)> = BTreeMap::new();
    let mut cameras = Vec::new();
    for ((key, (device, site, class)), tally) in keys.into_iter().zip(devices).zip(&tallies) {
        total.add(tally);
        let group = groups.entry(key).or_default();
        group.0 += 1;
        group.1.add(tally);
        if image_rates::is_camera(&class) {
            of_cameras.add(tally);
            cameras.push((device, site, class));
        }
    }
    if groups.len() > GROUPS || cameras.len() > CAMERAS {
        return Err(invalid("too many groups or cameras at once: ask for one site"));
    }
    let (cameras, online_rate) = (cameras, of_cameras.reachability());
    let images = image_rates::images(&shared, cameras, online_rate, (from, to)).await?;
    let group = |((site, key), (devices, tally)): ((Option<String>, String), (usize, Tally))| Group {
        site,
        key,
        devices,
        parts: tally.into(),
    };
    let mut items: Vec<Group> = groups.into_iter().map(group).collect();
    items.sort_by(|a, b| a.parts.share().total_cmp(&b.parts.share()));
    Ok(Json(Figures {
        from: rfc3339(from.0),
        from_ms: from.0,
        to: rfc3339(to.0),
        to_ms: to.0,
        zone,
        total: total.into(),
        items,
        images,
    }))
}

/// The zone that is asked for, or else that of the site.
async fn zone_name(shared: &AppState, asked: Option<String>, site: Option<String>) -> Result<String, Problem> {
    let of_site = match (asked, site) {
        (Some(asked), _) => return Ok(asked),
        (None, None) => None,
        (None, Some(site)) => {
            let read = move |conn: &Connection| availability::zone_of(conn, &site);
            shared.state_readers.read(read).await?.iana_name().map(str::to_owned)
        }
    };
    Ok(of_site.unwrap_or_else(|| ZONE.to_owned()))
}

/// From where to where a period goes.
fn bounds(period: &str, at: Option<&str>, tz: &TimeZone, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    let today = jiff::Timestamp::from_millisecond(now.0).map(|now| now.to_zoned(tz.clone()).date());
    let today = today.map_err(|_| invalid("the collector's clock is out of range"))?;
    let wrong = || invalid(format!("at must be {}", shape(period)));
    let (first, length) = match period {
        "day" => (at.map_or(Ok(today), str::parse::<Date>).map_err(|_| wrong())?, 1.day()),
        "month" => {
            let month = at.map_or(Ok(today), |at| format!("{at}-01").parse::<Date>()).map_err(|_| wrong())?;
            (month.first_of_month(), 1.month())
        }
        "year" => {
            let year = at.map_or(Ok(today), |at| format!("{at}-01-01").parse::<Date>()).map_err(|_| wrong())?;
            (year.first_of_year(), 1.year())
        }
        _ => return Err(invalid("period must be day, month, year or range")),
    };
    let next = first.checked_add(length).map_err(|_| wrong())?;
    let begin = |date: Date| date.to_zoned(tz.clone()).map(|at: Zoned| Timestamp(at.timestamp().as_millisecond()));
    Ok((begin(first).map_err(|_| wrong())?, begin(next).map_err(|_| wrong())?))
}

fn shape(period: &str) -> &'static str {
    match period {
        "month" => "a month such as 2026-11",
        "year" => "a year such as 2026",
        _ => "a day such as 2026-11-22",
    }
}

fn invalid(text: impl Into<String>) -> Problem {
    Problem::invalid(vec![text.into()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_begin_at_midnight_of_the_zone() {
        let shanghai = TimeZone::get(ZONE).unwrap();
        let now = Timestamp(1_795_300_000_000);
        let day = bounds("day", Some("2026-11-22"), &shanghai, now).unwrap();
        assert_eq!(
            (rfc3339(day.0.0), rfc3339(day.1.0)),
            ("2026-11-21T16:00:00.000Z".into(), "2026-11-22T16:00:00.000Z".into())
        );
        let month = bounds("month", Some("2026-02"), &shanghai, now).unwrap();
        assert_eq!(month.1.0 - month.0.0, 28 * 24 * 3_600_000);
        let year = bounds("year", Some("2028"), &shanghai, now).unwrap();
        assert_eq!(year.1.0 - year.0.0, 366 * 24 * 3_600_000);
        // A day on which clocks are set has another length.
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let short = bounds("day", Some("2026-03-29"), &berlin, now).unwrap();
        assert_eq!(short.1.0 - short.0.0, 23 * 3_600_000);
        assert!(bounds("month", Some("2026"), &shanghai, now).is_err());
        assert!(bounds("week", None, &shanghai, now).is_err());
    }
}
