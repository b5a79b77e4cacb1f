//! Windows of maintenance.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use kouan_protocol::Timestamp;
use serde::Deserialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::extract::{Caller, Id, Input, Params};
use super::page::{Page, Paging};
use super::readings::time;
use super::{AppState, Problem, devices, parse_time};
use crate::audit::{self, Deed};
use crate::auth::Scope;
use crate::availability::{self, EndProblem, MaintenanceRow, NewWindow, Repeat, RepeatKind};

/// The longest window, in milliseconds: 366 days.
const LONGEST_MS: i64 = 366 * 24 * 3_600_000;
/// The longest time in which one comes again: ten years.
const LONGEST_REPEATED_MS: i64 = 10 * LONGEST_MS;
/// How long one comes again that says no end: five years.
const USUAL_REPEATED_MS: i64 = 5 * LONGEST_MS;
/// The longest reason, in characters.
const REASON: usize = 500;

/// A window to make: of a device, or of a class or an area (or a class in an area) at a site, or of a whole site.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMaintenance {
    /// The site; not needed with a device.
    site: Option<String>,
    /// Only this device.
    device: Option<String>,
    /// Only devices of this class.
    class: Option<String>,
    /// Only devices in this area, and in areas within it.
    area: Option<String>,
    /// Its beginning, RFC 3339 or milliseconds as text; it may lie in the past.
    from: String,
    /// Its end; with `repeat` the time until which it comes again, five years later if it is not given.
    to: Option<String>,
    /// When it comes again.
    repeat: Option<NewRepeat>,
    /// Why; 1 to 500 characters.
    reason: String,
}

/// When a window comes again, by the clock at the site.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRepeat {
    /// How often.
    kind: RepeatKind,
    /// Days of the week (1, Monday, to 7) or of the month (1 to 31).
    #[serde(default)]
    days: Vec<i8>,
    /// When it begins, `HH:MM`.
    from: String,
    /// When it ends; on the next day if that is not after the beginning.
    to: String,
    /// Until when it comes again; the same as `to` beside `repeat`.
    until: Option<String>,
}

/// Makes a window of maintenance: what happens in it does not count for availability.
#[utoipa::path(post, path = "/api/v1/maintenance", tag = "availability", request_body = NewMaintenance,
    responses((status = 201, body = MaintenanceRow),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn create(
    State(shared): State<AppState>,
    caller: Caller,
    Input(new): Input<NewMaintenance>,
) -> Result<(StatusCode, Json<MaintenanceRow>), Problem> {
    let mut problems = Vec::new();
    let mut read = |name: &str, text: &str| {
        let time = parse_time(text);
        if time.is_none() {
            problems.push(format!("{name} must be a time such as 2026-11-22T08:00:00Z, or milliseconds"));
        }
        time.unwrap_or(Timestamp(0))
    };
    let from = read("from", &new.from);
    let until = new.repeat.as_ref().and_then(|repeat| repeat.until.clone());
    let to = match (until.or(new.to), &new.repeat) {
        (Some(to), _) => read("to", &to),
        (None, Some(_)) => from.plus_ms(USUAL_REPEATED_MS),
        (None, None) => read("to", ""),
    };
    let longest = if new.repeat.is_some() { LONGEST_REPEATED_MS } else { LONGEST_MS };
    if problems.is_empty() && !(from < to && to.0.saturating_sub(from.0) <= longest) {
        problems.push(format!("from must be before to, by at most {} days", longest / (24 * 3_600_000)));
    }
    let repeat = new.repeat.map(|NewRepeat { kind, days, from, to, .. }| Repeat { kind, days, from, to });
    problems.extend(repeat.iter().flat_map(Repeat::problems));
    if new.area.as_ref().is_some_and(|area| area.is_empty() || area.len() > kouan_protocol::limits::TEXT_BYTES) {
        problems.push("area is empty or too long".to_owned());
    }
    if new.reason.trim().is_empty() || new.reason.chars().count() > REASON {
        problems.push(format!("reason has 1 to {REASON} characters"));
    }
    if new.class.as_ref().is_some_and(|class| class.is_empty() || class.len() > kouan_protocol::limits::TEXT_BYTES) {
        problems.push("class is empty or too long".to_owned());
    }
    if new.device.is_some() && (new.class.is_some() || new.area.is_some()) {
        problems.push("give a device, or a class or an area, not both".to_owned());
    }
    if new.device.is_none() && new.site.is_none() {
        problems.push("give a device, or a site with or without a class or an area".to_owned());
    }
    if !problems.is_empty() {
        return Err(Problem::invalid(problems));
    }
    let site = match (&new.device, new.site) {
        (Some(id), site) => {
            let device = devices::find(&shared, &caller.sites, id)?;
            if site.is_some_and(|site| site != device.site) {
                return Err(Problem::invalid(vec!["the device is at another site".to_owned()]));
            }
            device.site
        }
        (None, site) => site.unwrap_or_default(),
    };
    let known = shared.fleet().devices().any(|device| device.site == site);
    if !caller.sites.covers(&site) || !known {
        return Err(Problem::not_found("such site with devices"));
    }
    let actor = caller.actor();
    let window = NewWindow {
        site,
        device: new.device,
        class: new.class,
        area: new.area,
        repeat,
        from,
        to,
        reason: new.reason,
        by: caller.name,
    };
    let now = shared.clock.wall();
    let made = shared.state.transact(move |transaction| {
        let made = availability::add(transaction, &window, now)?;
        let detail = json!({ "device": window.device, "class": window.class, "area": window.area,
            "repeat": window.repeat, "reason": window.reason });
        let deed = Deed::new("maintenance-planned", made.id.to_string()).at(&made.site).with(detail);
        audit::record(transaction, &actor, &deed, now)?;
        Ok(made)
    });
    Ok((StatusCode::CREATED, Json(made.await?)))
}

/// Which windows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// At this site.
    site: Option<String>,
    /// That end after this time.
    from: Option<String>,
    /// That begin before this time.
    to: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
}

/// Windows of maintenance, the last one that was made first.
#[utoipa::path(get, path = "/api/v1/maintenance", tag = "availability", params(Filter),
    responses((status = 200, body = Page<MaintenanceRow>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<MaintenanceRow>>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let (limit, before) = (paging.limit()?, paging.cursor()?.unwrap_or(i64::MAX));
    let from = time("from", filter.from.as_ref(), Timestamp(i64::MIN))?;
    let to = time("to", filter.to.as_ref(), Timestamp(i64::MAX))?;
    let scope = match filter.site {
        Some(site) if caller.sites.covers(&site) => Scope::Sites([site].into()),
        Some(_) => Scope::Sites([].into()),
        None => caller.sites,
    };
    let rows =
        shared.state_readers.read(move |conn| availability::list(conn, &scope, (from.0, to.0), before, limit + 1));
    Ok(Json(Page::cut(rows.await?, limit, |row| row.id.to_string())))
}

/// Ends a window now, or cancels one that has not begun. What is over stays as it is.
#[utoipa::path(delete, path = "/api/v1/maintenance/{id}", tag = "availability", params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn end(State(shared): State<AppState>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    let missing = || Problem::not_found("such window of maintenance");
    let id: i64 = id.parse().map_err(|_| missing())?;
    let now = shared.clock.wall();
    let ended = shared.state.transact(move |transaction| {
        let ended = availability::end(transaction, &caller.sites, id, &caller.name, now)?;
        if let Ok(site) = &ended {
            let deed = Deed::new("maintenance-ended", id.to_string()).at(site);
            audit::record(transaction, &caller.actor(), &deed, now)?;
        }
        Ok(ended)
    });
    match ended.await? {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(EndProblem::None) => Err(missing()),
        Err(problem @ EndProblem::Over) => Err(Problem::conflict(problem.to_string())),
    }
}
