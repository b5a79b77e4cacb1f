//! A small client of the collector's API.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use reqwest::Client;
use serde_json::{Value, json};

/// Talks to a collector with a key.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    http: Client,
    base: String,
    key: String,
}

impl Api {
    pub(crate) fn new(http: Client, base: String, key: String) -> Self {
        Self { http, base, key }
    }

    /// Reads a whole answer. Returns it and how long it took.
    pub(crate) async fn read(&self, path: &str) -> anyhow::Result<(bytes::Bytes, Duration)> {
        let started = Instant::now();
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.key);
        let response = request.send().await.with_context(|| format!("asking for {path} failed"))?;
        let status = response.status();
        let body = response.bytes().await.with_context(|| format!("the answer to {path} ended early"))?;
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        Ok((body, started.elapsed()))
    }

    /// An answer whose body is yet to be read.
    pub(crate) async fn open(&self, path: &str) -> anyhow::Result<reqwest::Response> {
        let request = self.http.get(format!("{}{path}", self.base)).bearer_auth(&self.key);
        let response = request.send().await.with_context(|| format!("asking for {path} failed"))?;
        ensure!(response.status().is_success(), "{path}: {}", response.status());
        Ok(response)
    }

    /// A document.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let (body, _) = self.read(path).await?;
        serde_json::from_slice(&body).with_context(|| format!("the answer to {path} is no JSON"))
    }

    /// Replaces something.
    pub(crate) async fn put(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.change(path, self.http.put(format!("{}{path}", self.base)).json(body)).await
    }

    /// Asks for something to be done.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.change(path, self.http.post(format!("{}{path}", self.base)).json(body)).await
    }

    /// Sends a text as it is.
    pub(crate) async fn post_text(&self, path: &str, body: String) -> anyhow::Result<Value> {
        let request = self.http.post(format!("{}{path}", self.base)).header("content-type", "text/csv").body(body);
        self.change(path, request).await
    }

    async fn change(&self, path: &str, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
        let response = request.bearer_auth(&self.key).send().await.with_context(|| format!("{path} failed"))?;
        let status = response.status();
        let body = response.bytes().await.with_context(|| format!("the answer to {path} ended early"))?;
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// The token of a new agent.
    pub(crate) async fn enrol(&self, agent: &str, site: &str) -> anyhow::Result<String> {
        let request = self.http.post(format!("{}/api/v1/agents", self.base)).bearer_auth(&self.key);
        let response = request.json(&json!({ "agent": agent, "site": site })).send().await?;
        let (status, answer) = (response.status(), response.json::<Value>().await?);
        ensure!(status.is_success(), "enrolling {agent} was refused: {status} {answer}");
        answer["token"].as_str().map(str::to_owned).context("the answer has no token")
    }

    /// The largest number of log entries that a reader is behind.
    pub(crate) async fn behind(&self) -> anyhow::Result<f64> {
        Ok(self.metrics().await?.largest("kouan_reader_lag_entries{"))
    }

    /// What the collector counts about itself.
    pub(crate) async fn metrics(&self) -> anyhow::Result<Metrics> {
        let (text, _) = self.read("/metrics").await?;
        Ok(Metrics(String::from_utf8_lossy(&text).into_owned()))
    }
}

/// Figures in the text format of Prometheus.
#[derive(Debug)]
pub(crate) struct Metrics(String);

impl Metrics {
    /// The largest of those whose lines begin so; 0 if there are none.
    pub(crate) fn largest(&self, begin: &str) -> f64 {
        self.values(begin).fold(0.0, f64::max)
    }

    /// All of those whose lines begin so.
    pub(crate) fn values<'m>(&'m self, begin: &'m str) -> impl Iterator<Item = f64> + 'm {
        let lines = self.0.lines().filter(move |line| line.starts_with(begin));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
    }
}
