//! What was told to whom, and how people are reached.

use axum::Json;
use axum::extract::State;
use kouan_protocol::Timestamp;
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use super::extract::{Caller, Id, Input, Params};
use super::page::{Page, Paging};
use super::readings::time;
use super::{AppState, Problem};
use crate::audit::{self, Deed};
use crate::auth::Right;
use crate::notify::{self, Contact, NotificationFilter, NotificationRow};

/// Which notifications.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Of the alarm with that id.
    alarm: Option<String>,
    /// By the channel with that id.
    channel: Option<String>,
    /// `waiting`, `sent`, `failed` or `suppressed`.
    state: Option<String>,
    /// `raise`, `clear`, `escalate`, `digest` or `test`.
    kind: Option<String>,
    /// From this time on, RFC 3339 or milliseconds.
    from: Option<String>,
    /// Before this time.
    to: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Rows on the page, 1 to 1000; 100 by default.
    limit: Option<usize>,
}

/// Notifications, newest first. Those about several sites are shown to whoever may see all of these.
#[utoipa::path(get, path = "/api/v1/notifications", tag = "notifications", params(Filter),
    responses((status = 200, body = Page<NotificationRow>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(
    State(shared): State<AppState>,
    caller: Caller,
    Params(filter): Params<Filter>,
) -> Result<Json<Page<NotificationRow>>, Problem> {
    let paging = Paging { cursor: filter.cursor, limit: filter.limit };
    let (limit, before) = (paging.limit()?, paging.cursor()?);
    let given = |text: &Option<String>, name: &str| -> Result<Option<i64>, Problem> {
        text.as_ref().map(|_| time(name, text.as_ref(), Timestamp(0)).map(|time| time.0)).transpose()
    };
    let (from, to) = (given(&filter.from, "from")?, given(&filter.to, "to")?);
    let filter = NotificationFilter {
        alarm: filter.alarm,
        channel: filter.channel,
        state: filter.state,
        kind: filter.kind,
        from,
        to,
        before,
    };
    let rows = shared.state_readers.read(move |conn| notify::outbox::list(conn, &caller.sites, &filter, limit + 1));
    Ok(Json(Page::cut(rows.await?, limit, |row| row.number.to_string())))
}

/// Everybody says how they are reached; for others it is said by administrators of all sites.
fn is_own_or_administrator(caller: &Caller, user: &str) -> Result<bool, Problem> {
    let own = caller.id == user;
    let all = caller.principal.sites_of(Right::Administer) == Some(crate::auth::Scope::All);
    // Who exists is nobody else's business.
    if own || all { Ok(own) } else { Err(Problem::not_found("such user")) }
}

/// How a user is reached.
#[utoipa::path(get, path = "/api/v1/users/{id}/contact", tag = "notifications", params(("id" = String, Path)),
    responses((status = 200, body = Contact),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn contact(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<Contact>, Problem> {
    is_own_or_administrator(&caller, &id)?;
    let found = shared.state_readers.read(move |conn| {
        let exists = crate::auth::user(conn, &id)?.is_some();
        Ok(notify::contact(conn, &id)?.or_else(|| exists.then(Contact::default)))
    });
    found.await?.map(Json).ok_or_else(|| Problem::not_found("such user"))
}

/// Says how a user is reached: oneself, or for administrators of all sites anybody.
#[utoipa::path(put, path = "/api/v1/users/{id}/contact", tag = "notifications", params(("id" = String, Path)),
    request_body = Contact, responses((status = 200, body = Contact),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn set_contact(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Input(contact): Input<Contact>,
) -> Result<Json<Contact>, Problem> {
    let own = is_own_or_administrator(&caller, &id)?;
    let problems = contact.problems();
    if !problems.is_empty() {
        return Err(Problem::invalid(problems));
    }
    let (actor, now) = (caller.actor(), shared.clock.wall());
    let written = shared.state.transact(move |transaction| {
        let written = notify::set_contact(transaction, &id, &contact, now)?;
        if written {
            // What somebody's address is does not belong into a log that is kept for ever.
            let detail = json!({ "own": own, "email": contact.email.is_some(), "phone": contact.phone.is_some() });
            audit::record(transaction, &actor, &Deed::new("contact-changed", &id).with(detail), now)?;
        }
        Ok(written.then_some(contact))
    });
    written.await?.map(Json).ok_or_else(|| Problem::not_found("such user"))
}
