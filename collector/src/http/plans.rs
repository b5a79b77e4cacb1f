//! Plans of areas, and where assets stand on them.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::assets::change;
use super::evidence::no_picture;
use super::extract::{Caller, Id, read_body};
use super::{AppState, Problem, Shared};
use crate::assets::{self, AreaId, MOST_POSITIONS, PLAN_BYTES, Plan, Position};
use crate::auth::Scope;
use crate::evidence::Picture;

/// Largest list of positions, in bytes.
const POSITIONS_BYTES: usize = 512 << 10;

fn check_area(shared: &Shared, scope: &Scope, id: &AreaId) -> Result<(), Problem> {
    let topology = shared.topology.now();
    let known = topology.area(id).is_some_and(|area| scope.covers(&area.site));
    if known { Ok(()) } else { Err(Problem::not_found("such area")) }
}

/// The plan of an area.
#[utoipa::path(get, path = "/api/v1/areas/{id}/plan", tag = "assets", params(("id" = String, Path)),
    responses((status = 200, content_type = "image/png", body = Vec<u8>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn picture(
    State(shared): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id,
) -> Result<Response, Problem> {
    let id = AreaId::from(id);
    check_area(&shared, &caller.sites, &id)?;
    let found = shared.state_readers.read(move |conn| assets::plan(conn, &id)).await?;
    let Plan { media_type, digest, picture } = found.ok_or_else(|| Problem::not_found("plan of this area"))?;
    let mark = HeaderValue::from_str(&format!("\"{digest}\"")).unwrap_or(HeaderValue::from_static("\"\""));
    let kept = [(header::ETAG, mark.clone()), (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"))];
    if headers.get(header::IF_NONE_MATCH) == Some(&mark) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    let media_type = HeaderValue::from_str(&media_type).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let policy = HeaderValue::from_static("default-src 'none'; sandbox");
    let what = [(header::CONTENT_TYPE, media_type), (header::CONTENT_SECURITY_POLICY, policy)];
    Ok((kept, what, picture).into_response())
}

/// Gives an area a plan: a PNG, JPEG or WebP picture of at most 8 MiB.
#[utoipa::path(put, path = "/api/v1/areas/{id}/plan", tag = "assets", params(("id" = String, Path)),
    request_body(content = Vec<u8>, content_type = "image/png"),
    responses((status = 204), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn put_picture(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    body: Body,
) -> Result<StatusCode, Problem> {
    let id = AreaId::from(id);
    check_area(&shared, &caller.sites, &id)?;
    let slot = shared.upload_slots.try_picture();
    let _slot = slot.ok_or_else(|| Problem::busy_for(2, "other pictures are being read"))?;
    let bytes = read_body(body, PLAN_BYTES).await?;
    let media_type = Picture::of(&bytes).map_err(no_picture)?.media_type;
    let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let plan = Plan { media_type: media_type.to_owned(), digest, picture: bytes.into() };
    change(&shared, &caller, move |working, scope| working.put_plan(scope, &id, &plan)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes the plan from an area, with the positions on it.
#[utoipa::path(delete, path = "/api/v1/areas/{id}/plan", tag = "assets", params(("id" = String, Path)),
    responses((status = 204), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn remove_picture(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<StatusCode, Problem> {
    let id = AreaId::from(id);
    change(&shared, &caller, move |working, scope| working.remove_plan(scope, &id)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Where assets stand on a plan.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Positions {
    /// Each asset once.
    positions: Vec<Position>,
    /// Differs after every change. Sent back, it refuses the change if there is another one by now.
    #[serde(default)]
    revision: Option<String>,
}

/// Where assets stand on the plan of an area.
#[utoipa::path(get, path = "/api/v1/areas/{id}/positions", tag = "assets", params(("id" = String, Path)),
    responses((status = 200, body = Positions), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn positions(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Positions>, Problem> {
    let id = AreaId::from(id);
    check_area(&shared, &caller.sites, &id)?;
    let positions = shared.state_readers.read(move |conn| assets::positions(conn, &id)).await?;
    Ok(Json(Positions { revision: Some(assets::positions_revision(&positions)), positions }))
}

/// Says where assets of an area or its parts stand on its plan; those that are not named stand there no more.
#[utoipa::path(put, path = "/api/v1/areas/{id}/positions", tag = "assets", params(("id" = String, Path)),
    request_body = Positions, responses((status = 200, body = Positions),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn put_positions(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    body: Body,
) -> Result<Json<Positions>, Problem> {
    let bytes = read_body(body, POSITIONS_BYTES).await?;
    let Positions { positions, revision } =
        serde_json::from_slice(&bytes).map_err(|error| Problem::malformed(format!("the body: {error}")))?;
    if positions.len() > MOST_POSITIONS {
        return Err(Problem::invalid(vec![format!("at most {MOST_POSITIONS} positions")]));
    }
    let id = AreaId::from(id);
    let put = change(&shared, &caller, move |working, scope| {
        let put = working.put_positions(scope, &id, (&positions, revision.as_ref()))?;
        // As they are listed from now on.
        Ok(match put {
            Ok(()) => Ok(assets::positions(working.transaction(), &id)?),
            Err(problem) => Err(problem),
        })
    });
    let positions = put.await??;
    Ok(Json(Positions { revision: Some(assets::positions_revision(&positions)), positions }))
}
