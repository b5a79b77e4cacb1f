//! Requests over HTTPS, and what an answer means.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use kouan_protocol::session::{CommandDelivery, CommandPoll, Hello, MEDIA_TYPE, Receipt, Upload, Welcome};
use kouan_protocol::{Anchor, DecodeError, SessionId, frame, limits};
use reqwest::{Response, StatusCode, header};
use rustls::ClientConfig;
use secrecy::{ExposeSecret as _, SecretString};

use super::pace::patience;
use super::trust::{self, LastWrong, TrustError, WrongCertificate};
use crate::config::{CollectorConfig, TokenSource};

/// How long a connection may take to come up. A new attempt finds a line that is back sooner than an old one.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the other side may leave bytes without a sign that they arrived; then the line counts as cut.
const UNACKNOWLEDGED: Duration = Duration::from_secs(20);
/// An idle connection is tried after this time, and after three tries in vain it counts as cut.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEP_ALIVE_TRIES: u32 = 3;

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
    /// TLS could not be prepared.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The other side is not the collector that is trusted.
    #[error("{request} was not sent: {problem}")]
    Certificate {
        /// Which request.
        request: &'static str,
        /// What was expected and what came.
        #[source]
        problem: WrongCertificate,
    },
    /// No answer: the line is cut, or the name unknown.
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
    tls: ClientConfig,
    url: String,
    token: SecretString,
    request_timeout: Duration,
    wrong: LastWrong,
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
        let wrong = LastWrong::default();
        let tls = trust::tls(config.trust.as_ref(), &wrong)?;
        let http = connections(tls.clone())?;
        Ok(Self { http, tls, url: config.url.clone(), token, request_timeout: config.request_timeout, wrong })
    }

    /// The same client without connections. What an outage left half open is never used again, and costs no time.
    ///
    /// # Errors
    /// When the client cannot be prepared.
    pub fn renewed(&self) -> Result<Self, UplinkError> {
        Ok(Self { http: connections(self.tls.clone())?, ..self.clone() })
    }

    /// Asks whether the collector is there, without saying who asks. Shows whether its certificate is the right one.
    ///
    /// # Errors
    /// When it is not, or there is no answer.
    pub async fn greet(&self) -> Result<(), UplinkError> {
        let request = "greeting";
        let sent = self.http.get(format!("{}/healthz", self.url)).timeout(self.request_timeout).send().await;
        let response = sent.map_err(|cause| self.no_answer(request, cause))?;
        if response.status().is_success() { Ok(()) } else { Err(refusal(request, response).await) }
    }

    /// Says hello.
    ///
    /// # Errors
    /// When there is no welcome.
    pub async fn hello(&self, hello: &Hello) -> Result<Welcome, UplinkError> {
        let body = self.post("hello", hello.encode(), false, self.request_timeout).await?;
        Welcome::decode(&body).map_err(|cause| UplinkError::Answer { request: "hello", cause })
    }

    /// Sends batches or snapshots: `contents` is what [`Upload::encode_contents`] made, compressed.
    ///
    /// # Errors
    /// When there is no receipt; nothing is known then about what the collector stored.
    pub async fn upload(&self, session: SessionId, now: &Anchor, contents: Bytes) -> Result<Receipt, UplinkError> {
        let stamp = frame::compress(&Upload::encode_stamp(session, now))
            .map_err(|cause| UplinkError::Compress { request: "upload", cause })?;
        let body = [&stamp[..], &contents[..]].concat();
        let timeout = patience(self.request_timeout, body.len());
        let answer = self.post("upload", body, true, timeout).await?;
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
        let response = builder.send().await.map_err(|cause| self.no_answer(request, cause))?;
        if response.status().is_success() {
            return read_limited(request, response).await;
        }
        Err(refusal(request, response).await)
    }

    fn no_answer(&self, request: &'static str, cause: reqwest::Error) -> UplinkError {
        match self.wrong.take() {
            Some(problem) => UplinkError::Certificate { request, problem },
            None => UplinkError::NoAnswer { request, cause: cause.without_url() },
        }
    }
}

/// HTTP/1.1: requests at the same time have connections of their own, so that none waits behind the bytes of another.
fn connections(tls: ClientConfig) -> Result<reqwest::Client, UplinkError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .http1_only()
        .connect_timeout(CONNECT)
        .tcp_user_timeout(UNACKNOWLEDGED)
        .tcp_keepalive(KEEP_ALIVE)
        .tcp_keepalive_interval(KEEP_ALIVE_EVERY)
        .tcp_keepalive_retries(KEEP_ALIVE_TRIES)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .map_err(UplinkError::Prepare)
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
