//! Errors as problem documents (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use kouan_protocol::DecodeError;
use serde::Serialize;
use tracing::error;
use utoipa::ToSchema;

use crate::auth::AccountProblem;
use crate::commands::DecideProblem;
use crate::ingest::{IngestError, SessionProblem};
use crate::store::StoreError;

/// A problem document.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:kouan:problem:` and a word for programs.
    #[serde(rename = "type")]
    kind: String,
    /// The same for people.
    #[schema(value_type = String)]
    title: Box<str>,
    /// The HTTP status code.
    status: u16,
    /// What exactly is wrong, and what would be right.
    detail: String,
    /// The same in Chinese, where there are words for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    detail_zh: Option<Box<str>>,
    /// Each problem, where there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<String>,
    #[serde(skip)]
    retry_after: Option<u32>,
}

impl Problem {
    /// A problem named `word`, such as `not-found`.
    #[must_use]
    pub fn new(status: StatusCode, word: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:kouan:problem:{word}"),
            title: title.into(),
            status: status.as_u16(),
            detail: detail.into(),
            detail_zh: None,
            problems: Vec::new(),
            retry_after: None,
        }
    }

    /// The same with a detail in Chinese as well.
    #[must_use]
    pub fn in_chinese(self, detail: impl Into<Box<str>>) -> Self {
        Self { detail_zh: Some(detail.into()), ..self }
    }

    /// 400: the request cannot be understood.
    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "malformed", "The request cannot be understood", detail)
    }

    /// 401: no valid token.
    #[must_use]
    pub fn unauthorized(detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "A valid token is needed", detail)
    }

    /// 403: a valid token that does not allow this.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "The token does not allow this", detail)
    }

    /// 404: not there, or not within the caller's sites.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", "Not found", format!("there is no {what}"))
    }

    /// 409: it cannot be done as things are.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", "It cannot be done as things are", detail)
    }

    /// 409: the agent must say hello before it goes on.
    #[must_use]
    pub fn hello_required(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "hello-required", "Say hello first", detail)
    }

    /// 413: larger than a limit.
    #[must_use]
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The request is too large", detail)
    }

    /// 422: understood, but wrong; with every reason.
    #[must_use]
    pub fn invalid(problems: Vec<String>) -> Self {
        let detail = problems.join("; ");
        let problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "The request is not valid", detail);
        Self { problems, ..problem }
    }

    /// 429: come again later.
    #[must_use]
    pub fn busy(detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", "Too much at once", detail);
        Self { retry_after: Some(1), ..problem }
    }

    /// 429: come again after so many seconds.
    #[must_use]
    pub fn busy_for(seconds: u32, detail: impl Into<String>) -> Self {
        Self { retry_after: Some(seconds), ..Self::busy(detail) }
    }

    /// 503: come again after so many seconds.
    #[must_use]
    pub fn not_now(seconds: u32, detail: impl Into<String>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too much at once", detail);
        Self { retry_after: Some(seconds), ..problem }
    }

    /// 401: no such user, or another password; which of them is not told.
    #[must_use]
    pub fn wrong_password() -> Self {
        let detail = "the name or the password is wrong, or the user may not sign in";
        Self::new(StatusCode::UNAUTHORIZED, "wrong-password", "Signing in failed", detail)
    }

    /// The word for programs, such as `not-found`.
    #[must_use]
    pub fn word(&self) -> &str {
        self.kind.rsplit(':').next().unwrap_or_default()
    }

    /// What exactly is wrong.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// 500: our fault; the details are in the log, not in the answer.
    #[must_use]
    pub fn internal() -> Self {
        let detail = "the collector could not do this; its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something failed here", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if let StoreError::Closed = error {
            let detail = "the collector is stopping";
            let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "Not now", detail);
            return Self { retry_after: Some(2), ..problem };
        }
        error!(%error, "A request failed in the store.");
        Self::internal()
    }
}

impl From<IngestError> for Problem {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Busy => Self::busy(error.to_string()),
            IngestError::Session(problem) => problem.into(),
            // The log's thread has said why.
            IngestError::Store(_) => Self::internal(),
        }
    }
}

impl From<SessionProblem> for Problem {
    fn from(problem: SessionProblem) -> Self {
        Self::hello_required(problem.to_string())
    }
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLarge { .. } => Self::too_large(error.to_string()),
            _ => Self::malformed(error.to_string()),
        }
    }
}

impl From<DecideProblem> for Problem {
    fn from(problem: DecideProblem) -> Self {
        match problem {
            DecideProblem::NoCommand => Self::not_found("such command"),
            _ => Self::conflict(problem.to_string()),
        }
    }
}

impl From<AccountProblem> for Problem {
    fn from(problem: AccountProblem) -> Self {
        match problem {
            AccountProblem::NoAgent(_) => Self::not_found("such agent"),
            AccountProblem::NoKey(_) => Self::not_found("such key that works"),
            AccountProblem::NoUser => Self::not_found("such user"),
            AccountProblem::AgentExists(_)
            | AccountProblem::KeyExists(_)
            | AccountProblem::UserExists(_)
            | AccountProblem::External
            | AccountProblem::Changed
            | AccountProblem::LastAdministrator => Self::conflict(problem.to_string()),
            _ => Self::invalid(vec![problem.to_string()]),
        }
    }
}
