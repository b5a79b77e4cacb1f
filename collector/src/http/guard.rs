//! The check in front of every route.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{AppState, Problem};
use crate::auth::{KeyScope, Permission, Principal, Scope};

/// Bytes of all headers of a request.
const HEADER_BYTES: usize = 16 * 1024;

/// Lets a request pass that `permission` allows, and tells the handler who asks.
pub(super) async fn guard(
    State((shared, permission)): State<(AppState, Permission)>,
    mut request: Request,
    next: Next,
) -> Response {
    match admit(&shared, permission, request.headers()).await {
        Ok(None) => next.run(request).await,
        Ok(Some(principal)) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn admit(shared: &AppState, permission: Permission, headers: &HeaderMap) -> Result<Option<Principal>, Problem> {
    let needed = match permission {
        Permission::Open => return Ok(None),
        Permission::Metrics if shared.config.metrics_open => return Ok(None),
        Permission::Metrics => Some(KeyScope::Read),
        Permission::Key(scope) => Some(scope),
        Permission::Points => Some(KeyScope::Metrics),
        Permission::Agent => None,
    };
    let token = bearer(headers)?;
    let principal = shared.authenticator.find(token).await?;
    let principal = principal.ok_or_else(|| Problem::unauthorized("the token is not known here"))?;
    match (&principal, needed) {
        (Principal::Agent { .. }, None) => {}
        (Principal::Key { scopes, sites, .. }, Some(needed)) => {
            let implied = needed == KeyScope::Metrics && scopes.contains(&KeyScope::Read);
            if !scopes.contains(&needed) && !implied {
                return Err(Problem::forbidden(format!("this needs a key with the scope \"{}\"", needed.as_str())));
            }
            if permission == Permission::Metrics && *sites != Scope::All {
                return Err(Problem::forbidden(
                    "metrics are about all sites: this needs a key without a list of sites",
                ));
            }
        }
        (Principal::Agent { .. }, Some(_)) => {
            return Err(Problem::forbidden("this needs an API key; the token belongs to an agent"));
        }
        (Principal::Key { .. }, None) => {
            return Err(Problem::forbidden("this needs an agent's token; the token is an API key"));
        }
    }
    Ok(Some(principal))
}

fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let value = headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| Problem::unauthorized("send the header \"Authorization: Bearer TOKEN\""))?;
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
