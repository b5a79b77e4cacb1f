//! How many alarms there are, and how quickly people answered.

use std::collections::BTreeMap;

use kouan_protocol::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use super::SEVERITIES;
use crate::auth::Scope;
use crate::store::{During as _, StoreError};

/// Within which people should answer.
const TEN_MINUTES_MS: i64 = 10 * 60_000;
/// Over how long answers are looked at: 30 days.
const PAST_MS: i64 = 30 * 24 * 3_600_000;

/// Open alarms, and those that nobody has seen.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Open {
    /// Not closed.
    pub open: i64,
    /// Of those, not acknowledged.
    pub unacknowledged: i64,
}

/// The alarms of a site.
#[derive(Debug, Serialize, ToSchema)]
pub struct AtSite {
    /// The site.
    pub site: String,
    /// Not closed.
    pub open: i64,
    /// The worst of those that stand; `null` if none does.
    pub worst: Option<&'static str>,
    /// Not acknowledged.
    pub unacknowledged: i64,
}

/// How quickly people answered in the last 30 days.
#[derive(Debug, Serialize, ToSchema)]
pub struct Response {
    /// The mean, of those that were acknowledged.
    pub mean_ms: Option<i64>,
    /// How many were.
    pub count: i64,
    /// How many of those within 10 minutes.
    pub within_10_min: i64,
}

/// All in a few numbers. Alarms that are hidden, shelved or of what is being worked on are counted apart.
#[derive(Debug, Serialize, ToSchema)]
pub struct Summary {
    /// By severity.
    pub by_severity: BTreeMap<&'static str, Open>,
    /// By site, the worst first.
    pub by_site: Vec<AtSite>,
    /// Explained by others.
    pub hidden: i64,
    /// Shelved.
    pub shelved: i64,
    /// Of what is being worked on.
    pub maintenance: i64,
    /// How quickly people answered.
    pub response: Response,
    /// Of the alarms of the last 30 days, the share that is closed; `null` if there was none.
    pub closed_share: Option<f64>,
}

/// All in a few numbers.
///
/// # Errors
/// When they cannot be read.
pub fn summary(conn: &Connection, scope: &Scope, now: Timestamp) -> Result<Summary, StoreError> {
    let mut by_severity: BTreeMap<&'static str, Open> =
        SEVERITIES.into_iter().map(|name| (name, Open::default())).collect();
    let mut by_site: BTreeMap<String, (i64, i64, i64)> = BTreeMap::new();
    let (mut hidden, mut shelved, mut maintenance) = (0, 0, 0);
    let mut statement = conn
        .prepare_cached(
            "SELECT site, rank, state = 'raised', acknowledged_by IS NULL, hidden_by IS NOT NULL,
                 shelved_until_ms IS NOT NULL, maintenance, count(*)
             FROM alarms WHERE state <> 'closed' AND (?1 IS NULL OR site IN (SELECT value FROM json_each(?1)))
             GROUP BY 1, 2, 3, 4, 5, 6, 7",
        )
        .during("count open alarms")?;
    let mut rows = statement.query([scope.to_sql()]).during("count open alarms")?;
    while let Some(row) = rows.next().during("count open alarms")? {
        let cell = |at: usize| row.get::<_, i64>(at).during("count open alarms");
        let (rank, raised, unseen, count) = (cell(1)?, cell(2)? != 0, cell(3)? != 0, cell(7)?);
        if cell(4)? != 0 {
            hidden += count;
        } else if cell(5)? != 0 {
            shelved += count;
        } else if cell(6)? != 0 {
            maintenance += count;
        } else {
            let unseen = if unseen { count } else { 0 };
            let name = usize::try_from(rank - 1).ok().and_then(|at| SEVERITIES.get(at));
            if let Some(open) = name.and_then(|name| by_severity.get_mut(name)) {
                open.open += count;
                open.unacknowledged += unseen;
            }
            let site = by_site.entry(row.get(0).during("count open alarms")?).or_default();
            site.0 += count;
            site.1 += unseen;
            site.2 = site.2.max(if raised { rank } else { 0 });
        }
    }
    let mut sites: Vec<(i64, AtSite)> = by_site
        .into_iter()
        .map(|(site, (open, unacknowledged, worst))| {
            let name = usize::try_from(worst - 1).ok().and_then(|at| SEVERITIES.get(at).copied());
            (worst, AtSite { site, open, worst: name, unacknowledged })
        })
        .collect();
    sites.sort_by_key(|(worst, at)| (std::cmp::Reverse(*worst), std::cmp::Reverse(at.open)));
    let (response, closed_share) = response(conn, scope, now)?;
    let by_site = sites.into_iter().map(|(_, at)| at).collect();
    Ok(Summary { by_severity, by_site, hidden, shelved, maintenance, response, closed_share })
}

fn response(conn: &Connection, scope: &Scope, now: Timestamp) -> Result<(Response, Option<f64>), StoreError> {
    conn.prepare_cached(
        "SELECT count(*), count(response_ms), avg(response_ms), count(CASE WHEN response_ms <= ?3 THEN 1 END),
             count(CASE WHEN state = 'closed' THEN 1 END)
         FROM alarms WHERE raised_ms >= ?2 AND asked_ms IS NOT NULL
             AND (?1 IS NULL OR site IN (SELECT value FROM json_each(?1)))",
    )
    .and_then(|mut statement| {
        statement.query_row(params![scope.to_sql(), now.0.saturating_sub(PAST_MS), TEN_MINUTES_MS], |row| {
            let (all, closed): (i64, i64) = (row.get(0)?, row.get(4)?);
            let mean: Option<f64> = row.get(2)?;
            let response = Response {
                mean_ms: mean.map(|mean| mean.round() as i64),
                count: row.get(1)?,
                within_10_min: row.get(3)?,
            };
            Ok((response, (all > 0).then(|| closed as f64 / all as f64)))
        })
    })
    .during("read how quickly alarms were answered")
}
