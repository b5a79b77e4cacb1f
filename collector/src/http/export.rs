//! Readings as a CSV file of any length, written while it is read.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use kouan_protocol::{PointName, Quality, QualityReason, Timestamp, Value};
use serde::Deserialize;
use tokio::sync::mpsc;
use tracing::warn;
use utoipa::IntoParams;

use super::extract::{Caller, Id, Params};
use super::readings::time;
use super::series::{points_of, spans};
use super::{AppState, Problem, devices, rfc3339};
use crate::store::StoreError;
use crate::telemetry::{History, SeriesQuery, Span};

/// Bytes of one piece of the answer.
const PIECE: usize = 64 << 10;
/// Pieces that wait for a slow reader.
const PIECES: usize = 4;
/// What is read at once: the memory of an export is that of a day.
const DAY_MS: i64 = 24 * 3_600_000;

/// Which readings.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Range {
    /// The points, separated by commas.
    points: String,
    /// From this time on, RFC 3339 or milliseconds; a day before `to` by default.
    from: Option<String>,
    /// Before this time; now by default.
    to: Option<String>,
}

type Piece = Result<Vec<u8>, StoreError>;

/// Raw readings as CSV, by time: `time,point,value,quality,reason`. An answer that breaks off is not complete.
#[utoipa::path(get, path = "/api/v1/devices/{id}/export.csv", tag = "devices", params(("id" = String, Path), Range),
    responses((status = 200, content_type = "text/csv", body = String),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn csv(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Params(range): Params<Range>,
) -> Result<Response, Problem> {
    devices::find(&shared, &caller.sites, &id)?;
    let points = points_of(&range.points)?;
    let now = shared.clock.wall();
    let to = time("to", range.to.as_ref(), now.plus_ms(1))?;
    let from = time("from", range.from.as_ref(), to.plus_ms(-DAY_MS))?;
    if from > to || from < Timestamp(0) || to > now.plus_ms(DAY_MS) {
        return Err(Problem::invalid(vec!["from must be before to, and both between 1970 and tomorrow".to_owned()]));
    }
    let export = Export { spans: spans(&shared, &id).await?, points, history: Arc::clone(&shared.history) };
    let (pieces, waiting) = mpsc::channel::<Piece>(PIECES);
    tokio::task::spawn_blocking(move || {
        if let Err(error) = export.write((from.0, to.0), &pieces) {
            warn!(%error, "An export broke off.");
            // Whoever reads it may be gone.
            let _ = pieces.blocking_send(Err(error));
        }
    });
    let body = stream::unfold(waiting, async |mut waiting| waiting.recv().await.map(|piece| (piece, waiting)));
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], Body::from_stream(body)).into_response())
}

struct Export {
    spans: Vec<Span>,
    points: Vec<PointName>,
    history: Arc<dyn History>,
}

impl Export {
    /// Ends early when nobody reads any more.
    fn write(&self, (from_ms, to_ms): (i64, i64), pieces: &mpsc::Sender<Piece>) -> Result<(), StoreError> {
        let mut text = String::from("time,point,value,quality,reason\n");
        // Days without a file cost next to nothing, so the days before the first one are not looked for.
        let mut day_ms = from_ms;
        while day_ms < to_ms {
            let end_ms = (day_ms.div_euclid(DAY_MS) + 1).saturating_mul(DAY_MS).min(to_ms);
            for line in self.day(day_ms, end_ms)? {
                line.write(&mut text);
                if text.len() >= PIECE && pieces.blocking_send(Ok(std::mem::take(&mut text).into_bytes())).is_err() {
                    return Ok(());
                }
            }
            if pieces.is_closed() {
                return Ok(());
            }
            day_ms = end_ms;
        }
        let _ = pieces.blocking_send(Ok(text.into_bytes()));
        Ok(())
    }

    fn day(&self, from_ms: i64, to_ms: i64) -> Result<Vec<Line<'_>>, StoreError> {
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
            let mut flaws = columns.flaws.into_iter().peekable();
            for (at, (time_ms, value)) in columns.times.into_iter().zip(columns.values).enumerate() {
                let flaw = flaws.next_if(|flaw| flaw.at == at).map(|flaw| (flaw.quality, flaw.reason));
                lines.push(Line { time_ms, point: point.as_str(), value, flaw });
            }
        }
        lines.sort_by_key(|line| line.time_ms);
        Ok(lines)
    }
}

struct Line<'p> {
    time_ms: i64,
    point: &'p str,
    value: Option<Value>,
    flaw: Option<(Quality, QualityReason)>,
}

impl Line<'_> {
    fn write(&self, text: &mut String) {
        let (quality, reason) = self.flaw.unwrap_or((Quality::Good, QualityReason::None));
        let value = self.value.as_ref().map(ToString::to_string).unwrap_or_default();
        let name = |word: serde_json::Result<Value>| word.map(|word| word.to_string()).unwrap_or_default();
        // The words of the API are those of the types' JSON.
        let quality = name(serde_json::to_value(quality).and_then(serde_json::from_value));
        let reason = name(serde_json::to_value(reason).and_then(serde_json::from_value));
        let _ =
            writeln!(text, "{},{},{},{quality},{reason}", rfc3339(self.time_ms), quoted(self.point), quoted(&value));
    }
}

/// A field as RFC 4180 wants it.
fn quoted(field: &str) -> std::borrow::Cow<'_, str> {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\"")).into()
    } else {
        field.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_quotes_what_would_break_it() {
        let mut text = String::new();
        let flaw = Some((Quality::Uncertain, QualityReason::OutOfRange));
        Line { time_ms: 0, point: "a.b", value: Some(Value::text("x,\"y\"")), flaw }.write(&mut text);
        assert_eq!(text, "1970-01-01T00:00:00.000Z,a.b,\"x,\"\"y\"\"\",uncertain,out-of-range\n");
    }
}
