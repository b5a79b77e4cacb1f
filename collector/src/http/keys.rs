//! API keys.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::extract::{Caller, Input};
use super::{AppState, Problem};
use crate::auth::{self, Scope};

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// Its name, which the history of commands shows.
    name: String,
    /// `read`, `command`, `admin`.
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
    let scopes = auth::parse_key_scopes(new.scopes.iter().map(String::as_str))?;
    let sites = new.sites.map_or_else(|| caller.sites.clone(), Scope::Sites);
    if !scopes.is_subset(&caller.scopes) || !caller.sites.covers_all_of(&sites) {
        return Err(Problem::forbidden("a key can be given no more scopes and sites than the key that makes it"));
    }
    let (name, now) = (new.name.clone(), shared.clock.wall());
    let made = shared.state.transact(move |transaction| auth::add_key(transaction, &name, &scopes, &sites, now));
    let token = made.await??;
    Ok((StatusCode::CREATED, Json(MadeKey { name: new.name, key: token.reveal().to_owned() })))
}
