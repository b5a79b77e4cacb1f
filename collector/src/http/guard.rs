//! The check in front of every route.

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::extract::{AgentCaller, Caller};
use super::peer::Peer;
use super::{AppState, Problem, cookie};
use crate::auth::{self, Permission, Principal, Right, Role, Scope, TokenHash};

/// Bytes of all headers of a request.
pub(super) const HEADER_BYTES: usize = 16 * 1024;

/// Lets a request pass that `permission` allows, and tells the handler who asks.
pub(super) async fn guard(
    State((shared, permission)): State<(AppState, Permission)>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut turn = None;
    match admit(&shared, permission, peer, request.method(), request.headers()).await {
        Ok(Admitted::Anybody) => {}
        Ok(Admitted::Agent(agent)) => drop(request.extensions_mut().insert(agent)),
        Ok(Admitted::Caller(caller)) => {
            match shared.turns.of_caller(&caller.id).await {
                Ok(own) => turn = Some(own),
                Err(problem) => return problem.into_response(),
            }
            drop(request.extensions_mut().insert(*caller));
        }
        Err(problem) => return problem.into_response(),
    }
    let response = next.run(request).await;
    // The turn ends with the work; how fast the answer is taken does not count.
    drop(turn);
    response
}

enum Admitted {
    Anybody,
    Agent(AgentCaller),
    Caller(Box<Caller>),
}

async fn admit(
    shared: &AppState,
    permission: Permission,
    peer: Peer,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Admitted, Problem> {
    if permission == Permission::Open || (permission == Permission::Metrics && shared.config.metrics_open) {
        return Ok(Admitted::Anybody);
    }
    let principal = match headers.get(header::AUTHORIZATION) {
        Some(value) => {
            let principal = shared.authenticator.find(bearer(value)?).await?;
            principal.ok_or_else(|| Problem::unauthorized("the token is not known here"))?
        }
        None => signed_in(shared, method, headers).await?,
    };
    let right = match permission {
        Permission::May(right) => right,
        Permission::SignedIn => {
            return match principal {
                Principal::User { .. } => Ok(Admitted::Caller(Box::new(Caller::new(principal, Scope::All, peer)))),
                _ => Err(Problem::forbidden("this is for people who signed in, not for keys and agents")),
            };
        }
        Permission::Agent => {
            return match principal {
                Principal::Agent { id, site } => Ok(Admitted::Agent(AgentCaller { id, site })),
                Principal::Key { .. } => {
                    Err(Problem::forbidden("this needs an agent's token; the token is an API key"))
                }
                Principal::User { .. } => Err(Problem::forbidden("this needs an agent's token")),
            };
        }
        Permission::Open | Permission::Metrics => Right::Read,
    };
    let sites = match &principal {
        Principal::Agent { .. } => {
            return Err(Problem::forbidden("this needs an API key; the token belongs to an agent"));
        }
        Principal::User { user, .. } if user.must_change => {
            let detail = "replace the first password before anything else: PUT /api/v1/session/password";
            let status = StatusCode::FORBIDDEN;
            return Err(Problem::new(status, "password-change", "The password must be replaced first", detail));
        }
        Principal::Key { .. } => principal
            .sites_of(right)
            .ok_or_else(|| Problem::forbidden(format!("this needs a key with the scope \"{}\"", right.as_str())))?,
        Principal::User { .. } => principal.sites_of(right).ok_or_else(|| {
            let roles = Role::ALL.into_iter().filter(|role| role.rights().contains(&right)).map(Role::as_str);
            Problem::forbidden(format!("this needs one of the roles {}", roles.collect::<Vec<_>>().join(", ")))
        })?,
    };
    if permission == Permission::Metrics && sites != Scope::All {
        return Err(Problem::forbidden("metrics are about all sites: this needs a key without a list of sites"));
    }
    Ok(Admitted::Caller(Box::new(Caller::new(principal, sites, peer))))
}

/// Who signed in, by the cookie.
async fn signed_in(shared: &AppState, method: &Method, headers: &HeaderMap) -> Result<Principal, Problem> {
    let token = cookie::token(&shared.config, headers)
        .ok_or_else(|| Problem::unauthorized("sign in, or send the header \"Authorization: Bearer TOKEN\""))?;
    let hash = TokenHash::of(token);
    let found = shared.authenticator.find_sign_in(hash).await?;
    let found = found.ok_or_else(|| Problem::unauthorized("you are not signed in any more"))?;
    if !method.is_safe() {
        cookie::check_page(headers, token)?;
    }
    if found.is_due {
        let now = shared.clock.wall();
        shared.state.transact(move |transaction| auth::note_sign_in(transaction, hash, now)).await?;
    }
    Ok(Principal::User { user: found.user, sign_in: hash })
}

fn bearer(value: &HeaderValue) -> Result<&str, Problem> {
    let text = value.to_str().map_err(|_| Problem::unauthorized("the Authorization header is not text"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Problem::unauthorized("the Authorization header must be \"Bearer TOKEN\"")),
    }
}

/// Around all routes: limits headers, counts answers, and keeps browsers from guessing.
pub(super) async fn around(State(shared): State<AppState>, request: Request, next: Next) -> Response {
    let size: usize = request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let mut response = if size > HEADER_BYTES {
        let status = axum::http::StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let detail = format!("the headers have {size} bytes, the limit is {HEADER_BYTES}");
        Problem::new(status, "too-large", "The headers are too large", detail).into_response()
    } else {
        next.run(request).await
    };
    let class = usize::from(response.status().as_u16() / 100).clamp(1, 5) - 1;
    shared.counters.answers[class].add(1);
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(header::HeaderValue::from_static("no-store"));
    response
}
