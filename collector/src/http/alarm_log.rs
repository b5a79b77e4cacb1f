//! The log of what agents told of their alarms.

use axum::Json;
use axum::extract::State;
use kouan_protocol::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::alarms::check_severity;
use super::extract::{Caller, Params};
use super::page::{InOrder, Page, Paging, newest_first};
use super::readings::time;
use super::{AppState, Problem};
use crate::alarms::{self, LogFilter, LogRow};
use crate::auth::Scope;

/// Which changes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Of this device.
    device: Option<String>,
    /// Of devices of this class.
    class: Option<String>,
    /// At this site.
    site: Option<String>,
    /// Of this agent.
    agent: Option<String>,
    /// With this condition.
    condition: Option<String>,
    /// Of this severity: `info`, `warning`, `major` or `critical`.
    severity: Option<String>,
    /// `raised` or `cleared`.
    state: Option<String>,
    /// From this time on, RFC 3339 or milliseconds.
    from: Option<String>,
    /// Before this time.
    to: Option<String>,
    /// `newest` first, as by default, or `oldest` first.
    order: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
}

/// Every change of an alarm that an agent told of, also what came too late to act upon, by time, newest or oldest first.
/// Whatever is added in between, no change is missed that was there at the first page, and none comes twice.
#[utoipa::path(get, path = "/api/v1/alarms/log", tag = "alarms", params(Filter),
    responses((status = 200, body = Page<LogRow>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<LogRow>>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let limit = paging.limit()?;
    let newest_first = newest_first(filter.order.as_deref())?;
    let after = paging.cursor::<InOrder>()?.map(|place| place.checked(newest_first)).transpose()?;
    check_severity("severity", filter.severity.as_deref())?;
    if filter.state.as_deref().is_some_and(|state| !["raised", "cleared"].contains(&state)) {
        return Err(Problem::invalid(vec!["state must be raised or cleared".to_owned()]));
    }
    let scope = scope_of(filter.site, caller.sites);
    let devices = filter.class.as_ref().map(|class| {
        let fleet = shared.fleet();
        let of_class = fleet.devices().filter(|device| device.spec.class == *class);
        of_class.map(|device| device.id.to_string()).collect()
    });
    let filter = LogFilter {
        device: filter.device,
        devices,
        agent: filter.agent,
        condition: filter.condition,
        severity: filter.severity,
        state: filter.state,
        from: time("from", filter.from.as_ref(), Timestamp(i64::MIN))?,
        to: time("to", filter.to.as_ref(), Timestamp(i64::MAX))?,
        newest_first,
        after,
    };
    let rows = shared.state_readers.read(move |conn| alarms::log(conn, &scope, &filter, limit + 1));
    Ok(Json(Page::cut(rows.await?, limit, |row| InOrder::at(newest_first, (row.time_ms, row.id)).to_string())))
}

/// The sites that are asked for, of those that the caller may see.
pub(super) fn scope_of(site: Option<String>, sites: Scope) -> Scope {
    match site {
        Some(site) if sites.covers(&site) => Scope::Sites([site].into()),
        Some(_) => Scope::Sites([].into()),
        None => sites,
    }
}
