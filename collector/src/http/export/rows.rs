//! Readings of several points by time, of any range, a window at a time.

use std::collections::HashMap;
use std::sync::Arc;

use kouan_protocol::{PointName, Quality, QualityReason, Timestamp, Value};

use crate::store::StoreError;
use crate::telemetry::{History, Incomplete, IncompleteReason, SeriesQuery, Span};

const DAY_MS: i64 = 24 * 3_600_000;
/// The first window, and the shortest.
const FIRST_MS: i64 = 3_600_000;
const SHORTEST_MS: i64 = 60_000;
/// Readings of a window: with more the next one is shorter, with fewer it is longer. They are the memory of an export.
const MANY: usize = 100_000;
const FEW: usize = 20_000;

/// What a line of a file says of its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Said {
    /// It was read.
    Read(Quality, QualityReason),
    /// From this time on readings may be missing.
    Missing(IncompleteReason),
}

impl Said {
    /// The word for the quality.
    pub(super) fn quality(self) -> String {
        match self {
            Self::Read(quality, _) => word(quality),
            Self::Missing(_) => "missing".to_owned(),
        }
    }

    /// The word for the reason.
    pub(super) fn reason(self) -> String {
        match self {
            Self::Read(_, reason) => word(reason),
            Self::Missing(reason) => reason.as_str().to_owned(),
        }
    }
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line<'p> {
    pub(super) time_ms: i64,
    pub(super) point: &'p str,
    pub(super) value: Option<Value>,
    pub(super) said: Said,
    pub(super) late: bool,
}

/// Readings that are read as they are asked for.
pub(super) struct Rows {
    history: Arc<dyn History>,
    spans: Vec<Span>,
    points: Vec<PointName>,
    range: (i64, i64),
}

impl Rows {
    pub(super) fn new(history: Arc<dyn History>, spans: Vec<Span>, points: Vec<PointName>, range: (i64, i64)) -> Self {
        Self { history, spans, points, range }
    }

    /// Shows the readings window by window, each by time, until `take` says that nobody wants more.
    pub(super) fn each_window<E: From<StoreError>>(
        &self,
        mut take: impl FnMut(Vec<Line<'_>>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let ((mut from_ms, to_ms), mut length) = (self.range, FIRST_MS);
        let mut told: HashMap<(&str, IncompleteReason), i64> = HashMap::new();
        while from_ms < to_ms {
            // A window ends with its day: a day's file is read by itself.
            let day_ends = (from_ms.div_euclid(DAY_MS) + 1).saturating_mul(DAY_MS);
            let end_ms = from_ms.saturating_add(length).min(day_ends).min(to_ms);
            let lines = self.window(from_ms, end_ms, &mut told)?;
            length = next_length(length, lines.len());
            if !take(lines)? {
                break;
            }
            from_ms = end_ms;
        }
        Ok(())
    }

    /// `told`: until when it was said of a point that readings are missing.
    fn window<'r>(
        &'r self,
        from_ms: i64,
        to_ms: i64,
        told: &mut HashMap<(&'r str, IncompleteReason), i64>,
    ) -> Result<Vec<Line<'r>>, StoreError> {
        let mut lines = Vec::new();
        for point in &self.points {
            let query = SeriesQuery {
                spans: self.spans.clone(),
                point: point.clone(),
                from: Timestamp(from_ms),
                to: Timestamp(to_ms),
                after: None,
                limit: usize::MAX,
            };
            let columns = self.history.columns(&query)?;
            for Incomplete { from_ms, to_ms, reason } in columns.incomplete {
                // One that goes on from the window before is told already.
                if told.insert((point.as_str(), reason), to_ms) != Some(from_ms) {
                    let said = Said::Missing(reason);
                    lines.push(Line { time_ms: from_ms, point: point.as_str(), value: None, said, late: false });
                }
            }
            let mut flaws = columns.flaws.into_iter().peekable();
            let mut late = columns.late.into_iter().peekable();
            for (at, (time_ms, value)) in columns.times.into_iter().zip(columns.values).enumerate() {
                let flaw = flaws.next_if(|flaw| flaw.at == at).map(|flaw| (flaw.quality, flaw.reason));
                let (quality, reason) = flaw.unwrap_or((Quality::Good, QualityReason::None));
                let (late, said) = (late.next_if_eq(&at).is_some(), Said::Read(quality, reason));
                lines.push(Line { time_ms, point: point.as_str(), value, said, late });
            }
        }
        lines.sort_by_key(|line| line.time_ms);
        Ok(lines)
    }
}

fn next_length(length: i64, lines: usize) -> i64 {
    match lines {
        MANY.. => (length / 2).max(SHORTEST_MS),
        ..FEW => (length * 2).min(DAY_MS),
        _ => length,
    }
}

/// The API's word for a quality or a reason.
fn word<T: serde::Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_as_long_as_its_readings_are_few() {
        assert_eq!(next_length(FIRST_MS, 0), 2 * FIRST_MS);
        assert_eq!(next_length(DAY_MS, 0), DAY_MS);
        assert_eq!(next_length(FIRST_MS, 50_000), FIRST_MS);
        assert_eq!(next_length(FIRST_MS, 1_000_000), FIRST_MS / 2);
        assert_eq!(next_length(SHORTEST_MS, 1_000_000), SHORTEST_MS);
    }

    #[test]
    fn qualities_and_reasons_have_the_words_of_the_api() {
        assert_eq!(word(Quality::Uncertain), "uncertain");
        assert_eq!(word(QualityReason::OutOfRange), "out-of-range");
        assert_eq!(word(QualityReason::None), "none");
    }
}
