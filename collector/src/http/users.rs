//! People who may sign in.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::extract::{Caller, Id, Input};
use super::page::Page;
use super::{AppState, Problem, session};
use crate::audit::{self, Deed};
use crate::auth::{self, Grants, NewUser, Right, Role, Scope, User, UserChange, password};
use crate::store::StoreError;

/// What somebody is, and where.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantView {
    /// `viewer`, `operator`, `engineer`, `maintenance`, `administrator` or `auditor`.
    role: Role,
    /// At these sites; at all if left out or `null`.
    #[serde(default)]
    sites: Option<BTreeSet<String>>,
}

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UserView {
    /// Names the user for ever.
    id: String,
    /// What is typed at the sign-in.
    name: String,
    /// The name in full.
    display_name: String,
    /// What the user is, and where.
    grants: Vec<GrantView>,
    /// The password was made by somebody else and was not replaced yet.
    must_change_password: bool,
    /// Signs in at an identity provider, and has no password here.
    is_external: bool,
    /// When it was made.
    created_ms: i64,
    /// Since when the user may not sign in; `null` for one who may.
    disabled_ms: Option<i64>,
    /// Differs after every change.
    revision: String,
}

/// A user to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserRequest {
    /// What is typed at the sign-in: letters, digits, `.`, `_`, `-` and `@`.
    name: String,
    /// The name in full; the same if left out.
    display_name: Option<String>,
    /// What the user is, and where.
    grants: Vec<GrantView>,
}

/// A user that was made, or one with a new password.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeUser {
    /// The user.
    user: UserView,
    /// The first password, shown this once; it must be replaced at the sign-in.
    password: String,
}

/// What changes; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserEdit {
    /// The name in full.
    display_name: Option<String>,
    /// What the user is, and where, all of it.
    grants: Option<Vec<GrantView>>,
    /// Whether the user may not sign in.
    disabled: Option<bool>,
    /// The revision that was looked at; refused if there is another one by now.
    revision: Option<String>,
}

/// What somebody is, for an answer.
pub(super) fn grant_views(grants: &Grants) -> Vec<GrantView> {
    let view = |(role, sites): (&Role, &Scope)| {
        let sites = match sites {
            Scope::All => None,
            Scope::Sites(sites) => Some(sites.clone()),
        };
        GrantView { role: *role, sites }
    };
    grants.iter().map(view).collect()
}

fn grants_of(views: Vec<GrantView>) -> Result<Grants, Problem> {
    let mut grants = Grants::new();
    for view in views {
        let sites = view.sites.map_or(Scope::All, Scope::Sites);
        if sites == Scope::Sites(BTreeSet::new()) {
            return Err(Problem::invalid(vec!["name at least one site, or leave sites out for all".to_owned()]));
        }
        if grants.insert(view.role, sites).is_some() {
            return Err(Problem::invalid(vec![format!("the role {} is given twice", view.role.as_str())]));
        }
    }
    Ok(grants)
}

fn view(user: User) -> UserView {
    UserView {
        revision: user.revision(),
        grants: grant_views(&user.grants),
        id: user.id,
        name: user.name,
        display_name: user.display_name,
        must_change_password: user.must_change,
        is_external: user.is_external,
        created_ms: user.created_ms,
        disabled_ms: user.disabled_ms,
    }
}

/// Nobody gives, or takes from somebody, what they do not have themselves.
fn is_within(caller: &Caller, grants: &Grants) -> bool {
    let has = |(role, sites): (&Role, &Scope)| {
        let rights: BTreeSet<Right> = role.rights().iter().copied().collect();
        caller.principal.has_all(&rights, sites) && caller.sites.covers_all_of(sites)
    };
    grants.iter().all(has)
}

async fn find(shared: &AppState, caller: &Caller, id: String) -> Result<User, Problem> {
    let found = shared.state_readers.read(move |conn| auth::user(conn, &id)).await?;
    found.filter(|user| is_within(caller, &user.grants)).ok_or_else(|| Problem::not_found("such user"))
}

/// Whether the user may still be changed by the caller: asked in the transaction that changes something, because
/// somebody may have made more of the user since it was looked at.
fn is_still_within(transaction: &Transaction<'_>, caller: &Caller, id: &str) -> Result<bool, StoreError> {
    Ok(auth::user(transaction, id)?.is_some_and(|user| is_within(caller, &user.grants)))
}

fn too_much() -> Problem {
    Problem::forbidden("a user can be given no more roles and sites than those of whoever gives them")
}

/// Makes a user. The first password is shown once, and must be replaced at the sign-in.
#[utoipa::path(post, path = "/api/v1/users", tag = "users", request_body = UserRequest,
    responses((status = 201, body = MadeUser),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn create(
    State(shared): State<AppState>,
    caller: Caller,
    Input(request): Input<UserRequest>,
) -> Result<(StatusCode, Json<MadeUser>), Problem> {
    let grants = grants_of(request.grants)?;
    if !is_within(&caller, &grants) {
        return Err(too_much());
    }
    let first = password::random();
    let new = NewUser {
        display_name: request.display_name.unwrap_or_else(|| request.name.clone()),
        name: request.name,
        grants,
        password_hash: session::hash(&shared, first.clone()).await?,
    };
    let (actor, now) = (caller.actor(), shared.clock.wall());
    let made = shared.state.transact(move |transaction| {
        let id = match auth::add_user(transaction, &new, now)? {
            Ok(id) => id,
            Err(problem) => return Ok(Err(problem)),
        };
        let detail = json!({ "name": new.name, "grants": grant_views(&new.grants) });
        audit::record(transaction, &actor, &Deed::new("user-made", &id).with(detail), now)?;
        Ok(auth::user(transaction, &id)?.ok_or(auth::AccountProblem::NoUser))
    });
    let user = view(made.await??);
    Ok((StatusCode::CREATED, Json(MadeUser { user, password: first })))
}

/// The users that are no more than the caller, by name.
#[utoipa::path(get, path = "/api/v1/users", tag = "users", responses((status = 200, body = Page<UserView>),
    (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn list(State(shared): State<AppState>, caller: Caller) -> Result<Json<Page<UserView>>, Problem> {
    let users = shared.state_readers.read(auth::users).await?;
    let items = users.into_iter().filter(|user| is_within(&caller, &user.grants)).map(view).collect();
    Ok(Json(Page { items, next: None }))
}

/// A user.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "users", params(("id" = String, Path)),
    responses((status = 200, body = UserView),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn detail(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<Json<UserView>, Problem> {
    find(&shared, &caller, id).await.map(view).map(Json)
}

/// Changes a user. Somebody who gets other roles than before or is disabled is signed out.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "users", params(("id" = String, Path)),
    request_body = UserEdit, responses((status = 200, body = UserView),
        (status = 409, content_type = "application/problem+json", body = Problem,
            description = "No administrator of all sites would be left, or somebody was faster"),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn change(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
    Input(edit): Input<UserEdit>,
) -> Result<Json<UserView>, Problem> {
    find(&shared, &caller, id.clone()).await?;
    let grants = edit.grants.map(grants_of).transpose()?;
    if grants.as_ref().is_some_and(|grants| !is_within(&caller, grants)) {
        return Err(too_much());
    }
    let change =
        UserChange { display_name: edit.display_name, grants, disabled: edit.disabled, revision: edit.revision };
    let (actor, now) = (caller.actor(), shared.clock.wall());
    let changed = shared.state.transact(move |transaction| {
        if !is_still_within(transaction, &caller, &id)? {
            return Ok(Err(auth::AccountProblem::NoUser));
        }
        let changed = auth::change_user(transaction, &id, &change, now)?;
        if changed.is_ok() {
            let detail = json!({
                "display_name": change.display_name,
                "grants": change.grants.as_ref().map(grant_views),
                "disabled": change.disabled,
            });
            audit::record(transaction, &actor, &Deed::new("user-changed", &id).with(detail), now)?;
        }
        Ok(changed)
    });
    Ok(Json(view(changed.await??)))
}

/// Gives a user another first password, shown this once, and ends every sign-in of the user.
#[utoipa::path(post, path = "/api/v1/users/{id}/password", tag = "users", params(("id" = String, Path)),
    responses((status = 201, body = MadeUser),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn reset_password(
    State(shared): State<AppState>,
    caller: Caller,
    Id(id): Id,
) -> Result<(StatusCode, Json<MadeUser>), Problem> {
    let user = find(&shared, &caller, id).await?;
    let first = password::random();
    let hash = session::hash(&shared, first.clone()).await?;
    let (actor, now, id) = (caller.actor(), shared.clock.wall(), user.id.clone());
    let reset = shared.state.transact(move |transaction| {
        if !is_still_within(transaction, &caller, &id)? {
            return Ok(Err(auth::AccountProblem::NoUser));
        }
        let deed = Deed::new("password-changed", &id).with(json!({ "own": false }));
        audit::record(transaction, &actor, &deed, now)?;
        auth::set_password(transaction, &id, &hash, true, None)
    });
    reset.await??;
    let user = view(User { must_change: true, ..user });
    Ok((StatusCode::CREATED, Json(MadeUser { user, password: first })))
}
