//! Taking requests apart, with problem documents for what does not fit.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::header;
use axum::http::request::Parts;
use kouan_protocol::AgentId;
use serde::Deserialize as _;
use serde::de::DeserializeOwned;

use super::peer::Peer;
use super::{AppState, Problem};
use crate::audit::{Actor, ActorKind};
use crate::auth::{Principal, Scope};

/// Largest JSON body.
const JSON_BYTES: usize = 64 * 1024;
/// Longest time in which a body must have arrived.
const BODY_TIME: Duration = Duration::from_secs(60);

/// The query of a request.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(Problem::malformed(rejection.body_text())),
        }
    }
}

/// The one parameter of the path.
pub(super) struct Id(pub(super) String);

impl FromRequestParts<AppState> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(|rejection| Problem::malformed(rejection.body_text()))?;
        let first = params.iter().next().map(|(_, value)| Self(value.to_owned()));
        first.ok_or_else(|| Problem::malformed("the path lacks a part"))
    }
}

/// A JSON body.
pub(super) struct Input<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AppState> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &AppState) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/json") {
            let status = axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE;
            let detail = "send the body with Content-Type: application/json";
            return Err(Problem::new(status, "not-json", "JSON is needed", detail));
        }
        let bytes = read_body(request.into_body(), JSON_BYTES).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|error| Problem::malformed(format!("the body: {error}")))
    }
}

/// Tells a field that was left out (`None`) from one that is `null` (`Some(None)`); with `default` beside it.
pub(super) fn said<'de, T: serde::Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read_body(body: Body, limit: usize) -> Result<Bytes, Problem> {
    let read = tokio::time::timeout(BODY_TIME, axum::body::to_bytes(body, limit)).await;
    let read = read.map_err(|_| {
        let status = axum::http::StatusCode::REQUEST_TIMEOUT;
        Problem::new(status, "too-slow", "The body did not arrive", "send the whole body within a minute")
    })?;
    read.map_err(|error| {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(inner) = cause {
            // The name of http-body-util's limit error; the crate itself is no dependency of ours.
            if inner.to_string().contains("length limit exceeded") {
                return Problem::too_large(format!("the body has more than {limit} bytes"));
            }
            cause = inner.source();
        }
        Problem::malformed(format!("the body broke off: {error}"))
    })
}

/// A person or a system that may do what the route is for.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The key's or user's id.
    pub(super) id: String,
    /// The name, which histories show.
    pub(super) name: String,
    /// Where the caller may do it.
    pub(super) sites: Scope,
    /// Everything else that the caller may.
    pub(super) principal: Principal,
    peer: Peer,
}

impl Caller {
    pub(super) fn new(principal: Principal, sites: Scope, peer: Peer) -> Self {
        let (id, name) = match &principal {
            Principal::Agent { id, .. } => (id.to_string(), id.to_string()),
            Principal::Key { id, name, .. } => (id.clone(), name.clone()),
            Principal::User { user, .. } => (user.id.clone(), user.name.clone()),
        };
        Self { id, name, sites, principal, peer }
    }

    /// The caller as the audit log names it.
    pub(super) fn actor(&self) -> Actor {
        let kind = match self.principal {
            Principal::User { .. } => ActorKind::User,
            Principal::Key { .. } | Principal::Agent { .. } => ActorKind::Key,
        };
        Actor { kind, id: self.id.clone(), name: self.name.clone(), address: self.peer.ip().to_string() }
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        // The guard has put it there, unless the route is open to all.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthorized("this needs an API key"))
    }
}

/// An agent.
#[derive(Debug, Clone)]
pub(super) struct AgentCaller {
    pub(super) id: AgentId,
    pub(super) site: String,
}

impl FromRequestParts<AppState> for AgentCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::unauthorized("this needs an agent's token"))
    }
}
