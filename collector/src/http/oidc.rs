//! Signing in at an identity provider.

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;
use tracing::warn;
use utoipa::IntoParams;

use super::extract::Params;
use super::peer::Peer;
use super::session::{Proved, begin};
use super::users::grant_views;
use super::{AppState, Problem, cookie};
use crate::audit::{Actor, ActorKind, Deed, record};
use crate::auth::{self, AccountProblem, take_external};
use crate::oidc::{OidcError, Provider};

fn provider(shared: &AppState) -> Result<&Provider, Problem> {
    shared.provider.as_ref().ok_or_else(|| Problem::not_found("identity provider in the settings"))
}

impl From<OidcError> for Problem {
    fn from(error: OidcError) -> Self {
        match error {
            OidcError::NoRole => Self::new(StatusCode::FORBIDDEN, "no-role", "Signing in failed", error.to_string()),
            OidcError::Unasked => {
                Self::new(StatusCode::FORBIDDEN, "sign-in-refused", "Signing in failed", error.to_string())
            }
            _ => {
                warn!(%error, "Signing in at the identity provider failed.");
                let detail = "the identity provider could not be asked, or its answer proves nothing; the collector's \
                              log says more";
                Self::new(StatusCode::BAD_GATEWAY, "identity-provider", "The identity provider failed", detail)
            }
        }
    }
}

/// A person who was refused goes back to the sign-in page, which says why; a program gets the problem itself.
fn refuse(headers: &HeaderMap, problem: Problem) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if !accept.contains("text/html") {
        return problem.into_response();
    }
    let Ok(place) = HeaderValue::from_str(&format!("/?sign-in={}", problem.word())) else {
        return problem.into_response();
    };
    (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
}

/// Sends the browser to the identity provider.
#[utoipa::path(get, path = "/api/v1/session/oidc", tag = "session",
    responses((status = 303, description = "To the identity provider; or for a browser that cannot go there to `/?sign-in=WORD`"),
        (status = 404, content_type = "application/problem+json", body = Problem, description = "There is none"),
        (status = "4XX", content_type = "application/problem+json", body = Problem),
        (status = 502, content_type = "application/problem+json", body = Problem)))]
pub(super) async fn start(State(shared): State<AppState>, headers: HeaderMap) -> Response {
    go(&shared).await.unwrap_or_else(|problem| refuse(&headers, problem))
}

async fn go(shared: &AppState) -> Result<Response, Problem> {
    let start = provider(shared)?.start(shared.clock.boot_time()).await?;
    let location = HeaderValue::from_str(&start.url).map_err(|_| Problem::internal())?;
    let cookie = cookie::set_state(&shared.config, &start.state)?;
    let headers = [(header::LOCATION, location), (header::SET_COOKIE, cookie)];
    Ok((StatusCode::SEE_OTHER, headers).into_response())
}

/// What the identity provider sends along.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Answer {
    /// What was sent there.
    state: Option<String>,
    /// Proves that somebody signed in there.
    code: Option<String>,
    /// Why nobody did.
    error: Option<String>,
}

/// Where the identity provider sends the browser back to; signs the person in and goes on to the page.
#[utoipa::path(get, path = "/api/v1/session/oidc/callback", tag = "session", params(Answer),
    responses((status = 303, description = "Signed in; to the page. A browser that was refused: to `/?sign-in=WORD`"),
        (status = 403, content_type = "application/problem+json", body = Problem),
        (status = 404, content_type = "application/problem+json", body = Problem, description = "There is none"),
        (status = "4XX", content_type = "application/problem+json", body = Problem),
        (status = 502, content_type = "application/problem+json", body = Problem)))]
pub(super) async fn callback(
    State(shared): State<AppState>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    headers: HeaderMap,
    Params(answer): Params<Answer>,
) -> Response {
    come_back(&shared, peer, &headers, answer).await.unwrap_or_else(|problem| refuse(&headers, problem))
}

async fn come_back(shared: &AppState, peer: Peer, headers: &HeaderMap, answer: Answer) -> Result<Response, Problem> {
    let provider = provider(shared)?;
    let (Some(state), Some(code)) = (answer.state, answer.code) else {
        let why: String =
            answer.error.unwrap_or_default().chars().filter(|letter| !letter.is_control()).take(100).collect();
        let detail = format!("the identity provider did not sign you in ({why}); begin again");
        return Err(Problem::new(StatusCode::FORBIDDEN, "sign-in-refused", "Signing in failed", detail));
    };
    // Whoever got the address from somebody else would be signed in as that person.
    if cookie::state(&shared.config, headers) != Some(state.as_str()) {
        return Err(OidcError::Unasked.into());
    }
    let external = provider.finish(&state, code, shared.clock.boot_time()).await?;
    let (now, address) = (shared.clock.wall(), peer.ip().to_string());
    let taken = shared.state.transact(move |transaction| {
        let before = auth::users(transaction)?.into_iter().find(|user| user.name == external.name);
        let taken = take_external(transaction, &external, now)?;
        if let Ok(user) = &taken
            && before.as_ref().is_none_or(|before| before.grants != user.grants)
        {
            // What somebody is here follows from the provider; that it changed is on record as any other change.
            let (id, name) = (user.id.clone(), user.name.clone());
            let actor = Actor { kind: ActorKind::User, id, name, address: address.clone() };
            let action = if before.is_some() { "user-changed" } else { "user-made" };
            let detail = json!({ "name": user.name, "grants": grant_views(&user.grants), "provider": true });
            record(transaction, &actor, &Deed::new(action, &user.id).with(detail), now)?;
        }
        if let Err(problem) = &taken {
            let (id, name) = (String::new(), external.name.clone());
            let actor = Actor { kind: ActorKind::User, id, name, address };
            let deed = Deed::new("sign-in-refused", "").with(json!({ "why": problem.to_string() }));
            record(transaction, &actor, &deed, now)?;
        }
        Ok(taken)
    });
    let user = taken.await?.map_err(|problem| match problem {
        AccountProblem::NoUser => {
            let detail = "you may not sign in here any more";
            Problem::new(StatusCode::FORBIDDEN, "sign-in-refused", "Signing in failed", detail)
        }
        problem => problem.into(),
    })?;
    let refused = || Problem::new(StatusCode::FORBIDDEN, "sign-in-refused", "Signing in failed", "begin again");
    let (_, cookie) = begin(shared, &user, peer, Proved::Elsewhere).await?.ok_or_else(refused)?;
    let place = (header::LOCATION, HeaderValue::from_static("/"));
    let cookies = [place, (header::SET_COOKIE, cookie), (header::SET_COOKIE, cookie::set_state(&shared.config, "")?)];
    Ok((StatusCode::SEE_OTHER, AppendHeaders(cookies)).into_response())
}
