//! Channels by which people and programs are told of alarms.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::extract::{Caller, Id, Input};
use super::page::Page;
use super::{AppState, Problem};
use crate::audit::{self, Deed};
use crate::auth::Scope;
use crate::notify::channel::ChannelKind;
use crate::notify::{self, Channel, ChannelSettings, NotifyProblem, TestResult};

/// A channel. Secrets stand in its settings by name; `has_secret` in them says that it uses some.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChannelView {
    /// Names it for ever.
    id: String,
    /// What it does.
    #[serde(flatten)]
    wanted: ChannelSettings,
    /// Secrets that it names and the collector's settings do not have.
    missing_secrets: Vec<String>,
    /// Grows with each change.
    revision: i64,
}

/// Fields of an answer that a request may send back.
const SHOWN: [&str; 4] = ["id", "revision", "missing_secrets", "since_ms"];

/// What somebody wants, and the revision that they have seen.
pub(super) fn read_wanted<T: serde::de::DeserializeOwned>(mut body: Value) -> Result<(T, Option<i64>), Problem> {
    let revision = body.get("revision").and_then(Value::as_i64);
    if let Some(fields) = body.as_object_mut() {
        SHOWN.iter().for_each(|name| drop(fields.remove(*name)));
        if let Some(settings) = fields.get_mut("settings").and_then(Value::as_object_mut) {
            settings.remove("has_secret");
        }
    }
    let wanted = serde_json::from_value(body).map_err(|error| Problem::malformed(format!("the body: {error}")))?;
    Ok((wanted, revision))
}

impl From<NotifyProblem> for Problem {
    fn from(problem: NotifyProblem) -> Self {
        match problem {
            NotifyProblem::None => Self::not_found("such channel or route"),
            NotifyProblem::Invalid(problems) => Self::invalid(problems),
            NotifyProblem::Exists(_) | NotifyProblem::Changed(_) | NotifyProblem::InUse(_) | NotifyProblem::TooMany => {
                Self::conflict(problem.to_string())
            }
        }
    }
}

fn view(shared: &AppState, channel: Channel) -> ChannelView {
    let secrets = channel.wanted.secrets();
    let has_secret = !secrets.is_empty();
    let known = shared.notify.couriers.secrets();
    let missing_secrets = secrets.into_iter().filter(|name| !known.has(name)).collect();
    let mut wanted = channel.wanted;
    if let Some(settings) = wanted.settings.as_object_mut() {
        settings.insert("has_secret".to_owned(), has_secret.into());
    }
    ChannelView { id: channel.id, wanted, missing_secrets, revision: channel.revision }
}

/// A channel belongs to no site, and leads anywhere: whoever changes it must be trusted with all of them.
fn is_for_all(caller: &Caller) -> Result<(), Problem> {
    if caller.sites == Scope::All {
        return Ok(());
    }
    Err(Problem::forbidden("channels are for all sites: this needs the right to configure at all of them"))
}

fn deed(action: &'static str, channel: &Channel) -> Deed {
    let wanted = &channel.wanted;
    let detail = json!({ "name": wanted.name, "kind": wanted.kind, "enabled": wanted.enabled,
        "settings": wanted.settings, "rate_per_hour": wanted.rate_per_hour });
    Deed::new(action, &channel.id).with(detail)
}

/// Channels by name.
#[utoipa::path(get, path = "/api/v1/notification-channels", tag = "notifications",
    responses((status = 200, body = Page<ChannelView>),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(State(shared): State<AppState>, _: Caller) -> Result<Json<Page<ChannelView>>, Problem> {
    // There are at most 200.
    let channels = shared.state_readers.read(notify::channels).await?;
    let items = channels.into_iter().map(|channel| view(&shared, channel)).collect();
    Ok(Json(Page { items, next: None }))
}

/// A channel.
#[utoipa::path(get, path = "/api/v1/notification-channels/{id}", tag = "notifications",
    params(("id" = String, Path)), responses((status = 200, body = ChannelView),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn detail(
    State(shared): State<AppState>,
    _: Caller,
    Id(id): Id,
) -> Result<Json<ChannelView>, Problem> {
    Ok(Json(view(&shared, find(&shared, id).await?)))
}

async fn find(shared: &AppState, id: String) -> Result<Channel, Problem> {
    let found = shared.state_readers.read(move |conn| notify::channel(conn, &id)).await?;
    found.ok_or_else(|| Problem::not_found("such channel"))
}

/// Makes a channel.
#[utoipa::path(post, path = "/api/v1/notification-channels", tag = "notifications", request_body = ChannelSettings,
    responses((status = 201, body = ChannelView),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn create(
    State(shared): State<AppState>,
    caller: Caller,
    Input(body): Input<Value>,
) -> Result<(StatusCode, Json<ChannelView>), Problem> {
    let channel = put(&shared, &caller, None, body, "notification-channel-made").await?;
    Ok((StatusCode::CREATED, Json(channel)))
}

/// Changes a channel. With `revision`, only if nobody else did meanwhile.
#[utoipa::path(put, path = "/api/v1/notification-channels/{id}", tag = "notifications",
    params(("id" = String, Path)), request_body = ChannelSettings, responses((status = 200, body = ChannelView),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn change(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Input(body): Input<Value>,
) -> Result<Json<ChannelView>, Problem> {
    put(&shared, &caller, Some(id), body, "notification-channel-changed").await.map(Json)
}

async fn put(
    shared: &AppState,
    caller: &Caller,
    id: Option<String>,
    body: Value,
    action: &'static str,
) -> Result<ChannelView, Problem> {
    is_for_all(caller)?;
    // Whoever knows nothing of own words does not take them away.
    let keeps_templates = body.get("templates").is_none();
    let (mut wanted, revision) = read_wanted::<ChannelSettings>(body)?;
    let (actor, now) = (caller.actor(), shared.clock.wall());
    let written = shared.state.transact(move |transaction| {
        let known = id.as_deref().map(|id| (id, revision));
        if keeps_templates
            && let Some((id, _)) = known
            && let Some(before) = notify::channel(transaction, id)?
        {
            wanted.templates = before.wanted.templates;
        }
        let written = notify::put_channel(transaction, known, &wanted, now)?;
        if let Ok(channel) = &written {
            audit::record(transaction, &actor, &deed(action, channel), now)?;
        }
        Ok(written)
    });
    Ok(view(shared, written.await??))
}

/// Removes a channel that no route uses. What was told by it stays on record.
#[utoipa::path(delete, path = "/api/v1/notification-channels/{id}", tag = "notifications",
    params(("id" = String, Path)), responses((status = 204),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn remove(State(shared): State<AppState>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    is_for_all(&caller)?;
    let (actor, now) = (caller.actor(), shared.clock.wall());
    let removed = shared.state.transact(move |transaction| {
        let removed = notify::remove_channel(transaction, &id, now)?;
        if let Ok(channel) = &removed {
            audit::record(transaction, &actor, &deed("notification-channel-removed", channel), now)?;
        }
        Ok(removed)
    });
    removed.await??;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a test message by a channel, at once and once.
#[utoipa::path(post, path = "/api/v1/notification-channels/{id}/test", tag = "notifications",
    params(("id" = String, Path)), responses((status = 200, body = TestResult),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn test(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<TestResult>, Problem> {
    is_for_all(&caller)?;
    let channel = find(&shared, id).await?;
    let user = caller.id.clone();
    let contact = shared.state_readers.read(move |conn| notify::contact(conn, &user)).await?.unwrap_or_default();
    let own = match channel.wanted.kind {
        ChannelKind::Email => contact.email,
        ChannelKind::Sms => contact.phone,
        _ => None,
    };
    let (actor, now, target) = (caller.actor(), shared.clock.wall(), channel.id.clone());
    let recorded = shared.state.transact(move |transaction| {
        audit::record(transaction, &actor, &Deed::new("notification-channel-tested", target), now)
    });
    recorded.await?;
    Ok(Json(notify::send_test(&shared.notify, channel, &caller.name, own).await?))
}
