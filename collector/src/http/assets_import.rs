//! Importing spreadsheets of assets.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::assets::change;
use super::extract::{Caller, Id, Params, read_body};
use super::{AppState, Problem};
use crate::assets::{self, Format, ImportProblem, Preview, SHEET_BYTES};

/// What is uploaded.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Upload {
    /// `csv` (UTF-8, GB18030 or UTF-16) or `xlsx`.
    format: String,
    /// The site of rows that name none.
    site: Option<String>,
    /// Always `true`: a file is applied by the token of its preview.
    dry_run: Option<bool>,
}

/// Reads a spreadsheet and says what it would change. Nothing is changed yet.
#[utoipa::path(post, path = "/api/v1/assets/import", tag = "assets", params(Upload),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = Preview), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn preview(
    State(shared): State<AppState>,
    caller: Caller,
    Params(upload): Params<Upload>,
    body: Body,
) -> Result<Json<Preview>, Problem> {
    let format = match upload.format.as_str() {
        "csv" => Format::Csv,
        "xlsx" => Format::Xlsx,
        _ => return Err(Problem::invalid(vec!["format must be csv or xlsx".to_owned()])),
    };
    if upload.dry_run == Some(false) {
        let detail = "a file is previewed first and applied by POST /api/v1/assets/import/{token}".to_owned();
        return Err(Problem::invalid(vec![detail]));
    }
    let _one = shared.imports.read_one().map_err(|_| Problem::busy_for(5, "another file is being read"))?;
    let bytes = read_body(body, SHEET_BYTES).await?;
    let (reading, by) = (std::sync::Arc::clone(&shared), caller.id.clone());
    let planned = shared.state_readers.read(move |conn| {
        let topology = reading.topology.now();
        // A large file takes seconds; the fleet must not wait for it.
        let devices = reading.fleet().devices().map(|device| (device.id.clone(), device.site.clone())).collect();
        assets::plan_import(conn, (&topology, &devices), &caller.sites, (&bytes, format, upload.site.as_deref()))
    });
    let (mut preview, plan) = planned.await?;
    shared.imports.keep(&by, shared.clock.boot_time(), &mut preview, plan);
    Ok(Json(preview))
}

/// What was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Imported {
    /// Always `true`; otherwise there is a problem document.
    applied: bool,
}

/// Does exactly what a preview showed, in one transaction; refused if assets were changed since.
#[utoipa::path(post, path = "/api/v1/assets/import/{id}", tag = "assets", params(("id" = String, Path)),
    responses((status = 200, body = Imported), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn apply(
    State(shared): State<AppState>,
    caller: Caller,
    Id(token): Id,
) -> Result<(StatusCode, Json<Imported>), Problem> {
    let refused = |problem: ImportProblem| match problem {
        ImportProblem::None => Problem::not_found("such preview any more; upload the file again"),
        ImportProblem::Changed => Problem::conflict(problem.to_string()),
    };
    let plan = shared.imports.take(&caller.id, shared.clock.boot_time(), &token).map_err(refused)?;
    // Sites may have been taken from the caller since the preview.
    if !plan.is_within(&caller.sites) {
        return Err(refused(ImportProblem::None));
    }
    change(&shared, &caller, move |working, _| working.import(plan)).await?.map_err(refused)?;
    Ok((StatusCode::OK, Json(Imported { applied: true })))
}
