//! How quickly people answered and things were repaired, for contracts.

use std::collections::BTreeMap;

use kouan_protocol::Timestamp;
use rusqlite::{Connection, params};
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Scope;
use crate::store::{During as _, StoreError};

/// Within which people should answer.
const TEN_MINUTES_MS: i64 = 10 * 60_000;

/// The figures of some alarms. Those that never asked anybody to look at them are not among them: others explained them,
/// or they came and went while somebody worked there.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
#[schema(as = ResponseFigures)]
pub struct Figures {
    /// How many were raised.
    pub count: usize,
    /// How many of them were answered: acknowledged, closed by somebody, or worked on.
    pub acknowledged: usize,
    /// How many were not answered within 10 minutes and are not yet, or never were. What only told something (`info`) asks
    /// for no answer.
    pub unanswered: usize,
    /// From the time when it first asked somebody to the answer, the mean; `null` if none came.
    pub mean_response_ms: Option<i64>,
    /// Within which 95 of 100 answers came.
    pub p95_response_ms: Option<i64>,
    /// Of the answered and the unanswered ones, the share that was answered within 10 minutes.
    pub within_10_min_share: Option<f64>,
    /// Of all, the share that is closed.
    pub closed_share: Option<f64>,
    /// For how long it stood, the mean of those that cleared; of one that came again, all its times together.
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

/// One alarm, as far as the figures go.
struct Life {
    response_ms: Option<i64>,
    repair_ms: Option<i64>,
    closed: bool,
    /// It only told something.
    asks_nothing: bool,
    /// For how long it asked, if nobody answered.
    waited_ms: i64,
}

impl Life {
    fn is_unanswered(&self) -> bool {
        self.response_ms.is_none() && !self.asks_nothing && self.waited_ms > TEN_MINUTES_MS
    }
}

#[derive(Default)]
struct Gathered {
    count: usize,
    closed: usize,
    unanswered: usize,
    responses: Vec<i64>,
    repairs: Vec<i64>,
}

impl Gathered {
    fn take(&mut self, life: &Life) {
        self.count += 1;
        self.closed += usize::from(life.closed);
        self.unanswered += usize::from(life.is_unanswered());
        self.responses.extend(life.response_ms);
        self.repairs.extend(life.repair_ms);
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
            unanswered: self.unanswered,
            mean_response_ms: mean(&self.responses),
            p95_response_ms: self.responses.get(place).copied(),
            within_10_min_share: share(quick, acknowledged + self.unanswered),
            closed_share: share(self.closed, self.count),
            mean_repair_ms: mean(&self.repairs),
        }
    }
}

/// The figures of alarms that were raised from `from_ms` to before `to_ms`.
///
/// # Errors
/// When they cannot be read.
pub fn report(
    conn: &Connection,
    scope: &Scope,
    (from_ms, to_ms): (i64, i64),
    now: Timestamp,
) -> Result<Report, StoreError> {
    let mut gathered: BTreeMap<(&'static str, String), Gathered> = BTreeMap::new();
    let mut total = Gathered::default();
    let mut statement = conn
        .prepare_cached(
            "SELECT site, class, severity, response_ms, repair_ms, state = 'closed', severity = 'info',
                 coalesce(closed_ms, ?4) - asked_ms
             FROM alarms WHERE raised_ms >= ?2 AND raised_ms < ?3 AND asked_ms IS NOT NULL
                 AND (?1 IS NULL OR site IN (SELECT value FROM json_each(?1)))",
        )
        .during("read how alarms were answered")?;
    let mut rows =
        statement.query(params![scope.to_sql(), from_ms, to_ms, now.0]).during("read how alarms were answered")?;
    while let Some(row) = rows.next().during("read how alarms were answered")? {
        let life = life_of(row).during("read how alarms were answered")?;
        for (at, by) in ["site", "class", "severity"].into_iter().enumerate() {
            let key: String = row.get(at).during("read how alarms were answered")?;
            gathered.entry((by, key)).or_default().take(&life);
        }
        total.take(&life);
    }
    let item = |((by, key), gathered): ((&'static str, String), Gathered)| Row { by, key, figures: gathered.figures() };
    Ok(Report { from_ms, to_ms, items: gathered.into_iter().map(item).collect(), total: total.figures() })
}

fn life_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Life> {
    Ok(Life {
        response_ms: row.get(3)?,
        repair_ms: row.get(4)?,
        closed: row.get(5)?,
        asks_nothing: row.get(6)?,
        waited_ms: row.get(7)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_contract() {
        let mut gathered = Gathered::default();
        for minute in 1..=20 {
            let (response_ms, repair_ms) = (Some(minute * 60_000), Some(3_600_000));
            gathered.take(&Life { response_ms, repair_ms, closed: minute > 1, asks_nothing: false, waited_ms: 0 });
        }
        // One that is new, one that nobody answered, and one that only tells something.
        for (waited_ms, asks_nothing) in [(60_000, false), (TEN_MINUTES_MS + 1, false), (TEN_MINUTES_MS + 1, true)] {
            gathered.take(&Life { response_ms: None, repair_ms: None, closed: false, asks_nothing, waited_ms });
        }
        let figures = gathered.figures();
        assert_eq!((figures.count, figures.acknowledged, figures.unanswered), (23, 20, 1));
        assert_eq!((figures.mean_response_ms, figures.p95_response_ms), (Some(630_000), Some(19 * 60_000)));
        assert_eq!((figures.within_10_min_share, figures.closed_share), (Some(10.0 / 21.0), Some(19.0 / 23.0)));
        assert_eq!(figures.mean_repair_ms, Some(3_600_000));
        assert_eq!(Gathered::default().figures().p95_response_ms, None);
    }
}
