//! What people and systems did.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use utoipa::IntoParams;

use super::extract::{Caller, Params};
use super::page::{Page, Paging};
use super::session::has_all_sites;
use super::time::parse_time;
use super::{AppState, Problem};
use crate::audit::{self, AuditFilter, AuditRow, ChainHead, ChainReport};
use crate::auth::Scope;
use crate::store::{Readers, StoreError};

/// Rows that an export reads at a time.
const PIECE: usize = 1000;

/// Which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Of the user or key with this id.
    actor: Option<String>,
    /// With this action, such as `command-asked`.
    action: Option<String>,
    /// About the thing with this id.
    target: Option<String>,
    /// From this time: RFC 3339, or milliseconds since 1970.
    from: Option<String>,
    /// Before this time.
    to: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default. An export takes no notice of it.
    limit: Option<usize>,
}

impl Filter {
    fn check(self) -> Result<(AuditFilter, usize), Problem> {
        let time = |name: &str, text: Option<String>| {
            let parse = |text: String| {
                let wrong = || Problem::invalid(vec![format!("{name} is not a time: use 2026-11-22T08:00:00Z")]);
                parse_time(&text).map(|time| time.0).ok_or_else(wrong)
            };
            text.map(parse).transpose()
        };
        let paging = Paging { cursor: self.cursor, limit: self.limit };
        let filter = AuditFilter {
            actor: self.actor,
            action: self.action,
            target: self.target,
            from: time("from", self.from)?,
            to: time("to", self.to)?,
            before: paging.cursor()?,
        };
        Ok((filter, paging.limit()?))
    }
}

/// What people and systems did, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(Filter),
    responses((status = 200, body = Page<AuditRow>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<AuditRow>>, Problem> {
    let (filter, limit) = filter.check()?;
    let rows = shared.state_readers.read(move |conn| audit::list(conn, &caller.sites, &filter, limit + 1)).await?;
    Ok(Json(Page::cut(rows, limit, |row| row.id.to_string())))
}

/// The same as lines of JSON, all of them, newest first. An answer that breaks off is not complete.
#[utoipa::path(get, path = "/api/v1/audit/export.jsonl", tag = "audit", params(Filter),
    responses((status = 200, content_type = "application/x-ndjson", body = String),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn export(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Response, Problem> {
    let (filter, _) = filter.check()?;
    let start = Some((shared.state_readers.clone(), caller.sites, filter));
    let pieces = stream::try_unfold(start, async |place| {
        let Some((readers, sites, filter)) = place else { return Ok(None) };
        let (lines, next) = piece(&readers, sites, filter).await?;
        Ok::<_, StoreError>(Some((lines, next.map(|(sites, filter)| (readers, sites, filter)))))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(pieces)).into_response())
}

type Next = Option<(Scope, AuditFilter)>;

async fn piece(readers: &Readers, sites: Scope, mut filter: AuditFilter) -> Result<(Vec<u8>, Next), StoreError> {
    let read = readers.read(move |conn| {
        let rows = audit::list(conn, &sites, &filter, PIECE)?;
        let mut lines = Vec::new();
        for row in &rows {
            serde_json::to_writer(&mut lines, row).map_err(StoreError::damaged("a row of the audit log"))?;
            lines.push(b'\n');
        }
        filter.before = rows.last().map(|row| row.id);
        Ok((lines, (rows.len() == PIECE).then_some((sites, filter))))
    });
    read.await
}

/// A row that somebody noted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Noted {
    /// Its number: the answer says whether it is still in the log.
    id: Option<i64>,
    /// Its hash.
    hash: Option<String>,
}

/// Reads the whole log and says whether it is as it was written. Note `head`: later it can be looked for.
#[utoipa::path(get, path = "/api/v1/audit/check", tag = "audit", params(Noted),
    responses((status = 200, body = ChainReport),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn check(
    State(shared): State<AppState>,
    caller: Caller,
    Params(noted): Params<Noted>,
) -> Result<Json<ChainReport>, Problem> {
    if !has_all_sites(&caller) {
        return Err(Problem::forbidden("the log is about all sites: this needs the right to all of them"));
    }
    let noted = match (noted.id, noted.hash) {
        (Some(id), Some(hash)) => Some(ChainHead { id, hash }),
        (None, None) => None,
        _ => return Err(Problem::invalid(vec!["id and hash go together".to_owned()])),
    };
    Ok(Json(shared.state_readers.read(move |conn| audit::check_chain(conn, noted.as_ref())).await?))
}
