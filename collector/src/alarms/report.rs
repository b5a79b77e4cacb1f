//! How quickly people answered and things were repaired, for contracts.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Scope;
use crate::store::{During as _, StoreError};

/// Within which people should answer.
const TEN_MINUTES_MS: i64 = 10 * 60_000;

/// The figures of some alarms. Alarms that others explain, and those of what was worked on, are not among them.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Figures {
    /// How many were raised.
    pub count: usize,
    /// How many of them were acknowledged.
    pub acknowledged: usize,
    /// From raise to acknowledgement, the mean; `null` if none was.
    pub mean_response_ms: Option<i64>,
    /// Within which 95 of 100 acknowledgements came.
    pub p95_response_ms: Option<i64>,
    /// Of the acknowledged ones, the share within 10 minutes.
    pub within_10_min_share: Option<f64>,
    /// Of all, the share that is closed.
    pub closed_share: Option<f64>,
    /// From raise to clear, the mean of those that cleared.
    pub mean_repair_ms: Option<i64>,
}

/// The figures of one site, class or severity.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Row {
    /// `site`, `class` or `severity`.
    pub by: &'static str,
    /// Which; an empty class stands for alarms of no device.
    pub key: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The figures of a time.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Report {
    /// From this time on.
    pub from_ms: i64,
    /// Before this time.
    pub to_ms: i64,
    /// By site, class and severity.
    pub items: Vec<Row>,
    /// Of all.
    pub total: Figures,
}

#[derive(Default)]
struct Gathered {
    count: usize,
    closed: usize,
    responses: Vec<i64>,
    repairs: Vec<i64>,
}

impl Gathered {
    fn take(&mut self, response: Option<i64>, repair: Option<i64>, closed: bool) {
        self.count += 1;
        self.closed += usize::from(closed);
        self.responses.extend(response);
        self.repairs.extend(repair);
    }

    fn figures(mut self) -> Figures {
        let mean = |times: &[i64]| {
            let sum: i128 = times.iter().map(|time| i128::from(*time)).sum();
            let count = i128::try_from(times.len()).ok().filter(|count| *count > 0)?;
            i64::try_from(sum / count).ok()
        };
        let share = |part: usize, of: usize| (of > 0).then(|| part as f64 / of as f64);
        self.responses.sort_unstable();
        let acknowledged = self.responses.len();
        // The smallest time that at least 95 of 100 do not exceed.
        let place = (acknowledged * 95).div_ceil(100).saturating_sub(1);
        let quick = self.responses.partition_point(|time| *time <= TEN_MINUTES_MS);
        Figures {
            count: self.count,
            acknowledged,
            mean_response_ms: mean(&self.responses),
            p95_response_ms: self.responses.get(place).copied(),
            within_10_min_share: share(quick, acknowledged),
            closed_share: share(self.closed, self.count),
            mean_repair_ms: mean(&self.repairs),
        }
    }
}

/// The figures of alarms that were raised from `from_ms` to before `to_ms`.
///
/// # Errors
/// When they cannot be read.
pub fn report(conn: &Connection, scope: &Scope, from_ms: i64, to_ms: i64) -> Result<Report, StoreError> {
    let mut gathered: BTreeMap<(&'static str, String), Gathered> = BTreeMap::new();
    let mut total = Gathered::default();
    let mut statement = conn
        .prepare_cached(
            "SELECT site, class, severity, response_ms, repair_ms, state = 'closed' FROM alarms
             WHERE raised_ms >= ?2 AND raised_ms < ?3 AND hidden_by IS NULL AND NOT maintenance
                 AND (?1 IS NULL OR site IN (SELECT value FROM json_each(?1)))",
        )
        .during("read how alarms were answered")?;
    let mut rows = statement.query(params![scope.to_sql(), from_ms, to_ms]).during("read how alarms were answered")?;
    while let Some(row) = rows.next().during("read how alarms were answered")? {
        let response: Option<i64> = row.get(3).during("read how alarms were answered")?;
        let repair: Option<i64> = row.get(4).during("read how alarms were answered")?;
        let closed: bool = row.get(5).during("read how alarms were answered")?;
        for (at, by) in ["site", "class", "severity"].into_iter().enumerate() {
            let key: String = row.get(at).during("read how alarms were answered")?;
            gathered.entry((by, key)).or_default().take(response, repair, closed);
        }
        total.take(response, repair, closed);
    }
    let item = |((by, key), gathered): ((&'static str, String), Gathered)| Row { by, key, figures: gathered.figures() };
    Ok(Report { from_ms, to_ms, items: gathered.into_iter().map(item).collect(), total: total.figures() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_contract() {
        let mut gathered = Gathered::default();
        for minute in 1..=20 {
            gathered.take(Some(minute * 60_000), Some(3_600_000), minute > 1);
        }
        gathered.take(None, None, false);
        let figures = gathered.figures();
        assert_eq!((figures.count, figures.acknowledged), (21, 20));
        assert_eq!((figures.mean_response_ms, figures.p95_response_ms), (Some(630_000), Some(19 * 60_000)));
        assert_eq!((figures.within_10_min_share, figures.closed_share), (Some(0.5), Some(19.0 / 21.0)));
        assert_eq!(figures.mean_repair_ms, Some(3_600_000));
        assert_eq!(Gathered::default().figures().p95_response_ms, None);
    }
}
