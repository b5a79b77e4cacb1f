//! Alarms.

use axum::Json;
use axum::extract::State;
use kouan_protocol::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Caller, Params};
use super::page::{InOrder, Page, Paging, newest_first};
use super::readings::time;
use super::{AppState, Problem};
use crate::alarms::{self, AlarmFilter, AlarmRow};
use crate::auth::Scope;

/// Which alarms.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// All changes instead of what stands now.
    #[serde(default)]
    log: bool,
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
    /// In the log: `raised` or `cleared`.
    state: Option<String>,
    /// From this time on, RFC 3339 or milliseconds: raised then, or in the log changed then.
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

/// Alarms that stand, or the log of their changes, by time, newest or oldest first. Whatever is added to the log in
/// between, no change is missed that was there at the first page, and none comes twice.
#[utoipa::path(get, path = "/api/v1/alarms", tag = "alarms", params(Filter),
    responses((status = 200, body = Page<AlarmRow>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<AlarmRow>>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let limit = paging.limit()?;
    let newest_first = newest_first(filter.order.as_deref())?;
    let after = paging.cursor::<InOrder>()?.map(|place| place.checked(newest_first)).transpose()?;
    let severities = ["info", "warning", "major", "critical"];
    if filter.severity.as_deref().is_some_and(|severity| !severities.contains(&severity)) {
        return Err(Problem::invalid(vec![format!("severity must be one of {}", severities.join(", "))]));
    }
    if filter.state.as_deref().is_some_and(|state| !["raised", "cleared"].contains(&state)) {
        return Err(Problem::invalid(vec!["state must be raised or cleared".to_owned()]));
    }
    let scope = match filter.site {
        Some(site) if caller.sites.covers(&site) => Scope::Sites([site].into()),
        Some(_) => Scope::Sites([].into()),
        None => caller.sites,
    };
    let devices = filter.class.as_ref().map(|class| {
        let fleet = shared.fleet();
        let of_class = fleet.devices().filter(|device| device.spec.class == *class);
        of_class.map(|device| device.id.to_string()).collect()
    });
    let filter = AlarmFilter {
        log: filter.log,
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
    let rows = shared.state_readers.read(move |conn| alarms::list(conn, &scope, &filter, limit + 1));
    Ok(Json(Page::cut(rows.await?, limit, |row| InOrder::at(newest_first, (row.time_ms, row.id)).to_string())))
}
