//! What is to be exported.

use std::sync::Arc;

use kouan_protocol::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::rows::Rows;
use crate::http::extract::Caller;
use crate::http::readings::time;
use crate::http::series::{points_of, spans};
use crate::http::{AppState, Problem, devices};

const DAY_MS: i64 = 24 * 3_600_000;

/// Which readings.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct Range {
    /// The points, separated by commas.
    points: String,
    /// From this time on, RFC 3339 or milliseconds; a day before `to` by default.
    from: Option<String>,
    /// Before this time; now by default.
    to: Option<String>,
}

impl Range {
    /// The readings, which are read as they are asked for.
    pub(super) async fn rows(&self, shared: &AppState, caller: &Caller, id: &str) -> Result<Rows, Problem> {
        devices::find(shared, &caller.sites, id)?;
        let points = points_of(&self.points)?;
        let now = shared.clock.wall();
        let to = time("to", self.to.as_ref(), now.plus_ms(1))?;
        let from = time("from", self.from.as_ref(), to.plus_ms(-DAY_MS))?;
        if from > to || from < Timestamp(0) || to > now.plus_ms(DAY_MS) {
            return Err(Problem::invalid(vec![
                "from must be before to, and both between 1970 and tomorrow".to_owned(),
            ]));
        }
        Ok(Rows::new(Arc::clone(&shared.history), spans(shared, id).await?, points, (from.0, to.0)))
    }
}
