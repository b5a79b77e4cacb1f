//! Requests over HTTPS, and what an answer means.

use std::path::PathBuf;
use std::time::Duration;

use kouan_protocol::session::{CommandDelivery, CommandPoll, Hello, MEDIA_TYPE, Receipt, Upload, Welcome};
use kouan_protocol::{DecodeError, frame, limits};
use reqwest::{Response, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{CollectorConfig, TokenSource};

/// A request to the collector did not lead to an answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum UplinkError {
    /// The client could not be prepared.
    #[error("preparing the connection to the collector failed: {0}")]
    Prepare(#[source] reqwest::Error),
    /// A file that the connection needs could not be read.
    #[error("reading {path} failed: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// No answer: the line is cut, the name unknown, the certificate wrong.
    #[error("{request} got no answer: {}", chain(.cause))]
    NoAnswer {
        /// Which request.
        request: &'static str,
        /// What went wrong.
        #[source]
        cause: reqwest::Error,
    },
    /// The collector is busy and says when to come again.
    #[error("{request}: the collector asks to wait {} s", .retry_after.as_secs())]
    Busy {
        /// Which request.
        request: &'static str,
        /// How long to wait.
        retry_after: Duration,
    },
    /// The collector wants a new hello.
    #[error("{request}: the collector asks for a new hello: {detail}")]
    HelloRequired {
        /// Which request.
        request: &'static str,
        /// What it said.
        detail: String,
    },
    /// The collector refused the request.
    #[error("{request} was refused with {status}: {detail}")]
    Refused {
        /// Which request.
        request: &'static str,
        /// The HTTP status.
        status: StatusCode,
        /// What it said.
        detail: String,
    },
    /// The answer cannot be read.
    #[error("the answer to {request} cannot be read: {cause}")]
    Answer {
        /// Which request.
        request: &'static str,
        /// What is wrong with it.
        #[source]
        cause: DecodeError,
    },
    /// The body could not be compressed.
    #[error("compressing {request} failed: {cause}")]
    Compress {
        /// Which request.
        request: &'static str,
        /// What zstd said.
        #[source]
        cause: std::io::Error,
    },
    /// The buffer refused.
    #[error("the buffer refused: {0}")]
    Buffer(#[from] crate::buffer::BufferError),
    /// The journal refused.
    #[error("the journal refused: {0}")]
    Journal(#[from] crate::commands::JournalError),
}

/// The whole chain of causes: the outermost alone rarely says what is wrong.
fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// Talks to one collector.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: SecretString,
    request_timeout: Duration,
}

/// What a collector's error document says.
#[derive(serde::Deserialize)]
struct Problem {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    detail: String,
}

impl Client {
    /// Reads the token and the certificates.
    ///
    /// # Errors
    /// When a file cannot be read or is no certificate.
    pub fn new(config: &CollectorConfig) -> Result<Self, UplinkError> {
        let read =
            |path: &PathBuf| std::fs::read(path).map_err(|cause| UplinkError::File { path: path.clone(), cause });
        let token = match &config.token {
            TokenSource::Inline(token) => token.clone(),
            TokenSource::File(path) => SecretString::from(String::from_utf8_lossy(&read(path)?).trim().to_owned()),
        };
        let mut builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if let Some(path) = &config.ca_file {
            let certificates = reqwest::Certificate::from_pem_bundle(&read(path)?).map_err(UplinkError::Prepare)?;
            builder = builder.tls_certs_only(certificates);
        } else {
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(UplinkError::Prepare)?;
        Ok(Self { http, url: config.url.clone(), token, request_timeout: config.request_timeout })
    }

    /// Says hello.
    ///
    /// # Errors
    /// When there is no welcome.
    pub async fn hello(&self, hello: &Hello) -> Result<Welcome, UplinkError> {
        let body = self.post("hello", hello.encode(), false, self.request_timeout).await?;
        Welcome::decode(&body).map_err(|cause| UplinkError::Answer { request: "hello", cause })
    }

    /// Sends batches or snapshots.
    ///
    /// # Errors
    /// When there is no receipt; nothing is known then about what the collector stored.
    pub async fn upload(&self, upload: Upload) -> Result<Receipt, UplinkError> {
        let plain = upload.encode();
        let body = frame::compress(&plain).map_err(|cause| UplinkError::Compress { request: "upload", cause })?;
        let answer = self.post("upload", body, true, self.request_timeout).await?;
        Receipt::decode(&answer).map_err(|cause| UplinkError::Answer { request: "upload", cause })
    }

    /// Waits for commands.
    ///
    /// # Errors
    /// When there is no answer. Commands in a lost answer come again with the next poll.
    pub async fn commands(&self, poll: CommandPoll) -> Result<CommandDelivery, UplinkError> {
        let timeout = self.request_timeout + Duration::from_millis(poll.wait_ms.into());
        let body = self.post("commands", poll.encode(), false, timeout).await?;
        CommandDelivery::decode(&body).map_err(|cause| UplinkError::Answer { request: "commands", cause })
    }

    async fn post(
        &self,
        request: &'static str,
        body: Vec<u8>,
        compressed: bool,
        timeout: Duration,
    ) -> Result<Vec<u8>, UplinkError> {
        let mut builder = self
            .http
            .post(format!("{}/agent/v1/{request}", self.url))
            .bearer_auth(self.token.expose_secret())
            .header(header::CONTENT_TYPE, MEDIA_TYPE)
            .timeout(timeout)
            .body(body);
        if compressed {
            builder = builder.header(header::CONTENT_ENCODING, "zstd");
        }
        let no_answer = |cause: reqwest::Error| UplinkError::NoAnswer { request, cause: cause.without_url() };
        let response = builder.send().await.map_err(no_answer)?;
        if response.status().is_success() {
            return read_limited(request, response).await;
        }
        Err(refusal(request, response).await)
    }
}

async fn read_limited(request: &'static str, mut response: Response) -> Result<Vec<u8>, UplinkError> {
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await.map_err(|cause| UplinkError::NoAnswer { request, cause })?;
        let Some(chunk) = chunk else { return Ok(body) };
        if body.len() + chunk.len() > limits::BODY_BYTES {
            let cause = DecodeError::TooLarge {
                what: "answer bytes",
                actual: (body.len() + chunk.len()) as u64,
                limit: limits::BODY_BYTES as u64,
            };
            return Err(UplinkError::Answer { request, cause });
        }
        body.extend_from_slice(&chunk);
    }
}

async fn refusal(request: &'static str, response: Response) -> UplinkError {
    let status = response.status();
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(|seconds: u64| Duration::from_secs(seconds.clamp(1, 300)));
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return UplinkError::Busy { request, retry_after: retry_after.unwrap_or(Duration::from_secs(2)) };
    }
    let body = read_limited(request, response).await.unwrap_or_default();
    let problem: Option<Problem> = serde_json::from_slice(&body).ok();
    let detail = problem.as_ref().map_or_else(
        || String::from_utf8_lossy(&body).chars().take(200).collect(),
        |problem| if problem.detail.is_empty() { problem.title.clone() } else { problem.detail.clone() },
    );
    if status == StatusCode::CONFLICT && problem.is_some_and(|problem| problem.kind.ends_with("hello-required")) {
        return UplinkError::HelloRequired { request, detail };
    }
    UplinkError::Refused { request, status, detail }
}
