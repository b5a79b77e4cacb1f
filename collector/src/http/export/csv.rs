//! Readings as CSV.

use std::fmt::Write as _;

use axum::extract::State;
use axum::response::Response;

use super::range::Range;
use super::rows::{Line, Rows};
use super::stream::{self, Broken, PIECE, Pieces};
use crate::http::extract::{Caller, Id, Params};
use crate::http::{AppState, Problem, rfc3339};

/// Raw readings as CSV, by time: `time,point,value,quality,reason`. An answer that breaks off is not complete. Where a
/// part of the history is damaged, a line with the quality `missing` and no value says that readings of the point may
/// be missing from its time on, with the reason `damaged`, or `filling` while they are being read again.
#[utoipa::path(get, path = "/api/v1/devices/{id}/export.csv", tag = "devices", params(("id" = String, Path), Range),
    responses((status = 200, content_type = "text/csv", body = String),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(in crate::http) async fn csv(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Params(range): Params<Range>,
) -> Result<Response, Problem> {
    let rows = range.rows(&shared, &caller, &id).await?;
    Ok(stream::answer("text/csv; charset=utf-8", None, move |pieces| write(&rows, pieces)))
}

fn write(rows: &Rows, pieces: &Pieces) -> Result<(), Broken> {
    let mut text = String::from("time,point,value,quality,reason\n");
    rows.each_window(|lines| {
        for line in lines {
            write_line(&line, &mut text);
            if text.len() >= PIECE && !pieces.send(std::mem::take(&mut text).into_bytes()) {
                return Ok(false);
            }
        }
        Ok::<bool, Broken>(pieces.are_wanted())
    })?;
    pieces.send(text.into_bytes());
    Ok(())
}

fn write_line(line: &Line<'_>, text: &mut String) {
    let value = line.value.as_ref().map(ToString::to_string).unwrap_or_default();
    let (time, point, value) = (rfc3339(line.time_ms), quoted(line.point), quoted(&value));
    let (quality, reason) = (line.said.quality(), line.said.reason());
    // Writing into a string cannot fail.
    let _ = writeln!(text, "{time},{point},{value},{quality},{reason}");
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
    use kouan_protocol::{Quality, QualityReason, Value};

    use super::super::rows::Said;
    use super::*;
    use crate::telemetry::IncompleteReason;

    #[test]
    fn a_line_quotes_what_would_break_it() {
        let mut text = String::new();
        let said = Said::Read(Quality::Uncertain, QualityReason::OutOfRange);
        let value = Some(Value::text("x,\"y\""));
        write_line(&Line { time_ms: 0, point: "a.b", value, said, late: false }, &mut text);
        assert_eq!(text, "1970-01-01T00:00:00.000Z,a.b,\"x,\"\"y\"\"\",uncertain,out-of-range\n");
        text.clear();
        let said = Said::Missing(IncompleteReason::Damaged);
        write_line(&Line { time_ms: 0, point: "a.b", value: None, said, late: false }, &mut text);
        assert_eq!(text, "1970-01-01T00:00:00.000Z,a.b,,missing,damaged\n");
    }
}
