//! Readings as CSV.

use std::fmt::Write as _;

use axum::extract::State;
use axum::response::Response;

use super::range::Range;
use super::rows::{Line, Rows};
use super::stream::{self, Broken, Parts};
use crate::http::extract::{Caller, Id, Params};
use crate::http::{AppState, Problem, rfc3339};

const HEAD: &str = "time,point,value,quality,reason\n";

/// Raw readings as CSV, by time: `time,point,value,quality,reason`. An answer that breaks off is not complete. Where a
/// part of the history is damaged, a line with the quality `missing` and no value says that readings of the point may
/// be missing from its time on, with the reason `damaged`, or `filling` while they are being read again. So many files
/// are made at the same time; beyond that the answer is 503 with `Retry-After`.
#[utoipa::path(get, path = "/api/v1/devices/{id}/export.csv", tag = "devices", params(("id" = String, Path), Range),
    responses((status = 200, content_type = "text/csv", body = String),
        (status = "4XX", content_type = "application/problem+json", body = Problem),
        (status = 503, content_type = "application/problem+json", body = Problem)))]
pub(in crate::http) async fn csv(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Params(range): Params<Range>,
) -> Result<Response, Problem> {
    let rows = range.rows(&shared, &caller, &id).await?;
    let slot = shared.exports.take(&caller.id)?;
    Ok(stream::answer(slot, "text/csv; charset=utf-8", None, Csv { rows, begun: false }))
}

struct Csv {
    rows: Rows,
    begun: bool,
}

impl Parts for Csv {
    fn next(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        let mut text = if self.begun { String::new() } else { HEAD.to_owned() };
        self.begun = true;
        match self.rows.next()? {
            Some(lines) => lines.iter().for_each(|line| write_line(line, &mut text)),
            None if text.is_empty() => return Ok(None),
            None => {}
        }
        Ok(Some(text.into_bytes()))
    }
}

fn write_line(line: &Line, text: &mut String) {
    let value = line.value.as_ref().map(ToString::to_string).unwrap_or_default();
    let (time, point, value) = (rfc3339(line.time_ms), quoted(&line.point), quoted(&value));
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
        write_line(&Line { time_ms: 0, point: "a.b".into(), value, said, late: false }, &mut text);
        assert_eq!(text, "1970-01-01T00:00:00.000Z,a.b,\"x,\"\"y\"\"\",uncertain,out-of-range\n");
        text.clear();
        let said = Said::Missing(IncompleteReason::Damaged);
        write_line(&Line { time_ms: 0, point: "a.b".into(), value: None, said, late: false }, &mut text);
        assert_eq!(text, "1970-01-01T00:00:00.000Z,a.b,,missing,damaged\n");
    }
}
