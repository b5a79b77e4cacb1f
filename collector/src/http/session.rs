//! Signing in and out.

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::cookie;
use super::extract::{Caller, Input};
use super::peer::Peer;
use super::users::{GrantView, grant_views};
use super::{AppState, Problem};
use crate::audit::{self, Actor, ActorKind, Deed};
use crate::auth::{self, Principal, Right, Scope, Token, TokenHash, TooMany, User, password};

/// Longest password that is looked at, in bytes; checking a longer one would only cost time.
const PASSWORD_BYTES: usize = 512;

/// Who wants to sign in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SignInRequest {
    /// The user's name.
    name: String,
    /// The password.
    password: String,
}

/// Who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionView {
    /// The user's id.
    id: String,
    /// What is typed at the sign-in.
    name: String,
    /// The name in full.
    display_name: String,
    /// What the user is, and where.
    grants: Vec<GrantView>,
    /// What the user may do somewhere: `metrics`, `read`, `operate`, `evidence`, `command`, `maintain`, `configure`, `admin`, `audit`.
    rights: Vec<&'static str>,
    /// The password was made by somebody else and must be replaced before anything else.
    must_change_password: bool,
    /// Goes back in the header `x-kouan-page-token` of every request that changes something.
    page_token: String,
}

fn view(user: User, token: &str) -> SessionView {
    let principal = Principal::User { user: user.clone(), sign_in: TokenHash::of(token) };
    let rights = Right::ALL.into_iter().filter(|right| principal.sites_of(*right).is_some()).map(Right::as_str);
    SessionView {
        rights: rights.collect(),
        grants: grant_views(&user.grants),
        id: user.id,
        name: user.name,
        display_name: user.display_name,
        must_change_password: user.must_change,
        page_token: cookie::page_token(token),
    }
}

/// Signs a person in: the answer sets a cookie.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", request_body = SignInRequest,
    responses((status = 200, body = SessionView),
        (status = 401, content_type = "application/problem+json", body = Problem,
            description = "There is no such user, or the password is another"),
        (status = 429, content_type = "application/problem+json", body = Problem, description = "Too many attempts"),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn sign_in(
    State(shared): State<AppState>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    Input(request): Input<SignInRequest>,
) -> Result<Response, Problem> {
    if headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        let detail = "sign in at the collector's own page";
        return Err(Problem::new(StatusCode::FORBIDDEN, "foreign-page", "Not from this page", detail));
    }
    if request.name.len() > PASSWORD_BYTES || request.password.len() > PASSWORD_BYTES {
        return Err(Problem::invalid(vec![format!("name and password have at most {PASSWORD_BYTES} bytes")]));
    }
    let boot_time = shared.clock.boot_time();
    if let Err(wait) = shared.throttle.begin(&request.name, peer.ip(), boot_time) {
        let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
        return Err(Problem::busy_for(seconds, "too many wrong passwords; wait, then try again"));
    }
    let name = request.name.clone();
    let found = shared.state_readers.read(move |conn| {
        let Some((id, hash)) = auth::user_named(conn, &name)? else { return Ok(None) };
        Ok(auth::user(conn, &id)?.map(|user| (user, hash)))
    });
    let found = found.await?;
    let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), hash));
    let is_right = verify(&shared, request.password, hash.clone()).await?;
    let now = shared.clock.wall();
    let Some(user) = user.filter(|user| is_right && user.disabled_ms.is_none()) else {
        shared.throttle.failed(&request.name, peer.ip(), boot_time);
        let name: String = request.name.chars().filter(|letter| !letter.is_control()).take(64).collect();
        let actor = Actor { kind: ActorKind::User, id: String::new(), name, address: peer.ip().to_string() };
        let deed = Deed::new("sign-in-refused", "");
        shared.state.transact(move |transaction| audit::record(transaction, &actor, &deed, now)).await?;
        return Err(Problem::wrong_password());
    };
    shared.throttle.succeeded(&request.name, peer.ip());
    let proved = Proved::Password(hash);
    let (token, cookie) = begin(&shared, &user, peer, proved).await?.ok_or_else(Problem::wrong_password)?;
    Ok(([(header::SET_COOKIE, cookie)], Json(view(user, token.reveal()))).into_response())
}

/// How somebody has proved to be a person.
pub(super) enum Proved {
    /// By the password with this hash, as it was when it was looked at.
    Password(Option<String>),
    /// At the identity provider.
    Elsewhere,
}

/// Signs a user in who has proved to be that person; `None` if the user was disabled or got another password while the
/// proof was looked at: that ended every sign-in, and this one must not outlive it.
pub(super) async fn begin(
    shared: &AppState,
    user: &User,
    peer: Peer,
    proved: Proved,
) -> Result<Option<(Token, HeaderValue)>, Problem> {
    let address = peer.ip().to_string();
    let (id, name) = (user.id.clone(), user.name.clone());
    let (life, now) = (shared.config.sign_in, shared.clock.wall());
    let token = shared.state.transact(move |transaction| {
        let may = auth::user(transaction, &id)?.is_some_and(|user| user.disabled_ms.is_none());
        let holds = match proved {
            Proved::Password(hash) => auth::user_named(transaction, &name)? == Some((id.clone(), hash)),
            Proved::Elsewhere => true,
        };
        if !may || !holds {
            return Ok(None);
        }
        let actor = Actor { kind: ActorKind::User, id: id.clone(), name, address: address.clone() };
        audit::record(transaction, &actor, &Deed::new("signed-in", &id), now)?;
        auth::begin_sign_in(transaction, &id, &address, life, now).map(Some)
    });
    let Some(token) = token.await? else { return Ok(None) };
    let cookie = cookie::set(&shared.config, token.reveal(), life.longest.as_secs())?;
    Ok(Some((token, cookie)))
}

/// Who is signed in.
#[utoipa::path(get, path = "/api/v1/session", tag = "session", responses((status = 200, body = SessionView),
    (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn who(
    State(shared): State<AppState>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<SessionView>, Problem> {
    let (user, _) = signed_in(caller)?;
    let token = cookie::token(&shared.config, &headers).unwrap_or_default();
    Ok(Json(view(user, token)))
}

/// Signs the person out.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session",
    responses((status = 204, description = "The sign-in has ended"),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn sign_out(
    State(shared): State<AppState>,
    caller: Caller,
) -> Result<(StatusCode, [(header::HeaderName, HeaderValue); 1]), Problem> {
    let (actor, now) = (caller.actor(), shared.clock.wall());
    let (user, hash) = signed_in(caller)?;
    let ended = shared.state.transact(move |transaction| {
        auth::end_sign_in(transaction, hash)?;
        audit::record(transaction, &actor, &Deed::new("signed-out", user.id), now)
    });
    ended.await?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie::set(&shared.config, "", 0)?)]))
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordChange {
    /// The present one.
    current: String,
    /// The new one: 10 to 128 characters.
    new: String,
}

/// Replaces the person's own password. Every other sign-in of the person ends.
#[utoipa::path(put, path = "/api/v1/session/password", tag = "session", request_body = PasswordChange,
    responses((status = 204, description = "It is replaced"),
        (status = "4XX", content_type = "application/problem+json", body = Problem)))]
pub(super) async fn change_password(
    State(shared): State<AppState>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    caller: Caller,
    Input(change): Input<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let actor = caller.actor();
    let (user, sign_in) = signed_in(caller)?;
    if change.current.len() > PASSWORD_BYTES {
        return Err(Problem::wrong_password());
    }
    password::check(&user.name, &change.new).map_err(auth::AccountProblem::from)?;
    if change.new == change.current {
        return Err(Problem::invalid(vec!["the new password is the present one".to_owned()]));
    }
    let (boot_time, name) = (shared.clock.boot_time(), user.name.clone());
    if shared.throttle.begin(&name, peer.ip(), boot_time).is_err() {
        return Err(Problem::busy("too many wrong passwords; wait, then try again"));
    }
    let stored = shared.state_readers.read(move |conn| auth::user_named(conn, &name)).await?;
    let current = stored.and_then(|(_, hash)| hash);
    if !verify(&shared, change.current, current.clone()).await? {
        shared.throttle.failed(&user.name, peer.ip(), boot_time);
        return Err(Problem::wrong_password());
    }
    shared.throttle.succeeded(&user.name, peer.ip());
    let hash = hash(&shared, change.new).await?;
    let now = shared.clock.wall();
    let changed = shared.state.transact(move |transaction| {
        // Somebody may have given the person another one meanwhile.
        if auth::user_named(transaction, &user.name)? != Some((user.id.clone(), current)) {
            return Ok(None);
        }
        audit::record(transaction, &actor, &Deed::new("password-changed", &user.id).with(json!({ "own": true })), now)?;
        auth::set_password(transaction, &user.id, &hash, false, Some(sign_in)).map(Some)
    });
    changed.await?.ok_or_else(Problem::wrong_password)??;
    Ok(StatusCode::NO_CONTENT)
}

fn signed_in(caller: Caller) -> Result<(User, TokenHash), Problem> {
    match caller.principal {
        Principal::User { user, sign_in } => Ok((user, sign_in)),
        _ => Err(Problem::forbidden("this is for people who signed in")),
    }
}

/// Checks a password.
async fn verify(shared: &AppState, password: String, stored: Option<String>) -> Result<bool, Problem> {
    shared.hashing.verify(password, stored).await.map_err(too_many)
}

/// Hashes a password.
pub(super) async fn hash(shared: &AppState, password: String) -> Result<String, Problem> {
    shared.hashing.hash(password).await.map_err(too_many)?.map_err(|error| {
        tracing::error!(%error, "A password could not be hashed.");
        Problem::internal()
    })
}

fn too_many(_: TooMany) -> Problem {
    Problem::busy("too many people sign in at this moment")
}

/// All sites, for what belongs to no single one.
pub(super) fn has_all_sites(caller: &Caller) -> bool {
    caller.sites == Scope::All
}
