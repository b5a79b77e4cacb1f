//! A small client of the collector's API.

use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// Longest time one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest list that is followed to its end.
const PAGES: usize = 1000;

/// A status and its JSON document.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The content type.
    pub content_type: String,
    /// The body; null when it is no JSON.
    pub body: Value,
}

/// Talks to `/api/v1` with a key.
#[derive(Debug, Clone)]
pub struct Api {
    http: Client,
    base: String,
    key: String,
}

impl Api {
    /// A client of the collector at `base`.
    ///
    /// # Errors
    /// When the client cannot be built.
    pub fn new(base: &str, key: &str) -> anyhow::Result<Self> {
        // The process-wide TLS implementation; a second call in one process is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().no_proxy().timeout(TIMEOUT).build().context("building an HTTP client failed")?;
        Ok(Self { http, base: base.to_owned(), key: key.to_owned() })
    }

    /// A client of the collector at `base` that accepts this certificate (PEM).
    ///
    /// # Errors
    /// When the certificate is none or the client cannot be built.
    pub fn with_certificate(base: &str, key: &str, certificate: &[u8]) -> anyhow::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let certificate = reqwest::Certificate::from_pem(certificate).context("reading a certificate failed")?;
        let client = Client::builder().no_proxy().timeout(TIMEOUT).tls_certs_only([certificate]);
        let http = client.build().context("building an HTTP client failed")?;
        Ok(Self { http, base: base.to_owned(), key: key.to_owned() })
    }

    /// The collector's address.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A request with the key; the path begins with a slash.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    /// Sends a request and reads the answer, whatever its status.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, request: RequestBuilder) -> anyhow::Result<Answer> {
        let response = request.send().await.context("the collector did not answer")?;
        let status = response.status();
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let body = response.bytes().await.context("the collector's answer ended early")?;
        Ok(Answer { status, content_type, body: serde_json::from_slice(&body).unwrap_or(Value::Null) })
    }

    /// Gets a document of `/api/v1`.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self.send(self.request(Method::GET, &format!("/api/v1{path}"))).await?;
        if !answer.status.is_success() {
            bail!("GET {path}: {} {}", answer.status, answer.body);
        }
        Ok(answer.body)
    }

    /// Gets every row of a list, page after page.
    ///
    /// # Errors
    /// When a page is refused.
    pub async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut rows = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES {
            let join = if path.contains('?') { '&' } else { '?' };
            let page = match &cursor {
                Some(cursor) => self.get(&format!("{path}{join}cursor={cursor}")).await?,
                None => self.get(path).await?,
            };
            let items = page["items"].as_array().with_context(|| format!("{path} is no list: {page}"))?;
            rows.extend(items.iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return Ok(rows),
            }
        }
        bail!("{path} did not end after {PAGES} pages")
    }

    /// Posts a JSON document to `/api/v1`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.send(self.request(Method::POST, &format!("/api/v1{path}")).json(body)).await
    }

    /// The device that its agent calls `key`, with its points.
    ///
    /// # Errors
    /// When there is none.
    pub async fn device(&self, key: &str) -> anyhow::Result<Value> {
        let devices = self.list("/devices").await?;
        let device = devices.iter().find(|device| device["key"] == key);
        let id = device.and_then(|device| device["id"].as_str());
        let id = id.with_context(|| format!("the collector knows no device {key}"))?;
        self.get(&format!("/devices/{id}")).await
    }

    /// The latest reading of a point, with value, unit, quality and times.
    ///
    /// # Errors
    /// When there is none.
    pub async fn point(&self, device: &str, point: &str) -> anyhow::Result<Value> {
        let device = self.device(device).await?;
        let points = device["points"].as_array().context("the device has no points")?;
        let found = points.iter().find(|candidate| candidate["point"] == point);
        found.cloned().with_context(|| format!("there is no point {point} in {device}"))
    }

    /// Asks for a command and returns it.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn command(&self, device: &str, action: &str, arguments: Value, life: Duration) -> anyhow::Result<Value> {
        let id = self.device_id(device).await?;
        let life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
        let body = json!({ "action": action, "arguments": arguments, "life_ms": life_ms });
        let answer = self.post(&format!("/devices/{id}/commands"), &body).await?;
        if !answer.status.is_success() {
            bail!("the command {action} was refused: {} {}", answer.status, answer.body);
        }
        Ok(answer.body)
    }

    /// Waits until the command has reached its end, and returns it.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn outcome(&self, command: &Value, timeout: Duration) -> anyhow::Result<Value> {
        let id = command["id"].as_str().context("the command has no id")?;
        let look = async || self.get(&format!("/commands/{id}")).await;
        crate::wait_until(&format!("the end of command {id}"), timeout, look, |seen| seen["final"] == true).await
    }

    /// The id of the device that its agent calls `key`.
    ///
    /// # Errors
    /// When there is none.
    pub async fn device_id(&self, key: &str) -> anyhow::Result<String> {
        let device = self.device(key).await?;
        device["id"].as_str().map(str::to_owned).context("the device has no id")
    }

    /// All events of a kind, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn events(&self, kind: &str) -> anyhow::Result<Vec<Value>> {
        self.list(&format!("/events?kind={kind}&limit=500")).await
    }
}
