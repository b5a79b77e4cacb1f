//! One request, and what the receiver says to it.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::{StatusCode, header};

use super::message::{Series, pack};
use crate::config::RemoteWrite;

/// How long a receiver may take.
const ANSWER: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);
/// How much of an explanation is read and told.
const EXPLANATION: usize = 300;

/// A request was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RemoteWriteError {
    /// The client could not be prepared.
    #[error("could not prepare the client for remote write: {0}")]
    Prepare(#[source] reqwest::Error),
    /// The token could not be read.
    #[error("could not read the token in {}: {source}", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The request could not be packed.
    #[error("could not pack the samples: {0}")]
    Pack(#[source] snap::Error),
    /// No answer came.
    #[error("no answer to the samples: {0}")]
    NoAnswer(#[source] reqwest::Error),
    /// The receiver cannot take samples now, or not from us.
    #[error("the receiver answered {status}: {explanation}")]
    Later {
        /// Its answer.
        status: StatusCode,
        /// What it said.
        explanation: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The receiver will never take these samples.
    #[error("the receiver answered {status}: {explanation}")]
    Refused {
        /// Its answer.
        status: StatusCode,
        /// What it said.
        explanation: String,
    },
}

/// What receivers say of samples that are older than what they have, or than what they take: Prometheus, Mimir, Thanos.
const AGE: [&str; 7] =
    ["out of order", "out-of-order", "out of bounds", "too old", "too-old", "duplicate sample", "duplicate-timestamp"];

impl RemoteWriteError {
    /// Whether the receiver refused samples for their age: it may have them already.
    pub(super) fn is_about_age(&self) -> bool {
        let Self::Refused { explanation, .. } = self else { return false };
        let explanation = explanation.to_lowercase();
        AGE.iter().any(|words| explanation.contains(words))
    }
}

/// Where samples go.
#[derive(Debug)]
pub(super) struct Receiver {
    http: reqwest::Client,
    settings: RemoteWrite,
}

impl Receiver {
    pub(super) fn new(settings: RemoteWrite) -> Result<Self, RemoteWriteError> {
        // Where the program has installed one already it stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .timeout(ANSWER)
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(RemoteWriteError::Prepare)?;
        Ok(Self { http, settings })
    }

    /// Sends a request.
    pub(super) async fn send(&self, series: &[Series]) -> Result<(), RemoteWriteError> {
        let body = pack(series).map_err(RemoteWriteError::Pack)?;
        let mut request = self
            .http
            .post(&self.settings.url)
            .header(header::CONTENT_TYPE, "application/x-protobuf")
            .header(header::CONTENT_ENCODING, "snappy")
            .header(header::USER_AGENT, concat!("kouan-collector/", env!("CARGO_PKG_VERSION")))
            .header("X-Prometheus-Remote-Write-Version", "0.1.0");
        if let Some(path) = &self.settings.token_file {
            // Read each time: a token that was replaced counts at once.
            let token = tokio::fs::read_to_string(path).await;
            let token = token.map_err(|source| RemoteWriteError::Token { path: path.clone(), source })?;
            request = request.bearer_auth(token.trim());
        }
        let response = request.body(body).send().await;
        let mut response = response.map_err(|error| RemoteWriteError::NoAnswer(error.without_url()))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let retry_after =
            response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = retry_after.map(|seconds: u64| Duration::from_secs(seconds.clamp(1, 300)));
        let mut explanation = Vec::new();
        while explanation.len() < EXPLANATION
            && let Ok(Some(chunk)) = response.chunk().await
        {
            explanation.extend_from_slice(&chunk);
        }
        explanation.truncate(EXPLANATION);
        let explanation = String::from_utf8_lossy(&explanation).trim().to_owned();
        // Remote write 1.0: 5xx is tried again, and 429; other 4xx is not. A wrong address or token is no property of
        // the samples: they wait until somebody has put it right.
        Err(match status {
            StatusCode::BAD_REQUEST
            // Of Thanos, for samples that are out of order.
            | StatusCode::CONFLICT
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY => RemoteWriteError::Refused { status, explanation },
            _ => RemoteWriteError::Later { status, explanation, retry_after },
        })
    }
}
