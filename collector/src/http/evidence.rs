//! Pictures that show what happened at a device.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use kouan_protocol::Timestamp;
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use utoipa::IntoParams;

use super::extract::{Caller, Id, Params, read_body};
use super::page::{InOrder, Page, Paging};
use super::readings::time;
use super::{AppState, Problem, Shared, devices, events, parse_time};
use crate::auth::Scope;
use crate::evidence::{
    EvidenceFilter, EvidenceRow, Given, KeepProblem, Kept, PICTURE_BYTES, Picture, PictureProblem, RemoveProblem,
};
use crate::{alarms, commands};

/// The longest note or reason, in characters.
const NOTE: usize = 500;
/// The longest id of what a picture belongs to, in bytes.
const ID: usize = 128;
/// How far the clock of whoever gives a picture may be ahead, in milliseconds.
const AHEAD_MS: i64 = 10 * 60_000;
/// Nobody has a picture of this system from before: 2000-01-01.
const EARLIEST_MS: i64 = 946_684_800_000;
/// Bytes that are read from a file at once.
const PIECE: usize = 64 << 10;

/// What a picture shows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct About {
    /// The alarm of the device that it is evidence of.
    alarm: Option<String>,
    /// The event of the device that it is evidence of.
    event: Option<String>,
    /// The command to the device that it is evidence of.
    command: Option<String>,
    /// When it was taken, in milliseconds since 1970 or RFC 3339; now by default.
    taken_ms: Option<String>,
    /// What is to be said of it; at most 500 characters.
    note: Option<String>,
}

/// Keeps a picture as evidence: JPEG, PNG or WebP of at most 8 MiB, which is found out from its bytes. The same picture
/// of the same device, alarm, event and command is kept once; giving it again is answered with 200.
#[utoipa::path(post, path = "/api/v1/devices/{id}/evidence", tag = "evidence",
    params(("id" = String, Path), About),
    request_body(content = Vec<u8>, content_type = "image/jpeg"),
    responses((status = 201, body = EvidenceRow), (status = 200, body = EvidenceRow),
        (status = "4XX", content_type = "application/problem+json", body = Problem),
        (status = 507, content_type = "application/problem+json", body = Problem)))]
pub(super) async fn keep(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Params(about): Params<About>,
    body: Body,
) -> Result<(StatusCode, Json<EvidenceRow>), Problem> {
    let device = devices::find(&shared, &caller.sites, &id)?;
    let taken = check(&shared, &caller.sites, &id, &about).await?;
    let slot = shared.upload_slots.try_picture();
    let _slot = slot.ok_or_else(|| Problem::busy_for(2, "other pictures are being read"))?;
    let bytes = read_body(body, PICTURE_BYTES).await?;
    let picture = Picture::of(&bytes).map_err(no_picture)?;
    let About { alarm, event, command, note, .. } = about;
    let note = note.map(|note| note.trim().to_owned()).unwrap_or_default();
    let given = Given { site: device.site, device: id, alarm, event, command, taken, note, picture, bytes };
    match shared.evidence.keep(given, caller.actor()).await? {
        Ok(Kept::Now(row)) => Ok((StatusCode::CREATED, Json(row))),
        Ok(Kept::Before(row)) => Ok((StatusCode::OK, Json(row))),
        Err(problem @ KeepProblem::Many(_)) => Err(Problem::busy_for(3600, problem.to_string())),
        Err(problem @ (KeepProblem::Full(_) | KeepProblem::Disk)) => {
            let status = StatusCode::INSUFFICIENT_STORAGE;
            Err(Problem::new(status, "evidence-full", "There is no room for pictures", problem.to_string()))
        }
    }
}

/// Why bytes are no picture, for an answer.
pub(super) fn no_picture(problem: PictureProblem) -> Problem {
    let status = match problem {
        PictureProblem::Unknown | PictureProblem::Broken(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        PictureProblem::Size(..) => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Problem::new(status, "no-picture", "This is no picture that is taken", problem.to_string())
}

/// Checks what is said of a picture, and returns when it was taken, if that is said.
async fn check(shared: &Shared, scope: &Scope, device: &str, about: &About) -> Result<Option<Timestamp>, Problem> {
    let mut problems = Vec::new();
    let now = shared.clock.wall();
    let taken = about.taken_ms.as_deref().map(parse_time);
    match taken {
        Some(Some(taken)) if (EARLIEST_MS..=now.0.saturating_add(AHEAD_MS)).contains(&taken.0) => {}
        Some(Some(_)) => problems.push("taken_ms lies in the future or before 2000".to_owned()),
        Some(None) => problems.push("taken_ms must be milliseconds since 1970, or a time of RFC 3339".to_owned()),
        None => {}
    }
    if about.note.as_ref().is_some_and(|note| note.chars().count() > NOTE || note.chars().any(char::is_control)) {
        problems.push(format!("note must be one line of at most {NOTE} characters"));
    }
    let known = |id: &Option<String>| id.clone().filter(|id| id.len() <= ID).unwrap_or_default();
    let (alarm, command, sites) = (known(&about.alarm), known(&about.command), scope.clone());
    let found = shared.state_readers.read(move |conn| {
        let alarm = alarms::find(conn, &sites, &alarm)?.and_then(|alarm| alarm.device);
        Ok((alarm, commands::find(conn, &sites, &command)?.map(|command| command.device)))
    });
    let (of_alarm, of_command) = found.await?;
    let of_event = match &about.event {
        Some(event) if event.len() <= ID => {
            events::find(shared, scope.clone(), event).await?.and_then(|row| row.device)
        }
        _ => None,
    };
    for (what, given, found) in
        [("alarm", &about.alarm, of_alarm), ("event", &about.event, of_event), ("command", &about.command, of_command)]
    {
        if given.is_some() && found.as_deref() != Some(device) {
            problems.push(format!("{what} is none of this device"));
        }
    }
    if problems.is_empty() { Ok(taken.flatten()) } else { Err(Problem::invalid(problems)) }
}

/// Which pictures.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// At this site.
    site: Option<String>,
    /// Of this device.
    device: Option<String>,
    /// Of this alarm.
    alarm: Option<String>,
    /// Of this event.
    event: Option<String>,
    /// Of this command.
    command: Option<String>,
    /// Taken from this time on, RFC 3339 or milliseconds.
    from: Option<String>,
    /// Taken before this time.
    to: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
}

/// What pictures there are, the one that was taken last first.
#[utoipa::path(get, path = "/api/v1/evidence", tag = "evidence", params(Filter),
    responses((status = 200, body = Page<EvidenceRow>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<EvidenceRow>>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let limit = paging.limit()?;
    let after = paging.cursor::<InOrder>()?.map(|place| place.checked(true)).transpose()?;
    let scope = match filter.site {
        Some(site) if caller.sites.covers(&site) => Scope::Sites([site].into()),
        Some(_) => Scope::Sites([].into()),
        None => caller.sites,
    };
    let wanted = EvidenceFilter {
        device: filter.device,
        alarm: filter.alarm,
        event: filter.event,
        command: filter.command,
        from_ms: Some(time("from", filter.from.as_ref(), Timestamp(i64::MIN))?.0),
        to_ms: Some(time("to", filter.to.as_ref(), Timestamp(i64::MAX))?.0),
    };
    let rows = shared.evidence.list(scope, wanted, after.unwrap_or((i64::MAX, i64::MAX)), limit + 1).await?;
    Ok(Json(Page::cut(rows, limit, |row| InOrder::at(true, (row.taken_ms, row.number)).to_string())))
}

/// A picture itself.
#[utoipa::path(get, path = "/api/v1/evidence/{id}", tag = "evidence", params(("id" = String, Path)),
    responses((status = 200, content_type = "image/jpeg", body = Vec<u8>), (status = 304),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn picture(
    State(shared): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
    Id(id): Id,
) -> Result<Response, Problem> {
    let found = shared.evidence.show(caller.sites, id).await?;
    let (row, file) = found.ok_or_else(|| Problem::not_found("such picture"))?;
    let Some((file, length)) = file else {
        let (word, title, detail) = if row.removed.is_some() {
            ("removed", "The picture was removed", "an administrator has removed it; its row says why")
        } else {
            ("lost", "The picture is lost", "its file is not there any more, or not what it was")
        };
        return Err(Problem::new(StatusCode::GONE, word, title, detail));
    };
    let value = |text: String| HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("\"\""));
    let mark = value(format!("\"{}\"", row.sha256));
    // It never changes; that it was removed is found out within a day.
    let kept = HeaderValue::from_static("private, max-age=86400, immutable");
    let kept = [(header::ETAG, mark.clone()), (header::CACHE_CONTROL, kept)];
    if headers.get(header::IF_NONE_MATCH) == Some(&mark) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    let media_type = value(row.media_type);
    let what = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_LENGTH, HeaderValue::from(length)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
        (header::HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    ];
    // Piece by piece: many may look at large pictures over slow lines.
    let pieces = stream::try_unfold(tokio::fs::File::from_std(file), async |mut file| {
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok::<_, std::io::Error>((read > 0).then(|| (Bytes::from(piece), file)))
    });
    Ok((kept, what, Body::from_stream(pieces)).into_response())
}

/// Why a picture is removed.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Why {
    /// The reason; 1 to 500 characters.
    reason: String,
}

/// Removes a picture. Its row stays and says who removed it, when and why.
#[utoipa::path(delete, path = "/api/v1/evidence/{id}", tag = "evidence", params(("id" = String, Path), Why),
    responses((status = 204), (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn remove(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Params(why): Params<Why>,
) -> Result<StatusCode, Problem> {
    let reason = why.reason.trim().to_owned();
    if !(1..=NOTE).contains(&reason.chars().count()) || reason.chars().any(char::is_control) {
        return Err(Problem::invalid(vec![format!("reason must be one line of 1 to {NOTE} characters")]));
    }
    let actor = caller.actor();
    match shared.evidence.remove(caller.sites, id, actor, reason).await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(RemoveProblem::None) => Err(Problem::not_found("such picture")),
        Err(problem @ RemoveProblem::Gone) => Err(Problem::conflict(problem.to_string())),
    }
}
