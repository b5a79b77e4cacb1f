//! Alarms: lists, one of them, and a summary.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::alarm_log::scope_of;
use super::extract::{Caller, Id, Params};
use super::page::{Page, Paging};
use super::{AppState, Problem, parse_time};
use crate::alarms::{self, AlarmFilter, AlarmView, Assigned, Order, SEVERITIES, Shelved, StepView, Summary};
use crate::store::StoreError;

/// The longest text that is searched for, in characters.
const SEARCH: usize = 200;
/// Hidden alarms that are shown with the one that explains them.
const HIDDEN: usize = 200;
/// Things that happened that are shown with an alarm.
const STEPS: usize = 2_000;

/// Which alarms.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// `open` (not closed, as by default), `raised`, `cleared`, `closed` or `all`.
    state: Option<String>,
    /// At this site.
    site: Option<String>,
    /// In this area.
    area: Option<String>,
    /// Of this device.
    device: Option<String>,
    /// Of devices of this class.
    class: Option<String>,
    /// Of this agent.
    agent: Option<String>,
    /// Of this severity: `info`, `warning`, `major` or `critical`.
    severity: Option<String>,
    /// At least that serious.
    min_severity: Option<String>,
    /// Whether somebody has seen it.
    acknowledged: Option<bool>,
    /// `me`, `none`, or the id of a user.
    assigned: Option<String>,
    /// `true` or `false`; `all` by default.
    shelved: Option<String>,
    /// Those that another one explains: `false` by default, `true`, or `all`.
    hidden: Option<String>,
    /// Whether somebody works there.
    maintenance: Option<bool>,
    /// With this condition.
    condition: Option<String>,
    /// Found by this rule.
    rule: Option<String>,
    /// With this in its texts, its label, area or condition; at most 200 characters.
    q: Option<String>,
    /// Raised from this time on, RFC 3339 or milliseconds.
    from: Option<String>,
    /// Raised before this time.
    to: Option<String>,
    /// `newest` first, as by default, `oldest` first, or by `severity`, the worst first.
    order: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
}

/// A place in a list, and in which order it was reached.
struct Cursor(char, alarms::Place);

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(order, (rank, time_ms, number)) = self;
        write!(f, "{order}{rank}.{time_ms}.{number}")
    }
}

impl std::str::FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut letters = text.chars();
        let order = letters.next().ok_or(())?;
        let mut numbers = letters.as_str().split('.').map(|number| number.parse::<i64>().map_err(drop));
        let mut next = || numbers.next().ok_or(())?;
        Ok(Self(order, (next()?, next()?, next()?)))
    }
}

/// Says whether a word is a severity.
pub(super) fn check_severity(name: &str, word: Option<&str>) -> Result<Option<i64>, Problem> {
    let Some(word) = word else { return Ok(None) };
    let rank = alarms::rank(word);
    rank.map(Some).ok_or_else(|| Problem::invalid(vec![format!("{name} must be one of {}", SEVERITIES.join(", "))]))
}

fn one_of<T: Copy>(name: &str, word: Option<&str>, default: T, words: &[(&str, T)]) -> Result<T, Problem> {
    let Some(word) = word else { return Ok(default) };
    let found = words.iter().find(|(known, _)| *known == word).map(|(_, meaning)| *meaning);
    let known = || words.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| Problem::invalid(vec![format!("{name} must be one of {}", known())]))
}

/// Alarms, page by page. By time, whatever is raised in between, no alarm is missed that was there at the first page and
/// still meets the conditions, and none comes twice. By severity, one whose severity changes meanwhile may come twice or be
/// missed.
#[utoipa::path(get, path = "/api/v1/alarms", tag = "alarms", params(Filter),
    responses((status = 200, body = Page<AlarmView>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<AlarmView>>, Problem> {
    const OPEN: &[&str] = &["raised", "cleared"];
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let limit = paging.limit()?;
    let orders =
        [("newest", ('n', Order::Newest)), ("oldest", ('o', Order::Oldest)), ("severity", ('s', Order::Severity))];
    let (letter, order) = one_of("order", filter.order.as_deref(), ('n', Order::Newest), &orders)?;
    let after = match paging.cursor::<Cursor>()? {
        Some(Cursor(of, place)) if of == letter => Some(place),
        Some(_) => return Err(Problem::invalid(vec!["cursor belongs to another order".to_owned()])),
        None => None,
    };
    let states: [(&str, &'static [&'static str]); 5] =
        [("open", OPEN), ("raised", &["raised"]), ("cleared", &["cleared"]), ("closed", &["closed"]), ("all", &[])];
    let yes_no = [("true", Some(true)), ("false", Some(false)), ("all", None)];
    check_severity("severity", filter.severity.as_deref())?;
    if filter.q.as_ref().is_some_and(|q| q.chars().count() > SEARCH) {
        return Err(Problem::invalid(vec![format!("q has at most {SEARCH} characters")]));
    }
    let shelved = one_of("shelved", filter.shelved.as_deref(), None, &yes_no)?;
    let time = |name: &str, text: Option<&String>| {
        let Some(text) = text else { return Ok(None) };
        let problem = || Problem::invalid(vec![format!("{name} must be a time such as 2026-11-22T08:00:00Z")]);
        parse_time(text).map(Some).ok_or_else(problem)
    };
    let rows = AlarmFilter {
        states: one_of("state", filter.state.as_deref(), OPEN, &states)?,
        area: filter.area,
        device: filter.device,
        class: filter.class,
        agent: filter.agent,
        least_rank: check_severity("min_severity", filter.min_severity.as_deref())?,
        severity: filter.severity,
        acknowledged: filter.acknowledged,
        assigned: filter.assigned.map(|assigned| match assigned.as_str() {
            "none" => Assigned::Nobody,
            "me" => Assigned::To(caller.id.clone()),
            _ => Assigned::To(assigned),
        }),
        shelved: shelved.map(|shelved| if shelved { Shelved::Yes } else { Shelved::No }),
        hidden: one_of("hidden", filter.hidden.as_deref(), Some(false), &yes_no)?,
        maintenance: filter.maintenance,
        condition: filter.condition,
        rule: filter.rule,
        search: filter.q.filter(|q| !q.is_empty()),
        from: time("from", filter.from.as_ref())?,
        to: time("to", filter.to.as_ref())?,
    };
    let scope = scope_of(filter.site, caller.sites);
    let rows = shared.state_readers.read(move |conn| alarms::list(conn, &scope, &rows, order, after, limit + 1));
    Ok(Json(Page::cut(rows.await?, limit, |row| Cursor(letter, row.place()).to_string())))
}

/// An alarm and everything that happened to it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Detail {
    #[serde(flatten)]
    alarm: AlarmView,
    /// What happened, in order.
    log: Vec<StepView>,
    /// The first 200 standing alarms that this one explains.
    hidden: Vec<AlarmView>,
}

/// One alarm with what happened to it, and what it explains.
#[utoipa::path(get, path = "/api/v1/alarms/{id}", tag = "alarms", params(("id" = String, Path)),
    responses((status = 200, body = Detail),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn detail(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Detail>, Problem> {
    let read = move |conn: &rusqlite::Connection| {
        let Some(alarm) = alarms::find(conn, &caller.sites, &id)? else { return Ok(None) };
        let (log, hidden) = (alarms::steps(conn, &id, STEPS)?, alarms::hidden_by(conn, &id, HIDDEN)?);
        // What explains an alarm is at its site, or an agent of its site.
        Ok::<_, StoreError>(Some(Detail { alarm, log, hidden }))
    };
    let detail = shared.state_readers.read(read).await?;
    detail.map(Json).ok_or_else(|| Problem::not_found("such alarm"))
}

/// Where.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct AtSite {
    /// At this site.
    site: Option<String>,
}

/// How many alarms are open, and how quickly people answered in the last 30 days.
#[utoipa::path(get, path = "/api/v1/alarms/summary", tag = "alarms", params(AtSite),
    responses((status = 200, body = Summary),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn summary(
    State(shared): State<AppState>,
    caller: Caller,
    Params(at): Params<AtSite>,
) -> Result<Json<Summary>, Problem> {
    let (scope, now) = (scope_of(at.site, caller.sites), shared.clock.wall());
    Ok(Json(shared.state_readers.read(move |conn| alarms::summary(conn, &scope, now)).await?))
}
