//! What machines ask about the collector itself, and the page for people.

use std::sync::LazyLock;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;

use super::{AppState, Problem, metrics};
use crate::reader::Progress;

/// How long what was stored may stay unseen before the collector counts as not ready.
const LAG: Duration = Duration::from_secs(15);

/// A one-word answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Word {
    /// `ok`, or what is not.
    status: &'static str,
}

/// Whether the process answers.
#[utoipa::path(get, path = "/healthz", tag = "service", responses((status = 200, body = Word)))]
pub(super) async fn alive() -> Json<Word> {
    Json(Word { status: "ok" })
}

/// Whether the files can be written and the readers keep up.
#[utoipa::path(get, path = "/readyz", tag = "service",
    responses((status = 200, body = Word), (status = 503, body = Word)))]
pub(super) async fn ready(State(shared): State<AppState>) -> (StatusCode, Json<Word>) {
    let head = *shared.head.borrow();
    let behind = |progress: &Progress| progress.behind(head).is_none_or(|behind| behind > LAG);
    let status = if shared.shutdown.is_cancelled() {
        "stopping"
    } else if behind(&shared.state_progress) || behind(&shared.latest_progress) || behind(&shared.history_progress) {
        "behind"
    } else if shared.state.transact(|_| Ok(())).await.is_err() {
        "not writable"
    } else {
        "ok"
    };
    let code = if status == "ok" { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, Json(Word { status }))
}

/// Figures for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "service",
    responses((status = 200, content_type = "text/plain", body = String),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn prometheus(State(shared): State<AppState>) -> Result<Response, Problem> {
    let text = metrics::render(&shared).await?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

static OPENAPI: LazyLock<OpenApi> = LazyLock::new(super::openapi);

/// This description of the API.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "service", responses((status = 200, body = Object)))]
pub(super) async fn describe() -> Json<&'static OpenApi> {
    Json(&OPENAPI)
}
