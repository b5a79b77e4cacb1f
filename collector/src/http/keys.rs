//! API keys.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::extract::{Caller, Id, Input};
use super::page::Page;
use super::{AppState, Problem};
use crate::audit::{self, Deed};
use crate::auth::{self, KeyRow, Right, Scope};

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// Its name, which the history of commands shows.
    name: String,
    /// `metrics`, `read`, `operate`, `evidence`, `command`, `maintain`, `configure`, `admin`, `audit`.
    scopes: Vec<String>,
    /// Its sites; all of the caller's sites if left out.
    sites: Option<BTreeSet<String>>,
}

/// A key that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeKey {
    /// Its name.
    name: String,
    /// The key, shown this once.
    key: String,
}

/// Makes an API key, which may do no more than the one that makes it. It is shown once.
#[utoipa::path(post, path = "/api/v1/keys", tag = "keys", request_body = NewKey,
    responses((status = 201, body = MadeKey),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn create(
    State(shared): State<AppState>,
    caller: Caller,
    Input(new): Input<NewKey>,
) -> Result<(StatusCode, Json<MadeKey>), Problem> {
    let scopes = auth::parse_rights(new.scopes.iter().map(String::as_str))?;
    let sites = new.sites.map_or_else(|| caller.sites.clone(), Scope::Sites);
    if !caller.principal.has_all(&Right::with_implied(scopes.clone()), &sites) {
        return Err(Problem::forbidden("a key can be given no more scopes and sites than whoever makes it has"));
    }
    let (name, actor, now) = (new.name.clone(), caller.actor(), shared.clock.wall());
    let made = shared.state.transact(move |transaction| {
        let made = auth::add_key(transaction, &name, &scopes, &sites, now)?;
        if made.is_ok() {
            let scopes: Vec<_> = scopes.iter().map(|right| right.as_str()).collect();
            let deed = Deed::new("key-made", name).with(json!({ "scopes": scopes, "sites": sites.to_sql() }));
            audit::record(transaction, &actor, &deed, now)?;
        }
        Ok(made)
    });
    let token = made.await??;
    Ok((StatusCode::CREATED, Json(MadeKey { name: new.name, key: token.reveal().to_owned() })))
}

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeyView {
    /// Names it for ever.
    id: String,
    /// Its name.
    name: String,
    /// `metrics`, `read`, `operate`, `evidence`, `command`, `maintain`, `configure`, `admin`, `audit`.
    scopes: Vec<&'static str>,
    /// Its sites; `null` for all.
    sites: Option<BTreeSet<String>>,
    /// When it was made.
    created_ms: i64,
    /// When it was taken back; `null` while it works.
    revoked_ms: Option<i64>,
}

/// The keys that may do no more than the caller's, oldest first.
#[utoipa::path(get, path = "/api/v1/keys", tag = "keys", responses((status = 200, body = Page<KeyView>),
    (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(State(shared): State<AppState>, caller: Caller) -> Result<Json<Page<KeyView>>, Problem> {
    let keys = shared.state_readers.read(auth::keys).await?;
    let view = |key: KeyRow| KeyView {
        id: key.id,
        name: key.name,
        scopes: key.scopes.iter().map(|scope| scope.as_str()).collect(),
        sites: match key.sites {
            Scope::All => None,
            Scope::Sites(sites) => Some(sites),
        },
        created_ms: key.created_ms,
        revoked_ms: key.revoked_ms,
    };
    let items = keys.into_iter().filter(|key| is_within(&caller, key)).map(view).collect();
    Ok(Json(Page { items, next: None }))
}

/// Takes a key back: it is refused from now on.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "keys", params(("id" = String, Path)),
    responses((status = 204, description = "It is refused"),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn revoke(State(shared): State<AppState>, caller: Caller, Id(id): Id) -> Result<StatusCode, Problem> {
    let keys = shared.state_readers.read(auth::keys).await?;
    if !keys.iter().any(|key| key.id == id && is_within(&caller, key)) {
        return Err(Problem::not_found("such key"));
    }
    let (actor, now) = (caller.actor(), shared.clock.wall());
    let revoked = shared.state.transact(move |transaction| {
        let revoked = auth::revoke_key(transaction, &id, now)?;
        if revoked.is_ok() {
            audit::record(transaction, &actor, &Deed::new("key-revoked", id), now)?;
        }
        Ok(revoked)
    });
    revoked.await??;
    shared.authenticator.forget();
    Ok(StatusCode::NO_CONTENT)
}

fn is_within(caller: &Caller, key: &KeyRow) -> bool {
    caller.principal.has_all(&Right::with_implied(key.scopes.clone()), &key.sites)
}
