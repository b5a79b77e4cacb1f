//! Readings as Parquet.

use axum::extract::State;
use axum::response::Response;
use kouan_protocol::Value;

use super::range::Range;
use super::rows::{Line, Rows};
use super::stream::{self, Broken, Parts};
use crate::http::extract::{Caller, Id, Params};
use crate::http::{AppState, Problem};
use crate::parquet::{Column, Field, Kind, Writer};

const fn field(name: &'static str, kind: Kind, optional: bool) -> Field {
    Field { name, kind, optional }
}

const FIELDS: [Field; 7] = [
    field("time", Kind::Time, false),
    field("point", Kind::Word, false),
    field("value", Kind::Number, true),
    field("text", Kind::Text, true),
    field("quality", Kind::Word, false),
    field("reason", Kind::Word, false),
    field("late", Kind::Truth, false),
];

/// Raw readings as an Apache Parquet file, by time: `time`, `point`, `value` of numbers and counters, `text` of states
/// and texts, `quality`, `reason`, `late`. An answer that breaks off has no footer and does not open. Where a part of
/// the history is damaged, a row with the quality `missing` and no value says that readings of the point may be missing
/// from its time on, with the reason `damaged`, or `filling` while they are being read again. Values are floating point:
/// counters beyond 2^53 lose their last digits, which CSV has. So many files are made at the same time; beyond that the
/// answer is 503 with `Retry-After`.
#[utoipa::path(get, path = "/api/v1/devices/{id}/export.parquet", tag = "devices",
    params(("id" = String, Path), Range),
    responses((status = 200, content_type = "application/vnd.apache.parquet", body = Vec<u8>),
        (status = "4XX", content_type = "application/problem+json", body = Problem),
        (status = 503, content_type = "application/problem+json", body = Problem)))]
pub(in crate::http) async fn parquet(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Params(range): Params<Range>,
) -> Result<Response, Problem> {
    let rows = range.rows(&shared, &caller, &id).await?;
    let slot = shared.exports.take(&caller.id)?;
    let name = Some(format!("{id}.parquet"));
    let file = Parquet { rows, writer: Some(Writer::new(&FIELDS)) };
    Ok(stream::answer(slot, "application/vnd.apache.parquet", name, file))
}

struct Parquet {
    rows: Rows,
    /// `None` once the file is whole.
    writer: Option<Writer>,
}

impl Parts for Parquet {
    fn next(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let Some(mut writer) = self.writer.take() else { return Ok(None) };
        let Some(lines) = self.rows.next()? else { return writer.finish().map(Some).map_err(Broken::Compress) };
        for line in &lines {
            writer.row(|columns| fill(columns, line)).map_err(Broken::Compress)?;
        }
        let part = writer.take();
        self.writer = Some(writer);
        Ok(Some(part))
    }
}

fn fill(columns: &mut [Column], line: &Line) {
    let [time, point, value, text, quality, reason, late] = columns else { return };
    time.time(line.time_ms);
    point.word(&line.point);
    value.number(line.value.as_ref().and_then(Value::as_f64));
    text.text(match &line.value {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    });
    quality.word(&line.said.quality());
    reason.word(&line.said.reason());
    late.truth(line.late);
}
