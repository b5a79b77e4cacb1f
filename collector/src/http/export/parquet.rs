//! Readings as Parquet.

use axum::extract::State;
use axum::response::Response;
use kouan_protocol::Value;

use super::range::Range;
use super::rows::{Line, Rows};
use super::stream::{self, Broken, PIECE, Pieces};
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
/// from its time on, with the reason `damaged`, or `filling` while they are being read again.
#[utoipa::path(get, path = "/api/v1/devices/{id}/export.parquet", tag = "devices",
    params(("id" = String, Path), Range),
    responses((status = 200, content_type = "application/vnd.apache.parquet", body = Vec<u8>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(in crate::http) async fn parquet(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Params(range): Params<Range>,
) -> Result<Response, Problem> {
    let rows = range.rows(&shared, &caller, &id).await?;
    let name = Some(format!("{id}.parquet"));
    Ok(stream::answer("application/vnd.apache.parquet", name, move |pieces| write(&rows, pieces)))
}

fn write(rows: &Rows, pieces: &Pieces) -> Result<(), Broken> {
    let mut writer = Writer::new(&FIELDS);
    let send = |bytes: Vec<u8>| bytes.chunks(PIECE).all(|piece| pieces.send(piece.to_vec()));
    rows.each_window(|lines| {
        for line in lines {
            writer.row(|columns| fill(columns, &line)).map_err(Broken::Compress)?;
        }
        // Nothing is sent before a row group is whole, so whether somebody still reads must be asked.
        Ok::<bool, Broken>(send(writer.take()) && pieces.are_wanted())
    })?;
    send(writer.finish().map_err(Broken::Compress)?);
    Ok(())
}

fn fill(columns: &mut [Column], line: &Line<'_>) {
    let [time, point, value, text, quality, reason, late] = columns else { return };
    time.time(line.time_ms);
    point.word(line.point);
    value.number(line.value.as_ref().and_then(Value::as_f64));
    text.text(match &line.value {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    });
    quality.word(&line.said.quality());
    reason.word(&line.said.reason());
    late.truth(line.late);
}
